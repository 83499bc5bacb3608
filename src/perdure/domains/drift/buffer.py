"""The seed's lazy mode, explicit: collect what was said and write it every few seconds.

What is in a buffer is in memory alone. `kill -9` or a power cut loses at most the window; `flush`,
`close`, the end of the process and SIGTERM lose nothing (`ending.py`). A write that fails keeps its
pieces and tries again, under an idempotency key: a commit of unknown outcome never counts twice.
Of a subject that was forgotten it keeps nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TypeAlias

from perdure.errors import Forgotten, Invalid, PerdureError, Unavailable
from perdure.kernel import SystemClock, values, writes
from perdure.kernel.operations import Runner

from .ending import Ending
from .model import Mutation
from .operations import Heard, hear, keep_all, vector

SECONDS: Final = 5.0
SECONDS_LEAST: Final = 0.01
SECONDS_MAX: Final = 3_600.0
PIECES_MAX: Final = 1_000  # then they are written at once
PIECES_HELD_MAX: Final = 10_000  # then no more are taken: the database is away
AGAIN_SECONDS: Final = 0.1

Piece: TypeAlias = Heard | Mutation
_keep_all = writes(keep_all)
_ids = SystemClock()
logger = logging.getLogger("perdure")


class Pending:
    """Pieces that are not written yet; the batch under way keeps its key until it is durable."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: list[Piece] = []
        self._batch: tuple[str, list[Piece]] | None = None
        self._is_open = True

    def add(self, piece: Piece) -> None:
        """Take a piece, or refuse it."""
        with self._lock:
            if not self._is_open:
                raise Unavailable("the buffer is closed", remedy="open another one")
            if len(self) >= PIECES_HELD_MAX:
                raise Unavailable(
                    f"{PIECES_HELD_MAX} pieces wait for the database",
                    value=PIECES_HELD_MAX,
                    remedy="flush() says why; then retry",
                )
            self._pieces.append(piece)

    def batch(self) -> tuple[str, list[Piece]] | None:
        """Give the batch to write: the one that failed, else everything that waits."""
        with self._lock:
            if self._batch is None and self._pieces:
                self._batch, self._pieces = (_ids.new_id(), self._pieces), []
            return self._batch

    def written(self) -> None:
        """Forget the batch: it is durable."""
        with self._lock:
            self._batch = None

    def drop(self) -> None:
        """Forget everything: the subject was forgotten."""
        with self._lock:
            self._batch, self._pieces = None, []

    def take(self, *, is_open: bool) -> None:
        """Take pieces from now on, or none any more."""
        with self._lock:
            self._is_open = is_open

    def __len__(self) -> int:
        """Count without the lock, for signal handlers: too many for an instant, never too few."""
        waiting = len(self._pieces)  # first: they may become the batch meanwhile
        batch = self._batch
        return waiting + (len(batch[1]) if batch else 0)


class _Buffer:
    """What both faces share: the pieces, and the thread that writes them."""

    def __init__(self, runner: Runner, *, seconds: float) -> None:
        if not SECONDS_LEAST <= values.number("seconds", seconds) <= SECONDS_MAX:
            remedy = f"give {SECONDS_LEAST:g} to {SECONDS_MAX:g}"
            raise Invalid(f"seconds is {seconds}", value=seconds, remedy=remedy)
        self._runner = runner
        self._seconds = seconds
        self._pending = Pending()
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._is_stopped = False
        self._ending = Ending(self)

    def __len__(self) -> int:
        """Return how many pieces are not durable yet."""
        return len(self._pending)

    def observe(self, text: str) -> None:
        """Measure a reply now and write it later; the state is known after `flush`."""
        self._add(hear(text))

    def evolve(self, mutation: Mapping[str, object]) -> None:
        """Check a mutation now and write it later."""
        self._add(vector(mutation))

    def write(self) -> None:
        """Write what waits, in the calling thread, each batch as one unit of work.

        Two batches hold everything given so far: one that had failed, and all that waits.
        """
        with self._writing:
            for _ in range(2):
                batch = self._pending.batch()
                if batch is None:
                    return
                key, pieces = batch
                try:
                    self._runner.repeatable(f"drift-{key}").call(_keep_all, (pieces,), {})
                except Forgotten:
                    self._pending.drop()
                    raise
                self._pending.written()

    def _add(self, piece: Piece) -> None:
        self._pending.add(piece)
        if self._thread is None:
            self._start()
        if len(self) >= PIECES_MAX:
            self._wanted.set()
        if self._ending.is_draining:  # the process ends: nobody may be faster than the writer
            with suppress(PerdureError):  # the drain tries again, and tells
                self.write()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._is_stopped = False
                name = "perdure-drift-buffer"
                self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        while not self._is_stopped:
            self._wanted.wait(self._seconds)
            self._wanted.clear()
            try:
                self.write()
            except PerdureError as error:
                logger.warning("a drift buffer is not written (%s) and tries again", error.code)
                self._wanted.wait(min(AGAIN_SECONDS, self._seconds))

    def _stop(self) -> None:
        with self._starting:
            thread, self._thread = self._thread, None
            self._is_stopped = True
            self._wanted.set()
        if thread is not None:
            thread.join()

    def _close(self) -> None:
        self._pending.take(is_open=False)
        try:
            self.write()
        except Forgotten:
            self._end()
            raise
        except BaseException:
            self._pending.take(is_open=True)
            raise
        self._end()

    def _end(self) -> None:
        self._stop()
        self._ending.forget()


class Buffer(_Buffer):
    """Collects for the synchronous face; a context manager."""

    def flush(self) -> None:
        """Return when everything given so far is durable, or raise and keep it."""
        self.write()

    def close(self) -> None:
        """Flush and stop; when the flush fails, the buffer stays open."""
        self._close()

    def __enter__(self) -> Buffer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncBuffer(_Buffer):
    """The same for coroutines; `observe` and `evolve` never wait, so they are not awaited."""

    async def flush(self) -> None:
        """Return when everything given so far is durable, or raise and keep it."""
        await asyncio.to_thread(self.write)

    async def close(self) -> None:
        """Flush and stop; when the flush fails, the buffer stays open."""
        try:
            await self.flush()
        except Forgotten:
            self._close()
            raise
        self._close()

    async def __aenter__(self) -> AsyncBuffer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
