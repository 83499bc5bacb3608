"""What a vault changes for a unit of work: whose it is, what is stored, what a follower sees."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import perdure
from perdure.domains.drift import model
from perdure.errors import Conflict, Forgotten, Invalid, LockedOut, Tampered
from perdure.kernel import SystemClock, Transaction
from perdure.kernel.engine import Rows
from perdure.kernel.events import sign, signed
from perdure.kernel.queries import Query
from perdure.kernel.replay import SNAPSHOT_EVENTS
from perdure.kernel.units import Context
from perdure.kernel.vaults import claim
from perdure.store import AsyncStore, Store
from perdure.testing.conformance.samples import NOTES, SampleCounted, count, note, notes
from tests.fix.toys import ToyKeys, ToySeal

SECRET = "the secret of ada"


@contextmanager
def sealed_store(target: str, keys: Any, **how: Any) -> Iterator[Store]:
    """Open a store whose vault is a toy."""
    engine = perdure.open(target).engine
    context = Context(how.pop("subject", "ada"), SystemClock(), keys=keys, **how)
    with Store(engine, context) as store:
        yield store
    assert keys.is_closed


def table(store: Store, name: str) -> Rows:
    """Show a table as who reads the database sees it."""
    text = f"select * from {name}"
    query = Query("peek", text, text, role="login")
    return store.engine.administer(lambda session: session.rows(query, {}))


def told(tx: Transaction) -> str:
    """Return what has to be kept for a retry."""
    count(tx)
    return SECRET


def other(tx: Transaction) -> str:
    return "something else"


def test_rows_and_events_carry_the_handle(target: str) -> None:
    keys: Any = ToyKeys()
    with sealed_store(target, keys, actor="ops") as store:
        assert store.keys is keys
        store.transact(note(SECRET))
        assert store.transact(notes) == [SECRET]
        assert store.transact(lambda tx: (tx.subject, tx.is_sealed)) == (f"{1:032x}", True)
        (event,) = table(store, "perdure_events")
        (followed,) = store.log.read()
        assert (followed.event.text, followed.actor) == (SECRET, "ops")
        assert followed.subject == f"{1:032x}" in repr(event)
        assert not any(word in repr(event) for word in (SECRET, "ada", "ops"))


def test_reading_for_a_stranger_makes_nobody(target: str) -> None:
    keys: Any = ToyKeys()
    with sealed_store(target, keys) as store:
        assert store.drift.current() == model.initial()
        assert keys.asked == [("ada", False)]
        assert keys.owners == {}
        store.drift.observe("The truth, gently.")
        assert keys.asked[1:] == [("ada", True)]
        with store.transaction() as tx:
            assert tx.subject == f"{1:032x}"


def test_a_forgotten_subject_is_refused_and_its_events_are_as_good_as_erased(target: str) -> None:
    keys: Any = ToyKeys()
    with sealed_store(target, keys) as store:
        store.transact(note(SECRET))
        store.subject("bob").transact(note("bob's"))
        keys.forgotten.add("ada")
        for work in (store.transact, store.once("k").transact):
            with pytest.raises(Forgotten):
                work(notes)
        with pytest.raises(Forgotten), store.transaction():
            pass
        found = {recorded.subject: recorded for recorded in store.log.read()}
        assert found[f"{1:032x}"].event is None
        assert found[f"{1:032x}"].actor == ""
        assert found[f"{2:032x}"].event.text == "bob's"


def test_a_payload_moved_to_another_event_does_not_open(target: str) -> None:
    keys: Any = ToyKeys()
    with sealed_store(target, keys) as store:
        store.transact(note("one", "two"))
        seal = keys.owners["ada"].seal
        assert seal is not None
        ids = [recorded.id for recorded in store.log.read()]
        closed = seal.seal(b"{}", "event", ids[0], "payload")
        with pytest.raises(Tampered, match=f"event {ids[1]}, payload"):
            seal.open(closed, "event", ids[1], "payload")


def test_an_outcome_and_its_key_are_private(target: str) -> None:
    with sealed_store(target, ToyKeys()) as store:
        assert [store.once(SECRET).transact(told) for _ in range(3)] == [SECRET] * 3
        assert store.transact(count) == 2
        ((*_, unit, kept, _at),) = table(store, "perdure_outcomes")
        assert SECRET not in repr(table(store, "perdure_outcomes"))
        assert (unit, len(kept) > len(SECRET)) == ("told", True)
        with pytest.raises(Conflict, match="this idempotency key was used for told, not for other"):
            store.once(SECRET).transact(other)
        assert store.subject("bob").once(SECRET).transact(other) == "something else"
        keys = {row[2] for row in table(store, "perdure_outcomes")}
        assert len(keys) == 2  # of two subjects the same key has two tokens


def test_a_snapshot_is_sealed(target: str) -> None:
    with sealed_store(target, ToyKeys()) as store:

        def many(tx: Transaction) -> None:
            for _ in range(SNAPSHOT_EVENTS):
                tx.append("counter-a", SampleCounted(1))

        store.transact(many)
        assert store.transact(count) == SNAPSHOT_EVENTS + 1
        (row,) = table(store, "perdure_snapshots")
        assert "total" not in repr(row)


def test_tokens_stand_where_a_text_is_searched(target: str) -> None:
    def tokens(tx: Transaction) -> tuple[Any, ...]:
        numbers = [tx.blind_int("hash", number) for number in (0, -1, -(2**63), 2**63 - 1)]
        return tx.blind("tag", SECRET), tx.blind("tag", "é"), tx.blind("title", SECRET), *numbers

    with perdure.open(target, subject="ada") as store:
        clear = (SECRET, "é", SECRET, 0, -1, -(2**63), 2**63 - 1)
        assert store.transact(tokens) == clear
    with sealed_store(target, ToyKeys()) as store:
        found = store.transact(tokens)
        assert found == store.transact(tokens)
        assert len({*found, *clear, *store.subject("bob").transact(tokens)}) == 2 * 7 + 6
        assert all(-(2**63) <= number < 2**63 for number in found[3:])
        assert [len(token) for token in found[:3]] == [32, 32, 32]


def test_a_text_in_no_row_is_sealed_for_its_place(target: str) -> None:
    def unit(tx: Transaction) -> tuple[str, str]:
        stored = tx.seal_text(SECRET, "page", "p-1", "text")
        return stored, tx.open_text(stored, "page", "p-1", "text")

    with perdure.open(target, subject="ada") as store:
        assert store.transact(unit) == (SECRET, SECRET)
    with sealed_store(target, ToyKeys()) as store:
        stored, opened = store.transact(unit)
        assert (opened, SECRET in stored) == (SECRET, False)
        for place in (("page", "p-2", "text"), ("page", "p-1", "title"), ("leaf", "p-1", "text")):
            with pytest.raises(Tampered):
                store.transact(lambda tx, at=place: tx.open_text(stored, *at))  # type: ignore[misc]
        with pytest.raises(Tampered):
            store.transact(lambda tx: tx.open_text(SECRET, "page", "p-1", "text"))


@pytest.mark.parametrize("is_sealed", [False, True], ids=["clear", "sealed"])
def test_erased_payloads_leave_a_chain_that_verifies(target: str, is_sealed: bool) -> None:
    how = sealed_store(target, ToyKeys()) if is_sealed else perdure.open(target, subject="ada")
    with how as store:
        for text in ("one", "two", "three"):
            store.transact(note(text))
        store.transact(lambda tx: tx.append("other-a", SampleCounted(1)))
        assert store.transact(lambda tx: tx.streams()) == [NOTES, "other-a"]
        store.transact(lambda tx: tx.erase(NOTES, after=1, upto=2))
        read = store.transact(lambda tx: [each.event for each in tx.events(NOTES)])
        assert [each and each.text for each in read] == ["one", None, "three"]
        store.transact(lambda tx: tx.erase(NOTES, upto=9))
        store.transact(note("four"))
        assert [each.event and each.version for each in store.log.read()].count(None) == 3
        assert "three" not in repr(table(store, "perdure_events"))


@pytest.mark.parametrize("is_sealed", [False, True], ids=["clear", "sealed"])
def test_one_event_is_erased_with_all_that_may_hold_it(target: str, is_sealed: bool) -> None:
    how = sealed_store(target, ToyKeys()) if is_sealed else perdure.open(target, subject="ada")
    with how as store:

        def counted(tx: Transaction) -> str:
            return tx.append(NOTES, SampleCounted(1)).id

        ids = [store.once(f"turn-{number}").transact(counted) for number in range(3)]
        store.transact(lambda tx: [tx.append("counter-a", SampleCounted(1)) for _ in range(200)])
        store.transact(lambda tx: tx.erase_event(NOTES, ids[1]))
        assert [each.event for each in store.log.read()].count(None) == 1
        read = store.transact(lambda tx: [each.event is None for each in tx.events(NOTES)])
        assert read == [False, True, False]
        assert store.once("turn-0").transact(counted) == ids[0]
        with pytest.raises(Forgotten, match="what this piece of work returned was forgotten"):
            store.once("turn-1").transact(counted)
        assert len(table(store, "perdure_snapshots")) == 1  # of another stream
        store.transact(lambda tx: tx.erase("counter-a", after=3, upto=4))
        assert len(table(store, "perdure_snapshots")) == 0


def test_a_coroutine_asks_for_keys_in_a_thread_only_when_it_must(target: str) -> None:
    keys: Any = ToyKeys()

    async def work() -> None:
        context = Context("ada", SystemClock(), keys=keys)
        before = context.is_at_hand
        store = AsyncStore(perdure.open(target).engine, context)
        assert (await store.drift.current()).total_interactions == 0
        assert keys.owners == {}
        await store.transact(note(SECRET))
        assert (before, context.is_at_hand) == (False, True)
        assert keys.asked == [("ada", False), ("ada", True)]
        await store.transact(note(SECRET))
        assert len(keys.asked) == 3
        assert (await store.drift.observe(SECRET)).total_interactions == 1
        assert (await store.drift.current()).total_interactions == 1
        assert [recorded.subject async for recorded in store.log.read()] == [f"{1:032x}"] * 3
        keys.forgotten.add("ada")
        assert [recorded.event async for recorded in store.log.read()] == [None] * 3
        with pytest.raises(Forgotten):
            await store.transact(note(SECRET))
        await store.close()

    asyncio.run(work())
    assert keys.is_closed


def test_a_database_belongs_to_one_vault(target: str) -> None:
    with perdure.open(target) as store:

        def ask(vault: str | None) -> None:
            store.engine.administer(lambda session: claim(session, vault, now=1))

        ask(None)
        ask("v1")
        ask("v1")
        with pytest.raises(LockedOut, match="the store is sealed by the vault v1: open it with"):
            ask(None)
        with pytest.raises(LockedOut, match="sealed by the vault v1, not by v2: open it with that"):
            ask("v2")
        assert [tuple(row) for row in table(store, "perdure_vaults")] == [("v1", 1)]


def test_a_clear_database_takes_no_vault(target: str) -> None:
    with perdure.open(target, subject="ada") as store:
        store.transact(note("clear"))
        with pytest.raises(Invalid, match="the store holds data that is not marked as sealed"):
            store.engine.administer(lambda session: claim(session, "v1", now=1))
        store.engine.administer(lambda session: claim(session, None, now=1))


def test_a_database_without_a_schema_has_no_vault_yet(target: str) -> None:
    with perdure.open(target, migrate=False) as store:
        store.engine.administer(lambda session: claim(session, "v1", now=1))
        store.engine.administer(lambda session: claim(session, None, now=1))


def test_work_for_nobody_is_refused_before_a_key_is_asked_for(target: str) -> None:
    keys: Any = ToyKeys()
    with (
        sealed_store(target, keys, subject="") as store,
        pytest.raises(Invalid, match="no subject was named"),
    ):
        store.transact(notes)
    assert keys.asked == []


@pytest.mark.parametrize("actor", ["a", '"', "\n", "a\nb", "\\", "é\u2028", "{", "x" * 255])
def test_the_actor_stands_in_front_of_the_payload(actor: str) -> None:
    payload = b'{"text":"a\\nb"}'
    written = sign(actor, payload)
    assert written.count(b"\n") == 1
    assert written.endswith(b"\n" + payload)
    assert signed(written) == (actor, payload)


def test_a_payload_of_nobody_is_as_it_was() -> None:
    for payload in (b"{}", b'{"actor":"\\n"}', b"[]", b""):
        assert sign("", payload) == payload
        assert signed(payload) == ("", payload)


def test_a_toy_is_a_seal() -> None:
    """The tests above mean something only if it refuses what a seal refuses."""
    seal = ToySeal(b"k")
    closed = seal.seal(b"text", "kind", "id", "field")
    assert seal.open(closed, "kind", "id", "field") == b"text"
    assert b"text" not in closed
    for place in (("kinds", "id", "field"), ("kind", "i", "field"), ("kind", "id", "f")):
        with pytest.raises(Tampered):
            seal.open(closed, *place)
    with pytest.raises(Tampered):
        ToySeal(b"l").open(closed, "kind", "id", "field")
