"""The drift state, its evolution by the app's mutations, and the JSON shape of the app's objects.

`evolve` repeats the original (`driftAccumulator.js` of seed A's app) operation by operation, so its
numbers are equal to the last bit; `docs/drift.md` lists the formulas. Not here: the drift observed
in a reply's text (`voice.py`), "said this before" (`echoes.py`), times, storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Final, Literal

from perdure.domains.drift.libm import exp, log10
from perdure.errors import Invalid

LEARNING_RATE: Final = 0.1
COEFFICIENT_MAX: Final = 0.8
FITNESS_RATE: Final = 0.05
FITNESS_MIN: Final = 0.1
FITNESS_MAX: Final = 0.9
FEEDBACK_RATE: Final = 0.1
MOMENTUM_MAX: Final = 2.0
INTERACTIONS_MAX: Final = 2**53 - 1  # JavaScript's largest exact integer
RECENT_HASHES_MAX: Final = 10_000  # the original keeps as many
SOLID_BELOW: Final = 0.75
CREATIVE_BELOW: Final = 0.90

DIMENSIONS: Final = ("lexical", "structural", "tonal", "creative", "thermal", "amplitude")
VarianceClass = Literal["solid", "creative", "edge"]

# The app's vector carries these too. They steer its prompt and do not take part in drift.
_MUTATION_EXTRAS = frozenset(
    ("selector", "phase", "signature", "timestamp", "entropyBits", "varianceClass")
)
_SEED_KEYS = (
    "coefficient",
    "dimensions",
    "fitnessPosition",
    "totalInteractions",
    "speciationIndex",
    "momentum",
    "bloomFilter",
    "recentHashes",
    "createdAt",
    "lastUpdated",
)
# In the app's memory, never in its database; seed A's `serialize` leaves them out as well.
_SEED_DROPPED = frozenset(("totalMutations", "averageVariance"))


@dataclass(frozen=True, slots=True)
class Dimensions:
    """How far the voice has moved in each dimension, -1 to 1; 0 is where it began."""

    lexical: float = 0.0
    structural: float = 0.0
    tonal: float = 0.0
    creative: float = 0.0
    thermal: float = 0.0
    amplitude: float = 0.0

    def values(self) -> tuple[float, ...]:
        """Return the six numbers in the order of `DIMENSIONS`."""
        return tuple(getattr(self, name) for name in DIMENSIONS)


@dataclass(frozen=True, slots=True)
class FitnessPosition:
    """Therapeutic alignment (x), creative freedom (y) and emotional depth (z), each 0 to 1."""

    x: float = 0.5
    y: float = 0.5
    z: float = 0.5


@dataclass(frozen=True, slots=True)
class Mutation:
    """The app's own mutation vector, each number 0 to 1, where 0.5 changes nothing.

    `stability` is read by the original but missing in its documented vector: `undefined - 0.5` is
    NaN, and x stays NaN ever after. The default 0.5 is the value that leaves x where it is.
    """

    lexical: float
    structural: float
    tonal: float
    creative: float
    thermal: float
    amplitude: float
    stability: float = 0.5

    @classmethod
    def read(cls, values: Mapping[str, object]) -> Mutation:
        """Make a mutation of the app's object; its keys that are not drift are passed over."""
        _refuse_unknown(values, "mutation", {*DIMENSIONS, "stability"} | _MUTATION_EXTRAS)
        missing = [name for name in DIMENSIONS if values.get(name) is None]
        if missing:
            raise Invalid(
                f"a mutation without {', '.join(missing)}",
                value=sorted(values),
                remedy="give all six dimensions; 0.5 changes nothing",
            )
        names = [name for name in (*DIMENSIONS, "stability") if values.get(name) is not None]
        return cls(**{name: _number(values[name], f"mutation {name}", 0.0, 1.0) for name in names})


@dataclass(frozen=True, slots=True)
class Voice:
    """What `voice.observe` remembers: the baseline, the recent average, and the alarm.

    Sums over features and word classes; no word of any text.
    """

    version: int = 1  # of the feature list; another version cannot be compared
    baseline: int = 1  # which baseline: `voice.rebase` begins the next
    replies: int = 0  # measured since this baseline began
    mean: tuple[float, ...] = ()  # per feature, over the baseline
    spread: tuple[float, ...] = ()  # per feature: Welford's sum of squared distances
    recent: tuple[float, ...] = ()  # per feature: EWMA since the baseline froze
    home: tuple[int, ...] = ()  # profile of the baseline: a sum until frozen, then millionths
    lately: tuple[int, ...] = ()  # profile, EWMA, millionths
    trend: float = 0.0  # EWMA of the change of the coefficient; below 0 it comes home
    usual: float = 0.0  # running mean of the coefficient
    pressure: float = 0.0  # Page-Hinkley: what the coefficient exceeded its mean by, summed
    alarm: bool = False
    alarm_since: int = 0  # the interaction at which the alarm began; 0 when there is none


