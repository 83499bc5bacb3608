"""The receipt of a forgotten subject: what was erased, where, and how the log stood at the end.

It names a handle, never a name. With a vault it is signed (``perdure.vault.receipt`` checks it);
nothing here knows a cipher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import msgspec

from perdure.errors import Invalid

FORMAT = "perdure-receipt-1"


@dataclass(frozen=True, slots=True)
class End:
    """Where a lane of the log ended: a position, and the hash of the event there."""

    position: int
    hash: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done for one subject. Times are ISO 8601, hashes hexadecimal."""

    handle: str
    vault: str  # '' without one
    begun_at: str
    stores: tuple[str, ...]
    done_at: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)  # erased, by table
    events: int = 0  # whose payloads were erased; they themselves stay
    streams: int = 0
    heads: str = ""  # SHA-256 over the ends of all its streams
    lanes: Mapping[str, End] = field(default_factory=dict)
    removed: tuple[str, ...] = ()  # files of its own, by their database's name
    epoch: int = 0  # the master epoch it was rotated to, if it was
    not_reached: tuple[str, ...] = ()
    format: str = FORMAT
    signature: str = ""  # Ed25519 over the receipt without it, base64

    @property
    def is_signed(self) -> bool:
        """Say whether a vault has signed it."""
        return bool(self.signature)

    def to_json(self) -> str:
        """Write it, sorted, as it is kept and signed."""
        return msgspec.json.encode(self, order="sorted").decode()

    def signable(self) -> bytes:
        """Give the bytes that are signed."""
        return replace(self, signature="").to_json().encode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Receipt:
        """Read what ``to_json`` wrote."""
        try:
            read = msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise Invalid(f"this is no receipt ({error})", remedy="give its JSON") from None
        if read.format != FORMAT:
            raise Invalid(
                f"the receipt has the format {read.format!r}",
                value=read.format,
                remedy=f"give one of the format {FORMAT}",
            )
        return read


def handle_of(subject: str) -> str:
    """Name a subject in a receipt where there is no vault: who knows the name can tell."""
    return blake2b(subject.encode(), digest_size=16, person=b"perdure-handle").hexdigest()
