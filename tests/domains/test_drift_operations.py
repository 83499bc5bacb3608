"""Drift's operations under load, in and out of the seed's JSON shape, and against a replay."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import perdure
from perdure.domains import drift
from perdure.domains.drift import model
from perdure.domains.drift.echoes import Bloom, exact_hash
from perdure.domains.drift.events import STREAM
from perdure.domains.drift.seedbloom import SEED_BYTES, places, simple_hash, strong_hash
from perdure.domains.drift.stored import queries
from perdure.kernel import Transaction
from perdure.kernel.queries import Query

STEADY = dict.fromkeys(model.DIMENSIONS, 0.5)
SENTENCE = "I would rather tell you the truth, gently."
STORED: dict[str, Any] = {
    "coefficient": 0.1,
    "dimensions": {name: 0.01 * place for place, name in enumerate(model.DIMENSIONS)},
    "fitnessPosition": {"x": 0.5, "y": 0.46, "z": 0.4375},
    "totalInteractions": 9,
    "speciationIndex": 0.0375,
    "momentum": 1.25,
    "bloomFilter": None,
    "recentHashes": [],
    "createdAt": "2025-11-02T09:30:00+00:00",
    "lastUpdated": "2025-11-03T09:30:00+00:00",
}
WRITER = """
import sys, perdure
target, name = sys.argv[1:]
with perdure.open(target, subject="ada") as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(100):
        store.drift.observe(f"Device {name} says {number}.")
        store.drift.evolve(dict.fromkeys(
            ("lexical", "structural", "tonal", "creative", "thermal", "amplitude"), 0.5))
