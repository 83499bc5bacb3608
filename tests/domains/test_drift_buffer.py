"""The lazy mode: what it promises, what it can lose, and what it never loses."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

import perdure
from perdure.domains.drift import buffer as lazy
from perdure.domains.drift import model
from perdure.domains.drift.buffer import Buffer
from perdure.kernel.operations import Operation, Runner

STEADY = dict.fromkeys(model.DIMENSIONS, 0.5)
WINDOW_SECONDS = 0.2
CHILD = """
import os, signal, sys, time, perdure
target, seconds, pause, end = sys.argv[1:]
if end == "handled":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
store = perdure.open(target, subject="ada")
buffer = store.drift.buffered(seconds=float(seconds))
for number in range(100_000):
    buffer.observe(f"Reply number {number}.")
    print(number, flush=True)
    if end == "exit" and number == 19:
        break
    time.sleep(float(pause))
"""


def wait_for(check: Any, seconds_max: float = 10.0) -> None:
    deadline = time.monotonic() + seconds_max
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def spoken(store: perdure.Store) -> int:
    return store.subject("ada").drift.current().total_interactions


def child(
    target: str, *, seconds: float, end: str = "", pause: float = 0.002
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, target, str(seconds), str(pause), end]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def said_until(process: subprocess.Popen[bytes], count: int) -> list[tuple[float, int]]:
    assert process.stdout is not None
    return [(time.monotonic(), int(process.stdout.readline())) for _ in range(count)]


def last_said(process: subprocess.Popen[bytes]) -> int:
    """Read to the end; give the last number said (the handler may cut off its newline)."""
    assert process.stdout is not None
    with process.stdout as output:
        numbers = [int(line) for line in output.read().split()]
    process.wait()
    return max(numbers, default=19)


class Unreliable:
    """The store's runner, and a connection that is lost now and then."""

    def __init__(self, inner: Runner, *losses: str) -> None:
        self._inner, self._losses, self.keys = inner, list(losses), list[str]()

    def repeatable(self, key: str) -> Unreliable:
        self._key = key
        return self

    def call(
        self, operation: Operation[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self.keys.append(self._key)
        loss = self._losses.pop(0) if self._losses else ""
        if loss == "before":
            raise perdure.Unavailable("the connection was lost")
        result = self._inner.repeatable(self._key).call(operation, args, kwargs)
        if loss == "after":
            raise perdure.Unavailable("the connection was lost during the commit")
        return result


def test_it_returns_at_once_and_a_flush_makes_it_durable(store: perdure.Store) -> None:
    with store.drift.buffered(seconds=60) as buffer:
        for number in range(20):
            buffer.observe(f"Reply number {number}.")
            buffer.evolve(STEADY)
        assert (len(buffer), store.drift.current()) == (40, model.initial())
        buffer.flush()
        assert len(buffer) == 0
        points = store.drift.history()
        assert [point.source for point in points] == ["reply", "mutation"] * 20
        assert len({point.at for point in points}) == 1  # one unit of work
        buffer.observe("Reply number 20.")
    assert store.drift.current().total_interactions == 41


def test_it_gives_the_numbers_that_observe_gives(store: perdure.Store) -> None:
    texts = ["The truth, gently.", "The truth, gently.", "The truth, gently!", "No."]
    with store.subject("lazy").drift.buffered() as buffer:
        for text in texts:
            buffer.observe(text)
    for text in texts:
        store.drift.observe(text)
    assert store.subject("lazy").drift.current() == store.drift.current()


def test_it_writes_by_itself_every_few_seconds(store: perdure.Store) -> None:
    with store.drift.buffered(seconds=0.05) as buffer:
        for count in (1, 2):
            buffer.observe(f"Reply number {count}.")
            wait_for(lambda wanted=count: store.drift.current().total_interactions == wanted)


def test_a_thousand_pieces_do_not_wait(
    store: perdure.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazy, "PIECES_MAX", 10)
    with store.drift.buffered(seconds=60) as buffer:
        for _ in range(10):
            buffer.evolve(STEADY)
        wait_for(lambda: store.drift.current().total_interactions == 10)


def test_what_is_wrong_is_refused_when_it_is_given(store: perdure.Store) -> None:
    with store.drift.buffered() as buffer:
        with pytest.raises(perdure.Invalid, match="the reply has a NUL"):
            buffer.observe("a\x00b")
        with pytest.raises(perdure.Invalid, match="a mutation without"):
            buffer.evolve({})
        assert len(buffer) == 0
    with pytest.raises(perdure.Unavailable, match="the buffer is closed"):
        buffer.observe("Too late.")
    with pytest.raises(perdure.Invalid, match="seconds is 0: give"):
        store.drift.buffered(seconds=0)


def test_a_database_that_is_away_drops_nothing_and_counts_nothing_twice(
    store: perdure.Store,
) -> None:
    runner = Unreliable(store.drift._runner, "before", "after", "after")
    with Buffer(runner, seconds=0.02) as buffer:
        for _ in range(3):
            buffer.evolve(STEADY)
        wait_for(lambda: len(buffer) == 0)
    assert store.drift.current().total_interactions == 3
    assert len(runner.keys) >= 4
    assert len(set(runner.keys[:4])) == 1


def test_a_flush_that_fails_says_so_and_keeps_everything(store: perdure.Store) -> None:
    buffer = Buffer(Unreliable(store.drift._runner, "before", "before"), seconds=60)
    buffer.evolve(STEADY)
    for end in (buffer.flush, buffer.close):
        with pytest.raises(perdure.Unavailable, match="connection was lost"):
            end()
    buffer.evolve(STEADY)
    assert len(buffer) == 2
    buffer.close()
    assert store.drift.current().total_interactions == 2


def test_a_buffer_has_a_limit(store: perdure.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "PIECES_HELD_MAX", 3)
    with store.drift.buffered(seconds=60) as buffer:
        for _ in range(3):
            buffer.evolve(STEADY)
        with pytest.raises(perdure.Unavailable, match="3 pieces wait for the database"):
            buffer.evolve(STEADY)
    assert store.drift.current().total_interactions == 3


def test_threads_share_a_buffer(store: perdure.Store) -> None:
    with store.drift.buffered(seconds=0.01) as buffer:

        def speak() -> None:
            for _ in range(50):
                buffer.evolve(STEADY)

        threads = [threading.Thread(target=speak) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert store.drift.current().total_interactions == 200


def test_coroutines_have_the_same(target: str) -> None:
    async def speak() -> int:
        async with perdure.connect(target, subject="ada") as store:
            async with store.drift.buffered(seconds=60) as buffer:
                buffer.observe("The truth, gently.")
                await buffer.flush()
                assert (await store.drift.current()).total_interactions == 1
                buffer.evolve(STEADY)
            return (await store.drift.current()).total_interactions

    assert asyncio.run(speak()) == 2


def test_the_handler_of_sigterm_is_given_back(store: perdure.Store) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with store.drift.buffered():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    made: list[Buffer] = []
    thread = threading.Thread(target=lambda: made.append(store.drift.buffered()))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == before
    made[0].close()


# --- the end of the process -------------------------------------------------------------------


@pytest.mark.slow
def test_the_end_of_the_process_loses_nothing(store: perdure.Store, target: str) -> None:
    process = child(target, seconds=60, end="exit")
    assert last_said(process) == 19
    assert (process.returncode, spoken(store)) == (0, 20)


@pytest.mark.slow
@pytest.mark.parametrize(("end", "code"), [("", -signal.SIGTERM), ("handled", 7)])
def test_sigterm_loses_nothing(store: perdure.Store, target: str, end: str, code: int) -> None:
    process = child(target, seconds=60, end=end)
    said_until(process, 20)
    process.send_signal(signal.SIGTERM)
    count = last_said(process) + 1
    assert process.returncode == code
    assert count <= spoken(store) <= count + 1  # the last may have died before it said so


@pytest.mark.slow
def test_kill_9_loses_at_most_the_window(store: perdure.Store, target: str) -> None:
    process = child(target, seconds=WINDOW_SECONDS, pause=0.03)
    said = said_until(process, 60)
    killed = time.monotonic()
    process.kill()
    count = max(60, last_said(process) + 1)
    slack = 0.8  # the write under way, on a busy machine
    safe = [number for at, number in said if at < killed - WINDOW_SECONDS - slack]
    assert safe
    assert safe[-1] < spoken(store) <= count + 1


@pytest.mark.slow
def test_kill_9_inside_the_window_loses_the_window(store: perdure.Store, target: str) -> None:
    process = child(target, seconds=60)
    said_until(process, 20)
    process.kill()
    last_said(process)
    assert spoken(store) == 0
