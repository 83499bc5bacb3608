"""A clock that stands still until it is told otherwise, with ids that can be foretold."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from perdure.kernel import values
from perdure.kernel.clock import microseconds, uuid7

START = datetime(2026, 1, 1, tzinfo=UTC)


class SettableClock:
    """Give it to ``perdure.open(..., clock=...)``; two clocks set alike give the same ids."""

    def __init__(self, now: datetime = START) -> None:
        self._lock = threading.Lock()
        self._now = values.when("now", now)
        self._ids = 0

    def now(self) -> datetime:
        """Tell the time it was set to."""
        return self._now

    def new_id(self) -> str:
        """Count: each id is a UUIDv7 of the time set, and greater than the one before."""
        with self._lock:
            self._ids += 1
            count = self._ids
        high, low = divmod(count, 2**56)  # two bits and six of the ten bytes belong to the version
        entropy = bytes([0, 0, high & 0x3F]) + low.to_bytes(7, "big")
        return uuid7(microseconds(self._now) // 1000, entropy)

    def set(self, now: datetime) -> None:
        """Set the time, also back."""
        self._now = values.when("now", now)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
