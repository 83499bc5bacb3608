"""Verify the rows of read models: each against its digest and, if asked, against a replay.

A digest names the place of its row, so a row that was moved is traced to where it came from.
What was removed shows only in a replay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from perdure.errors import Tampered
from perdure.kernel import rows
from perdure.kernel.engine import Engine, Params, Rows, Session
from perdure.kernel.queries import Query
from perdure.kernel.transaction import slice_of

from .places import slices, subjects
from .replaying import Replay
from .report import Ledger
from .shadow import Shadows
from .tables import DIGEST, ROWS_A_PAGE, Table, quoted, statements

CANDIDATES_MAX = 10_000
DIFFERENCES_MAX = 100
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class SubjectRows:
    """The rows of one subject in one database."""

    database: Engine
    tables: Sequence[Table]
    slice: int
    subject: str
    ledger: Ledger

    @property
    def place(self) -> dict[str, object]:
        return {"slice": self.slice, "subject": self.subject}

    def verify(self) -> set[tuple[str, Key]]:
        """Verify every digest; return which rows were told of."""
        told: set[tuple[str, Key]] = set()
        for table in self.tables:
            if table.model is not None:
                for key in self._table(table, table.model):
                    told.add((table.name, key))
        return told

    def compare(self, shadows: Shadows, kinds: frozenset[str], told: set[tuple[str, Key]]) -> None:
        """Replay the subject and hold its rows against the result."""
        replay = Replay(shadows, kinds, self.slice, self.subject)
        try:
            found = replay.run(partial(_differences, replay)) or []
        except Tampered as error:
            self.ledger.notes[f"{self.subject!r} can not be replayed: {error.message}"] = None
            return
        for table, key, kind in found:
            if (table.name, key) not in told:
                self._tell(table, key, kind, SENTENCES[kind])

    def _table(self, table: Table, model: type[Any]) -> Iterator[Key]:
        """Verify the rows of a table page by page; give the keys of those that do not fit."""
        names = [field.name for field in fields(model)]
        columns = ", ".join(map(quoted, (*names, DIGEST)))
        params: dict[str, object] = {**self.place, "most": ROWS_A_PAGE}
        beyond = ""
        while True:
            query = table.ask(statements.stored_rows, columns=columns, beyond=beyond)
            page = self.database.read(self.subject, partial(_rows, query, dict(params)))
            for row in page:
                key, stored = tuple(row[: len(table.key)]), row[len(table.key) :]
                self.ledger.counts["rows"] += 1
                if not self._fits(model, stored):
                    yield key
                    self._explain(table, model, key, stored)
            if len(page) < ROWS_A_PAGE:
                return
            beyond = _beyond(table)
            last = page[-1][: len(table.key)]
            params |= {f"after_{chr(97 + n)}": value for n, value in enumerate(last)}

    def _fits(self, model: type[Any], stored: Sequence[object]) -> bool:
        return self.slice == slice_of(self.subject) and _is_of(
            model, stored, self.slice, self.subject
        )

    def _explain(self, table: Table, model: type[Any], key: Key, stored: Sequence[object]) -> None:
        for slice, subject in islice(self._everybody(), CANDIDATES_MAX):
            if _is_of(model, stored, slice, subject):
                self._tell(table, key, "row_moved", f"was moved here from subject {subject!r}")
                return
        self._tell(table, key, "row_changed", "was changed: its digest does not fit")

    def _everybody(self) -> Iterator[tuple[int, str]]:
        for slice in slices(self.database):
            for subject in subjects(self.database, slice):
                yield slice, subject

    def _tell(self, table: Table, key: Key, kind: str, what: str) -> None:
        row = f"the row {table.named(key)} of {table.name}"
        sentence = f"{row} of subject {self.subject!r} {what}"
        self.ledger.tell(kind, sentence, f"table {table.name}, subject {self.subject!r}")


SENTENCES: Mapping[str, str] = {
    "row_removed": "was removed: the log says it was written",
    "row_added": "was never written: the log does not know it",
    "row_differs": "is not what a replay of the log gives",
}


def _is_of(model: type[Any], stored: Sequence[object], slice: int, subject: str) -> bool:
    try:
        rows.read(model, list(map(_plain, stored)), slice=slice, subject=subject)
    except (Tampered, ValueError, TypeError, AttributeError, msgspec.MsgspecError):
        return False  # what can not even be built was not written by us
    return True


def _plain(value: object) -> object:
    """Write an array of PostgreSQL as the JSON text that dataclasses are read from."""
    return msgspec.json.encode(value).decode() if isinstance(value, list) else value


def _beyond(table: Table) -> str:
    columns = ", ".join(map(quoted, table.key))
    places = ", ".join(f":after_{chr(97 + n)}" for n in range(len(table.key)))
    return f"and ({columns}) > ({places})"


def _rows(query: Query, params: Params, session: Session) -> Rows:
    return session.rows(query, params)


def _differences(replay: Replay, session: Session) -> list[tuple[Table, Key, str]]:
    """Compare live and replayed rows, then empty the shadows."""
    found: list[tuple[Table, Key, str]] = []
    kinds = {str(s): str(t) for s, t in session.rows(statements.streams_by_type, replay.place)}
    for table in replay.shadows.tables:
        columns = _compared(table, session.dialect)
        live, replayed = (
            _keys(session, table, table.ask(query, columns=columns), replay)
            for query in (statements.only_live, statements.only_replayed)
        )
        for key in {**dict.fromkeys(live), **dict.fromkeys(replayed)}:
            if table.domain == "kernel" and kinds.get(_stream(table, key)) not in replay.kinds:
                continue
            found.append((table, key, _kind(key in live, key in replayed)))
    replay.shadows.clear(session, replay.slice, replay.subject)
    return found


def _kind(is_live: bool, is_replayed: bool) -> str:
    if is_live and is_replayed:
        return "row_differs"
    return "row_added" if is_live else "row_removed"


def _compared(table: Table, dialect: str) -> str:
    """Write all columns so that they can be compared; PostgreSQL's json knows no equality."""
    form = "{}" if dialect == "sqlite" else "cast({} as text)"
    return ", ".join(form.format(quoted(column)) for column in table.columns)


def _keys(session: Session, table: Table, query: Query, replay: Replay) -> list[Key]:
    found = session.rows(query, {**replay.place, "most": DIFFERENCES_MAX})
    return [tuple(row[: len(table.key)]) for row in found]


def _stream(table: Table, key: Key) -> str:
    return str(key[table.key.index("stream")])
