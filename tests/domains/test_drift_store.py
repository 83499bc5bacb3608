"""Drift as a user meets it: through an open store, on both engines."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

import perdure
from perdure.domains import drift
from perdure.domains.drift import echoes, model, stored
from perdure.domains.drift.features import FEATURES
from perdure.kernel import Transaction
from perdure.kernel.values import TEXT_CHARACTERS_MAX
from tests.domains.voices import reply, speaker
from tests.fix.stores import Again

VECTOR = {
    "lexical": 0.61,
    "structural": 0.4,
    "tonal": 0.5,
    "creative": 0.66,
    "thermal": 0.1,
    "amplitude": 0.2,
    "signature": "a1b2",
    "phase": 0.3,
}
SENTENCE = "I would rather tell you the truth, gently."


def replies(seed: int, count: int) -> list[str]:
    random = Random(seed)
    return [reply(speaker(seed), random) for _ in range(count)]


def test_the_next_process_sees_the_same_voice(again: Again) -> None:
    first = again()
    observed = first.subject("ada").drift.observe(SENTENCE)
    evolved = first.subject("ada").drift.evolve(VECTOR)
    first.close()
    assert again().subject("ada").drift.current() == evolved
    assert (observed.total_interactions, evolved.total_interactions) == (1, 2)
    assert again().subject("bob").drift.current() == model.initial()


def test_evolve_follows_the_original_to_the_last_bit(store: perdure.Store) -> None:
    pure = model.initial()
    for _ in range(5):
        pure = model.evolve(pure, model.Mutation.read(VECTOR))
        kept = store.drift.evolve(VECTOR)
    assert kept == pure


def test_the_state_at_a_version_and_at_a_time(store: perdure.Store) -> None:
    states = [store.drift.evolve(VECTOR) for _ in range(3)]
    points = store.drift.history()
    assert [store.drift.at(version) for version in (1, 2, 3)] == states
    assert store.drift.at(0) == model.initial()
    assert store.drift.at(points[1].at) == states[1]
    assert store.drift.at(points[0].at - timedelta(days=1)) == model.initial()
    assert store.drift.at(datetime.now(UTC) + timedelta(hours=1)) == states[2]
    with pytest.raises(perdure.NotFound, match="no version 4 of this drift: give 0 to 3"):
        store.drift.at(4)
    with pytest.raises(perdure.Invalid, match="no time zone"):
        store.drift.at(datetime(2026, 1, 1))  # noqa: DTZ001  (the mistake under test)


def test_history_runs_from_the_oldest_to_the_newest(store: perdure.Store) -> None:
    store.drift.evolve(VECTOR)
    store.drift.observe(SENTENCE)
    store.drift.import_state({"coefficient": 0.25})
    store.drift.reset()
    points = store.drift.history()
    assert [point.version for point in points] == [1, 2, 3, 4]
    assert [point.source for point in points] == ["mutation", "reply", "import", "reset"]
    assert [point.coefficient for point in points][2:] == [0.25, 0.0]
    assert points == sorted(points, key=lambda point: point.at)
    assert store.drift.history(most=2) == points[2:]
    with pytest.raises(perdure.Invalid, match="most is 0: give 1 to 10000"):
        store.drift.history(most=0)


def test_a_replay_passes_over_a_snapshot(store: perdure.Store) -> None:
    def many(tx: Transaction) -> None:
        for _ in range(201):
            drift.evolve(tx, VECTOR)

    store.transact(many)
    kept = store.drift.current()
    assert store.drift.at(201) == kept
    assert [point.version for point in store.drift.history(most=3)] == [199, 200, 201]
    assert store.drift.history(most=1)[0].dimensions == kept.dimensions
    assert store.drift.at(199).total_interactions == 199


def test_another_voice_is_explained_and_rings_the_alarm(store: perdure.Store) -> None:
    shouted = "NO WAY!!! ABSOLUTELY very REALLY extremely WRONG!!! Never, ever, ever again!!!"

    def speak(tx: Transaction) -> None:
        for text in replies(1, 30):
            drift.observe(tx, text)
        for number in range(60):
            drift.observe(tx, f"{shouted} {number}!!!")

    store.transact(speak)
    told = store.drift.explain(30)
    assert (told.since, told.version, told.alarm) == (30, 90, True)
    assert 30 < told.alarm_since <= 90
    assert "the voice has changed, since interaction" in told.text
    assert {reason.dimension for reason in told.reasons} >= {"amplitude"}
    assert all(reason.change for reason in told.reasons)
    quiet = store.drift.explain(90)
    assert quiet.reasons == ()


def test_what_was_said_is_known_exactly_and_nearly(store: perdure.Store) -> None:
    long = replies(2, 1)[0]
    store.drift.observe(SENTENCE)
    store.drift.observe(long)
    exact = store.drift.said_before(f"  {SENTENCE.upper()}\n")
    assert (exact.exact, exact.near, exact.is_imported) == (True, 1.0, False)
    assert exact.said_at == store.drift.history()[0].at
    near = store.drift.said_before(f"{long} Indeed.")
    assert (near.exact, near.said_at) == (False, store.drift.history()[1].at)
    assert 0.5 <= near.near < 1
    other = store.drift.said_before("The boat left at noon without its captain.")
    assert other == drift.Echo(exact=False, near=0.0, said_at=None, is_imported=False)


def test_the_first_time_is_what_is_told(store: perdure.Store) -> None:
    for _ in range(3):
        store.drift.observe(SENTENCE)
    assert store.drift.said_before(SENTENCE).said_at == store.drift.history()[0].at
    assert len(store.drift.export_state()["recentHashes"]) == 1  # type: ignore[arg-type]


def test_the_columns_know_every_reply_as_the_table_does(
    store: perdure.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "FILTER_FRESH_BELOW", 100)
    monkeypatch.setattr(stored, "FILTER_REPLIES_MAX", 256)

    def speak(tx: Transaction, first: int, last: int) -> None:
        for number in range(first, last):
            drift.observe(tx, f"Reply number {number}.")

    for first, last in ((0, 100), (100, 101), (101, 150), (150, 240)):
        store.transact(lambda tx, a=first, b=last: speak(tx, a, b))  # type: ignore[misc]
        row = store.transact(lambda tx: stored.read(tx, stored.queries.state_and_filter))
        assert row is not None
        assert row.bloom_filter is not None
        bloom, recent = echoes.Bloom.from_base64(row.bloom_filter), set(row.recent_hashes)
        hashes = [echoes.exact_hash(f"Reply number {number}.") for number in range(last)]
        assert all(each in bloom or stored.hexadecimal(each) in recent for each in hashes)
        assert len(row.recent_hashes) == min(last, stored.RECENT_HASHES)
        exported = echoes.Bloom.from_base64(str(store.drift.export_state()["bloomFilter"]))
        assert all(each in exported for each in hashes)
    store.transact(lambda tx: speak(tx, 240, 400))
    row = store.transact(lambda tx: stored.read(tx, stored.queries.state_and_filter))
    assert row is not None
    newest = echoes.Bloom.from_base64(str(row.bloom_filter))
    assert newest.capacity == 256
    assert echoes.exact_hash("Reply number 300.") in newest
    assert store.drift.said_before("Reply number 0.").exact


def test_reset_begins_again_and_forgets_what_was_said(store: perdure.Store) -> None:
    store.drift.observe(SENTENCE)
    store.drift.import_state({"recentHashes": ["ab" * 32], "coefficient": 0.5})
    before = store.drift.export_state()
    assert store.drift.reset() == model.initial()
    assert not store.drift.said_before(SENTENCE).exact
    after = store.drift.export_state()
    assert (after["bloomFilter"], after["recentHashes"]) == (None, [])
    assert after["createdAt"] == before["createdAt"]
    assert store.drift.at(1).total_interactions == 1
    assert store.drift.observe(SENTENCE).total_interactions == 1


def test_a_reply_that_is_an_echo_is_less_novel(store: perdure.Store) -> None:
    store.drift.observe(SENTENCE)
    store.drift.observe(SENTENCE)
    mean = dict(zip(FEATURES, store.drift.current().voice.mean, strict=False))
    assert mean["novelty"] == 0.5


def test_several_domains_are_one_unit_of_work(store: perdure.Store) -> None:
    def turn(tx: Transaction) -> None:
        drift.observe(tx, SENTENCE)
        raise LookupError

    with pytest.raises(LookupError):
        store.transact(turn)
    assert store.drift.current() == model.initial()
    assert store.drift.history() == []


def test_a_retry_under_a_key_counts_once(store: perdure.Store) -> None:
    first = store.once("turn-1").drift.observe(SENTENCE)
    assert store.once("turn-1").drift.observe(SENTENCE) == first
    assert store.drift.current().total_interactions == 1


def test_both_faces_give_the_same(again: Again, target: str) -> None:
    kept = again().drift.observe(SENTENCE)

    async def look() -> tuple[drift.DriftState, drift.DriftState]:
        async with perdure.connect(target, subject="default_user") as store:
            return await store.drift.current(), await store.drift.at(1)

    assert asyncio.run(look()) == (kept, kept)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("empty", ""),
        ("one emoji", "\N{GRINNING FACE}"),
        ("right to left", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd. \u0645\u0631\u062d"),
        ("Chinese", "\u6211\u60f3\u544a\u8bc9\u4f60\u771f\u76f8\u3002" * 5),
        ("a megabyte", "word " * (TEXT_CHARACTERS_MAX // 5)),
        ("the longest", "x" * TEXT_CHARACTERS_MAX),
    ],
)
def test_every_text_gives_defined_numbers(store: perdure.Store, name: str, text: str) -> None:
    state = store.drift.observe(text)
    assert state.total_interactions == 1
    assert store.drift.current() == state == store.drift.at(1)
    assert store.drift.said_before(text).exact
    assert store.drift.observe(text).total_interactions == 2


def test_the_same_sentence_a_thousand_times(store: perdure.Store) -> None:
    def insist(tx: Transaction) -> None:
        for _ in range(1_000):
            drift.observe(tx, SENTENCE)

    store.transact(insist)
    state = store.drift.current()
    assert state.total_interactions == 1_000
    assert 0 < state.coefficient < 0.01  # the first time it was no echo, ever after it is one
    assert store.drift.at(1_000) == state
    assert store.drift.export_state()["recentHashes"] == [
        stored.hexadecimal(echoes.exact_hash(SENTENCE))
    ]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x" * (TEXT_CHARACTERS_MAX + 1), perdure.TooLarge, "1048577 characters"),
        ("a\x00b", perdure.Invalid, "the reply has a NUL at character 1"),
        ("\ud800", perdure.Invalid, "lone surrogate"),
        (7, perdure.Invalid, "the reply is int, not text"),
    ],
)
def test_a_reply_that_can_not_be_kept_is_refused(
    store: perdure.Store, text: str, error: type[perdure.PerdureError], message: str
) -> None:
    with pytest.raises(error, match=message):
        store.drift.observe(text)
    assert store.drift.history() == []