@dataclass(frozen=True, slots=True)
class DriftState:
    """How far one agent's voice has evolved for one subject."""

    coefficient: float = 0.0
    dimensions: Dimensions = Dimensions()
    fitness_position: FitnessPosition = FitnessPosition()
    total_interactions: int = 0
    speciation_index: float = 0.0
    momentum: float = 0.0
    voice: Voice = Voice()


def initial() -> DriftState:
    """Return the state before the first interaction (seed A's `initializeQIVState`)."""
    return DriftState()


def evolve(state: DriftState, mutation: Mutation) -> DriftState:
    """Return the state after one mutation, equal to the original's to the last bit."""
    _check(mutation)
    wanted = {name: getattr(mutation, name) for name in DIMENSIONS}
    moved = Dimensions(
        **{
            name: (1 - LEARNING_RATE) * getattr(state.dimensions, name)
            + LEARNING_RATE * (wanted[name] - 0.5) * 2
            for name in DIMENSIONS
        }
    )
    momentum = 0.0
    for name in DIMENSIONS:
        momentum += abs((wanted[name] - 0.5) * 2 - getattr(moved, name))
    position = _moved_position(state.fitness_position, mutation)
    interactions = state.total_interactions + 1
    return replace(
        state,
        coefficient=min(COEFFICIENT_MAX, 0.1 * log10(interactions + 1)),
        dimensions=moved,
        fitness_position=position,
        total_interactions=interactions,
        speciation_index=speciation(moved, position),
        momentum=momentum / len(DIMENSIONS),
    )


def _moved_position(at: FitnessPosition, mutation: Mutation) -> FitnessPosition:
    x = at.x + FITNESS_RATE * (mutation.stability - 0.5) * 0.5
    y = at.y + FITNESS_RATE * (mutation.creative - 0.3)
    z = at.z + FITNESS_RATE * ((mutation.amplitude + mutation.tonal) / 2 - 0.5)
    return FitnessPosition(*(max(FITNESS_MIN, min(FITNESS_MAX, axis)) for axis in (x, y, z)))


def speciation(dimensions: Dimensions, position: FitnessPosition) -> float:
    """Return how far from the first self, 0 to 1: half the dimensions, half the position."""
    drift = 0.0
    for value in dimensions.values():
        drift += abs(value)
    deviation = abs(position.x - 0.5) + abs(position.y - 0.5) + abs(position.z - 0.5)
    return (drift / 6 + deviation / 1.5) / 2


def feedback(state: DriftState, strength: float, dimension: str | None = None) -> DriftState:
    """Reinforce (up to 1) or weaken (down to -1) the drift of one dimension or of all.

    The original lets a dimension leave [-1, 1] here; it stops at the edge instead.
    """
    pressure = _number(strength, "feedback", -1.0, 1.0) * FEEDBACK_RATE
    if dimension is not None and dimension not in DIMENSIONS:
        raise Invalid(
            f"no dimension {dimension!r}", value=dimension, remedy=f"use {', '.join(DIMENSIONS)}"
        )
    names = DIMENSIONS if dimension is None else (dimension,)
    changed = {name: _edge(getattr(state.dimensions, name) * (1 + pressure)) for name in names}
    return replace(state, dimensions=replace(state.dimensions, **changed))


def uniqueness(state: DriftState) -> float:
    """Return the original's estimate that no other voice has drifted alike, 0 to 1."""
    drift = 0.0
    for value in state.dimensions.values():
        drift += abs(value) * 10
    return 1 - exp(-drift)


def dominant(state: DriftState) -> tuple[str, float] | None:
    """Return the dimension that drifted most and its value, or nothing when none did."""
    name = max(DIMENSIONS, key=lambda each: abs(getattr(state.dimensions, each)))
    value: float = getattr(state.dimensions, name)
    return (name, value) if value else None


def variance_class(selector: float) -> VarianceClass:
    """Return the class of a mutation by its selector: 75 % solid, 15 % creative, 10 % edge."""
    chosen = _number(selector, "selector", 0.0, 1.0)
    if chosen < SOLID_BELOW:
        return "solid"
    return "creative" if chosen < CREATIVE_BELOW else "edge"


