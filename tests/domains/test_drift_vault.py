"""Drift with a vault gives the answers it gives without one, and nothing guessable stands clear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import perdure
from perdure.domains import drift
from perdure.domains.drift import echoes, stored
from perdure.domains.drift.model import DIMENSIONS
from perdure.domains.drift.stored import QivState, Reply
from perdure.errors import Tampered
from perdure.kernel import Transaction, migrations
from perdure.kernel.engine import Rows
from perdure.kernel.queries import Query
from perdure.kernel.units import Context
from perdure.store import PACKAGES, Store
from perdure.testing import SettableClock
from perdure.vault import Vault
from tests.domains.voices import reply, speaker
from tests.fix.postgres import FreshDatabase
from tests.fix.toys import ToyKeys

LONG = "I would rather tell you the truth, gently, than let you believe what is not so."
APP = {"bloomFilter": None, "recentHashes": ["ab" * 32, "cd" * 8], "coefficient": 0.5}


@pytest.fixture
def another(request: pytest.FixtureRequest, target: str, tmp_path: Path) -> str:
    """A second target, of the same engine."""
    if not target.startswith("postgresql://"):
        return str(tmp_path / "another.db")
    fresh: FreshDatabase = request.getfixturevalue("fresh_database")
    return fresh()


@pytest.fixture
def pair(target: str, another: str, vault: Vault) -> Iterator[list[perdure.Store]]:
    """The same empty store twice, without a vault and with one; their clocks agree."""
    with (
        perdure.open(target, subject="ada", clock=SettableClock()) as clear,
        perdure.open(another, subject="ada", clock=SettableClock(), vault=vault) as sealed,
    ):
        yield [clear, sealed]


def life(store: perdure.Store) -> Iterator[object]:
    """Live through everything drift can do, and tell every answer."""
    random = Random(3)
    said = [reply(speaker(3), random) for _ in range(40)]

    def speak(tx: Transaction) -> None:
        for text in said:
            drift.observe(tx, text)

    store.transact(speak)
    yield store.once("turn-1").drift.observe(said[0])
    yield store.once("turn-1").drift.observe(said[0])
    yield from looks(store, said)
    yield store.drift.evolve(dict.fromkeys(DIMENSIONS, 0.7))
    for number in range(70):  # the filter is built anew, and the near ones are more than it ranks
        yield store.drift.observe(f"{LONG} Number {number}.")
    yield store.drift.said_before(f"{LONG} Number 7000.")
    yield from looks(store, said)
    yield store.drift.import_state(APP)
    yield from looks(store, said)
    exported = store.drift.export_state()
    yield store.drift.reset()
    yield from looks(store, said)
    yield store.drift.import_state(exported)  # its filter is one of ours
    yield from looks(store, said)
    with store.drift.buffered(seconds=60) as buffer:
        buffer.observe(LONG)
        buffer.observe("")
    yield from looks(store, said)


def looks(store: perdure.Store, said: list[str]) -> Iterator[object]:
    yield store.drift.current()
    yield store.drift.explain()
    yield store.drift.history(most=500)
    yield store.drift.at(store.drift.history()[-1].version - 1)
    yield store.drift.export_state()
    for text in (said[0], said[1] + " Indeed.", LONG, LONG[:-1], "No.", "ab" * 32, ""):
        yield store.drift.said_before(text)


def test_the_answers_are_the_same_with_a_vault_and_without(pair: list[perdure.Store]) -> None:
    clear, sealed = (list(life(store)) for store in pair)
    assert len(clear) > 130
    for number, (one, other) in enumerate(zip(clear, sealed, strict=True)):
        assert one == other, number


def rows(store: perdure.Store, statement: str, **params: object) -> Rows:
    """Run a statement behind the store's back."""
    query = Query("peek", statement, statement, role="login")
    return store.engine.administer(lambda session: session.rows(query, params))


def everything(store: perdure.Store, *tables: str) -> str:
    """Write down what stands in the tables, as the owner of the database sees it."""
    return "\n".join(repr(row) for table in tables for row in rows(store, f"select * from {table}"))


def test_nothing_that_can_be_guessed_stands_clear(pair: list[perdure.Store]) -> None:
    """What follows from a guessed text is in the clear tables, and in none of the sealed ones."""
    clear, sealed = pair
    for store in pair:
        store.drift.observe(LONG)
        store.drift.import_state(APP)
    row = clear.transact(lambda tx: stored.read(tx, stored.queries.state_and_filter))
    assert row is not None
    assert row.bloom_filter is not None
    exact, signature = echoes.exact_hash(LONG), echoes.minhash(LONG)
    traces = [
        str(exact),
        stored.hexadecimal(exact),
        repr(signature)[2:-1],
        row.bloom_filter,
        repr(row.filter_digest)[2:-1],
        "ab" * 32,
        ", ".join(map(str, row.voice.home[:8])).replace(" ", ""),
        *map(str, echoes.bands(signature)),
    ]
    tables = (*drift.TABLES, "perdure_events")
    shown, hidden = everything(clear, *tables), everything(sealed, *tables)
    assert [trace for trace in traces if trace not in shown] == []
    assert [trace for trace in traces if trace in hidden] == []


