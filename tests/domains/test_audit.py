"""Who changed what about a subject, and who looked: in both faces, on both engines, with a vault
and without.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure.domains import drift, souls
from perdure.domains.audit import Deed
from perdure.domains.drift.events import DriftReset
from perdure.errors import Invalid
from perdure.kernel import Transaction, reads
from perdure.testing import SettableClock
from tests.fix.vaults import Opened

ROBOT, OPS = "robot@example.com", "ops@example.com"


def told(deeds: list[Deed]) -> list[tuple[str, str]]:
    """Say who did what, the oldest first."""
    return [(deed.actor, deed.what) for deed in reversed(deeds)]


def turn(tx: Transaction) -> str:
    souls.publish(tx, core_identity="Curious.")
    drift.observe(tx, "The truth, gently.")
    return tx.actor


def erasing(tx: Transaction, /) -> None:
    tx.erase("soul-self", upto=9)


def test_every_write_carries_who_did_it(opened: Opened) -> None:
    clock = SettableClock()
    store = opened(clock=clock, actor=ROBOT)
    store.souls.publish(core_identity="Curious.")
    clock.advance(1)
    store.by(OPS).drift.observe("The truth, gently.")
    clock.advance(1)
    assert store.subject("ada").by(OPS).by(ROBOT).transact(lambda tx: tx.actor) == ROBOT
    with store.by(OPS).transaction() as tx:
        tx.append("note-a", DriftReset())
    clock.advance(1)
    assert told(store.audit.deeds()) == [
        (ROBOT, "SoulPublished"),
        (OPS, "ReplyObserved"),
        (OPS, "DriftReset"),
    ]
    assert store.subject("bob").audit.deeds() == []


def test_who_was_not_named_is_the_subject_itself(opened: Opened) -> None:
    store = opened()
    store.souls.publish(core_identity="Curious.")
    (deed,) = store.audit.deeds()
    assert (deed.actor, deed.stream, deed.version) == ("self", "soul-self", 1)
    assert deed.at == store.souls.current().created_at


def test_an_actor_is_checked_at_the_door(opened: Opened) -> None:
    store = opened()
    with pytest.raises(Invalid, match="the actor is empty"):
        store.by("")
    with pytest.raises(Invalid, match="the actor has a NUL"):
        store.by("a\x00b")
    with pytest.raises(perdure.TooLarge, match="the actor has 256 characters"):
        opened(actor="x" * 256)


@pytest.mark.parametrize("actor", ["x" * 255, '"quoted"\n\\', "שלום 😀", "{}"])
def test_an_actor_may_be_any_text(opened: Opened, actor: str) -> None:
    store = opened(actor=actor)
    store.souls.publish(core_identity="Curious.")
    assert [deed.actor for deed in store.audit.deeds()] == [actor]
    assert [recorded.actor for recorded in store.log.read()] == [actor]
    assert store.souls.current().core_identity == "Curious."


def test_looks_are_noted_before_they_are_answered(opened: Opened) -> None:
    clock = SettableClock()
    opened(clock=clock).souls.publish(core_identity="Curious.")
    watched = opened(clock=clock, actor=OPS, audit_reads=True)
    clock.advance(1)
    assert watched.souls.current().core_identity == "Curious."
    clock.advance(1)
    assert watched.by(ROBOT).souls.milestones.list() == []
    clock.advance(1)
    with pytest.raises(perdure.NotFound):  # nothing was told, and nothing noted
        watched.souls.at(7)
    assert watched.transact(lambda tx: tx.version("soul-self")) == 1
    clock.advance(1)
    with watched.transaction() as tx:
        assert tx.streams() == ["audit-looks", "soul-self"]
    clock.advance(1)
    assert told(watched.audit.deeds()) == [
        ("self", "SoulPublished"),
        (OPS, "read souls.current"),
        (ROBOT, "read souls.list_milestones"),
        (OPS, "read a transaction"),
        (OPS, "read a transaction"),
        (OPS, "read audit.deeds"),
    ]
    assert len(opened(clock=clock).audit.deeds()) == 6  # this one is not noted


def test_a_look_under_a_key_is_a_look_each_time(opened: Opened) -> None:
    watched = opened(actor=OPS, audit_reads=True)
    keyed = watched.once("turn-1")
    assert keyed.transact(turn) == OPS
    assert keyed.transact(turn) == OPS  # answered from what was kept
    first = keyed.souls.current()
    watched.souls.publish(core_identity="Warm.")
    assert keyed.souls.current() != first
    found = [deed.what for deed in watched.audit.deeds()]
    assert sorted(found) == sorted(
        ["SoulPublished", "ReplyObserved", "SoulPublished", "read a transaction"]
        + 2 * ["read souls.current"]
        + ["read audit.deeds"]
    )


def test_coroutines_are_noted_as_well(target: str, seals: dict[str, Any]) -> None:
    async def work() -> list[Deed]:
        how = {"subject": "ada", "actor": OPS, "audit_reads": True, **seals}
        async with perdure.connect(target, **how) as store:
            assert await store.by(ROBOT).transact(turn) == ROBOT
            await store.souls.publish(core_identity="Warm.")
            assert (await store.once("look").souls.current()).core_identity == "Warm."
            assert (await store.drift.current()).total_interactions == 1
            return await store.audit.deeds()

    deeds = asyncio.run(work())
    assert sorted(told(deeds)) == [
        (OPS, "SoulPublished"),
        (OPS, "read audit.deeds"),
        (OPS, "read drift.current"),
        (OPS, "read souls.current"),
        (ROBOT, "ReplyObserved"),
        (ROBOT, "SoulPublished"),
        (ROBOT, "read a transaction"),
    ]


def test_deeds_since_a_time_are_all_of_them(opened: Opened) -> None:
    clock = SettableClock()
    store = opened(clock=clock)
    start = clock.now()
    store.souls.publish(core_identity="Curious.")
    clock.advance(60)

    def several(tx: Transaction) -> None:
        for text in ("Warm.", "Direct.", "Kind."):
            souls.publish(tx, core_identity=text)

    store.transact(several)
    clock.set(start + timedelta(seconds=30))  # the clock was set back
    store.souls.publish(core_identity="Late.")
    since = start + timedelta(seconds=60)
    assert [deed.version for deed in store.audit.deeds(since=since)] == [4, 3, 2]
    assert [deed.version for deed in store.audit.deeds(most=4)] == [4, 3, 2, 5]
    assert len(store.audit.deeds(since=start)) == 5
    assert store.audit.deeds(since=since + timedelta(seconds=1)) == []
    with pytest.raises(Invalid, match="most is 0: give 1 or more"):
        store.audit.deeds(most=0)
    with pytest.raises(Invalid, match="no time zone"):
        store.audit.deeds(since=since.replace(tzinfo=None))


def test_an_erased_event_says_when_and_neither_who_nor_what(opened: Opened) -> None:
    clock = SettableClock()
    store = opened(clock=clock, actor=OPS)
    for text in ("One.", "Two.", "Three."):
        store.souls.publish(core_identity=text)
        clock.advance(1)
    store.transact(lambda tx: tx.erase("soul-self", after=1, upto=2))
    assert told(store.audit.deeds()) == [
        (OPS, "SoulPublished"),
        ("", "an erased event"),
        (OPS, "SoulPublished"),
    ]
    assert [recorded.event is None for recorded in store.log.read()] == [False, True, False]
    store.souls.publish(core_identity="Four.")  # the chain goes on
    assert len(store.audit.deeds()) == 4
    with pytest.raises(perdure.Internal, match="declared as one that reads"):
        store.audit._runner.call(reads(erasing), (), {})
