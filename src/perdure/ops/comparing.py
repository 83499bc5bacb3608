"""Hold the live rows of a subject against those a replay gave, inside one transaction.

The database compares what is clear, digests included: a keyed digest is the same for the same
content, however often that was sealed. Sealed columns that no digest covers are opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from perdure.kernel import sealed
from perdure.kernel.engine import Session
from perdure.kernel.queries import Query
from perdure.kernel.tables import DIGEST, Table, quoted

from .places import REFUSALS, Key, plain, stored_rows
from .replaying import Replay
from .tables import statements

DIFFERENCES_MAX = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that a replay gives otherwise, or that only one side has, and which columns differ."""

    table: Table
    key: Key
    kind: str
    columns: tuple[str, ...] = ()

    @property
    def is_sealed_only(self) -> bool:
        """Say whether nothing but sealed columns differs."""
        return bool(self.columns) and {*self.columns} <= personal(self.table)


def personal(table: Table) -> set[str]:
    """Give the columns of a table that are sealed where a vault is open."""
    model: type | None = table.model
    return set() if model is None else {column.name for column in sealed.shape(model).personal}


def differences(replay: Replay, session: Session) -> list[Difference]:
    """Compare live and replayed rows, then empty the shadows."""
    kinds = {str(s): str(t) for s, t in session.rows(statements.streams_by_type, replay.place)}
    found = [
        one
        for table in replay.shadows.tables
        for one in _of_table(replay, session, table)
        if table.domain != "kernel" or kinds.get(_stream(one)) in replay.kinds
    ]
    replay.shadows.clear(session, replay.slice, replay.owner.subject)
    return found


def _of_table(replay: Replay, session: Session, table: Table) -> Iterator[Difference]:
    hidden = personal(table) if replay.owner.seal is not None else set()
    columns = _comparable(session, [name for name in table.columns if name not in hidden])
    live, replayed = (
        _keys(session, table, table.ask(query, columns=columns), replay)
        for query in (statements.only_live, statements.only_replayed)
    )
    outdated = _outdated(replay, session, table) if hidden & _loose(table) else ()
    for key in dict.fromkeys((*live, *replayed, *outdated)):
        if key in live and key not in replayed:
            yield Difference(table, key, "row_added")
        elif key in replayed and key not in live:
            yield Difference(table, key, "row_removed")
        else:
            yield Difference(table, key, "row_differs", _columns(replay, session, table, key))


def _outdated(replay: Replay, session: Session, table: Table) -> Iterator[Key]:
    """Give the keys of rows that differ in a sealed column that no digest covers."""
    live, replayed = (
        dict(stored_rows(session.rows, table, _names(table), replay.place, names))
        for names in ({}, replay.shadows.names)
    )
    for key in live.keys() & replayed.keys():
        if _opened(replay, table, live[key]) != _opened(replay, table, replayed[key]):
            yield key


def _columns(replay: Replay, session: Session, table: Table, key: Key) -> tuple[str, ...]:
    """Name the columns in which two rows differ."""
    same = " and ".join(f"{quoted(name)} = :key_{chr(97 + n)}" for n, name in enumerate(table.key))
    params = {f"key_{chr(97 + n)}": value for n, value in enumerate(key)}
    names = _names(table)
    query = table.ask(
        statements.row_at, columns=", ".join(map(quoted, names)), beyond=f"and {same}"
    )
    live, replayed = (
        _opened(replay, table, [*map(plain, session.rows(one, {**replay.place, **params})[0])])
        for one in (query, query.renamed(replay.shadows.names))
    )
    return tuple(name for name, a, b in zip(names, live, replayed, strict=True) if a != b)


def _names(table: Table) -> list[str]:
    if table.model is None:
        return list(table.columns)
    return [*(field.name for field in fields(table.model)), DIGEST]


def _loose(table: Table) -> set[str]:
    """Give the columns that the digest leaves out."""
    model = table.model
    return set() if model is None else {f.name for f in fields(model) if f.metadata.get("loose")}


def _opened(replay: Replay, table: Table, stored: Sequence[Any]) -> list[Any]:
    """Open a row; what can not be opened stays as it is and equals nothing."""
    if replay.owner.seal is None or table.model is None:
        return list(stored)
    try:
        return [*sealed.reopen(table.model, stored[:-1], replay.owner.seal), stored[-1]]
    except REFUSALS:
        return list(stored)


def _comparable(session: Session, columns: Sequence[str]) -> str:
    """Write columns so that they can be compared; PostgreSQL's json knows no equality."""
    form = "{}" if session.dialect == "sqlite" else "cast({} as text)"
    return ", ".join(form.format(quoted(column)) for column in columns)


def _keys(session: Session, table: Table, query: Query, replay: Replay) -> list[Key]:
    found = session.rows(query, {**replay.place, "most": DIFFERENCES_MAX})
    return [tuple(row[: len(table.key)]) for row in found]


def _stream(one: Difference) -> str:
    return str(one.key[one.table.key.index("stream")])
