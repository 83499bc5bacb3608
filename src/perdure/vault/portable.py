"""One encrypted file: a header, then chunks of 64 KiB that can be neither cut, moved nor swapped.

The format is in docs/export.md. ``Writer`` and ``Reader`` are plain streams of bytes; what is
inside them is not known here.
"""

from __future__ import annotations

import hmac
import os
import struct
import unicodedata
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from perdure.errors import Invalid, LockedOut, Tampered, TooLarge

from .envelope import KEY_BYTES, TAG_BYTES, commitment, subkey
from .masters import (
    ITERATIONS,
    ITERATIONS_MAX,
    LANES,
    LANES_MAX,
    MEMORY_KIB,
    MEMORY_KIB_MAX,
)
from .secret import Secret

MAGIC = b"\xd5perdure"
FORMAT = 1
RAW_KEY, ARGON2ID = 0, 1
CHUNK_BYTES = 65_536
SALT_BYTES, COMMITMENT_BYTES = 32, 16
_HEAD = struct.Struct(f">{len(MAGIC)}sBBIII{SALT_BYTES}s")
HEADER_BYTES = _HEAD.size + COMMITMENT_BYTES
CHUNKS_MAX = 2**32

Key = str | bytes


@dataclass(frozen=True, slots=True)
class Head:
    """What stands in clear in front: how the key is made, and the salt of this file."""

    kdf: int
    memory_kib: int = 0
    iterations: int = 0
    lanes: int = 0
    salt: bytes = b""

    @classmethod
    def fresh(cls, key: Key) -> Head:
        """Make the head of a new file."""
        salt = os.urandom(SALT_BYTES)
        if isinstance(key, bytes):
            return cls(RAW_KEY, salt=salt)
        return cls(ARGON2ID, MEMORY_KIB, ITERATIONS, LANES, salt)

    @classmethod
    def parse(cls, raw: bytes) -> Head:
        """Read the head of a file, and refuse one that would cost too much to open."""
        magic, number, kdf, memory, iterations, lanes, salt = _HEAD.unpack(raw)
        if magic != MAGIC or number != FORMAT:
            raise Invalid(
                f"the file has the format {number}, which is unknown",
                value=number,
                remedy="upgrade perdure, or check which file this is",
            )
        is_sane = (memory, iterations, lanes) == (0, 0, 0)
        if kdf == ARGON2ID:
            is_sane = (
                8 * lanes <= memory <= MEMORY_KIB_MAX
                and 1 <= iterations <= ITERATIONS_MAX
                and 1 <= lanes <= LANES_MAX
            )
        if kdf not in (RAW_KEY, ARGON2ID) or not is_sane:
            raise Tampered("the header of the file was changed", remedy=_AGAIN)
        return cls(kdf, memory, iterations, lanes, salt)

    @property
    def packed(self) -> bytes:
        return _HEAD.pack(
            MAGIC, FORMAT, self.kdf, self.memory_kib, self.iterations, self.lanes, self.salt
        )

    def file_key(self, key: Key) -> bytes:
        """Derive the key of this file. The head is part of it, so a changed one does not open."""
        return subkey(self._secret(key), f"export {self.packed.hex()}")

    def _secret(self, key: Key) -> bytes:
        if isinstance(key, bytes):
            return key
        kdf = Argon2id(
            salt=self.salt,
            length=KEY_BYTES,
            iterations=self.iterations,
            lanes=self.lanes,
            memory_cost=self.memory_kib,
        )
        return kdf.derive(unicodedata.normalize("NFC", key).encode())


def checked(key: Key) -> Key:
    """Return the key if it is one."""
    if isinstance(key, bytes) and len(key) != KEY_BYTES:
        raise Invalid(
            f"the key has {len(key)} bytes", value=len(key), remedy=f"give {KEY_BYTES} random ones"
        )
    if not key:
        raise Invalid("the passphrase is empty", remedy="give the passphrase")
    return key


