"""The keys of one subject at work: sealing, opening, blind tokens. Nothing here asks a database;
what has to be looked up or counted is asked of the ``Keeper``.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from hashlib import blake2b
from os import urandom
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from perdure.errors import Tampered

from . import envelope
from .envelope import GENERATION_END, HEAD, NONCE_BYTES, NONCE_END, OVERHEAD_BYTES, part
from .secret import Secret

NAMES_KNOWN_MAX = 1_024


class Keeper(Protocol):
    """What a seal asks of the keyring."""

    def reserve(self, handle: str, generation: Generation, size: int) -> bool:
        """Allow more messages under a generation, durably; False if it has served its time."""
        ...

    def renew(self, handle: str, number: int) -> list[Generation]:
        """Begin the generation behind this one, if nobody has, and give all."""
        ...

    def generations(self, handle: str) -> list[Generation]:
        """Look the generations up again: another process may have begun one."""
        ...

    def is_known(self, generation: bytes) -> bool:
        """Say whether anybody has a key of this generation."""
        ...


class Allowance:
    """How much may be sealed before the key store has to be asked again."""

    __slots__ = ("_bytes", "_lock", "_messages")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages = self._bytes = 0

    def spend(self, size: int) -> bool:
        """Take one message from the allowance, if it is still covered."""
        with self._lock:
            if self._messages < 1 or self._bytes < size:
                return False
            self._messages -= 1
            self._bytes -= size
            return True

    def grant(self, messages: int, size: int) -> None:
        """Add what the key store has noted as used."""
        with self._lock:
            self._messages += messages
            self._bytes += size

    def withdraw(self) -> None:
        """Have the key store asked at the next message."""
        with self._lock:
            self._messages = self._bytes = 0


class Generation(Secret):
    """One data key, prepared."""

    __slots__ = ("allowance", "gcm", "head", "id", "key", "number", "tail")

    def __init__(self, key: bytes, id: bytes, number: int, allowance: Allowance) -> None:
        self.key, self.id, self.number, self.allowance = key, id, number, allowance
        self.gcm = AESGCM(envelope.subkey(key, "seal"))
        self.head = HEAD + id
        self.tail = part(id)


class SubjectSeal(Secret):
    """Seals and opens for one subject, under the newest generation and any older one."""

    __slots__ = (
        "_blind_key",
        "_by_head",
        "_handle",
        "_keeper",
        "_newest",
        "_prefix",
        "digest_key",
        "token_key",
    )

    def __init__(
        self, keeper: Keeper, vault: bytes, handle: str, generations: list[Generation]
    ) -> None:
        first = generations[0].key
        self.digest_key = envelope.subkey(first, "digest")
        self.token_key = envelope.subkey(first, "token")
        self._blind_key = envelope.subkey(first, "blind")
        self._keeper, self._handle = keeper, handle
        self._prefix = envelope.parts((envelope.VERSION, vault, bytes.fromhex(handle)))
        self._adopt(generations)

    def seal(self, clear: bytes, kind: str, id: str, field: str) -> bytes:
        """Encrypt for the place that is named."""
        under = self._newest
        if not under.allowance.spend(len(clear)):
            under = self._allowed(len(clear))
        raw, nonce = id.encode(), urandom(NONCE_BYTES)
        before, behind = _named(kind, field)
        place = b"".join(
            (self._prefix, before, len(raw).to_bytes(4, "big"), raw, behind, under.tail)
        )
        return under.head + nonce + under.gcm.encrypt(nonce, clear, place)

    def open(self, sealed: bytes, kind: str, id: str, field: str) -> bytes:
        """Decrypt, or raise Tampered: this was not sealed for this place."""
        under = self._by_head.get(sealed[:GENERATION_END])
        if under is None or len(sealed) < OVERHEAD_BYTES:
            under = self._other(sealed, kind, id, field)
        raw = id.encode()
        before, behind = _named(kind, field)
        place = b"".join(
            (self._prefix, before, len(raw).to_bytes(4, "big"), raw, behind, under.tail)
        )
        try:
            return under.gcm.decrypt(sealed[GENERATION_END:NONCE_END], sealed[NONCE_END:], place)
        except InvalidTag:
            raise Tampered(
                f"{kind} {id}, {field}, was changed, or was sealed for another place",
                value=id,
                remedy="restore the record from a copy",
            ) from None

    def blind(self, kind: str, clear: bytes) -> bytes:
        """Give 16 bytes that are the same for the same text of this subject, and say nothing."""
        return blake2b(part(kind.encode()) + clear, digest_size=16, key=self._blind_key).digest()

    def _adopt(self, generations: list[Generation]) -> None:
        self._by_head = {one.head: one for one in generations}
        self._newest = generations[-1]

    def _allowed(self, size: int) -> Generation:
        """Give the newest generation with one message of this size taken from its allowance."""
        while not (under := self._newest).allowance.spend(size):
            if not self._keeper.reserve(self._handle, under, size):
                self._adopt(self._keeper.renew(self._handle, under.number))
        return under

    def _other(self, sealed: bytes, kind: str, id: str, field: str) -> Generation:
        """Look for a generation that another process has begun since."""
        if sealed[:2] != HEAD or len(sealed) < OVERHEAD_BYTES:
            raise _not_sealed(sealed, kind, id, field)
        head = sealed[:GENERATION_END]
        self._adopt(self._keeper.generations(self._handle))
        if (found := self._by_head.get(head)) is not None:
            return found
        if self._keeper.is_known(head[len(HEAD) :]):
            raise Tampered(
                f"{kind} {id}, {field}, was sealed for another subject",
                value=id,
                remedy="restore the record from a copy",
            )
        raise Tampered(
            f"{kind} {id}, {field}, was sealed by a key that this vault does not have",
            value=id,
            remedy="restore the record from a copy; if the key store is an old copy, the newer one",
        )


@lru_cache(NAMES_KNOWN_MAX)
def _named(kind: str, field: str) -> tuple[bytes, bytes]:
    return part(kind.encode()), part(field.encode())


def _not_sealed(sealed: bytes, kind: str, id: str, field: str) -> Tampered:
    if len(sealed) >= OVERHEAD_BYTES and sealed[0] == envelope.MAGIC:
        return Tampered(
            f"{kind} {id}, {field}, is sealed by algorithm {sealed[1]}, which is unknown",
            value=id,
            remedy="upgrade perdure, or restore the record from a copy",
        )
    return Tampered(
        f"clear text where sealed data is expected, {kind} {id}, {field}",
        value=id,
        remedy="restore the record from a copy",
    )