"""


def app_filter(*hashes: str) -> str:
    bits = bytearray(SEED_BYTES)
    for each in hashes:
        for place in places(each):
            bits[place >> 3] |= 1 << (place & 7)
    return base64.b64encode(bits).decode()


# --- two devices ------------------------------------------------------------------------------


def test_six_threads_lose_no_update(store: perdure.Store) -> None:
    ada = store.subject("ada")

    def speak(name: int) -> None:
        for number in range(50):
            ada.drift.observe(f"Thread {name} says {number}.")
            ada.drift.evolve(STEADY)

    threads = [threading.Thread(target=speak, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ada.drift.current().total_interactions == 600
    assert len(ada.drift.history(most=1_000)) == 600


@pytest.mark.slow
def test_three_processes_lose_no_update(store: perdure.Store, target: str) -> None:
    command = [sys.executable, "-c", WRITER, target]
    devices = [
        subprocess.Popen([*command, str(name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name in range(3)
    ]
    for device in devices:
        assert device.stdout is not None
        assert device.stdout.readline() == b"ready\n"
    for device in devices:
        assert device.stdin is not None
        device.stdin.write(b"go\n")
        device.stdin.flush()
    for device in devices:
        device.communicate()
        assert device.returncode == 0
    ada = store.subject("ada").drift
    assert ada.current().total_interactions == 600
    assert len(ada.history(most=1_000)) == 600
    assert all(
        ada.said_before(f"Device {name} says {number}.").exact
        for name in range(3)
        for number in (0, 50, 99)
    )


# --- the seed's shape -------------------------------------------------------------------------


def test_an_apps_stored_object_loads_unchanged(store: perdure.Store) -> None:
    loaded = json.loads(json.dumps(STORED))
    state = store.drift.import_state(loaded)
    assert (state.coefficient, state.total_interactions) == (0.1, 9)
    exported = store.drift.export_state()
    assert json.loads(json.dumps(exported)) == exported
    assert exported | {"lastUpdated": STORED["lastUpdated"]} == STORED


def test_an_export_is_an_import(store: perdure.Store) -> None:
    for text in (SENTENCE, "And another one."):
        store.drift.observe(text)
    exported = store.drift.export_state()
    other = store.subject("other").drift
    other.import_state(exported)
    again = other.export_state()
    assert again | {"lastUpdated": None} == exported | {"lastUpdated": None}
    assert other.said_before(SENTENCE).is_imported
    assert other.said_before("And another one.").exact
    assert not other.said_before("Never said.").exact


def test_before_anything_happened_the_seeds_initial_state_is_exported(store: perdure.Store) -> None:
    exported = store.drift.export_state()
    assert exported["dimensions"] == dict.fromkeys(model.DIMENSIONS, 0.0)
    assert exported["fitnessPosition"] == {"x": 0.5, "y": 0.5, "z": 0.5}
    assert (exported["bloomFilter"], exported["recentHashes"]) == (None, [])
    assert (exported["createdAt"], exported["lastUpdated"]) == (None, None)


def test_what_an_app_said_is_known_after_the_import(store: perdure.Store) -> None:
    said, hashed = "The app said this.", "And this, a while ago."
    text = app_filter(strong_hash(said), simple_hash("On a telephone."))
    recent = [strong_hash(hashed)]
    store.drift.import_state({"bloomFilter": text, "recentHashes": recent})
    for known in (said, "On a telephone.", hashed):
        echo = store.drift.said_before(known)
        assert (echo.exact, echo.is_imported, echo.said_at) == (True, True, None)
    assert not store.drift.said_before("Never said.").exact
    exported = store.drift.export_state()
    assert (exported["bloomFilter"], exported["recentHashes"]) == (text, recent)
    store.drift.observe(SENTENCE)
    assert store.drift.said_before(said).is_imported
    own = Bloom.from_base64(str(store.drift.export_state()["bloomFilter"]))
    assert exact_hash(SENTENCE) in own


def test_a_second_import_forgets_nothing_that_was_said(store: perdure.Store) -> None:
    store.drift.observe(SENTENCE)
    store.drift.import_state({"recentHashes": [strong_hash("First.")]})
    store.drift.import_state({"bloomFilter": app_filter(strong_hash("Second."))})
    store.drift.import_state({"coefficient": 0.3, "bloomFilter": None})
    for said in (SENTENCE, "First.", "Second."):
        assert store.drift.said_before(said).exact
    assert store.drift.current().coefficient == 0.3
    assert store.drift.current().voice.replies == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"coefficient": float("nan")}, "state.coefficient is nan: give a finite number"),
        ({"coefficient": 1.5}, "coefficient is 1.5: use a number from 0 to 1"),
        ({"coefficient": "0.1"}, "coefficient is '0.1'"),
        ({"coefficient": True}, "coefficient is True"),
        ({"dimensions": {"lexical": 2}}, "dimensions.lexical is 2"),
        ({"dimensions": {"colour": 0.1}}, "dimensions has unknown keys 'colour'"),
        ({"dimensions": [1]}, "dimensions is "),
        ({"driftCoefficient": 0.1}, "state has unknown keys 'driftCoefficient'"),
        ({"totalInteractions": 1.5}, "totalInteractions is 1.5"),
        ({"bloomFilter": "no base64!"}, "bloomFilter is not base64: store base64 or null"),
        ({"bloomFilter": "UEJGMXxicm9rZW4="}, "not a Bloom filter of this library"),
        ({"recentHashes": "abc"}, "recentHashes is 'abc'"),
        ({"createdAt": "yesterday"}, "createdAt is 'yesterday'"),
        ({"lastUpdated": "2026-01-01T00:00:00"}, "lastUpdated has no time zone"),
        ([], "the state is list: give the app's object"),
    ],
)
def test_an_object_that_is_wrong_is_refused_by_name(
    store: perdure.Store, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(perdure.Invalid, match=message):
        store.drift.import_state(wrong)
    assert store.drift.history() == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({**STEADY, "tonal": float("nan")}, "mutation tonal is nan"),
        ({**STEADY, "tonal": 2}, "mutation tonal is 2"),
        ({"tonal": 0.5}, "a mutation without lexical, structural, creative"),
        ({**STEADY, "mood": 0.5}, "mutation has unknown keys 'mood'"),
        (0.5, "the mutation is float: give the app's object"),
    ],
)
def test_a_mutation_that_is_wrong_is_refused_by_name(
    store: perdure.Store, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(perdure.Invalid, match=message):
        store.drift.evolve(wrong)


# --- the log is the truth ---------------------------------------------------------------------

unit = st.floats(0, 1, allow_nan=False)
signed = st.floats(-1, 1, allow_nan=False)
texts = st.one_of(
    st.sampled_from([SENTENCE, SENTENCE + " Indeed.", "", "\N{GRINNING FACE}", "No!"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60),
)
mutations = st.fixed_dictionaries(dict.fromkeys(model.DIMENSIONS, unit))
stored_objects = st.fixed_dictionaries(
    {},
    optional={
        "coefficient": unit,
        "dimensions": st.fixed_dictionaries({}, optional=dict.fromkeys(model.DIMENSIONS, signed)),
        "momentum": st.floats(0, 2),
        "totalInteractions": st.integers(0, 2**40),
        "bloomFilter": st.sampled_from([None, "AAAA", app_filter(strong_hash("No!"))]),
        "recentHashes": st.lists(st.sampled_from(["ab" * 32, "cd" * 8]), unique=True),
        "createdAt": st.sampled_from([None, "2025-01-01T00:00:00Z"]),
    },
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), texts),
        st.tuples(st.just("observe"), texts),
        st.tuples(st.just("evolve"), mutations),
        st.tuples(st.just("import_state"), stored_objects),
        st.tuples(st.just("reset")),
    ),
    min_size=1,
    max_size=40,
)


def rows(tx: Transaction) -> dict[str, list[tuple[Any, ...]]]:
    place = {"slice": tx.slice, "subject": tx.subject}
    found = {
        "state": tx._session.rows(queries.state_and_filter, place),
        "evidence": tx._session.rows(queries.evidence, place),
    }
    for table in ("drift_hashes", "drift_bands", "perdure_snapshots"):
        found[table] = tx._session.rows(over(table, "select *"), place)
    return {name: list(each) for name, each in found.items()}


def over(table: str, verb: str) -> Query:
    owner = "user_id" if table == "vera_qiv_states" else "subject"
    return Query(table, f"{verb} from {table} where slice = :slice and {owner} = :subject", "")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps)
def test_a_rebuild_from_the_log_gives_the_live_rows(
    steps: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.kernel.replay.SNAPSHOT_EVENTS", 7)
    monkeypatch.setattr("perdure.domains.drift.stored.FILTER_FRESH_BELOW", 4)
    monkeypatch.setattr("perdure.domains.drift.stored.RECENT_HASHES", 3)
    with perdure.open("memory:", subject="ada") as store:
        states = [getattr(store.drift, name)(*args) for name, *args in steps]
        live = store.transact(rows)

        def rebuild(tx: Transaction) -> dict[str, list[tuple[Any, ...]]]:
            for table in (*drift.TABLES, "perdure_snapshots"):
                tx.run(over(table, "delete"))
            for recorded in list(tx.events(STREAM)):
                tx.project(recorded)
            return rows(tx)

        assert store.transact(rebuild) == live
        assert [store.drift.at(version + 1) for version in range(len(steps))] == states
        assert [point.coefficient for point in store.drift.history()] == [
            state.coefficient for state in states
        ]
