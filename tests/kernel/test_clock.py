"""Time and identity: UUIDs of version 7, exact microseconds, a clock that can be set."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest

from perdure.errors import Invalid
from perdure.kernel.clock import EPOCH, SystemClock, microseconds, moment, uuid7
from perdure.testing import SettableClock

MOMENT = datetime(2026, 11, 21, 12, 34, 56, 789_012, tzinfo=UTC)


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = uuid.UUID(uuid7(0x0123456789AB, bytes([0xFF] * 10)))
    assert str(made) == "01234567-89ab-7fff-bfff-ffffffffffff"
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert uuid7(0, bytes(10)) == "00000000-0000-7000-8000-000000000000"


def test_ids_sort_by_their_time() -> None:
    times = [0, 1, 255, 256, 10**12, 2**48 - 1]
    made = [uuid7(milliseconds, bytes([255 - i] * 10)) for i, milliseconds in enumerate(times)]
    assert made == sorted(made)


def test_the_system_clock_never_repeats_an_id() -> None:
    clock = SystemClock()
    before = microseconds(clock.now()) // 1000
    made = [clock.new_id() for _ in range(2_000)]
    assert len(set(made)) == 2_000
    assert all(int(one.replace("-", "")[:12], 16) >= before for one in made)
    assert {uuid.UUID(one).version for one in made} == {7}


def test_microseconds_are_exact_both_ways() -> None:
    assert microseconds(EPOCH) == 0
    assert microseconds(MOMENT) % 1_000_000 == 789_012
    for one in (MOMENT, datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), EPOCH):
        assert moment(microseconds(one)) == one
    assert microseconds(EPOCH - timedelta(microseconds=1)) == -1


def test_a_settable_clock_stands_still_and_counts_its_ids() -> None:
    one, two = SettableClock(MOMENT), SettableClock(MOMENT)
    made = [one.new_id() for _ in range(300)]
    assert made == [two.new_id() for _ in range(300)]
    assert made == sorted(set(made))
    assert {uuid.UUID(id).version for id in made} == {7}
    assert one.now() == one.now() == MOMENT


def test_a_settable_clock_is_set_and_moved() -> None:
    clock = SettableClock()
    clock.set(MOMENT.astimezone(timezone(timedelta(hours=5))))
    assert (clock.now(), clock.now().tzinfo) == (MOMENT, UTC)
    clock.advance(0.5)
    assert clock.now() == MOMENT + timedelta(milliseconds=500)
    with pytest.raises(Invalid, match="now has no time zone"):
        clock.set(datetime(2026, 1, 1))  # noqa: DTZ001 - the point
