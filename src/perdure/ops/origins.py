"""Where a sealed value that does not open in its place was sealed for.

A sealed value opens nowhere but in its own place, so whoever opens it knows where that is: other
columns, other rows and other subjects of the same database are tried, as many as ``TRIES_MAX``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from typing import Any

from perdure.kernel import sealed
from perdure.kernel.engine import Engine, Params, Rows, Session
from perdure.kernel.queries import Query
from perdure.kernel.sealed import Column
from perdure.kernel.sealing import Keys, Owner, Seal
from perdure.kernel.tables import Table
from perdure.kernel.transaction import slice_of

from .places import REFUSALS, Key, Stored, owner_of, stored_rows

TRIES_MAX = 10_000
Everybody = Callable[[], Iterator[tuple[int, str]]]


@dataclass(frozen=True, slots=True)
class Origin:
    """A place of a sealed value, and how it is called as seen from another one."""

    seal: Seal
    kind: str
    id: str
    column: Column
    table: Table
    key: Key
    subject: str

    def refusal(self, closed: bytes) -> str | None:
        """Say why a value does not open here; None: it was sealed for this place."""
        try:
            self.seal.open(closed, self.kind, self.id, self.column.name)
        except REFUSALS as error:
            return error.message
        return None

    def named(self, table: Table, key: Key, subject: str) -> str:
        """Name the place as seen from a row."""
        name = self.column.name
        if (table, key, subject) == (self.table, self.key, self.subject):
            return name
        row = f"{name} of the row {self.table.named(self.key)} of {self.table.name}"
        return row if subject == self.subject else f"{row} of subject {self.subject!r}"


@dataclass(frozen=True, slots=True)
class Origins:
    """The search through one database."""

    database: Engine
    tables: Sequence[Table]
    keys: Keys | None
    everybody: Everybody

    def explain(
        self, table: Table, model: type[Any], key: Key, stored: Stored, owner: Owner
    ) -> tuple[str, str] | None:
        """Say which column does not open and where its value comes from; None if all open."""
        for own in _places(table, model, key, stored, owner):
            if (value := stored[own.column.place]) is None:
                continue
            closed = own.column.closed(value)
            if (refusal := own.refusal(closed)) is None:
                continue
            for other in islice(self._others(table, owner), TRIES_MAX):
                if other.refusal(closed) is None:
                    origin = other.named(table, key, owner.subject)
                    said = f"{own.column.name} holds what was sealed for {origin}"
                    return "row_sealed_elsewhere", f"was changed: {said}"
            return "row_does_not_open", f"was changed: {refusal}"
        return None

    def _others(self, first: Table, owner: Owner) -> Iterator[Origin]:
        """Give places, the nearest first."""
        tables = sorted(self.tables, key=lambda table: table is not first)
        yield from self._of(tables, owner)
        for _, subject in self.everybody():
            other = owner_of(self.keys, subject)
            if other is not None and other.subject != owner.subject:
                yield from self._of(tables, other)

    def _of(self, tables: Sequence[Table], owner: Owner) -> Iterator[Origin]:
        ask = partial(_ask, self.database, owner.subject)
        place = {"slice": slice_of(owner.subject), "subject": owner.subject}
        for table in tables:
            if table.model is not None:
                names = [field.name for field in fields(table.model)]
                for key, stored in stored_rows(ask, table, names, place):
                    yield from _places(table, table.model, key, stored, owner)


def _ask(database: Engine, subject: str, query: Query, params: Params) -> Rows:
    def unit(session: Session) -> Rows:
        return session.rows(query, params)

    return database.read(subject, unit)


def _places(table: Table, model: type, key: Key, stored: Stored, owner: Owner) -> Iterator[Origin]:
    """Give the places of a row's sealed values."""
    if owner.seal is not None:
        how = sealed.shape(model)
        id = how.id([stored[place] for place, _ in how.ids])
        for column in how.personal:
            yield Origin(owner.seal, how.kind, id, column, table, key, owner.subject)
