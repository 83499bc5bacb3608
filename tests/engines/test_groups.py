"""Write groups on a real connection: interrupts, cancelled callers, dead loops, failing commits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import apsw
import pytest

from perdure.engines import groups
from perdure.engines.groups import WriteGroups
from perdure.engines.guards import Guard
from perdure.engines.sqlite_errors import translate
from perdure.errors import Unavailable

WAIT_SECONDS = 10


class Writer:
    """A connection whose commands a test may follow, or fail."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.connection.execute("create table t (n integer primary key, parent references t)")
        self.connection.execute("pragma foreign_keys = on")
        self.before: Callable[[str], object] = lambda _: None
        self.behind: Callable[[str], object] = lambda _: None

    def command(self, word: str) -> None:
        self.before(word)
        self.connection.execute(word)
        self.behind(word)

    def is_open(self) -> bool:
        return not self.connection.get_autocommit()

    def translate(self, error: Exception) -> Exception:
        return translate(error)

    def add(self, number: int) -> Callable[[], int]:
        def unit() -> int:
            self.connection.execute("insert into t (n) values (?)", [number])
            return number

        return unit

    @property
    def kept(self) -> list[int]:
        return [n for (n,) in self.connection.execute("select n from t order by n")]


@pytest.fixture
def writer() -> Iterator[Writer]:
    made = Writer()
    yield made
    made.connection.close()


@pytest.fixture
def queue(writer: Writer) -> Iterator[WriteGroups]:
    made = WriteGroups(writer, nullcontext, lambda: None, Guard())
    yield made
    made.close()


def raising(error: BaseException, word: str) -> Callable[[str], None]:
    """Raise once, when this command comes."""
    left = [error]

    def hook(current: str) -> None:
        if current == word and left:
            raise left.pop()

    return hook


class Crowd:
    """Callers in threads that all wait while the first one leads, so that they become a group."""

    def __init__(self, queue: WriteGroups, units: list[Callable[[], Any]]) -> None:
        self.told: list[Any] = [None] * len(units)
        self._queue, self._units = queue, units

    def _call(self, number: int) -> None:
        try:
            self.told[number] = self._queue.run(self._units[number])
        except BaseException as error:
            self.told[number] = error

    def run(self) -> list[Any]:
        threads = [
            threading.Thread(target=self._call, args=[number]) for number in range(len(self._units))
        ]
        with self._queue.idle():
            for number, thread in enumerate(threads, 1):
                thread.start()
                while len(self._queue._queue) < number:
                    pass
        for thread in threads:
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive(), "a caller was left waiting"
        return self.told


def raise_(error: BaseException) -> Callable[[], Any]:
    def unit() -> Any:
        raise error

    return unit


def test_a_failing_unit_in_a_group_takes_nobody_along(queue: WriteGroups, writer: Writer) -> None:
    error = ValueError("mine")
    told = Crowd(queue, [writer.add(1), raise_(error), writer.add(1), writer.add(3)]).run()
    assert (told[0], told[1], told[3]) == (1, error, 3)
    assert "a rule of the schema was broken" in str(told[2])
    assert isinstance(told[2].__cause__, apsw.ConstraintError)
    assert writer.kept == [1, 3]


def test_a_commit_that_fails_is_told_to_everybody_and_keeps_nothing(
    queue: WriteGroups, writer: Writer
) -> None:
    writer.before = raising(apsw.FullError("full"), "commit")
    told = Crowd(queue, [writer.add(1), raise_(KeyError("mine")), writer.add(3)]).run()
    assert [type(one) for one in told] == [Unavailable, KeyError, Unavailable]
    assert str(told[0]) == (
        "the disk is full during the commit, whose outcome is unknown:"
        " repeat it under an idempotency key: subject.once(key)"
    )
    assert writer.kept == []
    assert queue.run(writer.add(4)) == 4


def test_a_deferred_rule_that_fails_at_commit_releases_nothing(
    queue: WriteGroups, writer: Writer
) -> None:
    def orphan() -> None:
        writer.connection.execute("pragma defer_foreign_keys = on")
        writer.connection.execute("insert into t values (7, 99)")

    told = Crowd(queue, [writer.add(1), orphan]).run()
    assert all("a rule of the schema was broken" in str(one) for one in told)
    assert writer.kept == []


def test_an_error_that_ends_the_transaction_fails_the_group(
    queue: WriteGroups, writer: Writer
) -> None:
    def ends() -> None:
        writer.connection.execute("insert or rollback into t (n) values (1)")

    told = Crowd(queue, [writer.add(1), ends, writer.add(3)]).run()
    assert all("a rule of the schema was broken" in str(one) for one in told)
    assert writer.kept == []


def test_a_begin_that_fails_is_told_to_everybody(queue: WriteGroups, writer: Writer) -> None:
    writer.before = raising(apsw.BusyError("busy"), "begin immediate")
    told = Crowd(queue, [writer.add(1), writer.add(2)]).run()
    assert [str(one) for one in told] == ["another process holds the file: retry"] * 2


