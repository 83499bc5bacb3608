"""An open vault: finds, makes, keeps and destroys the keys of subjects.

Names are known here and in the key store, sealed; everything else sees handles. The key store's
tables are in ``keystore.py``, rewrapping in ``rotation.py``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from perdure.errors import Conflict, Forgotten, LockedOut, NotFound, PerdureError, Tampered
from perdure.kernel import Clock
from perdure.kernel.clock import microseconds
from perdure.kernel.engine import Engine, Params, Rows, Session, Unit
from perdure.kernel.queries import Query
from perdure.kernel.sealing import Owner

from . import envelope, epochs, keystore, rotation
from .cache import Cache
from .envelope import ID_BYTES, KEY_BYTES
from .epochs import Epochs
from .keystore import ACTIVE, FORGETTING, FORGOTTEN, PAGE_ROWS, EpochRow, Found, statements
from .masters import Master
from .seals import Allowance, Generation, SubjectSeal
from .secret import Secret

T = TypeVar("T")
GENERATION_MESSAGES_MAX = 2**30
GENERATION_BYTES_MAX = 2**36
GENERATION_AGE_MAX = timedelta(days=365)
BLOCK_MESSAGES = 4_096
BLOCK_BYTES = 64 * 2**20
ALLOWANCES_MAX = 10_000
NOBODY = "0" * 32


@dataclass(frozen=True, slots=True)
class Vault:
    """Where the key store is, a path or a postgresql:// URL, and what its master key comes from.

    With ``create`` a key store is made where none is, and its master key with it.
    """

    target: str | Path = field(repr=False)  # a URL may hold a password
    master: Master
    create: bool = False


class Keyring(Secret):
    """The keys of an open key store; it implements ``kernel.sealing.Keys``."""

    def __init__(self, engine: Engine, masters: Sequence[Master], clock: Clock) -> None:
        self.engine, self._clock = engine, clock
        self._cache = Cache()
        self._lock = threading.Lock()
        self._allowances: dict[bytes, Allowance] = {}
        self.standing = keystore.Standing(engine)
        self.vault = keystore.prepare(engine, now=self.now())
        self.epochs = Epochs(self.vault, masters)
        root = self.epochs.root(engine.read("", keystore.epochs))
        self._token_key = envelope.subkey(root, "subject")
        self._signer = Ed25519PrivateKey.from_private_bytes(envelope.subkey(root, "receipt"))
        stranger = Generation(os.urandom(KEY_BYTES), os.urandom(ID_BYTES), 1, Allowance())
        self._nobody = Owner(NOBODY, SubjectSeal(self, self.vault, NOBODY, [stranger]))

    @classmethod
    def opened(
        cls,
        engine: Engine,
        vault: Vault,
        clock: Clock,
        *,
        create: bool = False,
        also: Sequence[Master] = (),
    ) -> Keyring:
        """Open the key store on an engine; with ``create``, make one where none is.

        ``also`` are further masters: while keys move from one to another there are two.
        """
        if create and not keystore.is_there(engine):
            now = microseconds(clock.now())
            keystore.make(engine, partial(epochs.found, master=vault.master, now=now), now=now)
        return cls(engine, (vault.master, *also), clock)

    def close(self) -> None:
        """Drop every key from memory and close the key store."""
        self._cache.close()
        self.epochs.close()
        self.engine.close()

    # -- whose keys: kernel.sealing.Keys

    @property
    def id(self) -> str:
        """Give the name of the vault, which says nothing."""
        return self.vault.hex()

    def owner(self, subject: str, *, create: bool) -> Owner:
        """Give the owner behind a name; with ``create`` an unknown one gets a handle and a key.

        Without, an unknown one is nobody: the handle of zeros, which the key store gives to none.
        """
        if (known := self._cache.named(subject)) is not None:
            return known
        stamp, token = self._cache.stamp, envelope.token(self._token_key, subject)
        found = self.engine.read("", partial(keystore.by_token, token=token))
        if found is None:
            if not create:
                return self._nobody
            found = self._write(token.hex(), partial(self._admit, token, subject))
        if found.state != ACTIVE:
            raise _forgotten()
        return self._kept(found, subject, stamp)

    def owner_of(self, handle: str) -> Owner | None:
        """Give the owner behind a handle, or None where its keys are gone."""
        if (known := self._cache.owning(handle)) is not None:
            return known
        stamp = self._cache.stamp
        found = self.engine.read("", partial(keystore.by_handle, handle=handle))
        if found is None or found.state != ACTIVE:
            return None
        return self._kept(found, None, stamp)

    def is_fresh(self, subject: str) -> bool:
        """Say whether ``owner`` would answer from memory."""
        return self._cache.named(subject) is not None

    # -- names

    def name_of(self, handle: str) -> str:
        """Give the name behind a handle, for its owner's export and the operator's lists."""
        owner = self.owner_of(handle)
        rows = self._rows(statements.name_of, {"handle": handle})
        if owner is None or not rows:
            raise NotFound("no subject has this handle", value=handle, remedy="see subjects()")
        assert owner.seal is not None
        return owner.seal.open(bytes(rows[0][0]), *_in_store(handle)).decode()

    def subjects(self) -> Iterator[str]:
        """Give every handle in use, page by page."""
        after = ""
        while page := self._rows(statements.handles_after, {"after": after, "most": PAGE_ROWS}):
            yield from (handle for (handle,) in page)
            ((after,),) = page[-1:]

    # -- what seals ask: seals.Keeper

    def reserve(self, handle: str, generation: Generation, size: int) -> bool:
        """Note a block of messages as used before the first of them is; False over a limit.

        A crash loses the rest of a block, so the count is never too low.
        """
        block = max(BLOCK_BYTES, size)
        rows = self._write(
            handle,
            lambda session: session.rows(
                statements.use_key,
                {"handle": handle, "number": generation.number, "messages": BLOCK_MESSAGES,
                 "bytes": block},
            ),
        )  # fmt: skip
        if not rows:
            raise _gone(handle)
        messages, size, created_at = rows[0]
        if self._is_worn(messages, size, created_at):
            return False
        generation.allowance.grant(BLOCK_MESSAGES, block)
        return True

    def renew(self, handle: str, number: int) -> list[Generation]:
        """Begin the generation behind this one, unless somebody was faster, and give all."""

        def unit(session: Session) -> Found | None:
            found = keystore.by_handle(session, handle)
            if found is None or found.state != ACTIVE or found.keys[-1].number != number:
                return found
            self._add_key(session, handle, self._fresh(number + 1), found.epochs[0])
            return keystore.by_handle(session, handle)

        return self._usable(handle, self._write(handle, unit))

    def generations(self, handle: str) -> list[Generation]:
        """Look the generations up again: another process may have begun one."""
        found = self.engine.read("", partial(keystore.by_handle, handle=handle))
        return self._usable(handle, found)

    def is_known(self, generation: bytes) -> bool:
        """Say whether anybody has a key of this generation."""
        ((count,),) = self._rows(statements.has_generation, {"generation": generation})
        return bool(count)

    # -- forgetting: the steps; who takes them in which order is forgetting.py's business

    def begin_forgetting(self, subject: str) -> str:
        """Refuse the subject from now on, and give its handle; a second time, give it again."""
        token = envelope.token(self._token_key, subject)
        if (known := self._cache.named(subject)) is not None:
            self._cache.remove(known.subject)
        with suppress(Forgotten, LockedOut):  # keys that are there say whether the name is theirs
            self.owner(subject, create=False)

        def unit(session: Session) -> Found:
            found = keystore.by_token(session, token)
            if found is None:
                raise NotFound("there is no such subject", remedy="check the name")
            if found.state == FORGOTTEN:
                raise _forgotten()
            session.rows(statements.set_state, {"state": FORGETTING, "handle": found.handle})
            return found

        found = self._write(token.hex(), unit)
        self._cache.remove(found.handle)
        for row in found.keys:  # seals in use ask at their next message, and are refused
            self._allowance(row.generation).withdraw()
        return found.handle

    def forgetting(self) -> list[str]:
        """Give the handles whose forgetting has begun and has not been finished."""
        rows = self._rows(statements.handles_in_state, {"state": FORGETTING})
        return [handle for (handle,) in rows]

    def destroy_keys(self, handle: str) -> None:
        """Destroy every key of a subject whose forgetting has begun."""
        found = self.engine.read("", partial(keystore.by_handle, handle=handle))
        if found is None or found.state != FORGETTING:
            raise Conflict(
                "the keys of a subject in use are not destroyed",
                value=handle,
                remedy="begin with begin_forgetting",
            )
        self._change(statements.destroy_keys, {"handle": handle})
        self._cache.remove(handle)
        keystore.settle(self.engine)

    def finish_forgetting(self, handle: str) -> None:
        """Leave nothing but the token by which the subject is refused. Its keys must be gone."""
        self._change(statements.bury, {"handle": handle})
        keystore.settle(self.engine, is_deep=True)

    def readmit(self, subject: str) -> None:
        """Let somebody come back who was forgotten: as nobody we know, with a new handle."""
        token = envelope.token(self._token_key, subject)
        if not self._change(statements.readmit, {"token": token}):
            raise NotFound("no forgotten subject has this name", remedy="check the name")

    def rotate(self) -> int:
        """Move every key to the next epoch of the master key, and give its number."""
        return rotation.rotate(self).epoch

    # -- receipts

    @property
    def public_key(self) -> bytes:
        """Give the Ed25519 key that receipts are checked with."""
        return self._signer.public_key().public_bytes_raw()

    def sign(self, content: bytes) -> bytes:
        """Sign a receipt."""
        return self._signer.sign(content)

    # -- inside

    def _admit(self, token: bytes, subject: str, session: Session) -> Found:
        found = keystore.by_token(session, token)
        if found is None:  # else another process was faster
            handle, first = os.urandom(ID_BYTES).hex(), self._fresh(1)
            seal = SubjectSeal(self, self.vault, handle, [first])
            name = seal.seal(subject.encode(), *_in_store(handle))
            session.rows(
                statements.add_subject,
                {"token": token, "handle": handle, "name": name, "now": self.now()},
            )
            self._add_key(session, handle, first, keystore.epochs(session)[0])
            found = keystore.by_token(session, token)
            assert found is not None
        return found

    def _fresh(self, number: int) -> Generation:
        """Draw a data key whose first block is noted as used where the key is stored."""
        id = os.urandom(ID_BYTES)
        fresh = Generation(os.urandom(KEY_BYTES), id, number, self._allowance(id))
        fresh.allowance.grant(BLOCK_MESSAGES, BLOCK_BYTES)
        return fresh

    def _add_key(self, session: Session, handle: str, fresh: Generation, epoch: EpochRow) -> None:
        session.rows(
            statements.add_key,
            {
                "handle": handle,
                "number": fresh.number,
                "generation": fresh.id,
                "epoch": epoch.epoch,
                "wrapped": self.epochs.wrap(fresh.key, handle, fresh.id, epoch),
                "commitment": envelope.commitment(fresh.key),
                "now": self.now(),
                "messages": BLOCK_MESSAGES,
                "bytes": BLOCK_BYTES,
            },
        )

    def _kept(self, found: Found, name: str | None, stamp: int) -> Owner:
        try:
            keys = self._usable(found.handle, found)
        except LockedOut:  # perhaps its epoch was destroyed since, behind a rotation: look again
            keys = self.generations(found.handle)
        seal = SubjectSeal(self, self.vault, found.handle, keys)
        if name is not None and seal.open(found.name, *_in_store(found.handle)).decode() != name:
            raise Tampered(
                "the key store gives the keys of somebody else for this name",
                value=found.handle,
                remedy="restore a copy of the key store",
            )
        owner = Owner(found.handle, seal)
        self._cache.keep(owner, name, stamp=stamp)
        return owner

    def _usable(self, handle: str, found: Found | None) -> list[Generation]:
        if found is None or found.state != ACTIVE:
            raise _gone(handle)
        if not found.keys:
            raise LockedOut(
                f"the key store has no key for {handle}",
                value=handle,
                remedy="restore a copy of the key store",
            )
        newest = found.keys[-1]
        if self._is_worn(0, 0, newest.created_at):
            self._allowance(newest.generation).withdraw()
        return [
            Generation(
                self.epochs.unwrap(row, found.epochs), row.generation, row.number,
                self._allowance(row.generation),
            )
            for row in found.keys
        ]  # fmt: skip

    def _allowance(self, generation: bytes) -> Allowance:
        """Give the allowance of a generation; it is no secret and outlives the cached key."""
        with self._lock:
            if generation not in self._allowances and len(self._allowances) >= ALLOWANCES_MAX:
                del self._allowances[next(iter(self._allowances))]
            return self._allowances.setdefault(generation, Allowance())

    def _is_worn(self, messages: int, size: int, created_at: int) -> bool:
        return (
            messages > GENERATION_MESSAGES_MAX
            or size > GENERATION_BYTES_MAX
            or self.now() - created_at >= GENERATION_AGE_MAX // timedelta(microseconds=1)
        )

    def now(self) -> int:
        """Ask the clock, in microseconds."""
        return microseconds(self._clock.now())

    def _rows(self, query: Query, params: Params) -> Rows:
        return self.engine.read("", lambda session: session.rows(query, params))

    def _change(self, query: Query, params: Params) -> Rows:
        return self._write("", lambda session: session.rows(query, params), is_repeatable=False)

    def _write(self, subject: str, unit: Unit[T], *, is_repeatable: bool = True) -> T:
        self.standing.check()
        return self.engine.write(subject, unit, is_repeatable=is_repeatable)


def _in_store(handle: str) -> tuple[str, str, str]:
    """Name the place a subject's name is sealed for."""
    return "subject", handle, "name"


def _gone(handle: str) -> PerdureError:
    if handle == NOBODY:
        return LockedOut("there is no key for a subject that never wrote", remedy="write first")
    return _forgotten()


def _forgotten() -> Forgotten:
    return Forgotten(
        "the subject was forgotten", remedy="a person who comes back is readmitted by an operator"
    )
