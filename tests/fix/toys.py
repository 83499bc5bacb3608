"""A seal without a cipher, and of a vault what units of work ask of it: small enough to be read as
the meaning of `kernel.sealing`.
"""

from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count

from perdure.errors import Forgotten, Tampered
from perdure.kernel.sealing import Owner

MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class ToySeal:
    """A keyed digest of the place and the text, then the text with its bits turned over."""

    key: bytes

    @property
    def digest_key(self) -> bytes:
        return self.key + b"digest"

    def seal(self, clear: bytes, kind: str, id: str, field: str) -> bytes:
        return self._mac(clear, kind, id, field) + bytes(byte ^ 255 for byte in clear)

    def open(self, sealed: bytes, kind: str, id: str, field: str) -> bytes:
        clear = bytes(byte ^ 255 for byte in sealed[MAC_BYTES:])
        if sealed[:MAC_BYTES] != self._mac(clear, kind, id, field):
            raise Tampered(f"{kind} {id}, {field}, was not sealed for this place")
        return clear

    def blind(self, kind: str, clear: bytes) -> bytes:
        return blake2b(kind.encode() + b"\0" + clear, digest_size=16, key=self.key).digest()

    def _mac(self, clear: bytes, *place: str) -> bytes:
        return blake2b(repr((place, clear)).encode(), digest_size=MAC_BYTES, key=self.key).digest()


@dataclass(slots=True)
class ToyKeys:
    """Handles by number; who is in `forgotten` has none any more."""

    id: str = "toy"
    owners: dict[str, Owner] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    asked: list[tuple[str, bool]] = field(default_factory=list)
    is_closed: bool = False
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def owner(self, subject: str, *, create: bool) -> Owner:
        self.asked.append((subject, create))
        if subject in self.forgotten:
            raise Forgotten("the subject was forgotten", remedy="readmit it")
        if subject not in self.owners and not create:
            return Owner("0" * 32, ToySeal(b"nobody"))
        if subject not in self.owners:
            number = next(self._numbers)
            self.owners[subject] = Owner(f"{number:032x}", ToySeal(b"%d" % number))
        return self.owners[subject]

    def owner_of(self, handle: str) -> Owner | None:
        named = ((name, owner) for name, owner in self.owners.items() if owner.subject == handle)
        return next((owner for name, owner in named if name not in self.forgotten), None)

    def is_fresh(self, subject: str) -> bool:
        return subject in self.owners

    def close(self) -> None:
        self.is_closed = True
