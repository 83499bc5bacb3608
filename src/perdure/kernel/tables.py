"""The tables of a database as its schema has them: whose rows they hold, their key, their
dataclass.

A domain names the tables of its read models in ``TABLES``, those that refer to others first.
Nothing here changes anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from graphlib import TopologicalSorter
from typing import Any

from perdure.errors import Invalid

from . import replay
from .engine import Session
from .log import statements
from .queries import Query

KERNEL_TABLES = ("perdure_snapshots",)
OWNERS = ("subject", "user_id")
DIGEST = "digest"


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


def described(session: Session, names: Mapping[str, Sequence[str]]) -> list[Table]:
    """Look the tables of domains up in the schema, the kernel's own last."""
    wanted = [(domain, table) for domain, tables in names.items() for table in tables]
    wanted += [("kernel", table) for table in KERNEL_TABLES]
    return [_described(session, domain, table) for domain, table in wanted]


def _described(session: Session, domain: str, name: str) -> Table:
    columns, key = _columns(session, name)
    owner = next((one for one in OWNERS if one in columns), "")
    if not owner or not key:
        raise Invalid(
            f"the table {name} has no key or no subject", value=name, remedy="run 'perdure migrate'"
        )
    model = _model(domain, frozenset(columns) - {"slice", owner, DIGEST})
    return Table(name, domain, owner, key, columns, model if DIGEST in columns else None)


def _columns(session: Session, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give a table's columns, and those of its key."""
    found = session.rows(statements.table_columns, {"table": name})
    places = sorted((int(place), str(column)) for column, place in found if place)
    return tuple(str(column) for column, _ in found), tuple(column for _, column in places)


def _model(domain: str, columns: frozenset[str]) -> type[Any] | None:
    """Find the dataclass whose fields are these columns."""
    kinds = (replay.Snapshot,) if domain == "kernel" else _dataclasses(domain)
    for kind in kinds:
        if {field.name for field in fields(kind)} == columns:
            return kind
    return None


def _dataclasses(domain: str) -> Iterator[type[Any]]:
    package = f"perdure.domains.{domain}"
    for name in sorted(sys.modules):
        if f"{name}.".startswith(f"{package}."):
            for value in vars(sys.modules[name]).values():
                if isinstance(value, type) and is_dataclass(value):
                    yield value


@dataclass(frozen=True, slots=True)
class Holding:
    """A table with rows of subjects, whoever made it, and the role that may delete them."""

    name: str
    owner: str
    role: str
    key: tuple[str, ...]

    def ask(self, query: Query) -> Query:
        """Fill a statement that serves every table; one without a key has its rows' places."""
        own = filled(query, {"table": quoted(self.name), "owner": self.owner})
        key = ", ".join(map(quoted, self.key))
        sqlite, postgres = (
            text.replace("{key}", key or place)
            for text, place in ((own.sqlite, "rowid"), (own.postgres, "ctid"))
        )
        return Query(query.name, sqlite, postgres, self.role)


def holdings(session: Session) -> list[Holding]:
    """Find every table of the schema that holds rows of a subject, the log and the tombstones
    aside; those that refer to others first. A new table can not be left out by mistake.
    """
    found: dict[str, tuple[str, str]] = {}
    refers = TopologicalSorter[str]()
    for name, owner, role, other in session.rows(statements.holdings, {}):
        found.setdefault(name, (owner, role))
        refers.add(name)
        if other is not None:
            refers.add(other, name)
    return [
        Holding(name, *found[name], _columns(session, name)[1])
        for name in refers.static_order()
        if name in found
    ]
