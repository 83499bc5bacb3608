"""Reading and following the log: every event once, in the order of its slice, soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from perdure.kernel import Recorded
from perdure.kernel.follow import LOOK_AGAIN_SECONDS, Checkpoint
from perdure.store import Store

from .faces import Cases, stored
from .samples import note

WRITERS, UNITS = 8, 6
# A follower that were woken by nobody would need a quarter of a second for each event.
WOKEN_SECONDS_MAX = 0.8 * LOOK_AGAIN_SECONDS


def texts(events: Iterator[Recorded], count: int) -> list[str]:
    """Take so many events of samples and give their texts."""
    return [one.event.text for one in islice(events, count)]


def places(events: Iterator[Recorded], count: int) -> dict[str, list[int]]:
    """Take so many events and give the positions seen in each lane."""
    seen: dict[str, list[int]] = {}
    for one in islice(events, count):
        seen.setdefault(one.lane, []).append(one.position)
    return seen


def writing(store: Store, name: str, times: int) -> Callable[[], None]:
    """Make a thread's work: units of two events each."""

    def work() -> None:
        for number in range(times):
            store.subject(name).transact(note(f"{name} {number}", "and another"))

    return work


class Following(Cases):
    """A checkpoint, and what comes behind it."""

    def test_reading_gives_what_is_there_and_ends(self, store: Store) -> None:
        assert list(store.log.read()) == []
        store.subject("ada").transact(note("one", "two"))
        assert texts(store.log.read(), 9) == ["one", "two"]
        assert [one.subject for one in store.log.read()] == [stored(store, "ada")] * 2

    def test_reading_goes_on_from_a_checkpoint(self, store: Store) -> None:
        store.subject("ada").transact(note("one", "two", "three"))
        seen = Checkpoint()
        for recorded in islice(store.log.read(), 2):
            seen.advance(recorded)
        assert texts(store.log.read(after=seen), 9) == ["three"]
        assert list(store.log.read(after=store.log.head())) == []

    def test_reading_takes_as_many_pages_as_it_needs(self, store: Store) -> None:
        for name in ("ada", "bob"):
            store.subject(name).transact(note(*["x"] * 600))
        assert sorted(map(len, places(store.log.read(), 9_999).values())) == [600, 600]

    def test_following_gives_the_past_and_then_what_comes(self, store: Store) -> None:
        store.subject("ada").transact(note("past"))
        events = store.log.follow()
        assert texts(events, 1) == ["past"]
        store.subject("ada").transact(note("one"))
        store.subject("bob").transact(note("two"))
        assert sorted(texts(events, 2)) == ["one", "two"]
        events.close()  # type: ignore[attr-defined]

    def test_following_goes_on_from_a_checkpoint(self, store: Store) -> None:
        store.subject("ada").transact(note("seen"))
        events = store.log.follow(after=store.log.head())
        store.subject("ada").transact(note("new"))
        assert texts(events, 1) == ["new"]
        events.close()  # type: ignore[attr-defined]

    def test_a_follower_that_waits_is_woken(self, store: Store, sync_store: Store) -> None:
        del store  # two openings of one target, or of two in memory: each wakes its own
        events = sync_store.log.follow()
        ada = sync_store.subject("ada")
        waits: list[float] = []
        for _ in range(5):
            sent: list[float] = []

            def send(sent: list[float] = sent) -> None:
                time.sleep(0.02)
                sent.append(time.monotonic())
                ada.transact(note("news"))

            writer = threading.Thread(target=send)
            writer.start()
            next(events)
            waits.append(time.monotonic() - sent[0])
            writer.join()
        events.close()  # type: ignore[attr-defined]
        assert sorted(waits)[2] < WOKEN_SECONDS_MAX

    def test_nothing_is_missed_and_nothing_repeated(self, sync_store: Store) -> None:
        writers = [
            threading.Thread(target=writing(sync_store, f"writer {number % 5}", UNITS))
            for number in range(WRITERS)
        ]
        events = sync_store.log.follow()
        for writer in writers:
            writer.start()
        seen = places(events, 2 * UNITS * WRITERS)
        events.close()  # type: ignore[attr-defined]
        for writer in writers:
            writer.join()
        assert all(found == list(range(1, len(found) + 1)) for found in seen.values())
        assert sum(map(len, seen.values())) == 2 * UNITS * WRITERS
        assert list(sync_store.log.read(after=sync_store.log.head())) == []

    def test_several_follow_at_once(self, store: Store) -> None:
        first, second = store.log.follow(), store.log.follow()
        store.subject("ada").transact(note("news"))
        assert (texts(first, 1), texts(second, 1)) == (["news"], ["news"])
        for events in (first, second):
            events.close()  # type: ignore[attr-defined]

    @pytest.mark.parametrize("count", [0, 1])
    def test_who_stops_following_is_forgotten(self, store: Store, count: int) -> None:
        store.subject("ada").transact(note("one"))
        events = store.log.follow()
        assert len(texts(events, count)) == count
        events.close()  # type: ignore[attr-defined]
        store.subject("ada").transact(note("two"))
