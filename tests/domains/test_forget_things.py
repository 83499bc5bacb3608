"""Single things are forgotten: their rows, their text in the log, and what retries would return."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure import ops
from perdure.domains.souls import Milestone, Soul, add_milestone, at
from perdure.errors import Conflict, Forgotten, Invalid, NotFound
from perdure.kernel import Transaction, event, projects
from perdure.kernel.replay import SNAPSHOT_EVENTS, keep
from perdure.kernel.retention import Keep
from perdure.testing import SettableClock
from tests.fix.vaults import Opened
from tests.ops.damage import raw

DAY = 86_400
THREADS = ["00000000-0000-0000-0000-00000000000" + digit for digit in "123"]


@pytest.fixture
def store(opened: Opened) -> perdure.Store:
    """A store, with a vault and without, on a clock that stands still."""
    return opened(clock=SettableClock())


def is_sound(store: perdure.Store) -> bool:
    """Look deep, rebuild, and look again."""
    before = ops.verify(store, deep=True)
    ops.rebuild(store)
    after = ops.verify(store, deep=True)
    assert (before.findings, after.findings) == ((), ())
    return True


def publish(store: perdure.Store, *texts: str) -> list[Soul]:
    return [store.souls.publish(core_identity=text) for text in texts]


def test_a_version_is_gone_from_the_history_and_from_the_log(store: perdure.Store) -> None:
    one, two, three = publish(store, "One.", "Two.", "Three.")
    store.souls.forget_version(2)
    assert store.souls.history() == [three, one]
    with pytest.raises(NotFound):
        store.souls.at(2)
    with pytest.raises(NotFound):
        store.souls.forget_version(2)
    facts = [each.event for each in store.log.read()]
    assert facts[1] is None
    assert two.core_identity not in repr(facts)
    assert publish(store, "Four.")[0].version == 4
    assert is_sound(store)
    assert store.souls.current().version == 4


def test_who_somebody_is_now_is_not_forgotten_alone(store: perdure.Store) -> None:
    publish(store, "One.", "Two.")
    with pytest.raises(Conflict, match="version 2 is who this is now"):
        store.souls.forget_version(2)
    assert store.souls.current().version == 2
    with pytest.raises(NotFound):
        store.souls.forget_version(7)


def test_the_soul_that_was_imported_is_not_imported_again(
    store: perdure.Store, target: str
) -> None:
    if not store.subject("ada").transact(_is_sealed):
        with raw(target) as execute:
            execute(
                "insert into bot_soul (slice, subject, id, created_at, updated_at, content) values"
                f" ({_slice()}, 'ada', '{THREADS[0]}', '2026-01-01T00:00:00+00:00',"
                " '2026-01-01T00:00:00+00:00', 'I was Ada.')"
            )
        store.souls.import_bot_soul()
    else:
        store.souls.import_bot_soul("I was Ada.")
    publish(store, "I am Ada.")
    store.souls.forget_version(0)
    assert [soul.version for soul in store.souls.history()] == [1]
    with pytest.raises((NotFound, Invalid)):
        store.souls.import_bot_soul()
    assert is_sound(store)


def _is_sealed(tx: Transaction) -> bool:
    return tx.is_sealed


def _slice() -> int:
    from perdure.kernel.transaction import slice_of

    return slice_of("ada")


def test_a_milestone_goes_and_its_thread_is_as_if_it_had_not_been(store: perdure.Store) -> None:
    found = [_add(store, text, thread) for text, thread in (("a", 0), ("b", 0), ("c", 1))]
    store.souls.milestones.forget(found[0].id)
    assert {one.id for one in store.souls.milestones.list()} == {one.id for one in found[1:]}
    assert is_sound(store)
    store.souls.milestones.forget(found[2].id.upper())
    assert is_sound(store)
    with pytest.raises(NotFound):
        store.souls.milestones.forget(found[2].id)
    with pytest.raises(Invalid):
        store.souls.milestones.forget("nonsense")
    store.souls.milestones.forget_thread(THREADS[0])
    store.souls.milestones.forget(found[1].id)
    assert store.souls.milestones.list() == []
    assert is_sound(store)


def _add(store: perdure.Store, text: str, thread: int) -> Milestone:
    return store.souls.milestones.add(
        f"met {text}", lesson_learned=text, source_thread_id=THREADS[thread]
    )


def test_an_idempotency_key_stays_used_and_gives_nothing_back(store: perdure.Store) -> None:
    def told(tx: Transaction) -> str:
        return at(tx, 1).core_identity

    store.once("before").souls.publish(core_identity="Secret.")
    store.once("told").transact(told)
    publish(store, "Two.")
    store.souls.forget_version(1)
    for call in (
        lambda: store.once("before").souls.publish(core_identity="Secret."),
        lambda: store.once("told").transact(told),
    ):
        with pytest.raises(Forgotten, match="it was done"):
            call()
    assert [soul.version for soul in store.souls.history()] == [2]
    store.once("after").souls.milestones.add("m", lesson_learned="x")
    (kept,) = store.souls.milestones.list()
    assert store.once("after").souls.milestones.add("m", lesson_learned="x") == kept


def test_an_outcome_from_before_the_thing_stays(store: perdure.Store, opened: Opened) -> None:
    clock = SettableClock()
    with opened(clock=clock) as own:
        first = own.once("first").souls.publish(core_identity="One.")
        clock.advance(1)
        found = own.souls.milestones.add("m", lesson_learned="x")
        own.souls.milestones.forget(found.id)
        assert own.once("first").souls.publish(core_identity="One.") == first


@event()
class ToyCounted:
    """A toy: what is counted, of which snapshots are kept."""

    text: str


@projects(ToyCounted)
def _(tx: Transaction, fact: ToyCounted, place: perdure.kernel.Recorded) -> None:
    keep(tx, "counts-toy", place.version, fact.text)


def test_a_snapshot_that_holds_it_goes(store: perdure.Store, target: str) -> None:
    def count(tx: Transaction) -> list[str]:
        return [tx.append("counts-toy", ToyCounted(f"text {n}")).id for n in range(SNAPSHOT_EVENTS)]

    def forget(tx: Transaction) -> None:
        tx.erase_event("counts-toy", ids[-1])

    ids = store.transact(count)
    assert _snapshots(target) == 1
    store.transact(forget)
    assert _snapshots(target) == 0


def _snapshots(target: str) -> Any:
    with raw(target) as execute:
        ((count,),) = execute("select count(*) from perdure_snapshots")
    return count


# -- rules


def test_rules_of_age_and_count(opened: Opened) -> None:
    clock, told = SettableClock(), list[tuple[str, int, int]]()
    with opened(clock=clock) as store:
        for name in ("ada", "bob"):
            me = store.subject(name)
            for number in range(5):
                me.once(f"k{number}").souls.publish(core_identity=f"{name} {number}")
                me.souls.milestones.add(f"m{number}", lesson_learned="x")
                clock.advance(10 * DAY)
        store.subject("cy").drift.observe("Hello.")
        store.forget("cy")
        rules = {"souls.versions": Keep(days=25), "souls.milestones": Keep(count=2)}
        done = store.retain(rules, progress=lambda *each: told.append(each))
        assert done == {"outcomes": 7, "souls.versions": 7, "souls.milestones": 6}
        assert [each[1] for each in told][:2] == [1, 2]
        for name, versions in (("ada", [5]), ("bob", [5, 4])):
            me = store.subject(name)
            assert [soul.version for soul in me.souls.history()] == versions
            assert len(me.souls.milestones.list()) == 2
            assert {deed.actor for deed in me.audit.deeds(most=6)} == {"retention"}
        assert store.retain(rules) == dict.fromkeys(done, 0)
        clock.advance(1_000 * DAY)
        assert store.retain({"souls.versions": Keep(days=1)})["souls.versions"] == 1
        assert store.subject("ada").souls.current().version == 5  # who she is now
        assert is_sound(store)


def test_rules_that_make_no_sense_are_refused(store: perdure.Store) -> None:
    with pytest.raises(Invalid, match="keeps everything"):
        Keep()
    with pytest.raises(Invalid, match="days is -1"):
        Keep(days=-1)
    with pytest.raises(Invalid, match=r"there is no rule for 'souls\.dreams'"):
        store.retain({"souls.dreams": Keep(count=1)})


def test_many_things_are_forgotten_in_batches(tmp_path: Path) -> None:
    with perdure.open(tmp_path / "store.db", subject="ada", durability="normal") as store:

        def add(tx: Transaction) -> None:
            for number in range(250):
                add_milestone(tx, f"m{number}", lesson_learned="x")

        store.transact(add)
        assert store.retain({"souls.milestones": Keep(count=3)})["souls.milestones"] == 247
        assert len(store.souls.milestones.list()) == 3
        assert is_sound(store)