class Writer(Secret):
    """Encrypts what is written to it; ``close`` writes the last chunk and leaves the file open."""

    __slots__ = ("_buffer", "_file", "_gcm", "_number")

    def __init__(self, file: BinaryIO, key: Key) -> None:
        head = Head.fresh(checked(key))
        file_key = head.file_key(key)
        self._file, self._gcm = file, AESGCM(subkey(file_key, "chunks"))
        self._buffer, self._number = bytearray(), 0
        file.write(head.packed + commitment(file_key))

    def write(self, data: bytes) -> None:
        """Add bytes; whole chunks that are not the last one go to the file."""
        self._buffer += data
        while len(self._buffer) > CHUNK_BYTES:
            self._put(bytes(self._buffer[:CHUNK_BYTES]), is_last=False)
            del self._buffer[:CHUNK_BYTES]

    def close(self) -> None:
        """Write the last chunk."""
        self._put(bytes(self._buffer), is_last=True)

    def _put(self, clear: bytes, *, is_last: bool) -> None:
        if self._number == CHUNKS_MAX:
            raise TooLarge("the file is larger than 256 TiB", remedy="export fewer things")
        self._file.write(self._gcm.encrypt(_nonce(self._number, is_last=is_last), clear, None))
        self._number += 1


class Reader(Secret):
    """Gives back what was encrypted; a chunk that is not the one that was written is refused."""

    __slots__ = ("_clear", "_file", "_gcm", "_next", "_number", "_place", "_start")

    def __init__(self, file: BinaryIO, key: Key) -> None:
        raw = file.read(HEADER_BYTES)
        if len(raw) < HEADER_BYTES:
            raise Tampered("the file ends inside its header", remedy=_AGAIN)
        head = Head.parse(raw[: _HEAD.size])
        _refuse_other_kind(head, checked(key))
        file_key = head.file_key(key)
        if not hmac.compare_digest(commitment(file_key), raw[_HEAD.size :]):
            raise LockedOut(
                "the file does not open with this key",
                remedy="give the key it was made with; if it is the right one, the header was"
                " changed",
            )
        self._file, self._gcm = file, AESGCM(subkey(file_key, "chunks"))
        self._start = file.tell()
        self.rewind()

    def rewind(self) -> None:
        """Begin again."""
        self._file.seek(self._start)
        self._clear, self._place, self._number = b"", 0, 0
        self._next: bytes | None = self._sealed()

    def read(self, size: int) -> bytes:
        """Give at most so many bytes, fewer at the end of a chunk, none at the end."""
        if self._place == len(self._clear):
            self._clear, self._place = self._chunk(), 0
        given = self._clear[self._place : self._place + size]
        self._place += len(given)
        return given

    def _chunk(self) -> bytes:
        if self._next is None:
            return b""
        sealed, following = self._next, self._sealed()
        try:
            nonce = _nonce(self._number, is_last=not following)
            clear = self._gcm.decrypt(nonce, sealed, None)
        except (InvalidTag, ValueError):  # the second one: it is too short
            raise Tampered(
                f"chunk {self._number} of the file was changed, moved or cut off",
                value=self._number,
                remedy=_AGAIN,
            ) from None
        self._number += 1
        self._next = following or None
        return clear

    def _sealed(self) -> bytes:
        """Read the next chunk whole: a pipe gives less than it is asked for."""
        wanted, parts = CHUNK_BYTES + TAG_BYTES, []
        while wanted and (part := self._file.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)


_AGAIN = "take it from where it was made once more"


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((is_last,))


def _refuse_other_kind(head: Head, key: Key) -> None:
    if isinstance(key, bytes) != (head.kdf == RAW_KEY):
        made = "32 bytes" if head.kdf == RAW_KEY else "a passphrase"
        raise LockedOut(f"the file was made with {made} as its key", remedy=f"give {made}")
