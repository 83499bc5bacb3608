"""What is replayed has the time and the id of its event, not of today."""

from __future__ import annotations

from pathlib import Path

import perdure
from perdure.kernel.replay import EventClock


def test_a_replay_asks_the_event_for_its_time_and_its_id(tmp_path: Path) -> None:
    with perdure.open(tmp_path / "a.db", subject="ada") as store:
        store.souls.publish(core_identity="Ada.")
        (recorded,) = store.log.read()
    clock = EventClock(recorded)
    assert (clock.now(), clock.new_id()) == (recorded.at, recorded.id)
