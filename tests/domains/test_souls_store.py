"""Souls as a user meets them: through an open store, on both engines."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import perdure
from perdure.domains.souls import Budgets, operations
from perdure.kernel import Transaction
from perdure.vault import Vault
from tests.fix.stores import Again, How

THREAD = "6f1c1d2e-0000-4000-8000-00000000000a"


@pytest.fixture
def how(seals: How) -> How:
    """Open every store with a vault and without."""
    return seals


def test_the_next_process_sees_the_same_soul(again: Again) -> None:
    first = again()
    published = first.subject("ada").souls.publish(
        core_identity="Curious, warm, direct.",
        active_values="Honesty over comfort.",
        reflection_notes="Wrote this after a long talk.",
    )
    first.close()
    assert again().subject("ada").souls.current() == published
    assert published.version == 1


def test_two_subjects_never_see_each_other(store: perdure.Store) -> None:
    ada, bob = store.subject("ada"), store.subject("bob")
    ada.souls.publish(core_identity="Ada.")
    with pytest.raises(perdure.NotFound, match="no soul was published yet"):
        bob.souls.current()
    bob.souls.publish(core_identity="Bob.")
    assert ada.souls.current().core_identity == "Ada."
    assert [soul.core_identity for soul in bob.souls.history()] == ["Bob."]


def test_stale_publisher_is_told_the_current_version(store: perdure.Store) -> None:
    store.souls.publish(core_identity="One.", expected=0)
    store.souls.publish(core_identity="Two.", expected=1)
    with pytest.raises(perdure.Conflict, match="at version 2, not 1: read it again") as caught:
        store.souls.publish(core_identity="Three.", expected=1)
    assert caught.value.value == 2
    assert store.souls.current().version == 2


def test_restoring_is_a_new_version_never_a_rewind(store: perdure.Store) -> None:
    store.souls.publish(core_identity="One.")
    store.souls.publish(core_identity="Two.")
    restored = store.souls.restore(1)
    assert (restored.version, restored.core_identity) == (3, "One.")
    assert store.souls.current() == restored
    assert [soul.version for soul in store.souls.history()] == [3, 2, 1]


def test_the_soul_at_a_version_and_at_a_time(store: perdure.Store) -> None:
    store.souls.publish(core_identity="One.")
    first = store.souls.current()
    store.souls.publish(core_identity="Two.")
    assert store.souls.at(1) == first
    assert store.souls.at(first.created_at) == first
    assert store.souls.at(datetime.now(UTC) + timedelta(hours=1)).version == 2
    with pytest.raises(perdure.NotFound, match="no soul at 7"):
        store.souls.at(7)
    with pytest.raises(perdure.NotFound):
        store.souls.at(first.created_at - timedelta(days=1))
    with pytest.raises(perdure.Invalid, match="no time zone"):
        store.souls.at(datetime(2026, 1, 1))  # noqa: DTZ001  (the mistake under test)


def test_history_goes_on_where_the_last_page_ended(store: perdure.Store) -> None:
    for number in range(5):
        store.souls.publish(core_identity=f"Version {number}.")
    page = store.souls.history(most=2)
    assert [soul.version for soul in page] == [5, 4]
    rest = store.souls.history(before=page[-1].version)
    assert [soul.version for soul in rest] == [3, 2, 1]
    with pytest.raises(perdure.Invalid, match="most is 0"):
        store.souls.history(most=0)


def test_over_budget_stores_nothing_unless_trimmed(store: perdure.Store) -> None:
    with pytest.raises(perdure.TooLarge, match="over its budget of 2"):
        store.souls.publish(core_identity="one two three", budgets=Budgets(core_identity=2))
    with pytest.raises(perdure.NotFound):
        store.souls.current()
    kept = store.souls.publish(
        core_identity="one two three", budgets=Budgets(core_identity=2), trim=True
    )
    assert (kept.core_identity, kept.token_count) == ("one two", 2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"core_identity": " "}, "core_identity is empty"),
        ({"core_identity": "a\x00b"}, "core_identity has a NUL at character 1"),
        ({"core_identity": "x", "active_values": "\ud800"}, "active_values has a lone surrogate"),
        ({"core_identity": "x", "recent_growth": 7}, "recent_growth is int, not text"),
        ({"core_identity": "x" * 100_001}, "core_identity has 100001 characters"),
    ],
)
def test_a_bad_layer_is_named_and_nothing_is_stored(
    store: perdure.Store, layers: dict[str, str], message: str
) -> None:
    with pytest.raises(perdure.Invalid, match=message):
        store.souls.publish(**layers)
    assert list(store.log.read()) == []


def test_the_prompt_holds_the_layers_and_never_the_notes(store: perdure.Store) -> None:
    store.souls.publish(
        core_identity="Curious.", active_values="Honest.", reflection_notes="Private doubt."
    )
    assert store.souls.prompt() == "Who I am:\nCurious.\n\nWhat I care about now:\nHonest."
    assert store.souls.prompt(budget=7) == "Who I am:\nCurious."
    with pytest.raises(perdure.Invalid, match="budget is 0"):
        store.souls.prompt(budget=0)


def test_milestones_are_listed_newest_first_and_by_weight(store: perdure.Store) -> None:
    add = store.souls.milestones.add
    first = add("We met.", lesson_learned="Listen.", emotional_weight="formative")
    second = add("We argued.", lesson_learned="Stay.", emotional_weight="challenging")
    assert store.souls.milestones.list() == [second, first]
    assert store.souls.milestones.by_weight("formative") == [first]
    assert store.souls.milestones.by_weight("meaningful") == []
    with pytest.raises(perdure.Invalid, match="'huge' is unknown"):
        add("x", lesson_learned="y", emotional_weight="huge")


def test_a_milestone_outlives_the_thread_it_came_from(store: perdure.Store) -> None:
    kept = store.souls.milestones.add(
        "We met.", lesson_learned="Listen.", source_thread_id=THREAD.upper()
    )
    assert kept.source_thread_id == THREAD
    store.souls.milestones.forget_thread(THREAD)
    (left,) = store.souls.milestones.list()
    assert left.source_thread_id is None
    assert left.event_description == "We met."
    with pytest.raises(perdure.Invalid, match="'nonsense', not a UUID"):
        store.souls.milestones.forget_thread("nonsense")


@pytest.mark.parametrize("seals", [{}], ids=["clear"])
def test_importing_a_bot_soul_twice_keeps_one_version_zero(store: perdure.Store) -> None:
    first = store.souls.import_bot_soul("I am Vera.")
    assert first == store.souls.import_bot_soul("Something else.")
    assert (first.version, first.core_identity, first.token_count) == (0, "I am Vera.", 0)
    assert first.reflection_notes == "Seed from original bot_soul at migration time"
    assert store.souls.publish(core_identity="I grew.").version == 1
    with pytest.raises(perdure.NotFound, match="bot_soul has no active row"):
        store.subject("bob").souls.import_bot_soul()


def test_a_sealed_store_takes_no_clear_bot_soul(target: str, vault: Vault) -> None:
    with perdure.open(target, subject="ada", vault=vault) as store:
        with pytest.raises(
            perdure.Invalid, match="bot_soul is clear and this store is sealed: pass"
        ):
            store.souls.import_bot_soul()
        kept = store.souls.import_bot_soul("I am Vera.")
        assert (kept.version, kept.core_identity) == (0, "I am Vera.")
        assert store.souls.import_bot_soul() == kept  # it is there: nothing is read


def test_a_unit_over_two_domains_is_all_or_nothing(store: perdure.Store) -> None:
    def turn(tx: Transaction) -> None:
        operations.publish(tx, core_identity="Never.")
        operations.add_milestone(tx, "Never.", lesson_learned="Never.")
        raise RuntimeError("the app failed")

    with pytest.raises(RuntimeError, match="the app failed"):
        store.transact(turn)
    assert store.souls.milestones.list() == []
    assert list(store.log.read()) == []


def test_the_async_face_has_the_same_names(target: str, how: How) -> None:
    async def main() -> None:
        async with perdure.connect(target, **how) as store:
            ada = store.subject("ada")
            souls = await asyncio.gather(
                *(ada.souls.publish(core_identity=f"Version {n}.") for n in range(20))
            )
            assert sorted(soul.version for soul in souls) == list(range(1, 21))
            assert (await ada.souls.current()).version == 20
            await ada.souls.milestones.add("Met.", lesson_learned="x")
            assert len(await ada.souls.milestones.list()) == 1

    asyncio.run(main())


def test_milestones_are_found_by_their_words(store: perdure.Store) -> None:
    milestones = store.souls.milestones
    milestones.add("Ada told me about her FATHER.", lesson_learned="Listen first.")
    milestones.add("We built a boat.", lesson_learned="Measure twice; her father did.")
    milestones.add("It rained.", lesson_learned="")
    assert [one.event_description[:3] for one in milestones.search("father")] == ["We ", "Ada"]
    assert [one.event_description[:3] for one in milestones.search("Father", most=1)] == ["We "]
    assert milestones.search("mother") == []
    assert store.subject("bob").souls.milestones.search("father") == []
    with pytest.raises(perdure.Invalid, match="the text is empty"):
        milestones.search("")
