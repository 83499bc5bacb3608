"""A scan of every byte of files, folders and names for canaries, in every form they may have.

What it does not see: a canary cut inside its marker (by the border of a database page or a wrapped
line), one under two encodings at once (the hex of a base64 text), one inside a compressed stream
that is itself written in hex or base64, and what a file system keeps of files that were removed.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO

from tests.canary.forms import CORE_LETTERS, FORM_BYTES_MAX, FORMS, Form, Marker
from tests.canary.streams import streams

BLOCK_BYTES = 1 << 25
DEPTH_MAX = 3
HITS_TOLD_MAX = 10

Root = Path | bytes


class BlindScanner(AssertionError):
    """A text that was planted on purpose was not found: the scan proves nothing."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A canary, or only its marker (``core`` is empty then), the first time it stands there."""

    marker: str
    core: str
    encoding: str
    place: str
    offset: int


@dataclass(frozen=True, slots=True)
class Control:
    """A text planted on purpose, where it has to be found: a path, or a folder above it."""

    core: str
    encoding: str
    under: str

    def is_met(self, hit: Hit) -> bool:
        """Say whether this hit is the control."""
        return hit.core == self.core and hit.place.startswith(self.under)


@dataclass(slots=True)
class Findings:
    """What a scan saw."""

    hits: dict[tuple[str, str, str, str], Hit] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0

    def add(self, hit: Hit) -> None:
        """Keep the first of its kind in a place."""
        self.hits.setdefault((hit.marker, hit.core, hit.encoding, hit.place), hit)

    def of(self, marker: Marker) -> list[Hit]:
        """Give the hits of a marker, bare ones included."""
        return [hit for hit in self.hits.values() if hit.marker == marker.text]

    @property
    def pieces(self) -> list[Hit]:
        """Give the hits of pieces."""
        return [hit for hit in self.hits.values() if not hit.marker]


class Scanner:
    """Looks for markers and the canaries that begin with each, and for a few ``pieces`` of bytes
    by their names. ``blind`` makes a mutant of it: encodings, kinds of streams or patterns of file
    names that it passes over.
    """

    def __init__(
        self,
        known: Mapping[Marker, Iterable[str]],
        *,
        pieces: Iterable[tuple[str, bytes]] = (),
        blind: Iterable[str] = (),
        block: int = BLOCK_BYTES,
    ) -> None:
        self._blind, self._block = frozenset(blind), block
        self._searches: list[_Search | _Piece] = [_Piece(*piece) for piece in pieces]
        self._searches += [
            _Search(form, marker, list(cores))
            for marker, cores in known.items()
            for form in FORMS
            if form.encoding not in self._blind
        ]

    def scan(self, *roots: Root, controls: Iterable[Control]) -> Findings:
        """Scan everything; refuse to answer when a planted control was not found."""
        found = Findings()
        for root in roots:
            if isinstance(root, bytes):
                self._source(io.BytesIO(root), "bytes", found, depth=0)
            else:
                for path in _entries(root):
                    self._entry(path, root, found)
        missed = [one for one in controls if not any(map(one.is_met, found.hits.values()))]
        if missed:
            told = ", ".join(f"{one.encoding} in {one.under}" for one in missed[:HITS_TOLD_MAX])
            raise BlindScanner(f"{len(missed)} planted texts were not found: {told}")
        return found

    def _entry(self, path: Path, root: Path, found: Findings) -> None:
        if any(fnmatch(path.name, pattern) for pattern in self._blind):
            return
        name = str(path.relative_to(root.parent)).encode()
        self._window(name, 0, f"name of {path}", found, is_last=True)
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as source:
                found.files += 1
                found.bytes += path.stat().st_size
                self._source(source, str(path), found, depth=0)

    def _source(self, source: BinaryIO, place: str, found: Findings, *, depth: int) -> None:
        """Scan a source window by window; each repeats the end of the one before."""
        base, window = 0, b""
        while True:
            base += max(0, len(window) - FORM_BYTES_MAX)
            tail = window[-FORM_BYTES_MAX:]
            source.seek(base + len(tail))
            block = source.read(self._block)
            window = tail + block
            self._window(window, base, place, found, is_last=len(block) < self._block)
            if depth < DEPTH_MAX:
                for kind, at, content in streams(window, base, source):
                    if kind not in self._blind:
                        inner = f"{place}!{kind}@{at}"
                        self._source(io.BytesIO(content), inner, found, depth=depth + 1)
            if len(block) < self._block:
                return

    def _window(
        self, window: bytes, base: int, place: str, found: Findings, *, is_last: bool
    ) -> None:
        for search in self._searches:
            for at, core in search.hits(window, is_first=not base, is_last=is_last):
                found.add(Hit(search.marker, core, search.encoding, place, base + at))


class _Search:
    """The marker in one form, and whose it is by what stands beside it."""

    def __init__(self, form: Form, marker: Marker, cores: list[str]) -> None:
        self.encoding, self.marker = form.encoding, marker.text
        self._is_backwards = form.is_backwards
        self.needle = form.write(marker.text)
        self.whole = len(form.write("x" * CORE_LETTERS))
        self.owners = {form.write(core): core for core in cores}

    def hits(self, window: bytes, *, is_first: bool, is_last: bool) -> Iterator[tuple[int, str]]:
        """Give every place and whose canary it is; what the neighbouring window sees whole is
        left to it.
        """
        at = window.find(self.needle)
        while at >= 0:
            start = at + len(self.needle) - self.whole if self._is_backwards else at
            is_cut = (start < 0 and not is_first) or (
                start + self.whole > len(window) and not is_last
            )
            if not is_cut:
                yield at, self.owners.get(window[max(0, start) : start + self.whole], "")
            at = window.find(self.needle, at + 1)


class _Piece:
    """Bytes that are looked for as they are."""

    marker = ""
    encoding = "bytes"

    def __init__(self, name: str, needle: bytes) -> None:
        self._name, self._needle = name, needle

    def hits(self, window: bytes, **_: bool) -> Iterator[tuple[int, str]]:
        """Give the first place: one is too many."""
        at = window.find(self._needle)
        if at >= 0:
            yield at, self._name


def _entries(root: Path) -> Iterator[Path]:
    yield root
    if root.is_dir() and not root.is_symlink():
        yield from sorted(root.rglob("*"))