def test_two_subjects_who_say_the_same_have_nothing_in_common(vault: Vault, target: str) -> None:
    with perdure.open(target, vault=vault) as store:
        for name in ("ada", "bob"):
            store.subject(name).drift.observe(LONG)
        pairs = rows(store, "select value, hash from drift_bands")
    assert len(pairs) == 32
    assert len({value for value, _ in pairs}) == 32
    assert len({hash for _, hash in pairs}) == 2


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("update drift_hashes set exact = null", "a hash of drift_hashes is not what was written"),
        ("update drift_hashes set signature = exact", "signature, was changed, or was sealed for"),
        ("update vera_qiv_states set bloom_filter = 'UEJGMXw='", "clear text where sealed data"),
        ("update vera_qiv_states set bloom_filter = null", "is not what was written"),
    ],
)
def test_what_was_changed_is_noticed(
    vault: Vault, target: str, statement: str, message: str
) -> None:
    with perdure.open(target, subject="ada", vault=vault) as store:
        for number in range(64):
            store.drift.observe(f"{LONG} Number {number}.")
        rows(store, statement)
        with pytest.raises(Tampered, match=message):
            store.drift.observe("Another one.")


def test_an_old_filter_over_a_new_one_is_noticed(vault: Vault, target: str) -> None:
    """Both were sealed for this very place: the digest of the row tells them apart."""
    with perdure.open(target, subject="ada", vault=vault) as store:
        store.drift.observe(LONG)
        ((old,),) = rows(store, "select bloom_filter from vera_qiv_states")
        store.drift.observe("Another one.")
        rows(store, "update vera_qiv_states set bloom_filter = :old", old=old)
        with pytest.raises(Tampered, match="is not what was written"):
            store.drift.export_state()


def test_rows_of_before_have_no_second_hash(target: str) -> None:
    with perdure.open(target, subject="ada") as store:
        store.drift.observe(LONG)
        (kept,) = store.transact(lambda tx: tx.all(stored.queries.newest, Reply, most=9))
    assert (kept.hash, kept.exact) == (echoes.exact_hash(LONG), None)
    assert isinstance(kept, Reply)
    assert QivState.__dataclass_fields__["bloom_filter"].metadata["loose"]


def test_both_faces_know_what_was_said(target: str, vault: Vault) -> None:
    async def speak() -> list[drift.Echo]:
        async with perdure.connect(target, subject="ada", vault=vault) as store:
            await store.drift.observe(LONG)
            async with store.drift.buffered(seconds=60) as buffer:
                buffer.observe("Another one.")
            return [await store.drift.said_before(text) for text in (LONG, "Another one.")]

    told = asyncio.run(speak())
    assert [echo.exact for echo in told] == [True, True]
    with perdure.open(target, subject="ada", vault=vault) as store:
        assert [store.drift.said_before(text) for text in (LONG, "Another one.")] == told


def test_rows_written_before_the_column_came_stay_valid(target: str) -> None:
    with perdure.open(target, subject="ada") as store:
        store.drift.observe(LONG)
        steps = [
            step
            for step in migrations.discover(PACKAGES, store.engine.dialect)
            if step.package == "drift"
        ]
        store.engine.administer(lambda session: migrations.down(session, steps, steps=1))
    with perdure.open(target, subject="ada") as store:
        assert store.drift.said_before(LONG).exact
        for number in range(70):  # the filter is built anew from all of them
            store.drift.observe(f"{LONG} Number {number}.")
        bloom = echoes.Bloom.from_base64(str(store.drift.export_state()["bloomFilter"]))
        assert echoes.exact_hash(LONG) in bloom


WORDS = st.sampled_from(["gently", "truth", "you", "I", "never", "tell", "rather", "the"])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), TEXTS),
        st.tuples(st.just("said_before"), TEXTS),
        st.tuples(st.just("import_state"), st.just(APP)),
        st.tuples(st.just("reset")),
        st.tuples(st.just("export_state")),
    ),
    max_size=30,
)


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_any_life_is_the_same_with_a_vault_and_without(steps: list[tuple[str, Any]]) -> None:
    keys: Any = ToyKeys()
    with (
        perdure.open("memory:", subject="ada", clock=SettableClock()) as clear,
        Store(perdure.open("memory:").engine, Context("ada", SettableClock(), keys=keys)) as sealed,
    ):
        for name, *args in steps:
            one, other = (getattr(store.drift, name)(*args) for store in (clear, sealed))
            assert one == other
