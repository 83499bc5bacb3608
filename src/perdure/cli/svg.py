"""The drift over time as one SVG file: no script, no font, no link; it reads on light and on dark.

The same curves in a terminal are in ``chart.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from perdure.domains.drift.model import DIMENSIONS
from perdure.domains.drift.operations import Point

from .chart import scale_of
from .plot import resampled
from .terminal import clean, moment

WIDTH: Final = 900
HEIGHT: Final = 560
LEFT: Final = 64
RIGHT: Final = 130
POINTS_MAX: Final = 240  # more become means of neighbours
LABEL_PIXELS: Final = 16
# Okabe and Ito's palette: told apart with every kind of colour vision; dashes tell them apart in
# print. One hue for both backgrounds, so the file needs no more than the text to change.
LINES: Final = (
    ("#0072b2", ""), ("#d55e00", "7 3"), ("#009e73", "2 3"),
    ("#cc79a7", "9 3 2 3"), ("#e69f00", "4 2"), ("#56b4e9", "12 4"),
)  # fmt: skip
STYLE: Final = """
  .back { fill: #ffffff } .ink { fill: #1b1f24 } .soft { fill: #57606a }
  .grid { stroke: #d0d7de } .axis { stroke: #57606a } .main { stroke: #1b1f24 }
  .fill { fill: #1b1f24; fill-opacity: .08 }
  text { font: 12px system-ui, sans-serif } .title { font-size: 18px; font-weight: 600 }
  .head { font-size: 13px; font-weight: 600 }
  line, polyline { fill: none } polyline { stroke-width: 1.8; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } .ink { fill: #e6edf3 } .soft { fill: #9da7b3 }
    .grid { stroke: #30363d } .axis { stroke: #9da7b3 } .main { stroke: #e6edf3 }
    .fill { fill: #e6edf3 }
  }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle with a scale."""

    title: str
    top: float
    bottom: float
    low: float
    high: float

    def y(self, value: float) -> float:
        """Give the height of a value."""
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return self.bottom - share * (self.bottom - self.top)

    def line(self, values: Sequence[float]) -> str:
        """Give the points of a polyline."""
        shown = resampled(values, min(POINTS_MAX, max(2, len(values))))
        step = (WIDTH - LEFT - RIGHT) / (len(shown) - 1)
        return " ".join(f"{LEFT + i * step:.1f},{self.y(v):.1f}" for i, v in enumerate(shown))


def picture(points: Sequence[Point], subject: str) -> str:
    """Draw a history."""
    title = escape(f"Drift of {clean(subject)}")
    said = f"coefficient and six dimensions, versions {points[0].version} to {points[-1].version}"
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{title}</title><desc id="desc">{said}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="ink title" x="{LEFT}" y="34">{title}</text>',
        *_coefficient(points),
        *_dimensions(points),
        *_times(points),
        "</svg>",
    ]
    return "\n".join(body) + "\n"


def _coefficient(points: Sequence[Point]) -> Iterator[str]:
    values = [point.coefficient for point in points]
    panel = Panel("coefficient: how far from where it began", 74, 214, 0.0, scale_of(values))
    yield from _axes(panel)
    drawn = panel.line(values)
    right = WIDTH - RIGHT
    ground = f"{LEFT},{panel.bottom} {drawn} {right},{panel.bottom}"
    yield f'<polygon class="fill" points="{ground}"/>'
    yield f'<polyline class="main" points="{drawn}"/>'
    y = panel.y(values[-1]) + 4
    yield f'<text class="ink" x="{right + 8}" y="{y:.1f}">{values[-1]:.4f}</text>'


def _dimensions(points: Sequence[Point]) -> Iterator[str]:
    series = {name: [getattr(p.dimensions, name) for p in points] for name in DIMENSIONS}
    most = scale_of([value for values in series.values() for value in values])
    panel = Panel("dimensions: less (below zero) or more", 268, 476, -most, most)
    yield from _axes(panel)
    ends = _apart({name: panel.y(values[-1]) for name, values in series.items()}, panel)
    right = WIDTH - RIGHT
    for (name, values), (colour, dashes) in zip(series.items(), LINES, strict=True):
        look = f'stroke="{colour}" stroke-dasharray="{dashes or "none"}"'
        yield f'<polyline {look} points="{panel.line(values)}"/>'
        y = ends[name]
        yield f'<line {look} stroke-width="2.4" x1="{right + 8}" x2="{right + 34}"'
        yield f' y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="ink" x="{right + 40}" y="{y + 4:.1f}">{name}</text>'


def _apart(ends: dict[str, float], panel: Panel) -> dict[str, float]:
    """Move the labels of the legend apart, each as near to the end of its line as may be."""
    placed: dict[str, float] = {}
    room = panel.bottom - LABEL_PIXELS * (len(ends) - 1)
    least = panel.top
    for name, y in sorted(ends.items(), key=lambda end: end[1]):
        placed[name] = max(least, min(y, room))
        least, room = placed[name] + LABEL_PIXELS, room + LABEL_PIXELS
    return placed


def _axes(panel: Panel) -> Iterator[str]:
    right = WIDTH - RIGHT
    yield f'<text class="ink head" x="{LEFT}" y="{panel.top - 12}">{panel.title}</text>'
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = panel.low + share * (panel.high - panel.low)
        y = panel.y(value)
        kind = "axis" if value == 0 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        label = f"{value:.4g}"
        yield f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{panel.top}" y2="{panel.bottom}"/>'


def _times(points: Sequence[Point]) -> Iterator[str]:
    ends = ((points[0], LEFT, "start"), (points[-1], WIDTH - RIGHT, "end"))
    for point, x, anchor in ends:
        for text, y in ((f"version {point.version}", 498), (moment(point.at), 514)):
            yield f'<text class="soft" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text class="ink" x="{middle}" y="540" text-anchor="middle">events of the drift</text>'
