"""Drift observed in replies: a baseline, a moving average, six dimensions, an alarm and reasons.

Pure functions of the state and of a `Measurement`; replaying the events gives the same state on
every machine (plain double arithmetic, `libm.py`, whole numbers for the profiles). Not here: how a
text is measured (`features.py`), the drift of the app's mutations (`model.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import starmap
from math import sqrt
from typing import Final

from perdure.domains.drift import features, lexicon
from perdure.domains.drift.features import Measurement, measure
from perdure.domains.drift.libm import exp, log
from perdure.domains.drift.model import (
    DIMENSIONS,
    Dimensions,
    DriftState,
    FitnessPosition,
    Voice,
)
from perdure.errors import Invalid

__all__ = ["Measurement", "Reason", "explain", "measure", "observe", "rebase"]

BASELINE_REPLIES: Final = 30
STYLE_AFTER_REPLIES: Final = 10  # before that there is no profile to be far from
ALPHA: Final = 0.1
EWMA_VARIANCE: Final = ALPHA / (2 - ALPHA)
Z_SCALE: Final = 18.0
Z_MAX: Final = 12.0
SIDE_MARGIN: Final = 1.0  # standard deviations by which the other side has to lead
MOMENTUM_REPLIES: Final = 10
ALARM_DELTA: Final = 0.02
ALARM_LAMBDA: Final = 2.0
PRESSURE_MAX: Final = 2 * ALARM_LAMBDA  # so that a voice that came home is soon believed
PROFILE_TOTAL: Final = 1_000_000
REASON_LEAST: Final = 0.005
_LN2: Final = log(2.0)
_STYLE: Final = len(features.FEATURES)  # the one feature that is a distance to the baseline

# Feature: dimension, smallest standard deviation believed, words for less and for more of it.
_TABLE: Final = (
    ("word_length", "lexical", 0.22, "shorter words", "longer words"),
    ("variety", "lexical", 0.3, "fewer different words", "more different words"),
    ("hapaxes", "lexical", 0.045, "fewer words used once", "more words used once"),
    ("length", "structural", 0.22, "shorter replies", "longer replies"),
    ("sentence_length", "structural", 0.12, "shorter sentences", "longer sentences"),
    ("sentence_spread", "structural", 0.12, "more even sentences", "less even sentences"),
    ("commas", "structural", 0.012, "fewer commas", "more commas"),
    ("lists", "structural", 0.045, "fewer lists", "more lists"),
    ("positive", "tonal", 0.009, "fewer warm words", "more warm words"),
    ("negative", "tonal", 0.009, "fewer dark words", "more dark words"),
    ("hedges", "tonal", 0.009, "fewer hedges", "more hedges"),
    ("questions", "tonal", 0.075, "fewer questions", "more questions"),
    ("density", "creative", 0.03, "more repetition", "less repetition"),
    ("long_words", "creative", 0.022, "fewer long words", "more long words"),
    ("novelty", "creative", 0.045, "closer to earlier replies", "less like earlier replies"),
    ("entropy", "thermal", 0.015, "more predictable words", "less predictable words"),
    ("exclamations", "amplitude", 0.075, "fewer exclamations", "more exclamations"),
    ("capitals", "amplitude", 0.015, "fewer words in capitals", "more words in capitals"),
    ("intensifiers", "amplitude", 0.009, "fewer intensifiers", "more intensifiers"),
    ("style", "lexical", 0.03, "the usual function words", "other function words"),
)
_FLOORS: Final = tuple(row[2] for row in _TABLE)
_MEMBERS: Final = {
    name: tuple(index for index, row in enumerate(_TABLE) if row[1] == name) for name in DIMENSIONS
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one dimension moved."""

    dimension: str
    feature: str  # "mutation" when the app moved it and no reply was measured
    before: float
    after: float
    change: float
    z: float  # how unusual the feature is now, in standard deviations of its average
    text: str


def observe(state: DriftState, measurement: Measurement) -> DriftState:
    """Return the state after one measured reply.

    The first 30 replies make the baseline and move nothing else. A reply without a word counts as
    an interaction and is not measured.
    """
    _check(measurement)
    state = replace(state, total_interactions=state.total_interactions + 1)
    if measurement.tokens == 0:
        return state
    if state.voice.version != measurement.version:
        state = rebase(state)
    if state.voice.replies < BASELINE_REPLIES:
        return replace(state, voice=_learnt(state.voice, measurement))
    return _compared(state, measurement)


