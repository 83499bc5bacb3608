"""What a detector is, what it gives, and how several become one. Nothing here knows a pattern.

A detector is any function of a text that names the places of personal values in it; one that asks
a language model or a word list of its own is used like those that come with Perdure.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from perdure.errors import Invalid

KIND = re.compile(r"[a-z]{1,24}")


@dataclass(frozen=True, slots=True)
class Found:
    """A personal value in a text: where it starts, where it ends, of which kind it is."""

    start: int
    end: int
    kind: str


class Detector(Protocol):
    """Names the places of personal values in a text, in any order; they may overlap."""

    def __call__(self, text: str, /) -> Iterable[Found]: ...


def compose(*detectors: Detector) -> Detector:
    """Make one detector of several: where finds overlap the earlier detector's is kept, and of one
    detector's the longest, then the first.
    """

    def composed(text: str, /) -> list[Found]:
        kept: list[Found] = []
        for detector in detectors:
            _keep(kept, detector(text), len(text))
        return kept

    return composed


def _keep(kept: list[Found], found: Iterable[Found], length: int) -> None:
    """Add what overlaps nothing that is there; both lists end in the order of the text."""
    free = []
    for one in found:
        _require_sound(one, length)
        place = bisect_left(kept, one.end, key=_start)
        if place == 0 or kept[place - 1].end <= one.start:
            free.append(one)
    if _overlap(free):
        free = _longest(free)
    kept.extend(free)
    kept.sort(key=_start)


def _longest(found: list[Found]) -> list[Found]:
    """Choose the longest, then the first, of those that overlap."""
    chosen: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start - one.end, one.start, one.kind)):
        place = bisect_left(chosen, one.end, key=_start)
        if place == 0 or chosen[place - 1].end <= one.start:
            chosen.insert(place, one)
    return chosen


def _overlap(found: list[Found]) -> bool:
    ordered = sorted(found, key=_start)
    return any(a.end > b.start for a, b in pairwise(ordered))


def _start(one: Found) -> int:
    return one.start


def _require_sound(one: Found, length: int) -> None:
    if not KIND.fullmatch(one.kind):
        raise Invalid(
            f"a detector calls its find {one.kind!r}",
            value=one.kind,
            remedy="name kinds by 1 to 24 letters from a to z",
        )
    if not 0 <= one.start < one.end <= length:
        raise Invalid(
            f"a detector found something from {one.start} to {one.end} in {length} characters",
            value=one.start,
            remedy="give places inside the text it was given",
        )
