"""The Bloom filter of seed A's app, read only: an imported "said before" keeps its answers.

`uniquenessGuarantee.js`: 1,000,000 bits, 7 positions by double hashing of the hexadecimal hash of
the folded text. The hash is SHA-256 where the runtime has `crypto.subtle` and a 64-bit mix where it
has not (React Native), so both are asked. Not here: adding; new hashes go to `echoes.Bloom`.
"""

from __future__ import annotations

import base64
import binascii
import re
from hashlib import sha256
from math import ceil
from typing import Final

from perdure.domains.drift.echoes import fold
from perdure.domains.drift.libm import log
from perdure.errors import Invalid

SEED_BITS: Final = 1_000_000
SEED_BYTES: Final = SEED_BITS // 8
SEED_HASHES: Final = 7
_BASE64_CHARACTERS: Final = 4 * ceil(SEED_BYTES / 3)
_HEX = re.compile(r"[0-9a-f]{16}(?:[0-9a-f]{48})?")
_SURROGATES = re.compile("[\ud800-\udfff]")
_MASK = 0xFFFF_FFFF


class SeedBloom:
    """What the app said before it moved here; recognised by its length of 125,000 bytes."""

    __slots__ = ("_bits",)

    def __init__(self, bits: bytes) -> None:
        if len(bits) != SEED_BYTES:
            raise Invalid(
                f"a filter of {len(bits)} bytes",
                value=len(bits),
                remedy=f"an app's filter has {SEED_BYTES}",
            )
        self._bits = bits

    @classmethod
    def recognises(cls, text: str) -> bool:
        """Return whether the base64 has the length of an app's filter."""
        return len(text) == _BASE64_CHARACTERS and not text.startswith("UEJGMX")  # PBF1|

    @classmethod
    def from_base64(cls, text: str) -> SeedBloom:
        """Read the app's `bloom_filter` column."""
        try:
            return cls(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError) as error:
            raise Invalid(
                "an app's filter that is not base64", value=text[:40], remedy="export it again"
            ) from error

    def has_said(self, text: str) -> bool:
        """Return whether the app has probably said this text (either of its two hashes)."""
        return any(self.contains(each) for each in (strong_hash(text), simple_hash(text)))

    def contains(self, hexadecimal: str) -> bool:
        """Return whether the app has probably recorded this hash, as in its `recent_hashes`."""
        return all(self._bits[place >> 3] & 1 << (place & 7) for place in places(hexadecimal))

    def estimate(self) -> int:
        """Estimate how many texts it holds, from the share of bits that are set."""
        unset = SEED_BITS - int.from_bytes(self._bits, "little").bit_count()
        return round(-SEED_BITS / SEED_HASHES * log(max(1, unset) / SEED_BITS))


def places(hexadecimal: str) -> list[int]:
    """Return the app's seven positions of a hash of 16 or 64 hexadecimal digits."""
    if not _HEX.fullmatch(hexadecimal):
        raise Invalid(
            f"hash {hexadecimal[:70]!r}",
            value=hexadecimal[:70],
            remedy="use 16 or 64 lower-case hexadecimal digits",
        )
    first = int(hexadecimal[:8], 16)
    step = int(hexadecimal[8:16], 16) or first
    return [(first + index * step) % SEED_BITS for index in range(SEED_HASHES)]


def strong_hash(text: str) -> str:
    """Return the app's SHA-256 of a text."""
    return sha256(_SURROGATES.sub("\ufffd", fold(text)).encode()).hexdigest()


def simple_hash(text: str) -> str:
    """Return the app's 64-bit hash of a text, made where there is no SHA-256."""
    data = fold(text).encode("utf-16-le", "surrogatepass")
    low, high = 0xDEADBEEF, 0x41C6CE57
    for at in range(0, len(data), 2):
        unit = data[at] | data[at + 1] << 8
        low = (low ^ unit) * 2654435761 & _MASK
        high = (high ^ unit) * 1597334677 & _MASK
    low = (low ^ low >> 16) * 2246822507 & _MASK
    low ^= (high ^ high >> 13) * 3266489909 & _MASK
    high = (high ^ high >> 16) * 2246822507 & _MASK
    high ^= (low ^ low >> 13) * 3266489909 & _MASK
    return f"{high:08x}{low:08x}"
