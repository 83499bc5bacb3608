"""Time travel: replay, snapshots, older schema versions, erased payloads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from perdure.errors import Invalid, Tampered
from perdure.kernel import Transaction
from perdure.kernel.replay import SNAPSHOT_EVENTS, replay
from perdure.kernel.transaction import slice_of
from perdure.store import Store, Subject
from perdure.testing import SettableClock

from .faces import Cases, engine_of, stored
from .samples import (
    COUNTER,
    NOTES,
    MovedFirst,
    MovedSecond,
    SampleCounted,
    SampleMoved,
    Stranger,
    note,
    notes,
    queries,
    total,
)

LONG = 2 * SNAPSHOT_EVENTS + 50


def count_to(most: int) -> Callable[[Transaction], None]:
    """Make a unit that counts 1, 2, 3…"""

    def unit(tx: Transaction) -> None:
        for step in range(1, most + 1):
            tx.append(COUNTER, SampleCounted(step))

    return unit


def alter(store: Store, name: str, version: int, **params: object) -> None:
    """Change an event behind the store's back."""
    subject = stored(store, "ada")
    place = {"slice": slice_of(subject), "subject": subject, "stream": NOTES, "version": version}
    query = getattr(queries, name)
    engine_of(store).administer(lambda session: session.rows(query, {**place, **params}))


class History(Cases):
    """What was is not lost."""

    def test_a_long_history_is_replayed_to_any_version(self, ada: Subject) -> None:
        ada.transact(count_to(LONG))
        around = (0, 1, SNAPSHOT_EVENTS - 1, SNAPSHOT_EVENTS, SNAPSHOT_EVENTS + 1, LONG - 1, LONG)
        found = ada.transact(lambda tx: [total(tx, upto=version) for version in around])
        assert found == [version * (version + 1) // 2 for version in around]
        assert ada.transact(total) == LONG * (LONG + 1) // 2

    def test_a_replay_begins_at_the_nearest_snapshot(self, ada: Subject) -> None:
        ada.transact(count_to(LONG))

        def folded(tx: Transaction, upto: int) -> int:
            return replay(tx, COUNTER, 0, lambda state, _fact, _at: state + 1, upto=upto)

        known = SNAPSHOT_EVENTS * (SNAPSHOT_EVENTS + 1) // 2  # a fold that counts goes on from it
        around = (SNAPSHOT_EVENTS - 1, SNAPSHOT_EVENTS, SNAPSHOT_EVENTS + 1)
        found = ada.transact(lambda tx: [folded(tx, upto) for upto in around])
        assert found == [SNAPSHOT_EVENTS - 1, known, known + 1]

    def test_a_replay_to_a_time(self, ada: Subject, clock: SettableClock) -> None:
        before = clock.now()
        ada.transact(count_to(3))
        clock.advance(60)
        ada.transact(count_to(3))

        def then(tx: Transaction) -> list[int]:
            times = (before, clock.now())
            return [total(tx, upto=tx.version_at(COUNTER, moment)) for moment in times]

        assert ada.transact(then) == [6, 12]

    def test_events_of_every_older_version_read_as_today(self, ada: Subject) -> None:
        def unit(tx: Transaction) -> None:
            for fact in (
                MovedFirst("Rome"),
                MovedSecond("Bonn", "DE"),
                SampleMoved("Oslo", "NO", ["work"]),
            ):
                tx.append("move-a", fact)

        ada.transact(unit)
        assert ada.transact(lambda tx: [e.event for e in tx.events("move-a")]) == [
            SampleMoved("Rome", "unknown", []),
            SampleMoved("Bonn", "DE", []),
            SampleMoved("Oslo", "NO", ["work"]),
        ]

    def test_an_unknown_event_is_named(self, store: Store, ada: Subject) -> None:
        ada.transact(lambda tx: tx.append(NOTES, Stranger("hello")).version)
        for read in (lambda: ada.transact(notes), lambda: list(store.log.read())):
            with pytest.raises(Invalid, match="does not know the event 'SampleOfAnotherApp'"):
                read()

    def test_an_erased_payload_reads_as_none_and_the_chain_still_holds(
        self, store: Store, ada: Subject
    ) -> None:
        ada.transact(note("one", "secret", "three"))
        alter(store, "erase_payload", 2)
        texts = [e and e.text for e in ada.transact(lambda tx: [r.event for r in tx.events(NOTES)])]
        assert texts == ["one", None, "three"]
        assert [one.event is None for one in store.log.read()] == [False, True, False]
        assert ada.transact(note("four")) == [4]

    def test_a_changed_payload_is_refused_wherever_it_is_read(
        self, store: Store, ada: Subject
    ) -> None:
        ada.transact(note("one", "two", "three"))
        alter(store, "change_payload", 2, payload=b'{"text":"lies"}')
        for read in (lambda: ada.transact(notes), lambda: list(store.log.read())):
            with pytest.raises(Tampered, match="the payload of event 2 of stream 'note-a'"):
                read()
