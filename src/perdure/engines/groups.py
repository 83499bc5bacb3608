"""Write groups: one fsync commits many units of work, each inside its own savepoint.

A synchronous caller leads (commits for everybody who queued) or follows (finds its unit done),
without a thread hop. A coroutine hands its unit to the writer thread. Results are released only
after the commit, with one wake-up per event loop and group. Nothing here knows SQLite beyond
five words of SQL.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from perdure.errors import Unavailable

from .guards import Guard

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

    __slots__ = ("_baton", "error", "future", "is_done", "loop", "result", "unit")

    def __init__(self, unit: Callable[[], Any]) -> None:
        self.unit = unit
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_done = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | None = None
        self._baton = threading.Lock()
        self._baton.acquire()

    def wait(self) -> None:
        """Sleep until the unit is done, or it is this caller's turn to lead."""
        self._baton.acquire()

    def wake(self) -> None:
        """End the wait; one that was ended already is about to look for itself."""
        with suppress(RuntimeError):
            self._baton.release()

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
        guard: Guard,
    ) -> None:
        self._writer = writer
        self._between_processes = turn
        self._after = after
        self._guard = guard
        self._queue: deque[Job] = deque()
        self._turn = threading.Lock()
        self._units = 0
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._entry = threading.Lock()

    def run(self, unit: Callable[[], T]) -> T:
        """Run a unit for a synchronous caller and return when it is durable."""
        self._guard.check()
        job = Job(unit)
        self._enqueue(job)
        try:
            while not job.is_done:
                if self._turn.acquire(blocking=False):
                    with self._led():
                        self._commit_group(job)
                else:
                    job.wait()
        except BaseException:
            job.is_done = True  # withdrawn: who takes it from the queue leaves it out
            self._hand_over()
            raise
        return job.outcome()  # type: ignore[no-any-return]

    async def submit(self, unit: Callable[[], T]) -> T:
        """Hand a unit to the writer thread and await its durable result."""
        import asyncio

        self._guard.check()
        job = Job(unit)
        job.loop = asyncio.get_running_loop()
        job.future = job.loop.create_future()
        self._enqueue(job)
        self._start()
        self._wanted.set()
        return await job.future  # type: ignore[no-any-return]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the writing connection for a caller's own with block."""
        with self.idle():
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
        self._guard.check()
        with self._leading():
            self._guard.refuse_closed()  # meanwhile
            yield

    def close(self) -> None:
        """Commit what is queued, then stop the writer thread."""
        with self._entry:
            self._guard.is_closed = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        with self._leading():  # whoever led until now is done; what still waits is ours
            while self._queue:
                self._commit_group(None)

    # -- the inside

    def _enqueue(self, job: Job) -> None:
        with self._entry:
            self._guard.refuse_closed()
            if len(self._queue) >= QUEUE_UNITS_MAX:
                raise Unavailable(
                    f"{QUEUE_UNITS_MAX} units of work are waiting already",
                    value=QUEUE_UNITS_MAX,
                    remedy="wait for some of them, then retry",
                )
            self._queue.append(job)

    @contextmanager
    def _leading(self) -> Iterator[None]:
        self._turn.acquire()
        with self._led():
            yield

    @contextmanager
    def _led(self) -> Iterator[None]:
        """Give the turn back, and wake one who will take it if anybody waits."""
        try:
            with self._guard.unit():
                yield
        finally:
            self._turn.release()
            self._hand_over()

    def _hand_over(self) -> None:
        try:
            first = self._queue[0]
        except IndexError:
            return
        if first.loop is None and not first.is_done:
            first.wake()
        else:  # a coroutine's, or one whose caller gave up: the writer thread goes on
            self._start()
            self._wanted.set()

    def _start(self) -> None:
        with self._entry:
            if self._thread is None and not self._guard.is_closed:  # else close() commits it
                self._thread = threading.Thread(
                    target=self._serve, name="perdure-writer", daemon=True
                )
                self._thread.start()

    def _serve(self) -> None:
        while not self._guard.is_closed or self._queue:
            self._wanted.wait()
            self._wanted.clear()
            while self._queue:
                with self._leading():
                    self._commit_group(None)

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        while self._queue and len(jobs) < GROUP_UNITS_MAX:
            job = self._queue.popleft()
            if not job.is_done and not (job.future and job.future.cancelled()):
                jobs.append(job)
        return jobs

    def _commit_group(self, own: Job | None) -> None:
        if self._units > 1:  # a crowd: whom the last group released is about to queue again
            time.sleep(0)
        jobs = self._take()
        self._units = len(jobs)
        if not jobs:
            return
        is_committing = False
        try:
            with self._between_processes():
                self._begin()
                self._run_all(jobs, own)
                is_committing = True
                self._writer.command("commit")
        except BaseException as error:
            if _is_interrupt(error, own):
                if is_committing and not self._writer.is_open():  # it came behind the commit
                    self._release(jobs)
                else:
                    self._rollback()
                    self._give_back([job for job in jobs if job is not own])
                raise
            self._fail(jobs, _unknown(self._translated(error)) if is_committing else error)
            self._rollback()
            self._release(jobs)
        else:
            self._release(jobs)
            self._after()

    def _begin(self) -> None:
        try:
            self._writer.command("begin immediate")
        except Exception as error:
            raise self._writer.translate(error) from error

    def _run_all(self, jobs: list[Job], own: Job | None) -> None:
        if len(jobs) == 1:
            jobs[0].result = jobs[0].unit()
            return
        for job in jobs:
            self._writer.command("savepoint unit")
            try:
                job.result = job.unit()
            except BaseException as error:
                if _is_interrupt(error, own) or not self._writer.is_open():
                    raise
                self._writer.command("rollback to unit")
                job.error = self._translated(error)
            self._writer.command("release unit")

    def _translated(self, error: BaseException) -> BaseException:
        if not isinstance(error, Exception):
            return error
        translated = self._writer.translate(error)
        if translated is not error:
            translated.__cause__ = error
        return translated

    def _rollback(self) -> None:
        if self._writer.is_open():
            self._writer.command("rollback")

    def _fail(self, jobs: list[Job], error: BaseException) -> None:
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
            if job.loop is None:
                job.wake()
            else:
                waiting.setdefault(job.loop, []).append(job)
        for loop, done in waiting.items():
            try:
                loop.call_soon_threadsafe(_deliver, done)
            except RuntimeError:  # the loop was closed: nobody waits any more
                continue


def _unknown(error: BaseException) -> BaseException:
    """Say that a commit whose fsync failed may be there after all, at the next opening."""
    if not isinstance(error, Unavailable):
        return error
    told = Unavailable(
        f"{error.message} during the commit, whose outcome is unknown",
        value=error.value,
        remedy="repeat it under an idempotency key: subject.once(key)",
    )
    told.__cause__ = error.__cause__
    return told


def _is_interrupt(error: BaseException, own: Job | None) -> bool:
    """Say whether this is the leader's Ctrl-C; whatever else a unit raises is the unit's own."""
    return own is not None and isinstance(error, KeyboardInterrupt)


def _deliver(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future is None or job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
