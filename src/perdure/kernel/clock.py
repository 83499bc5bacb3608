"""The only place that asks the time or draws random bytes.

A transaction carries ``now`` and ``new_id()``; tests set both through ``perdure.testing``.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_POOL_BYTES = 4096


class Clock(Protocol):
    """Where time and identity come from."""

    def now(self) -> datetime: ...

    def new_id(self) -> str: ...


class SystemClock:
    """The machine's time and UUIDv7 ids from pooled operating-system entropy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool = b""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> str:
        return uuid7(microseconds(self.now()) // 1000, self._entropy(10))

    def _entropy(self, size: int) -> bytes:
        with self._lock:
            if len(self._pool) < size:
                self._pool = os.urandom(_POOL_BYTES)
            taken, self._pool = self._pool[:size], self._pool[size:]
            return taken


def uuid7(milliseconds: int, entropy: bytes) -> str:
    """Build the text of a version 7 UUID (RFC 9562) from a time and ten random bytes."""
    head = milliseconds.to_bytes(6, "big")
    rest = bytes([0x70 | entropy[0] & 0x0F, entropy[1], 0x80 | entropy[2] & 0x3F]) + entropy[3:10]
    text = (head + rest).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def microseconds(moment: datetime) -> int:
    """Count whole microseconds since 1970, exactly."""
    return (moment - EPOCH) // _MICROSECOND


def moment(microseconds_since_epoch: int) -> datetime:
    """Turn such a count back into a time."""
    return EPOCH + timedelta(microseconds=microseconds_since_epoch)
