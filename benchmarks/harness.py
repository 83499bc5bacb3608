"""Contestants take turns; each figure is the median of its turns, each ratio that of its rounds.

What a turn does is written in the workloads; how it is printed, in ``report.py``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from .counters import Costs, costs

CALLERS = 64


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    rounds: int
    seconds: float
    warm_up: float
    events: int
    stored: int
    starts: int


FULL = Scale(rounds=7, seconds=0.5, warm_up=0.6, events=1_000_000, stored=100_000, starts=9)
QUICK = Scale(rounds=5, seconds=0.1, warm_up=0.1, events=20_000, stored=5_000, starts=5)
TINY = Scale(rounds=2, seconds=0.01, warm_up=0.0, events=400, stored=200, starts=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one turn did."""

    operations: int
    seconds: float
    latencies: Sequence[float]


Turn = Callable[[float], Sample]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who does the work of a workload."""

    name: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class Figure:
    """What a contestant reached; the lists have one entry for each round."""

    name: str
    rates: list[float]
    p50s: list[float]
    p99_us: float
    cpu_us: float
    fsyncs: float | None
    round_trips: float | None

    @property
    def per_second(self) -> float:
        return median(self.rates)

    @property
    def p50_us(self) -> float:
        return median(self.p50s)


@dataclass(slots=True)
class Bench:
    """What a workload is given: a folder, a loop, a size, and a place for what must be closed."""

    folder: Path
    scale: Scale
    loop: asyncio.AbstractEventLoop
    closing: ExitStack
    skipped: list[str] = field(default_factory=list)

    def skip(self, name: str, why: object) -> None:
        """Say that somebody can not take part, and why."""
        self.skipped.append(f"{name}: {why}")


def measure(contestants: Sequence[Contestant], scale: Scale) -> list[Figure]:
    """Warm everybody up, then let them take turns."""
    for contestant in contestants:
        contestant.turn(scale.warm_up)
    samples: dict[str, list[tuple[Sample, Costs, Costs]]] = {one.name: [] for one in contestants}
    for _ in range(scale.rounds):
        for contestant in contestants:
            before = costs()
            sample = contestant.turn(scale.seconds)
            samples[contestant.name].append((sample, before, costs()))
    return [_figure(name, taken) for name, taken in samples.items()]


def _figure(name: str, taken: list[tuple[Sample, Costs, Costs]]) -> Figure:
    return Figure(
        name,
        rates=[sample.operations / sample.seconds for sample, _, _ in taken],
        p50s=[median(sample.latencies) * 1e6 for sample, _, _ in taken],
        p99_us=median(_p99(sample.latencies) for sample, _, _ in taken) * 1e6,
        cpu_us=median((b.cpu_seconds - a.cpu_seconds) / s.operations for s, a, b in taken) * 1e6,
        fsyncs=_each(taken, "fsyncs"),
        round_trips=_each(taken, "round_trips"),
    )


def _each(taken: list[tuple[Sample, Costs, Costs]], what: str) -> float | None:
    if getattr(taken[0][1], what) is None:
        return None
    counts = [(getattr(b, what) - getattr(a, what)) / s.operations for s, a, b in taken]
    return float(median(counts))


def _p99(latencies: Sequence[float]) -> float:
    return quantiles(latencies, n=100)[98] if len(latencies) > 1 else latencies[0]


# -- who calls: one caller, one task, 64 tasks, 64 threads


def one_caller(name: str, call: Callable[[int], object], *, units: int = 1) -> Contestant:
    """Call again and again; a call may do several units, as a raw batch does."""

    def turn(seconds: float) -> Sample:
        latencies: list[float] = []
        start = now = perf_counter()
        while True:
            call(len(latencies))
            before, now = now, perf_counter()
            latencies.append(now - before)
            if now - start >= seconds:
                return Sample(len(latencies) * units, now - start, latencies)

    return Contestant(name, turn)


def tasks(
    name: str, bench: Bench, call: Callable[[int], Awaitable[object]], *, callers: int = CALLERS
) -> Contestant:
    """Let so many tasks of one event loop call, each again as soon as it was answered."""

    async def caller(number: int, deadline: float, latencies: list[float]) -> None:
        now = perf_counter()
        while True:
            await call(number)
            before, now = now, perf_counter()
            latencies.append(now - before)
            if now >= deadline:
                return

    async def everybody(seconds: float) -> Sample:
        latencies: list[float] = []
        start = perf_counter()
        await asyncio.gather(*(caller(n, start + seconds, latencies) for n in range(callers)))
        return Sample(len(latencies), perf_counter() - start, latencies)

    return Contestant(name, lambda seconds: bench.loop.run_until_complete(everybody(seconds)))


def threads(name: str, call: Callable[[int], object], *, callers: int = CALLERS) -> Contestant:
    """Let so many threads call."""

    def turn(seconds: float) -> Sample:
        latencies: list[float] = []
        failures: list[BaseException] = []
        begin = threading.Barrier(callers + 1)

        def caller(number: int) -> None:
            begin.wait()
            now = perf_counter()
            deadline = now + seconds
            try:
                while now < deadline or not latencies:
                    call(number)
                    before, now = now, perf_counter()
                    latencies.append(now - before)
            except BaseException as error:  # noqa: BLE001  (raised again by the turn)
                failures.append(error)

        crowd = [threading.Thread(target=caller, args=(n,)) for n in range(callers)]
        for thread in crowd:
            thread.start()
        begin.wait()
        start = perf_counter()
        for thread in crowd:
            thread.join()
        if failures:
            raise failures[0]
        return Sample(len(latencies), perf_counter() - start, latencies)

    return Contestant(name, turn)
