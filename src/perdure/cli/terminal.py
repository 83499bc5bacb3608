"""Where output goes and how it looks: JSON or text, colours and progress only on a terminal.

Results go to standard output, everything about the run itself to standard error. No command is
here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime
from io import StringIO, TextIOWrapper
from typing import Any, Final, TextIO

import msgspec

WIDTH_DEFAULT: Final = 80
WIDTH_MAX: Final = 120
BAR_CELLS: Final = 24
_STYLES: Final = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34",
    "magenta": "35", "cyan": "36", "struck": "9",
}  # fmt: skip
# Stored text may hold terminal commands (C0 and C1 controls); a reader of it must not run them.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Progress = Callable[[str, int, int], None]


def clean(text: str) -> str:
    """Write control characters out, all but tabs and line breaks."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def cells(text: str) -> int:
    """Count the columns a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def shortened(text: str, most: int) -> str:
    """Give a text in one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def moment(at: datetime) -> str:
    """Write a time, to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


class Out:
    """The two streams of a command, and what they can show."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        for stream in (self._out, self._err):
            if isinstance(stream, TextIOWrapper):  # a text the terminal can not show is no failure
                stream.reconfigure(errors="backslashreplace")
        self.is_terminal = self._out.isatty()
        self.has_colour = self.is_terminal and may_colour()
        self.is_unicode = "utf" in (self._out.encoding or "").lower()
        columns = shutil.get_terminal_size((WIDTH_DEFAULT, 24)).columns
        self.width = min(WIDTH_MAX, max(20, columns))

    def silenced(self) -> Out:
        """Give the same without results, for a command that tells a story beside its document."""
        quiet = copy(self)
        quiet._out = StringIO()  # noqa: SLF001  (its own)
        return quiet

    def say(self, text: str = "") -> None:
        """Print a line, or several."""
        self._out.write(text + "\n")

    def flush(self) -> None:
        """Hand over what was printed so far."""
        self._out.flush()

    def note(self, text: str) -> None:
        """Print a line about the run on standard error."""
        self._err.write(text + "\n")

    def paint(self, text: str, *styles: str) -> str:
        """Colour a text, where colours are seen."""
        if not self.has_colour or not text:
            return text
        return f"\x1b[{';'.join(_STYLES[one] for one in styles)}m{text}\x1b[0m"

    def document(self, value: object) -> None:
        """Print the one JSON document of a command."""
        self.say(self._encoded(value, indent=2))

    def record(self, value: object) -> None:
        """Print one line of a stream of JSON documents."""
        self.say(self._encoded(value, indent=None))

    def _encoded(self, value: object, *, indent: int | None) -> str:
        plain: Any = msgspec.to_builtins(value)
        return json.dumps(plain, ensure_ascii=not self.is_unicode, indent=indent)

    def table(self, rows: Iterable[Sequence[str]], *, indent: str = "  ") -> None:
        """Print rows with their columns below each other."""
        kept = [[clean(cell) for cell in row] for row in rows]
        widths = [max(map(cells, column)) for column in zip(*kept, strict=True)]
        for row in kept:
            padded = (
                cell + " " * (width - cells(cell)) for cell, width in zip(row, widths, strict=True)
            )
            self.say((indent + "  ".join(padded)).rstrip())

    @contextmanager
    def progress(self, label: str) -> Iterator[Progress]:
        """Give a function that shows how far the work is; it shows nothing off a terminal."""
        if self.as_json or not self._err.isatty():
            yield lambda _what, _done, _total: None
            return
        try:
            yield lambda what, done, total: self._bar(f"{label} {what}", done, total)
        finally:
            self._err.write("\r\x1b[K")
            self._err.flush()

    def _bar(self, label: str, done: int, total: int) -> None:
        filled = BAR_CELLS * min(done, total) // max(total, 1)
        bar = "#" * filled + "." * (BAR_CELLS - filled)
        so_far = f"[{bar}] {done}/{total}" if total else f"{done}"
        self._err.write(f"\r{shortened(clean(label), 40)} {so_far}\x1b[K")
        self._err.flush()


def may_colour() -> bool:
    """Say whether the user lets terminals have colours (see no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
