"""Unwrapped keys in memory: at most 10,000 of them, none for longer than 60 seconds.

A thread removes what nobody asked for again; it lives only while there is something to remove.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic

from perdure.kernel.sealing import Owner

from .secret import Secret

SECONDS_MAX = 60.0
SWEEP_SECONDS = 5.0
OWNERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Entry:
    owner: Owner
    name: str | None
    until: float


class Cache(Secret):
    """Owners by handle and by name, the oldest out first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_handle: dict[str, _Entry] = {}
        self._by_name: dict[str, _Entry] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self.stamp = 0

    def named(self, name: str) -> Owner | None:
        """Give the owner behind a name while it is fresh."""
        entry = self._by_name.get(name)
        return None if entry is None or entry.until < monotonic() else entry.owner

    def owning(self, handle: str) -> Owner | None:
        """Give the owner behind a handle while it is fresh."""
        entry = self._by_handle.get(handle)
        return None if entry is None or entry.until < monotonic() else entry.owner

    def keep(self, owner: Owner, name: str | None, *, stamp: int) -> None:
        """Keep what was looked up, unless somebody was removed since ``stamp``."""
        with self._lock:
            if stamp != self.stamp or self._closing.is_set():
                return
            known = self._by_handle.get(owner.subject)
            if name is None and known is not None:
                name = known.name
            self._remove(owner.subject)
            if len(self._by_handle) >= OWNERS_MAX:
                self._remove(next(iter(self._by_handle)))
            entry = _Entry(owner, name, monotonic() + SECONDS_MAX - SWEEP_SECONDS)
            self._by_handle[owner.subject] = entry
            if name is not None:
                self._by_name[name] = entry
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._sweep, name="perdure-vault", daemon=True
                )
                self._thread.start()

    def remove(self, handle: str) -> None:
        """Drop an owner, and whatever is being looked up at this moment."""
        with self._lock:
            self.stamp += 1
            self._remove(handle)

    def close(self) -> None:
        """Drop everything and end the thread."""
        self._closing.set()
        with self._lock:
            self._by_handle.clear()
            self._by_name.clear()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _remove(self, handle: str) -> None:
        entry = self._by_handle.pop(handle, None)
        if entry is not None and entry.name is not None:
            self._by_name.pop(entry.name, None)

    def _sweep(self) -> None:
        while not self._closing.wait(SWEEP_SECONDS):
            with self._lock:
                now = monotonic()
                for handle in [h for h, entry in self._by_handle.items() if entry.until <= now]:
                    self._remove(handle)
                if not self._by_handle:
                    self._thread = None
                    return
