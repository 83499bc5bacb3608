"""Several openings of one target: the next process, another process, a fork."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice

from perdure.store import Store

from .faces import Cases, Opening
from .processes import counts, elsewhere, forks, told, writes
from .samples import NOTES, note, notes, total

PROCESSES, TIMES = 3, 25
NEWS = 12


class SharedConformance(Cases):
    """A target that outlives the process that opened it."""

    # How soon other processes' writes are seen; an engine that promises less says so here.
    seen_seconds_max = 0.3

    def test_the_next_opening_finds_everything(self, opening: Opening) -> None:
        for number in range(1, 4):
            with opening() as store:
                ada = store.subject("ada")
                assert ada.transact(note(str(number))) == [number]
                assert ada.souls.publish(core_identity="Curious.").version == number

    def test_two_openings_see_each_other(self, opening: Opening, sync_store: Store) -> None:
        with opening() as second:
            sync_store.subject("ada").transact(note("one"))
            assert second.subject("ada").transact(notes) == ["one"]
            second.subject("ada").transact(note("two"))
            assert sync_store.subject("ada").transact(notes) == ["one", "two"]

    def test_processes_lose_no_update(self, opening: Opening, sync_store: Store) -> None:
        with ExitStack() as stack:
            pipes = [
                stack.enter_context(elsewhere(counts, opening, TIMES)) for _ in range(PROCESSES)
            ]
            for pipe in pipes:
                assert told(pipe) == "ready"
            for pipe in pipes:
                pipe.send("go")
            assert [told(pipe) for pipe in pipes] == ["done"] * PROCESSES
        assert sync_store.subject("ada").transact(total) == PROCESSES * TIMES

    def test_a_write_of_another_process_is_seen_soon(
        self, opening: Opening, sync_store: Store, record_property: Callable[[str, object], None]
    ) -> None:
        with elsewhere(writes, opening) as pipe:
            assert told(pipe) == "ready"
            events = sync_store.log.follow()
            assert [one.stream for one in islice(events, 1)] == [NOTES]
            waits = []
            for number in range(NEWS):
                time.sleep(0.03)  # the follower is asleep
                pipe.send(f"news {number}")
                assert next(events).event.text == f"news {number}"
                seen = time.monotonic()
                waits.append(max(0.0, seen - told(pipe)))
            pipe.send(None)
            events.close()  # type: ignore[attr-defined]
        record_property("seen_ms_median", round(statistics.median(waits) * 1000, 2))
        record_property("seen_ms_max", round(max(waits) * 1000, 2))
        assert statistics.median(waits) < self.seen_seconds_max

    def test_a_fork_is_refused_and_the_parent_goes_on(
        self, opening: Opening, sync_store: Store
    ) -> None:
        with elsewhere(forks, opening) as pipe:
            refused = "invalid: the store was opened before a fork: open it in the child"
            assert told(pipe) == [refused] * 4
        assert sync_store.subject("ada").transact(notes) == ["parent", "parent again"]
