"""Moving every key to a new master key, while the vault is in use.

``rotate`` takes the next key of the same master, ``rewrap`` goes over to another master. Both
begin by writing the new epoch beside the old one, go through the keys page by page, drop the old
epoch when nothing is wrapped by it, destroy its key and call the new one settled. Whoever is
killed on the way is continued by calling the same again. Sealed data is not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from perdure.errors import Conflict, LockedOut
from perdure.kernel.engine import Session

from . import epochs, keystore
from .keystore import PAGE_ROWS, EpochRow, KeyRow, statements
from .masters import Master

if TYPE_CHECKING:
    from .keyring import Keyring

Progress = Callable[[str, int, int], None]
LOCK = "epochs"
PASSES_MAX = 100


@dataclass(frozen=True, slots=True)
class Moved:
    """The epoch that wraps every key now, how many were moved, and what the operator must do."""

    epoch: int
    keys: int
    left_to_do: str


def quiet(what: str, done: int, total: int, /) -> None:
    """Hear of progress and say nothing."""


def rotate(keyring: Keyring, *, progress: Progress = quiet) -> Moved:
    """Move every key to the next epoch of the same master, and destroy the old one."""
    return _move(keyring, None, progress)


def rewrap(keyring: Keyring, to: Master, *, progress: Progress = quiet) -> Moved:
    """Move every key to another master, and destroy the old one; done already, do nothing.

    To go on with an interrupted one, open the keyring with both (``also=[to]``).
    """
    return _move(keyring, to, progress)


def _move(keyring: Keyring, to: Master | None, progress: Progress) -> Moved:
    keyring.standing.check()
    before = keyring.epochs.masters
    if to is not None and to not in before:
        keyring.epochs.masters = (*before, to)
    try:
        row = keyring.engine.write(LOCK, partial(_begin, keyring, to))
    except BaseException:
        keyring.epochs.masters = before
        raise
    if row.is_settled:
        return Moved(row.epoch, 0, "")
    moved, passes = 0, 0
    while True:
        moved += _pass(keyring, row.epoch, progress)
        try:
            keyring.engine.write(
                LOCK, lambda session: session.rows(statements.drop_epochs, {"epoch": row.epoch})
            )
        except Conflict:  # meanwhile somebody wrapped a key by the old epoch
            if (passes := passes + 1) == PASSES_MAX:
                raise
        else:
            break
    keystore.settle(keyring.engine, is_deep=True)
    return Moved(row.epoch, moved, keyring.engine.write(LOCK, partial(_finish, keyring, row)))


def _begin(keyring: Keyring, to: Master | None, session: Session) -> EpochRow:
    """Write the new epoch, unless one is under way already."""
    rows = keystore.epochs(session)
    newest = rows[0]
    is_there = to is not None and keyring.epochs.has(to, newest)
    if not newest.is_settled:
        if to is not None and not is_there:
            raise Conflict(
                "the keys are being moved to another master",
                remedy="finish that first, with the master it was begun with",
            )
        keyring.epochs.of(newest)
        return newest
    if is_there:
        return newest
    root, epoch = keyring.epochs.root(rows), newest.epoch + 1
    if to is None:
        to = next(one for one in keyring.epochs.masters if keyring.epochs.has(one, newest))
        begun = to.renew(keyring.vault, epoch)
    else:
        begun = to.begin(keyring.vault, epoch)
    epochs.add(
        session, keyring.vault, root, epoch, (to, *begun), is_settled=False, now=keyring.now()
    )
    return keystore.epochs(session)[0]


def _pass(keyring: Keyring, epoch: int, progress: Progress) -> int:
    """Rewrap whatever is wrapped by another epoch, page by page."""
    engine, done, after, number = keyring.engine, 0, "", 0
    ((total,),) = engine.read(
        "", lambda session: session.rows(statements.count_behind, {"epoch": epoch})
    )
    while True:
        where = {"epoch": epoch, "after": after, "number": number, "most": PAGE_ROWS}
        rows, page = engine.read("", partial(_page, where))
        if not page:
            return done
        try:
            engine.write("", partial(_rewrap, keyring, rows, page), is_repeatable=True)
        except LockedOut:
            if engine.read("", keystore.epochs)[-1].epoch < epoch:
                raise
            return done  # another process was faster, and has destroyed the old epoch already
        done += len(page)
        after, number = page[-1].handle, page[-1].number
        progress("keys", done, max(done, total))


def _page(where: dict[str, object], session: Session) -> tuple[tuple[EpochRow, ...], list[KeyRow]]:
    found = session.rows(statements.keys_behind, where)
    return keystore.epochs(session), [
        KeyRow(handle, number, bytes(id), epoch, bytes(wrapped), bytes(commitment), 0)
        for handle, number, id, epoch, wrapped, commitment in found
    ]


def _rewrap(
    keyring: Keyring, rows: tuple[EpochRow, ...], page: list[KeyRow], session: Session
) -> None:
    for row in page:
        key = keyring.epochs.unwrap(row, rows)
        session.later(
            statements.rewrap_key,
            {
                "handle": row.handle,
                "number": row.number,
                "was": row.epoch,
                "epoch": rows[0].epoch,
                "wrapped": keyring.epochs.wrap(key, row.handle, row.generation, rows[0]),
            },
        )


def _finish(keyring: Keyring, row: EpochRow, session: Session) -> str:
    """Destroy the old keys, then call the epoch settled; held by the lock, as the beginning is."""
    if keystore.epochs(session)[0].epoch != row.epoch:  # another process has gone on already
        return ""
    kept: list[Master] = []
    left: dict[str, None] = {}  # each text once
    for master in keyring.epochs.masters:
        is_here = keyring.epochs.has(master, row)
        left[master.keep(keyring.vault, row.epoch if is_here else None)] = None
        kept += [master] * is_here
    session.rows(statements.settle_epoch, {"epoch": row.epoch})
    keyring.epochs.settle(kept, row.epoch)
    return "; ".join(filter(None, left))