def to_seed(
    state: DriftState,
    *,
    bloom_filter: str | None = None,
    recent_hashes: tuple[str, ...] = (),
    created_at: str | None = None,
    last_updated: str | None = None,
) -> dict[str, object]:
    """Return the state as the object that seed A's `deserialize` makes."""
    return {
        "coefficient": state.coefficient,
        "dimensions": asdict(state.dimensions),
        "fitnessPosition": asdict(state.fitness_position),
        "totalInteractions": state.total_interactions,
        "speciationIndex": state.speciation_index,
        "momentum": state.momentum,
        "bloomFilter": bloom_filter,
        "recentHashes": list(recent_hashes),
        "createdAt": created_at,
        "lastUpdated": last_updated,
    }


def from_seed(source: Mapping[str, object]) -> tuple[DriftState, str | None, tuple[str, ...]]:
    """Read an object the app stored: the state, its bloom filter and its recent hashes.

    A missing key or null means the seed's default: `JSON.stringify` writes the app's NaN as null.
    """
    _refuse_unknown(source, "state", {*_SEED_KEYS} | _SEED_DROPPED)
    state = DriftState(
        coefficient=_seed_number(source, "coefficient", 0.0, 1.0),
        dimensions=Dimensions(**_seed_part(source, "dimensions", Dimensions, -1.0)),
        fitness_position=FitnessPosition(
            **_seed_part(source, "fitnessPosition", FitnessPosition, 0.0)
        ),
        total_interactions=_seed_count(source.get("totalInteractions")),
        speciation_index=_seed_number(source, "speciationIndex", 0.0, 1.0),
        momentum=_seed_number(source, "momentum", 0.0, MOMENTUM_MAX),
    )
    return state, _seed_text(source.get("bloomFilter")), _seed_hashes(source.get("recentHashes"))


def _seed_number(source: Mapping[str, object], key: str, low: float, high: float) -> float:
    value = source.get(key)
    return 0.0 if value is None else _number(value, key, low, high)


def _seed_part(
    source: Mapping[str, object],
    key: str,
    shape: type[Dimensions] | type[FitnessPosition],
    low: float,
) -> dict[str, float]:
    part = source.get(key)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise Invalid(f"{key} is {_shown(part)}", value=part, remedy="store an object of numbers")
    _refuse_unknown(part, key, {each.name for each in fields(shape)})
    return {
        name: _number(value, f"{key}.{name}", low, 1.0)
        for name, value in part.items()
        if value is not None
    }


def _seed_count(value: object) -> int:
    if value is None:
        return 0
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not whole:
        raise Invalid(
            f"totalInteractions is {_shown(value)}", value=value, remedy="store a whole number"
        )
    return int(_number(value, "totalInteractions", 0, INTERACTIONS_MAX))


def _seed_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise Invalid(f"bloomFilter is {_shown(value)}", value=value, remedy="store base64 or null")


def _seed_hashes(value: object) -> tuple[str, ...]:
    hashes = [] if value is None else value
    if not isinstance(hashes, list | tuple) or not all(isinstance(each, str) for each in hashes):
        raise Invalid(
            f"recentHashes is {_shown(value)}", value=value, remedy="store a list of texts"
        )
    if len(hashes) > RECENT_HASHES_MAX:
        raise Invalid(
            f"recentHashes has {len(hashes)} entries",
            value=len(hashes),
            remedy=f"keep the newest {RECENT_HASHES_MAX}",
        )
    return tuple(hashes)


def _check(mutation: Mutation) -> None:
    for each in fields(mutation):
        _number(getattr(mutation, each.name), f"mutation {each.name}", 0.0, 1.0)


def _number(value: object, name: str, low: float, high: float) -> float:
    """Return the number, or refuse it by name; NaN is in no range and a bool is no number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise Invalid(
        f"{name} is {_shown(value)}", value=value, remedy=f"use a number from {low:g} to {high:g}"
    )


def _refuse_unknown(source: Mapping[str, object], what: str, known: set[str]) -> None:
    unknown = sorted(str(key) for key in source if key not in known)
    if unknown:
        names = ", ".join(repr(name[:40]) for name in unknown[:5])
        raise Invalid(
            f"{what} has unknown keys {names}", value=unknown, remedy="remove or rename them"
        )


def _shown(value: object) -> str:
    return repr(value)[:60]


def _edge(value: float) -> float:
    return max(-1.0, min(1.0, value))
