"""The master key at work: one epoch's key wraps the root key and every data key.

A key is asked of its master when it is first needed, and held for as long as the vault is open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from perdure.errors import LockedOut, Tampered
from perdure.kernel.engine import Session

from . import envelope
from .envelope import ID_BYTES, KEY_BYTES
from .keystore import EpochRow, KeyRow, statements
from .masters import Master
from .secret import Secret

T = TypeVar("T")


class Epochs(Secret):
    """The masters of one vault: two of them while keys are moved from one to the other."""

    def __init__(self, vault: bytes, masters: Sequence[Master]) -> None:
        self.vault, self.masters = vault, tuple(masters)
        self._opened: dict[int, AESGCMSIV] = {}

    def close(self) -> None:
        """Drop the master keys."""
        self._opened.clear()

    def has(self, master: Master, row: EpochRow) -> bool:
        """Say whether this master has the key of an epoch."""
        try:
            return bool(_key_of(master, self.vault, row))
        except LockedOut:
            return False

    def settle(self, masters: Sequence[Master], epoch: int) -> None:
        """Drop every master and every key but those of one epoch."""
        self.masters = tuple(masters)
        self._opened = {key: value for key, value in self._opened.items() if key == epoch}

    def of(self, row: EpochRow) -> AESGCMSIV:
        """Give the prepared master key of an epoch."""
        if row.epoch not in self._opened:
            key = _first(self.masters, lambda master: _key_of(master, self.vault, row))
            self._opened[row.epoch] = AESGCMSIV(key)
        return self._opened[row.epoch]

    def root(self, rows: Sequence[EpochRow]) -> bytes:
        """Unwrap the root key by whichever epoch there is a master for."""
        return _first(rows, self._root)

    def wrap(self, key: bytes, handle: str, generation: bytes, epoch: EpochRow) -> bytes:
        """Wrap a data key for the place where it will be."""
        place = envelope.place(self.vault, bytes.fromhex(handle), generation, epoch.epoch)
        return envelope.wrap(self.of(epoch), key, place)

    def unwrap(self, row: KeyRow, rows: Sequence[EpochRow]) -> bytes:
        """Unwrap a data key and hold it against its commitment."""
        (epoch,) = (one for one in rows if one.epoch == row.epoch)
        place = envelope.place(self.vault, bytes.fromhex(row.handle), row.generation, row.epoch)
        key = envelope.unwrap(self.of(epoch), row.wrapped, place)
        if key is None or envelope.commitment(key) != row.commitment:
            raise Tampered(
                f"key {row.number} of {row.handle} in the key store was changed or moved",
                value=row.handle,
                remedy="restore a copy of the key store",
            )
        return key

    def _root(self, row: EpochRow) -> bytes:
        place = envelope.place(self.vault, envelope.ROOT, b"", row.epoch)
        root = envelope.unwrap(self.of(row), row.root, place)
        if root is None:
            raise Tampered(
                f"the root key under epoch {row.epoch} was changed",
                value=row.epoch,
                remedy="restore a copy of the key store",
            )
        return root


def found(session: Session, master: Master, *, now: int) -> None:
    """Found a vault: an id, a root key and the first epoch of its master key."""
    vault = os.urandom(ID_BYTES)
    session.rows(statements.found_vault, {"vault": vault, "format": envelope.FORMAT, "now": now})
    begun = master.begin(vault, 1)
    add(session, vault, os.urandom(KEY_BYTES), 1, (master, *begun), is_settled=True, now=now)


def add(
    session: Session,
    vault: bytes,
    root: bytes,
    epoch: int,
    begun: tuple[Master, bytes, str],
    *,
    is_settled: bool,
    now: int,
) -> None:
    """Write an epoch with the root key wrapped under its master key."""
    master, key, parameters = begun
    place = envelope.place(vault, envelope.ROOT, b"", epoch)
    session.rows(
        statements.add_epoch,
        {
            "epoch": epoch,
            "source": master.source,
            "parameters": parameters,
            "checked": envelope.check(key),
            "root": envelope.wrap(AESGCMSIV(key), root, place),
            "is_settled": int(is_settled),
            "now": now,
        },
    )


def _key_of(master: Master, vault: bytes, row: EpochRow) -> bytes:
    if master.source != row.source:
        raise LockedOut(
            f"the master key of this key store comes from a {row.source}, not a {master.source}",
            value=row.source,
            remedy="open it with the master it was made with",
        )
    key = master.key(vault, row.epoch, row.parameters)
    if envelope.check(key) != row.check:
        raise LockedOut(master.wrong, remedy="give the one this key store was made with")
    return key


K = TypeVar("K")


def _first(each: Sequence[K], attempt: Callable[[K], T]) -> T:
    """Give the first result there is a key for, or raise why the first attempt had none."""
    refusal: LockedOut | None = None
    for one in each:
        try:
            return attempt(one)
        except LockedOut as error:
            refusal = refusal or error
    raise refusal or LockedOut("the key store has no master key", remedy="restore a copy of it")
