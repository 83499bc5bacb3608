"""The drift state: equal to the original's numbers, strict at the edge, the app's JSON unchanged.

The expected numbers were computed by Node 20 from the formulas of `docs/drift.md`, not by this
library.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.domains.drift import libm, model
from perdure.errors import Invalid

UNIT = st.floats(0.0, 1.0)
MUTATIONS = st.builds(model.Mutation, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT)
FIRST = model.Mutation(0.12, 0.08, 0.15, 0.22, 0.18, 0.14, 0.7)
APP_STATE = {
    "coefficient": 0.1718,
    "dimensions": {
        "lexical": 0.05,
        "structural": -0.02,
        "tonal": 0.08,
        "creative": 0.12,
        "thermal": 0.03,
        "amplitude": -0.01,
    },
    "fitnessPosition": {"x": 0.52, "y": 0.61, "z": 0.48},
    "totalInteractions": 51,
    "speciationIndex": 0.18,
    "momentum": 1.9,
    "bloomFilter": "AAAA",
    "recentHashes": ["a7b3c9d2a7b3c9d2"],
    "createdAt": "2024-11-27T10:40:00Z",
    "lastUpdated": 1732766400000,
}


def random_mutations() -> Iterator[model.Mutation]:
    """Yield the sequence that the JavaScript program drew, from the same generator."""
    seed = 2024
    while True:
        drawn = []
        for _ in range(7):
            seed = (seed * 1103515245 + 12345) & 0xFFFFFFFF
            drawn.append(seed / 4294967296)
        yield model.Mutation(*drawn)


def numbers(state: model.DriftState) -> tuple[float, ...]:
    position = state.fitness_position
    return (
        state.coefficient,
        *state.dimensions.values(),
        *(position.x, position.y, position.z),
        state.speciation_index,
        state.momentum,
        model.uniqueness(state),
    )


def test_the_first_state_is_the_one_seed_a_describes() -> None:
    assert model.to_seed(model.initial()) == {
        "coefficient": 0,
        "dimensions": dict.fromkeys(model.DIMENSIONS, 0),
        "fitnessPosition": {"x": 0.5, "y": 0.5, "z": 0.5},
        "totalInteractions": 0,
        "speciationIndex": 0,
        "momentum": 0,
        "bloomFilter": None,
        "recentHashes": [],
        "createdAt": None,
        "lastUpdated": None,
    }


def test_the_first_mutation_gives_the_numbers_of_the_original() -> None:
    state = model.evolve(model.initial(), FIRST)
    assert numbers(state) == (
        0.03010299956639812,
        *(-0.07600000000000001, -0.084, -0.06999999999999999),
        *(-0.05600000000000001, -0.064, -0.072),
        *(0.505, 0.496, 0.48225),
        0.044083333333333335,
        0.633,
        0.9853013554950982,
    )


def test_a_thousand_mutations_give_the_numbers_of_the_original() -> None:
    state = model.evolve(model.initial(), FIRST)
    for _, mutation in zip(range(999), random_mutations(), strict=False):
        state = model.evolve(state, mutation)
    assert state.total_interactions == 1000
    assert numbers(state) == (
        0.3000434077479319,
        *(-0.05244243155753054, -0.0989493899556518, -0.12140830896086417),
        *(0.0980542339748177, 0.08553330091556217, 0.15408813758336126),
        *(0.4575881152367215, 0.9, 0.16469786482048226),
        0.31011099022658106,
        0.4431053427427108,
        0.9977677785634894,
    )


def test_ten_thousand_more_states_are_equal_to_the_last_bit() -> None:
    state, digest = model.evolve(model.initial(), FIRST), sha256()
    for count, mutation in zip(range(10_999), random_mutations(), strict=False):
        state = model.evolve(state, mutation)
        if count >= 999:
            digest.update(struct.pack("<13d", *numbers(state)))
    assert state.coefficient == 0.40414321646802653
    assert digest.hexdigest() == "0f402e030e4c67827b02b3e2f92033a3ab544e18da3b82e2566f66d55917b0cc"


def test_the_logarithm_is_javascripts_where_the_c_library_is_not() -> None:
    places = (51, 91, 92, 112, 170, 377, 825, 999, 99_999)
    assert [0.1 * libm.log10(n + 1) for n in places] == [
        *(0.1716003343634799, 0.19637878273455553, 0.19684829485539354),
        *(0.20530784434834196, 0.22329961103921542, 0.25774917998372254),
        *(0.2916980047320383, 0.30000000000000004, 0.5),
    ]


@settings(deadline=None)
@given(st.floats(1e-300, 1e300))
def test_logarithms_are_the_machines_but_for_rounding(x: float) -> None:
    assert libm.log(x) == pytest.approx(math.log(x), rel=1e-15, abs=1e-16)


@settings(deadline=None)
@given(st.floats(-700.0, 0.0))
def test_exponentials_are_the_machines_but_for_rounding(x: float) -> None:
    assert libm.exp(x) == pytest.approx(math.exp(x), rel=1e-15)


def test_the_coefficient_counts_interactions_up_to_its_limit() -> None:
    state = replace(model.initial(), total_interactions=10**8 - 2)
    assert model.evolve(state, FIRST).coefficient == pytest.approx(0.8)
    assert model.evolve(replace(state, total_interactions=10**12), FIRST).coefficient == 0.8


@settings(deadline=None)
@given(st.lists(MUTATIONS, max_size=30), st.floats(-1.0, 1.0))
def test_every_number_stays_in_its_range(mutations: list[model.Mutation], strength: float) -> None:
    state = model.initial()
    for mutation in mutations:
        state = model.feedback(model.evolve(state, mutation), strength)
        assert 0 <= state.coefficient <= 0.8
        assert all(-1 <= each <= 1 for each in state.dimensions.values())
        assert all(0.1 <= each <= 0.9 for each in asdict(state.fitness_position).values())
        assert 0 <= state.speciation_index <= 1
        assert 0 <= state.momentum <= 2
        assert 0 <= model.uniqueness(state) <= 1


def test_a_mutation_without_stability_leaves_alignment_where_it_is() -> None:
    mutation = model.Mutation.read(dict.fromkeys(model.DIMENSIONS, 0.2))
    assert model.evolve(model.initial(), mutation).fitness_position.x == 0.5


def test_the_whole_vector_of_the_app_is_read() -> None:
    vector = dict.fromkeys(model.DIMENSIONS, 0.1) | {"selector": 0.7, "varianceClass": "solid"}
    assert model.Mutation.read(vector) == model.Mutation(*[0.1] * 6)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.001, 1.001, 10**400, True, "0.5", None])
def test_a_bad_mutation_is_refused_by_name(wrong: object) -> None:
    mutation = replace(FIRST, tonal=wrong)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match=r"mutation tonal is .*: use a number from 0 to 1"):
        model.evolve(model.initial(), mutation)


def test_a_missing_dimension_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="a mutation without thermal, amplitude"):
        model.Mutation.read(dict.fromkeys(model.DIMENSIONS[:4], 0.5))
    with pytest.raises(Invalid, match="mutation has unknown keys 'lexica1'"):
        model.Mutation.read({"lexica1": 0.5})


def test_feedback_strengthens_or_weakens_what_has_drifted() -> None:
    state = model.evolve(model.initial(), FIRST)
    assert model.feedback(state, 1.0).dimensions.lexical == -0.07600000000000001 * 1.1
    assert model.feedback(state, -1.0).dimensions.thermal == -0.064 * 0.9
    only = model.feedback(state, 1.0, "tonal").dimensions
    assert only.tonal < state.dimensions.tonal
    assert only.lexical == state.dimensions.lexical


def test_feedback_stops_at_the_edge() -> None:
    state = replace(model.initial(), dimensions=model.Dimensions(lexical=-0.99))
    assert model.feedback(state, 1.0).dimensions.lexical == -1.0


def test_bad_feedback_is_refused() -> None:
    with pytest.raises(Invalid, match="feedback is nan"):
        model.feedback(model.initial(), math.nan)
    with pytest.raises(Invalid, match="no dimension 'mood': use lexical"):
        model.feedback(model.initial(), 0.5, "mood")


def test_the_dominant_dimension_is_the_largest_and_there_may_be_none() -> None:
    assert model.dominant(model.initial()) is None
    assert model.dominant(model.evolve(model.initial(), FIRST)) == ("structural", -0.084)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [(0, "solid"), (0.7499, "solid"), (0.75, "creative"), (0.8999, "creative"), (0.9, "edge")],
)
def test_the_selector_divides_75_15_10(selector: float, expected: str) -> None:
    assert model.variance_class(selector) == expected


def test_an_object_of_the_app_comes_back_unchanged() -> None:
    state, bloom, hashes = model.from_seed(APP_STATE)
    again = model.to_seed(
        state,
        bloom_filter=bloom,
        recent_hashes=hashes,
        created_at="2024-11-27T10:40:00Z",
    )
    assert again == {**APP_STATE, "lastUpdated": None}
    assert json.loads(json.dumps(again)) == again


@settings(deadline=None)
@given(st.lists(MUTATIONS, max_size=5))
def test_a_state_comes_back_from_the_apps_shape(mutations: list[model.Mutation]) -> None:
    state = model.initial()
    for mutation in mutations:
        state = model.evolve(state, mutation)
    stored = json.loads(json.dumps(model.to_seed(state)))
    assert model.from_seed(stored) == (state, None, ())


@settings(deadline=None)
@given(st.lists(MUTATIONS, max_size=5))
def test_a_state_comes_back_from_the_databases_json(mutations: list[model.Mutation]) -> None:
    state = model.initial()
    for mutation in mutations:
        state = model.evolve(state, mutation)
    assert msgspec.json.decode(msgspec.json.encode(state), type=model.DriftState) == state


def test_missing_keys_and_the_apps_nan_mean_the_defaults() -> None:
    assert model.from_seed({}) == (model.initial(), None, ())
    broken = {"fitnessPosition": {"x": None, "y": 0.6}, "momentum": None, "averageVariance": 0.2}
    state, _, _ = model.from_seed(broken)
    assert state.fitness_position == model.FitnessPosition(y=0.6)
    assert state.momentum == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coefficient": 1.5}, "coefficient is 1.5: use a number from 0 to 1"),
        ({"coefficient": "0.1"}, "coefficient is '0.1'"),
        ({"dimensions": {"tonal": -1.01}}, r"dimensions\.tonal is -1\.01"),
        ({"dimensions": {"mood": 0}}, "dimensions has unknown keys 'mood'"),
        ({"dimensions": [0, 0]}, "dimensions is"),
        ({"fitnessPosition": {"x": math.inf}}, r"fitnessPosition\.x is inf"),
        ({"totalInteractions": 1.5}, "totalInteractions is 1.5: store a whole number"),
        ({"totalInteractions": -1}, "totalInteractions is -1"),
        ({"totalInteractions": 2**60}, "totalInteractions is"),
        ({"momentum": 2.1}, "momentum is 2.1: use a number from 0 to 2"),
        ({"bloomFilter": 7}, "bloomFilter is 7"),
        ({"recentHashes": "abc"}, "recentHashes is 'abc'"),
        ({"recentHashes": [1]}, "recentHashes is"),
        ({"recentHashes": ["a"] * 10_001}, "recentHashes has 10001 entries: keep the newest"),
        ({"drift": 1}, "state has unknown keys 'drift'"),
    ],
)
def test_a_bad_object_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        model.from_seed(APP_STATE | change)
