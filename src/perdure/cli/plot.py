"""Curves and areas made of braille dots, or of ASCII where the terminal is not UTF-8.

A canvas has two by four dots in each cell. Nothing here knows what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

DOTS_ACROSS: Final = 2
DOTS_DOWN: Final = 4
_BRAILLE: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_ASCII: Final = {(False, False): " ", (True, False): "'", (False, True): ".", (True, True): ":"}


class Canvas:
    """A grid of dots; (0, 0) is at the top left."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.width, self.height = columns * DOTS_ACROSS, rows * DOTS_DOWN
        self._dots: set[tuple[int, int]] = set()

    def bar(self, x: int, one: int, other: int) -> None:
        """Set the dots of a column between two heights."""
        low, high = sorted((one, other))
        self._dots.update((x, y) for y in range(low, high + 1))

    def lines(self, *, unicode: bool) -> list[str]:
        """Write the cells, row by row."""
        cell = self._braille if unicode else self._ascii
        return ["".join(cell(c, r) for c in range(self.columns)) for r in range(self.rows)]

    def _braille(self, column: int, row: int) -> str:
        left, top = column * DOTS_ACROSS, row * DOTS_DOWN
        bits = sum(
            _BRAILLE[y][x]
            for y in range(DOTS_DOWN)
            for x in range(DOTS_ACROSS)
            if (left + x, top + y) in self._dots
        )
        return chr(0x2800 + bits) if bits else " "

    def _ascii(self, column: int, row: int) -> str:
        left, top = column * DOTS_ACROSS, row * DOTS_DOWN
        half = DOTS_DOWN // 2
        upper, lower = (
            any((left + x, y) in self._dots for x in range(DOTS_ACROSS) for y in range(t, t + half))
            for t in (top, top + half)
        )
        return _ASCII[upper, lower]


def curve(values: Sequence[float], canvas: Canvas, *, low: float, high: float) -> None:
    """Draw a line; between neighbours it has no gaps."""
    heights = [_height(value, canvas, low, high) for value in resampled(values, canvas.width)]
    for x, y in enumerate(heights):
        canvas.bar(x, y, _towards(heights[x - 1], y) if x else y)


def area(values: Sequence[float], canvas: Canvas, *, most: float) -> None:
    """Fill what is between zero, in the middle, and the values; zero itself is one dot high."""
    middle = canvas.height // 2
    for x, value in enumerate(resampled(values, canvas.width)):
        size = min(middle, round(abs(value) / most * middle))
        if size == 0:
            canvas.bar(x, middle, middle)
        elif value > 0:
            canvas.bar(x, middle - 1, middle - size)
        else:
            canvas.bar(x, middle, middle + size - 1)


def resampled(values: Sequence[float], count: int) -> list[float]:
    """Give so many values: means of neighbours when there are more, stretched when fewer."""
    size = len(values)
    found = []
    for index in range(count):
        start = index * size // count
        end = max(start + 1, (index + 1) * size // count)
        part = values[start:end]
        found.append(sum(part) / len(part))
    return found


def _height(value: float, canvas: Canvas, low: float, high: float) -> int:
    share = (value - low) / (high - low)
    return round((1 - min(1.0, max(0.0, share))) * (canvas.height - 1))


def _towards(before: int, now: int) -> int:
    """Stop one dot short of the neighbour, so that slopes stay thin."""
    return before + (now > before) - (now < before)
