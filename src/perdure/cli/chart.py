"""The drift over time, drawn in the terminal: the coefficient as a curve, each dimension as an area
around zero. The picture for a file is in ``svg.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from perdure.domains.drift.model import DIMENSIONS
from perdure.domains.drift.operations import Point

from . import plot
from .terminal import Out, moment

CURVE_ROWS: Final = 7
AREA_ROWS: Final = 2
LABEL_CELLS: Final = 12
VALUE_CELLS: Final = 9
COLUMNS_MIN: Final = 10
SCALES: Final = (0.1, 0.25, 0.5, 1.0)
COLOURS: Final = ("cyan", "yellow", "magenta", "green", "red", "blue")


def draw(points: Sequence[Point], out: Out) -> None:
    """Print the chart of a history."""
    if not points:
        out.say("no drift yet: 'perdure drift observe TEXT' measures a reply")
        return
    columns = max(COLUMNS_MIN, out.width - LABEL_CELLS - VALUE_CELLS - 3)
    for line in _coefficient(points, columns, out):
        out.say(line)
    out.say()
    for line in _dimensions(points, columns, out):
        out.say(line)
    out.say(_times(points, columns))


def scale_of(values: Sequence[float], scales: Sequence[float] = SCALES) -> float:
    """Choose the smallest scale that holds every value."""
    most = max(map(abs, values), default=0.0)
    return next((scale for scale in scales if most <= scale), scales[-1])


def _coefficient(points: Sequence[Point], columns: int, out: Out) -> Iterator[str]:
    values = [point.coefficient for point in points]
    top = scale_of(values)
    canvas = plot.Canvas(columns, CURVE_ROWS)
    plot.curve(values, canvas, low=0.0, high=top)
    marks = {0: f"{top:.2f}", CURVE_ROWS // 2: f"{top / 2:.3g}", CURVE_ROWS - 1: "0"}
    side, tick, corner, floor = "│┤└─" if out.is_unicode else "|++-"
    yield out.paint("coefficient", "bold")
    for row, line in enumerate(canvas.lines(unicode=out.is_unicode)):
        label = marks.get(row, "")
        value = f" {values[-1]:.4f}" if row == _row_of(values[-1], top) else ""
        axis = out.paint(f"{label:>{LABEL_CELLS}} {tick if label else side}", "dim")
        yield f"{axis}{out.paint(line, 'bold')}{value}".rstrip()
    yield out.paint(f"{'':>{LABEL_CELLS}} {corner}{floor * columns}", "dim")


def _row_of(value: float, top: float) -> int:
    share = min(1.0, max(0.0, value / top))
    return min(CURVE_ROWS - 1, int((1 - share) * CURVE_ROWS))


def _dimensions(points: Sequence[Point], columns: int, out: Out) -> Iterator[str]:
    series = {name: [getattr(p.dimensions, name) for p in points] for name in DIMENSIONS}
    most = scale_of([value for values in series.values() for value in values])
    side = "│" if out.is_unicode else "|"
    yield f"{out.paint('dimensions', 'bold')}, above and below zero, at most {most:g}"
    for (name, values), colour in zip(series.items(), COLOURS, strict=True):
        canvas = plot.Canvas(columns, AREA_ROWS)
        plot.area(values, canvas, most=most)
        upper, lower = (out.paint(one, colour) for one in canvas.lines(unicode=out.is_unicode))
        edge = out.paint(side, "dim")
        yield f"{name:>{LABEL_CELLS}} {edge}{upper}"
        yield f"{'':>{LABEL_CELLS}} {edge}{lower} {values[-1]:+.4f}"


def _times(points: Sequence[Point], columns: int) -> str:
    first, last = points[0], points[-1]
    left = f"{first.version}  {moment(first.at)}"
    right = f"{moment(last.at)}  {last.version}"
    if len(left) + len(right) + 2 > columns:
        left, right = str(first.version), str(last.version)
    return f"{'version':>{LABEL_CELLS}}  {left}{right:>{columns - len(left)}}"