def test_an_interrupted_leader_gives_the_others_units_back(
    queue: WriteGroups, writer: Writer
) -> None:
    left = [KeyboardInterrupt()]

    def interrupted() -> int:
        if left:
            raise left.pop()
        return writer.add(2)()

    told = Crowd(queue, [writer.add(1), interrupted, writer.add(3)]).run()
    interrupted_ones = [one for one in told if isinstance(one, KeyboardInterrupt)]
    assert len(interrupted_ones) == 1
    kept = [one for one in told if not isinstance(one, KeyboardInterrupt)]
    assert writer.kept == sorted(kept)


def test_an_interrupt_behind_the_commit_runs_nothing_twice(
    queue: WriteGroups, writer: Writer
) -> None:
    writer.behind = raising(KeyboardInterrupt(), "commit")
    told = Crowd(queue, [writer.add(1), writer.add(2), writer.add(3)]).run()
    assert sum(isinstance(one, KeyboardInterrupt) for one in told) == 1
    assert writer.kept == [1, 2, 3]


def test_an_interrupted_unit_is_never_run_later(queue: WriteGroups, writer: Writer) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue.run(interrupted)
    assert queue.run(writer.add(1)) == 1
    assert writer.kept == [1]


@pytest.mark.parametrize("error", [SystemExit(), asyncio.CancelledError(), GeneratorExit()])
def test_an_error_that_would_end_a_thread_ends_only_its_unit(
    queue: WriteGroups, writer: Writer, error: BaseException
) -> None:
    told = Crowd(queue, [writer.add(1), raise_(error), writer.add(3)]).run()
    assert told == [1, error, 3]
    assert writer.kept == [1, 3]


async def gathered(queue: WriteGroups, units: list[Callable[[], Any]]) -> list[Any]:
    return list(await asyncio.gather(*map(queue.submit, units), return_exceptions=True))


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), ValueError()])
def test_the_writer_thread_survives_whatever_a_unit_raises(
    queue: WriteGroups, writer: Writer, error: BaseException
) -> None:
    async def main() -> Any:
        try:
            await queue.submit(raise_(error))
        except BaseException as told:
            return told

    assert asyncio.run(main()) is error
    assert asyncio.run(gathered(queue, [writer.add(1), writer.add(2)])) == [1, 2]


def test_many_coroutines_are_one_group(queue: WriteGroups, writer: Writer) -> None:
    commits: list[str] = []
    writer.behind = lambda word: commits.append(word) if word == "commit" else None
    told = asyncio.run(gathered(queue, [writer.add(number) for number in range(700)]))
    assert told == list(range(700))
    assert 2 <= len(commits) < 100


def test_a_cancelled_caller_s_unit_is_left_out_and_a_late_one_harms_nobody(
    queue: WriteGroups, writer: Writer
) -> None:
    async def main() -> Any:
        started = threading.Event()
        may_go = threading.Event()

        def slow() -> int:
            started.set()
            may_go.wait(WAIT_SECONDS)
            return writer.add(1)()

        running = asyncio.ensure_future(queue.submit(slow))
        await asyncio.to_thread(started.wait)
        waiting = asyncio.ensure_future(queue.submit(writer.add(2)))
        other = asyncio.ensure_future(queue.submit(writer.add(3)))
        await asyncio.sleep(0)
        running.cancel()  # too late: it runs, and will be kept
        waiting.cancel()
        await asyncio.sleep(0)
        may_go.set()
        return await other

    assert asyncio.run(main()) == 3
    assert writer.kept == [1, 3]


def test_a_loop_that_died_before_its_result_harms_nobody(
    queue: WriteGroups, writer: Writer
) -> None:
    loop = asyncio.new_event_loop()
    started, may_go = threading.Event(), threading.Event()

    def slow() -> int:
        started.set()
        may_go.wait(WAIT_SECONDS)
        return writer.add(1)()

    task = loop.create_task(queue.submit(slow))
    loop.run_until_complete(asyncio.sleep(0))
    started.wait(WAIT_SECONDS)
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    may_go.set()
    assert queue.run(writer.add(2)) == 2
    assert writer.kept == [1, 2]


def test_a_queue_has_a_limit(
    queue: WriteGroups, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "QUEUE_UNITS_MAX", 0)
    with pytest.raises(Unavailable, match="0 units of work are waiting already: wait for some"):
        queue.run(writer.add(1))


def test_a_coroutine_is_told_that_the_store_is_closed(queue: WriteGroups, writer: Writer) -> None:
    assert asyncio.run(gathered(queue, [writer.add(1)])) == [1]
    queue.close()
    (told,) = asyncio.run(gathered(queue, [writer.add(2)]))
    assert isinstance(told, Unavailable)


def test_closing_commits_what_still_waits(queue: WriteGroups, writer: Writer) -> None:
    """A job that came between the last look of the writer thread and its end."""
    job = groups.Job(writer.add(1))
    queue._queue.append(job)
    queue.close()
    assert (job.is_done, job.outcome(), writer.kept) == (True, 1, [1])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_block_that_fails_leaves_nothing(
    queue: WriteGroups, writer: Writer, error: type[BaseException]
) -> None:
    def block() -> None:
        with queue.alone():
            writer.add(1)()
            raise error

    with pytest.raises(error):
        block()
    assert writer.kept == []
    with queue.alone():
        writer.add(2)()
    assert writer.kept == [2]
