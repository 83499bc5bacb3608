"""Write groups: one fsync commits many units of work, each inside its own savepoint.

A synchronous caller leads (commits for everybody who queued) or follows (finds its unit done),
without a thread hop. A coroutine hands its unit to the writer thread. Results are released only
after the commit, with one wake-up per event loop and group. Nothing here knows SQLite beyond
five words of SQL.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from perdure.errors import Invalid, Unavailable

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
GROUP_UNITS_MAX = 512
QUEUE_UNITS_MAX = 100_000


class Writer(Protocol):
    """The only writing connection of a database."""

    def command(self, word: str) -> None:
        """Run begin, commit, rollback or a savepoint command."""
        ...

    def is_open(self) -> bool:
        """Say whether a transaction is open (some errors end it)."""
        ...

    def translate(self, error: Exception) -> Exception:
        """Turn a driver's error into one of ours."""
        ...


class Job:
    """A unit of work, its outcome, and the event loop that waits for it, if one does."""

    __slots__ = ("error", "future", "is_done", "loop", "result", "unit")

    def __init__(self, unit: Callable[[], Any]) -> None:
        self.unit = unit
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_done = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | None = None

    def outcome(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


class WriteGroups:
    """The queue in front of the writing connection."""

    def __init__(
        self,
        writer: Writer,
        turn: Callable[[], AbstractContextManager[object]],
        after: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._between_processes = turn
        self._after = after
        self._queue: deque[Job] = deque()
        self._turn = threading.Lock()
        self._owner = 0
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._is_closed = False

    def run(self, unit: Callable[[], T]) -> T:
        """Run a unit for a synchronous caller and return when it is durable."""
        job = Job(unit)
        self._refuse_nested()
        self._enqueue(job)
        with self._leading():
            while not job.is_done:
                self._commit_group(job)
        return job.outcome()  # type: ignore[no-any-return]

    async def submit(self, unit: Callable[[], T]) -> T:
        """Hand a unit to the writer thread and await its durable result."""
        import asyncio

        job = Job(unit)
        job.loop = asyncio.get_running_loop()
        job.future = job.loop.create_future()
        if self._thread is None:
            self._start()
        self._enqueue(job)
        self._wanted.set()
        return await job.future  # type: ignore[no-any-return]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the writing connection for a caller's own with block."""
        self._refuse_nested()
        with self._leading():
            with self._between_processes():
                self._begin()
                try:
                    yield
                    self._writer.command("commit")
                except BaseException as error:
                    self._rollback()
                    if isinstance(error, Exception):
                        raise self._writer.translate(error) from error.__cause__
                    raise
            self._after()

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Keep writers of this process out, without a transaction."""
        self._refuse_nested()
        with self._leading():
            yield

    def close(self) -> None:
        """Commit what is queued, then stop the writer thread."""
        self._is_closed = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    # -- the inside

    def _enqueue(self, job: Job) -> None:
        if len(self._queue) >= QUEUE_UNITS_MAX:
            raise Unavailable(
                f"{QUEUE_UNITS_MAX} units of work are waiting already",
                value=QUEUE_UNITS_MAX,
                remedy="wait for some of them, then retry",
            )
        self._queue.append(job)

    def _refuse_nested(self) -> None:
        if self._owner == threading.get_ident():
            raise Invalid(
                "a unit of work is already open in this thread", remedy="use the tx it was given"
            )
        if self._is_closed:
            raise Unavailable("the store is closed", remedy="open it again")

    @contextmanager
    def _leading(self) -> Iterator[None]:
        with self._turn:
            self._owner = threading.get_ident()
            try:
                yield
            finally:
                self._owner = 0

    def _start(self) -> None:
        with self._starting:
            if self._is_closed:
                raise Unavailable("the store is closed", remedy="open it again")
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name="perdure-writer", daemon=True
                )
                self._thread.start()

    def _serve(self) -> None:
        while not self._is_closed or self._queue:
            self._wanted.wait()
            self._wanted.clear()
            while self._queue:
                with self._leading():
                    self._commit_group(None)

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        while self._queue and len(jobs) < GROUP_UNITS_MAX:
            job = self._queue.popleft()
            if job.future is None or not job.future.cancelled():
                jobs.append(job)
        return jobs

    def _commit_group(self, own: Job | None) -> None:
        jobs = self._take()
        if not jobs:
            return
        try:
            with self._between_processes():
                self._begin()
                self._run_all(jobs)
                self._writer.command("commit")
        except Exception as error:  # noqa: BLE001  (each caller is told, by its own job)
            self._rollback()
            self._fail(jobs, error)
        except BaseException as error:
            self._rollback()
            self._give_back([job for job in jobs if job is not own])
            if own is not None:
                own.error, own.is_done = error, True
            raise
        else:
            self._after()
        self._release(jobs)

    def _begin(self) -> None:
        try:
            self._writer.command("begin immediate")
        except Exception as error:
            raise self._writer.translate(error) from error

    def _run_all(self, jobs: list[Job]) -> None:
        if len(jobs) == 1:
            jobs[0].result = jobs[0].unit()
            return
        for job in jobs:
            self._writer.command("savepoint unit")
            try:
                job.result = job.unit()
            except Exception as error:
                if not self._writer.is_open():
                    raise
                self._writer.command("rollback to unit")
                job.error = self._translated(error)
            self._writer.command("release unit")

    def _translated(self, error: Exception) -> Exception:
        translated = self._writer.translate(error)
        if translated is not error:
            translated.__cause__ = error
        return translated

    def _rollback(self) -> None:
        if self._writer.is_open():
            self._writer.command("rollback")

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        for job in jobs:
            if job.error is None:
                job.error = self._translated(error)

    def _give_back(self, jobs: list[Job]) -> None:
        for job in jobs:
            job.error = None
        self._queue.extendleft(reversed(jobs))
        self._wanted.set()

    @staticmethod
    def _release(jobs: list[Job]) -> None:
        waiting: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job in jobs:
            job.is_done = True
            if job.loop is not None:
                waiting.setdefault(job.loop, []).append(job)
        for loop, done in waiting.items():
            try:
                loop.call_soon_threadsafe(_deliver, done)
            except RuntimeError:  # the loop was closed: nobody waits any more
                continue


def _deliver(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future is None or job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
