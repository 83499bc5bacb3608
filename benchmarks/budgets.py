"""The budgets of the design, section 11, and how a figure is held against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from .harness import Figure


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the design, what was measured, and whether that is enough."""

    line: str
    wanted: str
    measured: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Faster:
    """So many times the operations per second of another, as the median of the rounds."""

    line: str
    ours: str
    other: str
    at_least: float

    def judge(self, figures: Mapping[str, Figure]) -> Verdict | None:
        ours, other = figures.get(self.ours), figures.get(self.other)
        if ours is None or other is None:
            return None
        ratio = median(a / b for a, b in zip(ours.rates, other.rates, strict=True))
        wanted = f">= {self.at_least:g} x {self.other}"
        return Verdict(self.line, wanted, f"{ratio:.2f} x", ratio >= self.at_least)


@dataclass(frozen=True, slots=True)
class Sooner:
    """A median latency at most so many times that of another."""

    line: str
    ours: str
    other: str
    at_most: float

    def judge(self, figures: Mapping[str, Figure]) -> Verdict | None:
        ours, other = figures.get(self.ours), figures.get(self.other)
        if ours is None or other is None:
            return None
        ratio = median(a / b for a, b in zip(ours.p50s, other.p50s, strict=True))
        wanted = f"p50 <= {self.at_most:g} x {self.other}"
        return Verdict(self.line, wanted, f"{ratio:.2f} x", ratio <= self.at_most)


@dataclass(frozen=True, slots=True)
class Costs:
    """At most so many fsyncs or round trips for each operation.

    What another thread does off the path of the call, at most so often a second, is not counted.
    """

    line: str
    ours: str
    what: str
    at_most: float
    aside_per_second: float = 0.0

    def judge(self, figures: Mapping[str, Figure]) -> Verdict | None:
        ours = figures.get(self.ours)
        count = None if ours is None else getattr(ours, self.what)
        if ours is None or count is None:
            return None
        count -= self.aside_per_second / ours.per_second
        wanted = f"<= {self.at_most:g} {self.what.replace('_', ' ')} an operation"
        return Verdict(self.line, wanted, f"{count:.3f}", count <= self.at_most)


Budget = Faster | Sooner | Costs
