"""Verify everything that is stored: the log, its heads and counters, and the read models.

Runs on a live database, page by page, each from one snapshot. ``deep`` also replays every subject
into scratch tables and compares. What each kind of damage is called: docs/decisions/0004.
"""

from __future__ import annotations

from collections.abc import Mapping

from perdure.errors import Invalid, Tampered
from perdure.kernel.engine import Engine, Session
from perdure.kernel.follow import lane
from perdure.kernel.progress import Progress, quiet
from perdure.kernel.receipts import End, Receipt
from perdure.kernel.sealing import Keys
from perdure.store import Store

from .chains import SliceWalk
from .places import slices, subjects
from .read_models import SubjectRows
from .rebuild import shadows_of
from .report import Ledger, Mark, Report, Witness
from .shadow import Shadows
from .tables import chosen, kinds_of, statements


def verify(
    store: Store,
    *,
    head: Witness | Mapping[str, int] | None = None,
    deep: bool = False,
    after: str | None = None,
    progress: Progress = quiet,
) -> Report:
    """Look at everything and report what is wrong.

    ``head`` is a witness (or a checkpoint) kept elsewhere. ``progress`` hears of each lane when
    it is done; the last one it heard of is what ``after`` takes to go on.
    """
    witness = None if head is None else Witness.of(head)
    ledger, visited, begin = Ledger(), set[str](), _Begin(after)
    for name, database in store.engine.databases():
        shadows = shadows_of(database, chosen(None), "verify")
        if deep:
            shadows.prepare(is_fresh=True)
        try:
            found = slices(database, shadows.tables)
            for slice in found:
                visited.add(lane(name, slice))
                if begin.is_reached(name, slice):
                    walk = SliceWalk(database, name, slice, store.keys, ledger)
                    _slice(walk, shadows, witness, deep=deep)
                    progress(lane(name, slice), ledger.counts["slices"], len(found))
        finally:
            if deep:
                shadows.drop()
    begin.refuse_unknown()
    _vanished(ledger, witness, visited, _departed(store, ledger))
    return ledger.report()


def _slice(walk: SliceWalk, shadows: Shadows, witness: Witness | None, *, deep: bool) -> None:
    walk.run(witness)
    for subject in subjects(walk.database, walk.slice, shadows.tables):
        mine = SubjectRows(
            walk.database, shadows.tables, walk.slice, subject, walk.keys, walk.ledger
        )
        mine.verify(shadows if deep else None, kinds_of(chosen(None)))
        walk.ledger.counts["subjects"] += 1
    walk.ledger.counts["slices"] += 1
    walk.ledger.lane = walk.lane


def _vanished(
    ledger: Ledger, witness: Witness | None, visited: set[str], departed: Mapping[str, End]
) -> None:
    """Tell of lanes that the witness saw and that are gone, unless their subject was forgotten."""
    for name, mark in witness.slices.items() if witness else ():
        if name in visited:
            continue
        end = departed.get(name)
        if end is not None and _is_behind(mark, end):
            ledger.notes[f"slice {name} went away: its subject was forgotten"] = None
            continue
        ledger.tell(
            "tail_cut_with_counters",
            f"slice {name} was at position {mark.position} when the witness was written and is"
            " empty now: all of it was removed",
            f"slice {name}",
        )


def _is_behind(mark: Mark, end: End) -> bool:
    """Say whether a lane had not been cut before it went away."""
    if mark.position == end.position:
        return mark.hash in ("", end.hash)
    return mark.position < end.position


def _departed(store: Store, ledger: Ledger) -> dict[str, End]:
    """Give the ends of lanes that went away with their subjects, by receipts that hold."""
    found: dict[str, End] = {}
    for receipt in store.receipts():
        if store.keys is not None and not _is_ours(receipt, store.keys):
            ledger.tell(
                "receipt_changed",
                f"the receipt of {receipt.handle} is not what the vault has signed",
                f"tombstone {receipt.handle}",
            )
            continue
        lanes = receipt.lanes.items()
        found |= {name: end for name, end in lanes if name.rpartition("/")[0] in receipt.removed}
    return found


def _is_ours(receipt: Receipt, keys: Keys) -> bool:
    from perdure.vault.receipt import check_receipt

    try:
        check_receipt(receipt, keys.public_key)
    except Tampered:
        return False
    return True


class _Begin:
    """Where an interrupted walk goes on: behind a lane."""

    def __init__(self, after: str | None) -> None:
        database, _, slice = (after or "").rpartition("/")
        if after is not None and not slice.isdigit():
            raise Invalid(
                f"{after!r} is no lane", value=after, remedy="give one that progress named"
            )
        self._database, self._slice = database, int(slice or -1)
        self._after = after
        self._is_met = after is None

    def is_reached(self, database: str, slice: int) -> bool:
        """Say whether this slice lies behind the lane."""
        if self._is_met and database != self._database:
            return True
        self._is_met = self._is_met or database == self._database
        return self._is_met and slice > self._slice

    def refuse_unknown(self) -> None:
        """Say that the lane was never met."""
        if not self._is_met:
            raise Invalid(
                f"no database holds the lane {self._after!r}",
                value=self._after,
                remedy="give one that progress named",
            )


def witness(store: Store) -> Witness:
    """Take down the end of every slice, to be kept elsewhere: ``witness(store).to_json()``."""
    return Witness(
        {
            lane(name, slice): mark
            for name, database in store.engine.databases()
            for slice, mark in ends(database)
        }
    )


def ends(database: Engine) -> list[tuple[int, Mark]]:
    """Give the end of every slice of one database."""

    def unit(session: Session) -> list[tuple[int, Mark]]:
        rows = session.rows(statements.ends, {})
        return [
            (int(slice), Mark(int(position), bytes(hash).hex())) for slice, position, hash in rows
        ]

    return database.read("", unit)
