"""The tables of read models as the database has them: whose they are, their key, their dataclass.

A domain names its tables in ``TABLES``, those that refer to others first. Nothing here changes
anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from typing import Any

from perdure import store
from perdure.errors import Invalid
from perdure.kernel import events, queries, replay
from perdure.kernel.engine import Session
from perdure.kernel.queries import Query

statements = queries.load(__file__)

KERNEL_TABLES = ("perdure_snapshots",)
OWNERS = ("subject", "user_id")
DIGEST = "digest"
ROWS_A_PAGE = 500


@dataclass(frozen=True, slots=True)
class Table:
    """A read model's table."""

    name: str
    domain: str
    owner: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    model: type[Any] | None

    def ask(self, query: Query, *, columns: str = "", beyond: str = "") -> Query:
        """Fill a statement that serves every table."""
        words = {
            "table": self.name, "owner": self.owner, "key": ", ".join(map(quoted, self.key)),
            "columns": columns, "beyond": beyond,
        }  # fmt: skip
        return filled(query, words)

    def named(self, key: Sequence[object]) -> str:
        """Write a row's key for people, without slice and subject."""
        pairs = zip(self.key, key, strict=True)
        return ", ".join(f"{k}={v}" for k, v in pairs if k not in ("slice", self.owner))


def filled(query: Query, words: Mapping[str, str]) -> Query:
    """Put names from the schema into a statement."""
    sqlite, postgres = query.sqlite, query.postgres
    for word, text in words.items():
        sqlite, postgres = (one.replace(f"{{{word}}}", text) for one in (sqlite, postgres))
    return Query(query.name, sqlite, postgres, query.role)


def quoted(name: str) -> str:
    """Write a column's name as SQL."""
    return f'"{name}"'


def domains() -> dict[str, tuple[str, ...]]:
    """Give every domain with its tables."""
    found = {}
    for name, _ in store.PACKAGES:
        if name != "kernel":
            module = import_module(f"perdure.domains.{name}")
            found[name] = tuple(getattr(module, "TABLES", ()))
    return found


def chosen(names: Iterable[str] | None) -> dict[str, tuple[str, ...]]:
    """Give the named domains with their tables; None is all of them."""
    known = domains()
    if names is None:
        return known
    wanted = tuple(names)
    for name in wanted:
        if name not in known:
            raise Invalid(
                f"there is no domain {name!r}", value=name, remedy=f"choose of {', '.join(known)}"
            )
    return {name: known[name] for name in wanted}


def kinds_of(names: Iterable[str]) -> frozenset[str]:
    """Give the types of events that these domains declare."""
    packages = tuple(f"perdure.domains.{name}." for name in names)
    return frozenset(
        name
        for name, kind in events.registry.by_name.items()
        if f"{kind.cls.__module__}.".startswith(packages)
    )


def described(session: Session, names: Mapping[str, Sequence[str]]) -> list[Table]:
    """Look the tables of domains up in the schema, the kernel's own last."""
    wanted = [(domain, table) for domain, tables in names.items() for table in tables]
    wanted += [("kernel", table) for table in KERNEL_TABLES]
    return [_described(session, domain, table) for domain, table in wanted]


def _described(session: Session, domain: str, name: str) -> Table:
    found = session.rows(statements.table_columns, {"table": name})
    columns = tuple(str(column) for column, _ in found)
    places = sorted((int(place), str(column)) for column, place in found if place)
    owner = next((one for one in OWNERS if one in columns), "")
    if not owner or not places:
        raise Invalid(
            f"the table {name} has no key or no subject", value=name, remedy="run 'perdure migrate'"
        )
    key = tuple(column for _, column in places)
    model = _model(domain, frozenset(columns) - {"slice", owner, DIGEST})
    return Table(name, domain, owner, key, columns, model if DIGEST in columns else None)


def _model(domain: str, columns: frozenset[str]) -> type[Any] | None:
    """Find the dataclass whose fields are these columns."""
    for kind in _dataclasses(domain):
        if {field.name for field in fields(kind)} == columns:
            return kind
    return None


def _dataclasses(domain: str) -> Iterator[type[Any]]:
    if domain == "kernel":
        yield replay.Snapshot
        return
    package = f"perdure.domains.{domain}"
    for name in sorted(sys.modules):
        if f"{name}.".startswith(f"{package}."):
            for value in vars(sys.modules[name]).values():
                if isinstance(value, type) and is_dataclass(value):
                    yield value
