"""Members of an export, in a folder, a tar file or an encrypted tar file: written once, in order,
and read back in that order, each against its checksum.

Lines are collected into members of about a mebibyte, so sizes are known before bytes are written
and memory stays flat however long the history is.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Protocol

from perdure.errors import Invalid, Tampered, TooLarge

from .format import ABOUT, AGAIN, BESIDE, LOG, MANIFEST, OUTCOMES, TABLES, Entry, Manifest, parse

MEMBER_BYTES = 1_048_576
MEMBER_BYTES_MAX = 67_108_864
MEMBERS_MAX = 999_999
BLOCK = tarfile.BLOCKSIZE
_NAME = re.compile(
    rf"{ABOUT}|{MANIFEST}"
    rf"|({LOG}|{OUTCOMES}|({TABLES}|{BESIDE})/[a-z][a-z0-9_]{{0,62}})/[0-9]{{6}}\.jsonl"
)
_ORDER = (ABOUT, LOG, OUTCOMES, TABLES, BESIDE, MANIFEST)


class Stream(Protocol):
    """What a tar file is written to."""

    def write(self, data: bytes, /) -> object: ...


class Source(Protocol):
    """What a tar file is read from, twice."""

    def read(self, size: int, /) -> bytes: ...


class Sink(Protocol):
    """Takes members one after the other."""

    def add(self, name: str, data: bytes) -> None: ...

    def close(self) -> None: ...


class FolderSink:
    """A folder with a file for each member."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700)

    def add(self, name: str, data: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)

    def close(self) -> None:
        """Nothing is kept back."""


