"""The seam between the kernel and a vault: what a transaction needs to keep a subject private.

Rows, streams and paths carry the owner's ``subject``: the name the caller gave or, with a vault
open, a random handle that only the vault can trace back. Nothing here knows a cipher or a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Seal(Protocol):
    """The keys of one subject. What is sealed is bound to its record: elsewhere it does not open.

    ``kind``, ``id`` and ``field`` are immutable facts: what kind of record, which one, which part.
    """

    @property
    def digest_key(self) -> bytes:
        """Give the key of the digests of rows."""
        ...

    def seal(self, clear: bytes, kind: str, id: str, field: str) -> bytes:
        """Encrypt for the place that is named."""
        ...

    def open(self, sealed: bytes, kind: str, id: str, field: str) -> bytes:
        """Decrypt, or raise Tampered (not sealed for this place), Forgotten or LockedOut."""
        ...

    def blind(self, kind: str, clear: bytes) -> bytes:
        """Give 16 bytes that are the same for the same text of this subject, and say nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose rows they are, and how they are sealed; without a vault they are clear."""

    subject: str
    seal: Seal | None = None


class Keys(Protocol):
    """An open vault, as units of work ask it. Answers come from memory while they are fresh."""

    @property
    def id(self) -> str:
        """Give the name of the vault, which says nothing."""
        ...

    def owner(self, subject: str, *, create: bool) -> Owner:
        """Give the owner behind a name; with ``create`` an unknown one gets a handle and a key.

        Without, an unknown one is an owner that has no rows. A forgotten one raises Forgotten.
        """
        ...

    def owner_of(self, handle: str) -> Owner | None:
        """Give the owner behind a handle, or None where its keys are gone."""
        ...

    def is_fresh(self, subject: str) -> bool:
        """Say whether ``owner`` would answer from memory, so that a coroutine may ask."""
        ...

    def begin_forgetting(self, subject: str) -> str:
        """Refuse the subject from now on, and give its handle; a second time, give it again."""
        ...

    def forgetting(self) -> list[str]:
        """Give the handles whose forgetting has begun and has not been finished."""
        ...

    def destroy_keys(self, handle: str) -> None:
        """Destroy every key of a subject whose forgetting has begun."""
        ...

    def finish_forgetting(self, handle: str) -> None:
        """Leave nothing but what refuses the subject."""
        ...

    def rotate(self) -> int:
        """Move every key to a new epoch of the master key, and give its number."""
        ...

    def readmit(self, subject: str) -> None:
        """Let somebody come back who was forgotten: as nobody we know, with a new handle."""
        ...

    @property
    def public_key(self) -> bytes:
        """Give the Ed25519 key that receipts are checked with."""
        ...

    def sign(self, content: bytes) -> bytes:
        """Sign a receipt."""
        ...

    def close(self) -> None:
        """Forget every key in memory and close the key store."""
        ...


def owner_behind(keys: Keys | None, handle: str) -> Owner | None:
    """Give whose rows and events these are, or None where the keys are gone."""
    return Owner(handle) if keys is None else keys.owner_of(handle)
