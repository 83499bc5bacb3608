"""Named statements in ``queries.sql`` files; ``queries.postgres.sql`` repeats only what must
differ.

A block starts with ``-- name: word`` and may name, in brackets, the database role that alone may
run it on PostgreSQL: ``-- name: heads (reader)``. Parameters are ``:words``. Nothing here talks
to a database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^-- name: (\w+)(?: \((\w+)\))?[^\n]*\n", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)\b")
_COMMENT = re.compile(r"^\s*--[^\n]*\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One statement in both dialects, with the role it needs."""

    name: str
    sqlite: str
    postgres: str
    role: str = "app"
    names: tuple[str, ...] = field(init=False)
    numbered: str = field(init=False)

    def __post_init__(self) -> None:
        numbered, names = _number(self.postgres)
        object.__setattr__(self, "numbered", numbered)
        object.__setattr__(self, "names", names)

    def renamed(self, tables: dict[str, str]) -> Query:
        """Return the same statement over other tables (a rebuild writes to shadow tables)."""
        pattern = re.compile(r"\b(" + "|".join(map(re.escape, tables)) + r")\b")

        def swap(text: str) -> str:
            return pattern.sub(lambda match: tables[match[1]], text)

        return Query(self.name, swap(self.sqlite), swap(self.postgres), self.role)

    def over(self, table: str) -> Query:
        """Fill the ``{table}`` of a statement that serves every table."""
        sqlite, postgres = (text.replace("{table}", table) for text in (self.sqlite, self.postgres))
        return Query(f"{self.name}.{table}", sqlite, postgres, self.role)


class Queries:
    """The statements of one package, as attributes."""

    def __init__(self, statements: dict[str, Query]) -> None:
        self._statements = statements
        vars(self).update(statements)  # found without a call: a unit of work asks seven times

    def __getattr__(self, name: str) -> Query:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"no query is named {name!r}") from None

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._statements.values())


def load(module_file: str, *, role: str = "app") -> Queries:
    """Read the statements beside a module; ``role`` is the role where a block names none."""
    folder = Path(module_file).parent
    sqlite = _blocks(folder / "queries.sql", role)
    differing = _blocks(folder / "queries.postgres.sql", role)
    return Queries(
        {
            name: Query(
                name,
                sqlite.get(name, ("", ""))[0],
                differing.get(name, sqlite.get(name, ("", "")))[0],
                (differing.get(name) or sqlite[name])[1],
            )
            for name in {**sqlite, **differing}
        }
    )


def _blocks(path: Path, role: str) -> dict[str, tuple[str, str]]:
    if not path.exists():
        return {}
    _, *parts = _BLOCK.split(path.read_text("utf-8"))
    triples = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return {
        name: (_COMMENT.sub("", body).strip().rstrip(";"), own or role)
        for name, own, body in triples
    }


def _number(text: str) -> tuple[str, tuple[str, ...]]:
    names: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    return _PARAMETER.sub(place, text), tuple(names)