class TarSink:
    """A tar file as POSIX wrote it down (ustar), which every tool reads."""

    def __init__(self, stream: Stream, at: datetime) -> None:
        self._stream, self._at = stream, int(at.timestamp())

    def add(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(data), self._at, 0o600
        self._stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        self._stream.write(data + bytes(-len(data) % BLOCK))

    def close(self) -> None:
        """Write the two empty blocks at the end."""
        self._stream.write(bytes(2 * BLOCK))


class Writer:
    """Collects lines into members, and notes what the manifest has to say of them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._folder, self._number = "", 0
        self._lines: list[bytes] = []
        self._size = 0
        self.entries: list[Entry] = []

    def line(self, folder: str, line: bytes) -> None:
        """Add a line to a folder; folders come one after the other."""
        if folder != self._folder:
            self.flush()
            self._folder, self._number = folder, 0
        if len(line) >= MEMBER_BYTES_MAX:
            raise TooLarge(
                f"a line of {folder} has {len(line)} bytes, {MEMBER_BYTES_MAX} are allowed",
                value=len(line),
                remedy="forget the record it is about, or split it",
            )
        if self._size + len(line) >= MEMBER_BYTES:
            self.flush()
        self._lines.append(line)
        self._size += len(line) + 1

    def flush(self) -> None:
        """Write the member that was begun."""
        if self._lines:
            self._number += 1
            count, data = len(self._lines), b"\n".join((*self._lines, b""))
            self.member(f"{self._folder}/{self._number:06}.jsonl", data, lines=count)
            self._lines, self._size = [], 0

    def member(self, name: str, data: bytes, *, lines: int = 0) -> None:
        """Write a whole member."""
        if len(self.entries) == MEMBERS_MAX:
            raise _too_many()
        self._sink.add(name, data)
        self.entries.append(Entry(name, len(data), lines, sha256(data).hexdigest()))

    def finish(self, manifest: bytes) -> None:
        """Write the manifest and the end."""
        self._sink.add(MANIFEST, manifest)
        self._sink.close()


# -- reading


class Members(Protocol):
    """Gives the members of one export, as often as it is asked."""

    def each(self) -> Iterator[tuple[str, bytes]]: ...


class FolderMembers:
    """The members in a folder; links and strange names are refused."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def each(self) -> Iterator[tuple[str, bytes]]:
        names = list(islice(self._names(self._root), MEMBERS_MAX + 2))
        if len(names) > MEMBERS_MAX + 1:  # and the manifest
            raise _too_many()
        for name in sorted(names, key=_rank):
            path = self._root / name
            if path.is_symlink() or not path.is_file():
                raise _strange(name)
            _refuse_large(name, path.stat().st_size)
            yield name, path.read_bytes()

    def _names(self, folder: Path) -> Iterator[str]:
        for one in folder.iterdir():
            if one.is_dir() and not one.is_symlink():
                yield from self._names(one)
            else:
                yield one.relative_to(self._root).as_posix()


class TarMembers:
    """The members of a tar file, and nothing but what we write: no link, no sparse file, no path
    of its own.
    """

    def __init__(self, file: Source, rewind: Rewind) -> None:
        self._file, self._rewind = file, rewind

    def each(self) -> Iterator[tuple[str, bytes]]:
        self._rewind()
        while any(block := self._exactly(BLOCK)):
            name, size = _header(block)
            _refuse_large(name, size)
            data = self._exactly(size + -size % BLOCK)
            if any(data[size:]):
                raise Tampered(f"there is something behind {name}", value=name, remedy=AGAIN)
            yield name, data[:size]
        if any(self._exactly(BLOCK)):
            raise Tampered("the end of the file was changed", remedy=AGAIN)
        while rest := self._file.read(MEMBER_BYTES):
            if any(rest):
                raise Tampered("there is something behind the end of the file", remedy=AGAIN)

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size and (part := self._file.read(min(size, MEMBER_BYTES))):
            parts.append(part)
            size -= len(part)
        if size:
            raise Tampered("the file was cut off", remedy=AGAIN)
        return b"".join(parts)


class Rewind(Protocol):
    """Goes back to the first byte."""

    def __call__(self) -> object: ...


def _header(block: bytes) -> tuple[str, int]:
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise Tampered(f"a tar header can not be read ({error})", remedy=AGAIN) from None
    if info.type != tarfile.REGTYPE or info.size < 0:
        raise _strange(info.name)
    return info.name, info.size


def read(members: Members) -> Iterator[tuple[str, bytes]]:
    """Yield every member but the manifest, which they are all held against at the end.

    The caller has what it was given before the end is known: it keeps nothing until then.
    """
    seen: list[Entry] = []
    before = ((-1, ""), "")
    raw = None
    for name, data in members.each():
        if not _NAME.fullmatch(name):
            raise _strange(name)
        if (here := (_rank(name), name)) <= before or raw is not None:
            raise Tampered(
                f"{name} is not at its place",
                value=name,
                remedy="unpack the file and import the folder, or " + AGAIN,
            )
        before = here
        if name == MANIFEST:
            raw = data
        elif len(seen) == MEMBERS_MAX:
            raise _too_many()
        else:
            seen.append(Entry(name, len(data), data.count(b"\n"), sha256(data).hexdigest()))
            yield name, data
    if raw is None:
        raise Tampered(f"there is no {MANIFEST}", remedy=AGAIN)
    _compare(seen, parse(Manifest, raw, MANIFEST))
    yield MANIFEST, raw


def _compare(seen: list[Entry], manifest: Manifest) -> None:
    known = {entry.name: entry for entry in manifest.members}
    for entry in seen:
        if (said := known.pop(entry.name, None)) is None:
            raise Tampered(f"{entry.name} is not in the manifest", value=entry.name, remedy=AGAIN)
        if (said.bytes, said.sha256) != (entry.bytes, entry.sha256):
            raise Tampered(f"{entry.name} was changed", value=entry.name, remedy=AGAIN)
    for name in known:
        raise Tampered(f"{name} is missing", value=name, remedy=AGAIN)


def _rank(name: str) -> tuple[int, str]:
    top = name.partition("/")[0]
    return _ORDER.index(top) if top in _ORDER else len(_ORDER), name


def _refuse_large(name: str, size: int) -> None:
    if size > MEMBER_BYTES_MAX:
        raise TooLarge(
            f"{name} has {size} bytes, {MEMBER_BYTES_MAX} are allowed",
            value=size,
            remedy="this is no file that perdure wrote",
        )


def _too_many() -> TooLarge:
    return TooLarge(
        f"more than {MEMBERS_MAX} members",
        value=MEMBERS_MAX,
        remedy="an export has at most so many",
    )


def _strange(name: str) -> Invalid:
    return Invalid(
        f"{name!r} is nothing that belongs into an export",
        value=name,
        remedy="take it out, or check which file this is",
    )