def rebase(state: DriftState) -> DriftState:
    """Accept the voice as it is now: the next 30 replies make a new baseline, the alarm ends."""
    return replace(state, voice=Voice(version=features.VERSION, baseline=state.voice.baseline + 1))


def _check(measurement: Measurement) -> None:
    if measurement.version != features.VERSION:
        raise Invalid(
            f"a measurement of version {measurement.version}, not {features.VERSION}",
            value=measurement.version,
            remedy="read it with the release that wrote it",
        )
    sizes = (len(measurement.features), len(measurement.words), len(measurement.marks))
    wanted = (_STYLE, lexicon.WORD_BINS_COUNT, lexicon.MARK_BINS_COUNT)
    if measurement.tokens and sizes != wanted:
        raise Invalid(
            f"a measurement of sizes {sizes}, not {wanted}", value=sizes, remedy="measure again"
        )


def _learnt(voice: Voice, measurement: Measurement) -> Voice:
    """Welford's update of mean and spread; the 30th reply freezes them."""
    count = voice.replies + 1
    profile = _profile(measurement)
    home = tuple(map(sum, zip(voice.home or (0,) * len(profile), profile, strict=True)))
    values, counts = [*measurement.features, 0.0], [count] * _STYLE + [0]
    if voice.replies >= STYLE_AFTER_REPLIES:
        values[_STYLE] = _distance(profile, tuple(each // voice.replies for each in voice.home))
        counts[_STYLE] = count - STYLE_AFTER_REPLIES
    mean, spread = [], []
    blank = (0.0,) * len(_TABLE)
    for value, n, m, s in zip(
        values, counts, voice.mean or blank, voice.spread or blank, strict=True
    ):
        moved = m + (value - m) / n if n else m
        mean.append(moved)
        spread.append(s + (value - m) * (value - moved) if n else s)
    voice = replace(voice, replies=count, mean=tuple(mean), spread=tuple(spread), home=home)
    if count < BASELINE_REPLIES:
        return voice
    home = tuple(each // count for each in home)
    return replace(voice, home=home, lately=home, recent=voice.mean)


def _compared(state: DriftState, measurement: Measurement) -> DriftState:
    voice = state.voice
    profile = _profile(measurement)
    values = (*measurement.features, _distance(profile, voice.home))
    recent = tuple(
        (1 - ALPHA) * old + ALPHA * new for old, new in zip(voice.recent, values, strict=True)
    )
    lately = tuple(
        (9 * old + new + 5) // 10 for old, new in zip(voice.lately, profile, strict=True)
    )
    voice = replace(voice, replies=voice.replies + 1, recent=recent, lately=lately)
    dimensions = _dimensions(_scores(voice), state.dimensions)
    coefficient = sqrt(sum([each * each for each in dimensions.values()]) / len(DIMENSIONS))
    trend = (1 - ALPHA) * voice.trend + ALPHA * (coefficient - state.coefficient)
    position = _position(dimensions, _distance(lately, voice.home))
    return replace(
        state,
        coefficient=coefficient,
        dimensions=dimensions,
        fitness_position=position,
        speciation_index=_speciation(dimensions, position),
        momentum=min(1.0, MOMENTUM_REPLIES * abs(trend)),
        voice=_watched(replace(voice, trend=trend), coefficient, state.total_interactions),
    )


def _profile(measurement: Measurement) -> tuple[int, ...]:
    """Return both profiles as millionths, half for the words and half for the characters."""
    return (*_shares(measurement.words), *_shares(measurement.marks))


def _shares(counts: bytes) -> list[int]:
    total = sum(counts)
    if not total:
        return [PROFILE_TOTAL // 2, *[0] * (len(counts) - 1)]
    return [count * (PROFILE_TOTAL // 2) // total for count in counts]


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Return the square root of the Jensen-Shannon divergence of two profiles, 0 to 1."""
    total = 0.0
    absent = sum(other)  # nearly the total: shares are rounded down
    for p, q in zip(one, other, strict=True):
        if p:
            absent -= q
            if p != q:
                total += p * log(2 * p / (p + q))
                if q:
                    total += q * log(2 * q / (p + q))
    total += absent * _LN2
    return sqrt(min(1.0, max(0.0, total / (2 * PROFILE_TOTAL * _LN2))))


def _scores(voice: Voice) -> tuple[float, ...]:
    """Return per feature how many standard deviations its average is from the baseline."""
    scores = []
    for index, (now, mean, spread, floor) in enumerate(
        zip(voice.recent, voice.mean, voice.spread, _FLOORS, strict=True)
    ):
        learnt = BASELINE_REPLIES - (STYLE_AFTER_REPLIES if index == _STYLE else 0)
        sigma = max(floor, sqrt(spread / (learnt - 1)))
        z = (now - mean) / (sigma * sqrt(EWMA_VARIANCE))
        scores.append(max(-Z_MAX, min(Z_MAX, z)))
    scores[_STYLE] = max(0.0, scores[_STYLE])  # nearer home than usual is no drift
    return tuple(scores)


def _dimensions(scores: tuple[float, ...], before: Dimensions) -> Dimensions:
    return Dimensions(
        **{name: _dimension(scores, _MEMBERS[name], getattr(before, name)) for name in DIMENSIONS}
    )


def _dimension(scores: tuple[float, ...], members: tuple[int, ...], before: float) -> float:
    """Return the root mean square of 1 - exp(-z * z / 18), on the side that leads.

    Each feature is bounded first, so that one wild feature cannot fill the dimension: better
    separation and fewer false alarms than bounding the mean of z * z (docs/drift.md).
    """
    moved = [1.0 - exp(-scores[each] * scores[each] / Z_SCALE) for each in members]
    size = sqrt(sum([each * each for each in moved]) / len(moved))
    return size if _is_above([scores[each] for each in members], before) else -size


def _is_above(scores: list[float], before: float) -> bool:
    """Say on which side the dimension is; near a tie it stays where it was, or it would flicker."""
    above, below = max(0.0, *scores), max(0.0, *(-score for score in scores))
    if before and above and below and abs(above - below) <= SIDE_MARGIN:
        return before > 0
    return above >= below


def _leading(scores: tuple[float, ...], members: tuple[int, ...]) -> int:
    return max(members, key=lambda each: abs(scores[each]))


def _position(dimensions: Dimensions, distance: float) -> FitnessPosition:
    """Return alignment with the baseline, and creative and emotional drift around the middle."""
    return FitnessPosition(
        x=1.0 - distance,
        y=0.5 + dimensions.creative / 2,
        z=0.5 + (dimensions.tonal + dimensions.amplitude) / 4,
    )


def _speciation(dimensions: Dimensions, position: FitnessPosition) -> float:
    """The original's formula, where x rests at 1 and not at 0.5."""
    drift = sum([abs(each) for each in dimensions.values()])
    deviation = min(0.5, 1 - position.x) + abs(position.y - 0.5) + abs(position.z - 0.5)
    return min(1.0, (drift / 6 + deviation / 1.5) / 2)


def _watched(voice: Voice, coefficient: float, interaction: int) -> Voice:
    """Page-Hinkley: the alarm is on while the coefficient has stayed above its own mean."""
    usual = voice.usual + (coefficient - voice.usual) / (voice.replies - BASELINE_REPLIES)
    pressure = min(PRESSURE_MAX, max(0.0, voice.pressure + coefficient - usual - ALARM_DELTA))
    alarm = pressure > ALARM_LAMBDA
    since = (voice.alarm_since if voice.alarm else interaction) if alarm else 0
    return replace(voice, usual=usual, pressure=pressure, alarm=alarm, alarm_since=since)


def explain(
    before: DriftState, after: DriftState, *, least: float = REASON_LEAST
) -> tuple[Reason, ...]:
    """Say which dimensions moved between two states and why, the largest move first."""
    measured = after.voice.recent and after.voice != before.voice
    scores = _scores(after.voice) if measured else ()
    reasons = starmap(
        lambda name, old, new: _reason(name, old, new, scores),
        zip(DIMENSIONS, before.dimensions.values(), after.dimensions.values(), strict=True),
    )
    moved = [each for each in reasons if abs(each.change) >= least]
    return tuple(sorted(moved, key=lambda each: -abs(each.change)))


def _reason(name: str, before: float, after: float, scores: tuple[float, ...]) -> Reason:
    change = after - before
    moved = f"{name} moved by {change:+.3f} to {after:+.3f}"
    if not scores:
        text = f"{moved}: the app's mutations or feedback"
        return Reason(name, "mutation", before, after, change, 0.0, text)
    leading = _leading(scores, _MEMBERS[name])
    feature, _, _, less, more = _TABLE[leading]
    z = scores[leading]
    text = f"{moved}: {more if z >= 0 else less} than the baseline ({z:+.1f} standard deviations)"
    return Reason(name, feature, before, after, change, z, text)
