"""Verify the rows of read models: each against its digest and, if asked, against a replay.

A digest names the place of its row, so a row that was moved is traced to where it came from.
What was removed shows only in a replay; with a vault open, so does a whole older row put back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from perdure.errors import Conflict
from perdure.kernel import log, sealed
from perdure.kernel.engine import Engine, Params, Rows, Session
from perdure.kernel.queries import Query
from perdure.kernel.sealing import Keys, Owner
from perdure.kernel.tables import DIGEST, Table, holdings
from perdure.kernel.transaction import slice_of

from .comparing import Difference, differences
from .origins import Origins
from .places import REFUSALS, Key, Stored, owner_of, slices, stored_rows, subjects
from .replaying import Replay
from .report import Ledger
from .shadow import Shadows
from .tables import statements

CANDIDATES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: its kind, and how its sentence ends."""

    table: Table
    key: Key
    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class SubjectRows:
    """The rows of one subject in one database."""

    database: Engine
    tables: Sequence[Table]
    slice: int
    subject: str
    keys: Keys | None
    ledger: Ledger

    @property
    def place(self) -> dict[str, object]:
        return {"slice": self.slice, "subject": self.subject}

    def verify(self, shadows: Shadows | None, kinds: frozenset[str]) -> None:
        """Verify every digest; with shadows, hold the rows against a replay, too."""
        tombstone = self._ask(log.statements.tombstone)
        owner = owner_of(self.keys, self.subject)
        if tombstone:
            is_done = bool(tombstone[0][-1])
            self._forgotten(is_done=is_done)
            if is_done and self.keys is not None and owner is not None:
                self.ledger.tell(
                    "forgotten_key_is_back",
                    f"subject {self.subject!r} was forgotten, but the key store has its key: an"
                    " older key store was put back; forget it once more, then rotate",
                    f"subject {self.subject!r}",
                )
        elif owner is None and self._count(statements.count_unerased):
            self._locked()
        else:
            faults = {(one.table.name, one.key): one for one in self._faults(owner)}
            if shadows is not None and owner is not None:
                faults |= self._replayed(Replay(shadows, kinds, self.slice, owner), faults)
            for fault in faults.values():
                self._tell(fault)

    # -- whose keys are gone

    def _forgotten(self, *, is_done: bool) -> None:
        """Expect that nothing is left."""
        if not is_done:
            self.ledger.notes[f"forgetting {self.subject!r} has begun and is not finished"] = None
            return
        for what in self._left():
            sentence = f"subject {self.subject!r} was forgotten, but {what}"
            self.ledger.tell("forgotten_is_back", sentence, f"subject {self.subject!r}")

    def _locked(self) -> None:
        """Say that what is there can not be read: nobody knows whether somebody was forgotten."""
        left = ", ".join(self._left())
        self.ledger.tell(
            "key_missing",
            f"the vault has no key for subject {self.subject!r}: {left}; the subject was forgotten"
            " after this copy was made, or the key store is older than the data",
            f"subject {self.subject!r}",
        )

    def _left(self) -> Iterator[str]:
        if payloads := self._count(statements.count_unerased):
            yield f"the log holds {payloads} payloads"
        for holding in self.database.read(self.subject, holdings):
            if self._count(holding.ask(log.statements.has_rows)):
                yield f"{holding.name} holds rows"

    # -- digests

    def _faults(self, owner: Owner | None) -> Iterator[Fault]:
        """Give the rows that do not fit their digest."""
        for table in self.tables:
            if table.model is not None:
                for key, stored in self._stored(table, table.model):
                    self.ledger.counts["rows"] += 1
                    if not self._fits(table.model, stored, owner):
                        yield self._explain(table, table.model, owner, key, stored)

    def _stored(self, table: Table, model: type[Any]) -> Iterator[tuple[Key, Stored]]:
        """Give the rows of a table with their keys."""
        names = [*(field.name for field in fields(model)), DIGEST]
        return stored_rows(self._run, table, names, self.place)

    def _fits(self, model: type[Any], stored: Stored, owner: Owner | None) -> bool:
        if owner is None or self.slice != slice_of(self.subject):
            return False
        return _is_of(model, stored, self.slice, owner)

    def _explain(
        self, table: Table, model: type[Any], owner: Owner | None, key: Key, stored: Stored
    ) -> Fault:
        for slice, subject in islice(self._everybody(), CANDIDATES_MAX):
            other = owner_of(self.keys, subject)
            if other is not None and _is_of(model, stored, slice, other):
                return Fault(table, key, "row_moved", f"was moved here from subject {subject!r}")
        if owner is None:
            return Fault(table, key, "key_missing", "does not open: the vault has no key")
        if owner.seal is None:
            return Fault(table, key, "row_changed", "was changed: its digest does not fit")
        origins = Origins(self.database, self.tables, self.keys, self._everybody)
        found = origins.explain(table, model, key, stored, owner)
        return Fault(table, key, *(found or ("row_mixed", f"was changed: {sealed.MIXED}")))

    def _everybody(self) -> Iterator[tuple[int, str]]:
        for slice in slices(self.database):
            for subject in subjects(self.database, slice):
                yield slice, subject

    # -- the replay

    def _replayed(
        self, replay: Replay, faults: Mapping[tuple[str, Key], Fault]
    ) -> dict[tuple[str, Key], Fault]:
        """Replay the subject and hold its rows against the result."""
        try:
            found = replay.run(partial(differences, replay)) or []
        except Conflict as error:
            if error.__cause__ is None:  # another rebuild is at work; else the database objects
                raise
            sentence = f"the log of subject {self.subject!r} contradicts itself: its replay breaks"
            self.ledger.tell(
                "does_not_replay", f"{sentence} a rule of the schema", f"subject {self.subject!r}"
            )
            return {}
        except REFUSALS as error:
            self.ledger.notes[f"{self.subject!r} can not be replayed: {error.message}"] = None
            return {}
        is_sealed = replay.owner.seal is not None
        told = {}
        for one in found:
            place = one.table.name, one.key
            if place not in faults or (faults[place].kind == "row_mixed" and one.is_sealed_only):
                told[place] = Fault(one.table, one.key, *_said(one, is_sealed=is_sealed))
        return told

    # -- asking and telling

    def _ask(self, query: Query) -> Rows:
        return self._run(query, self.place)

    def _run(self, query: Query, params: Params) -> Rows:
        return self.database.read(self.subject, partial(_rows, query, params))

    def _count(self, query: Query) -> int:
        return int(self._ask(query)[0][0])

    def _tell(self, fault: Fault) -> None:
        row = f"the row {fault.table.named(fault.key)} of {fault.table.name}"
        sentence = f"{row} of subject {self.subject!r} {fault.what}"
        self.ledger.tell(
            fault.kind, sentence, f"table {fault.table.name}, subject {self.subject!r}"
        )


def _said(one: Difference, *, is_sealed: bool) -> tuple[str, str]:
    """Name a difference between a row and its replay, and say what it is."""
    columns = ", ".join(one.columns)
    if one.kind == "row_removed":
        return one.kind, "was removed: the log says it was written"
    if one.kind == "row_added":
        return one.kind, "was never written: the log does not know it"
    if one.is_sealed_only:
        return "row_outdated", f"was changed: an older value of {columns} was put back"
    if is_sealed and DIGEST in one.columns:
        return "row_put_back", "is an older state of itself: the whole row was put back"
    return one.kind, f"is not what a replay of the log gives: {columns}"


def _is_of(model: type[Any], stored: Stored, slice: int, owner: Owner) -> bool:
    try:
        sealed.read(model, stored, slice=slice, owner=owner)
    except (*REFUSALS, ValueError, TypeError, AttributeError, msgspec.MsgspecError):
        return False  # what can not even be built was not written by us
    return True


def _rows(query: Query, params: Params, session: Session) -> Rows:
    return session.rows(query, params)
