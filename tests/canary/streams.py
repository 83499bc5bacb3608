"""Compressed streams inside other bytes: gzip, zlib, members of a zip, zstd.

A stream is found by its first bytes, wherever they stand, and read as far as it goes: one that was
cut or overwritten in the middle gives what is left of it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import zstandard

TASTE_BYTES = 512
PIECE_BYTES = 1 << 16
OUTPUT_BYTES_MAX = 1 << 26
ZIP_HEADER = struct.Struct("<4s4xH16xHH")
DEFLATED = 8


class Opener(Protocol):
    """A decompressor in the middle of a stream."""

    def decompress(self, data: bytes, /) -> bytes:
        """Give what these bytes add."""
        ...


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of stream: how it begins, how long its header is, and how it is read."""

    name: str
    magic: bytes
    open: Callable[[], Opener]
    skip: Callable[[bytes], int | None] = lambda _: 0


def _zip_header(head: bytes) -> int | None:
    if len(head) < ZIP_HEADER.size:
        return None
    _, method, name, extra = ZIP_HEADER.unpack_from(head)
    return ZIP_HEADER.size + name + extra if method == DEFLATED else None


def _zstd() -> Opener:
    return zstandard.ZstdDecompressor().decompressobj()


CONTAINERS = (
    Container("gzip", b"\x1f\x8b\x08", lambda: zlib.decompressobj(31)),
    *(
        Container("zlib", b"\x78" + level, lambda: zlib.decompressobj(15))
        for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")
    ),
    Container("zip", b"PK\x03\x04", lambda: zlib.decompressobj(-15), _zip_header),
    Container("zstd", b"\x28\xb5\x2f\xfd", _zstd),
)
KINDS = tuple(dict.fromkeys(container.name for container in CONTAINERS))


def streams(window: bytes, base: int, source: BinaryIO) -> Iterator[tuple[str, int, bytes]]:
    """Give what every stream that begins in this window holds; the window stands at ``base``."""
    for container in CONTAINERS:
        at = window.find(container.magic)
        while at >= 0:
            taste = window[at : at + TASTE_BYTES]
            if content := _content(container, taste, base + at, source):
                yield container.name, base + at, content
            at = window.find(container.magic, at + 1)


def _content(container: Container, taste: bytes, at: int, source: BinaryIO) -> bytes:
    skip = container.skip(taste)
    if skip is None:
        return b""
    opener, output = container.open(), bytearray()
    source.seek(at + max(skip, len(taste)))
    piece = taste[skip:] or source.read(PIECE_BYTES)
    while piece and len(output) < OUTPUT_BYTES_MAX:
        try:
            output += opener.decompress(piece)
        except (zlib.error, zstandard.ZstdError):
            break
        if getattr(opener, "eof", False):
            break
        piece = source.read(PIECE_BYTES)
    return bytes(output)
