"""What a SQLite file needs besides its callers: checkpoints, and a watch on other processes.

Nothing here runs a unit of work.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import apsw

from perdure.errors import PerdureError

WAL_PAGES_SOFT = 1_000
WAL_PAGES_HARD = 8_000
BUSY_MS = 10_000
WAIT_MS = 50
POLL_SECONDS = 0.01


class Wal:
    """How long the WAL of the writing connection is, and what was done about it.

    A WAL that begins anew is overwritten in place; one that grows makes every commit wait for the
    file system's own journal too (measured: twice the time). So it is kept short, by two steps.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._pages = 0
        self._asked_at = 0
        self.is_moved = False

    def grew(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """Note the length after a commit: SQLite's own hook."""
        if pages < self._pages:
            self._asked_at = 0  # it began anew
        self._pages = pages
        return apsw.SQLITE_OK

    def committed(self, writer: apsw.Connection) -> None:
        """Have the bulk moved by the thread, then move the few pages written meanwhile here."""
        if self.is_moved:
            self.is_moved = False
            if self._pages < WAL_PAGES_HARD:
                self._finish(writer, apsw.SQLITE_CHECKPOINT_PASSIVE)
            else:  # only a reader can be in the way: wait for it a moment
                self._finish(writer, apsw.SQLITE_CHECKPOINT_RESTART)
        elif self._pages >= self._asked_at + WAL_PAGES_SOFT:
            self._asked_at = self._pages
            self._background.checkpoint()

    @staticmethod
    def _finish(writer: apsw.Connection, mode: int) -> None:
        writer.set_busy_timeout(WAIT_MS)
        with contextlib.suppress(apsw.Error):  # again when it has grown further
            writer.wal_checkpoint(mode=mode)
        writer.set_busy_timeout(BUSY_MS)


class Background:
    """The threads that a file needs only sometimes: checkpoints, and watching other processes."""

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        move: Callable[[], object],
        wake: Callable[[], None],
    ) -> None:
        self._connect, self._move, self._wake = connect, move, wake
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._full = threading.Event()
        self._stop = threading.Event()

    def checkpoint(self) -> None:
        self._full.set()
        self._start("perdure-checkpoint", self._checkpoints)

    def poll(self) -> None:
        self._start("perdure-watch", self._polls)

    def close(self) -> None:
        self._stop.set()
        self._full.set()
        for thread in self._threads.values():
            thread.join()

    def _start(self, name: str, target: Callable[[], None]) -> None:
        with self._lock:
            if name not in self._threads and not self._stop.is_set():
                self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
                self._threads[name].start()

    def _checkpoints(self) -> None:
        while True:
            self._full.wait()
            self._full.clear()  # before the look at stop: close() sets that first
            if self._stop.is_set():
                return
            with contextlib.suppress(PerdureError):  # the next commit asks again
                self._move()

    def _polls(self) -> None:
        seen: object = None
        connection = self._connect()
        try:
            while not self._stop.wait(POLL_SECONDS):
                ((current,),) = connection.execute("pragma data_version").fetchall()
                if current != seen:
                    seen = current
                    self._wake()
        finally:
            connection.close()
