"""The workloads of the design, section 11, that are contests: who takes part, and the budgets.

Sizes on disk and start-up times are no contests of calls; they are in ``single.py``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import perdure
from perdure.kernel import rows

from . import peers
from .budgets import Budget, Costs, Faster, Sooner
from .counters import slow_disk
from .domain import STATE, agent, note, notes, open_store, statements
from .harness import CALLERS, Bench, Contestant, one_caller, tasks, threads
from .raw import RawSqlite, fill, place

DELAY_US = 4_000
ALONE = "durable unit, SQLite, one sync caller"
ALONE_ASYNC = "durable unit, SQLite, one async caller"
CROWD = "64 concurrent callers, SQLite"
SLOW = "64 callers, 4 ms more per fsync"
LOAD = "load a current state"


@dataclass(frozen=True, slots=True)
class Workload:
    """A contest and what is asked of us in it."""

    name: str
    title: str
    contestants: Callable[[Bench], Iterator[Contestant]]
    budgets: Sequence[Budget] = ()


def _store(bench: Bench, name: str) -> perdure.Store:
    return bench.closing.enter_context(open_store(str(bench.folder / name)))


def _async_store(bench: Bench, name: str) -> perdure.AsyncStore:
    target = str(bench.folder / name)
    open_store(target).close()
    store = bench.loop.run_until_complete(perdure.connect(target)._open())  # noqa: SLF001
    bench.closing.callback(lambda: bench.loop.run_until_complete(store.close()))
    return store


def _raw(bench: Bench, name: str) -> RawSqlite:
    path = bench.folder / name
    open_store(str(path)).close()
    raw = RawSqlite(path)
    bench.closing.callback(raw.close)
    return raw


def _sync_call(bench: Bench, name: str) -> Callable[[int], object]:
    store = _store(bench, name)
    subjects = [store.subject(agent(number)) for number in range(CALLERS)]
    return lambda number: subjects[number % CALLERS].transact(note)


def _async_call(bench: Bench, name: str) -> Callable[[int], Any]:
    store = _async_store(bench, name)
    subjects = [store.subject(agent(number)) for number in range(CALLERS)]
    return lambda number: subjects[number % CALLERS].transact(note)


def alone(bench: Bench) -> Iterator[Contestant]:
    yield one_caller("perdure", _sync_call(bench, "ours.db"))
    yield one_caller("raw apsw, same work", _raw(bench, "raw.db").transaction)
    yield from peers.present(bench, peers.sqlite_saver, peers.eventsourcing, peers.agents_session)


def alone_async(bench: Bench) -> Iterator[Contestant]:
    yield tasks("perdure async", bench, _async_call(bench, "ours-async.db"), callers=1)
    yield one_caller("raw apsw, same work, no loop", _raw(bench, "raw-async.db").transaction)
    yield from peers.present(bench, peers.async_saver)


def _ours_crowd(bench: Bench, kind: str) -> Iterator[Contestant]:
    yield tasks("perdure, 64 tasks", bench, _async_call(bench, f"tasks-{kind}.db"))
    yield threads("perdure, 64 threads", _sync_call(bench, f"threads-{kind}.db"))
    batch = partial(_raw(bench, f"raw-{kind}.db").transaction, units=CALLERS)
    yield one_caller("raw apsw, 64 to a transaction", batch, units=CALLERS)


def crowd(bench: Bench) -> Iterator[Contestant]:
    yield from _ours_crowd(bench, "crowd")
    yield from peers.present(
        bench,
        peers.async_store_tasks,
        peers.async_saver_tasks,
        peers.eventsourcing_threads,
        peers.agents_session_tasks,
    )


def slow(bench: Bench) -> Iterator[Contestant]:
    if not slow_disk(DELAY_US):
        bench.skip(SLOW, "nothing here can delay an fsync")
        return
    bench.closing.callback(slow_disk, 0)
    yield from _ours_crowd(bench, "slow")
    yield from peers.present(bench, peers.sqlite_saver_threads)


def load(bench: Bench) -> Iterator[Contestant]:
    """Two histories: as many events as asked for, and a hundredth of them."""
    many = bench.scale.events
    agents = max(1, min(10_000, many // 100))
    yield from _loads(bench, f"{many:,} events", agents, many)
    few = max(agents, many // 100)
    yield next(_loads(bench, f"{few:,} events", agents, few))


def _loads(bench: Bench, size: str, agents: int, events: int) -> Iterator[Contestant]:
    name = f"load-{events}.db"
    path = bench.folder / name
    open_store(str(path)).close()
    fill(path, agents=agents, events=events)
    _fill_states(bench, name, agents)
    order = random.Random(1)
    store = bench.closing.enter_context(perdure.open(path))

    yield one_caller(
        f"perdure, {size}", lambda _: notes(store, agent(order.randrange(agents))).latest()
    )
    connected = bench.loop.run_until_complete(perdure.connect(path)._open())  # noqa: SLF001
    bench.closing.callback(lambda: bench.loop.run_until_complete(connected.close()))
    yield tasks(
        f"perdure async, {size}",
        bench,
        lambda _: notes(connected, agent(order.randrange(agents))).latest(),
        callers=1,
    )
    raw = RawSqlite(path)
    bench.closing.callback(raw.close)
    yield one_caller(f"raw select and decode, {size}", lambda _: raw.load(order.randrange(agents)))


def _fill_states(bench: Bench, name: str, agents: int) -> None:
    with perdure.open(bench.folder / name, durability="normal") as store:
        engine = store.engine

        def save(session: Any) -> None:
            for number in range(agents):
                where = place(number)
                sealed = rows.digest(STATE, slice=where["slice"], subject=where["subject"])
                session.later(
                    statements.save_state, {**where, **rows.parameters(STATE), "digest": sealed}
                )

        engine.administer(save)


def load_budgets(events: int) -> Sequence[Budget]:
    """Name the sizes that were measured."""
    agents = max(1, min(10_000, events // 100))
    many, few = f"{events:,} events", f"{max(agents, events // 100):,} events"
    raw = f"raw select and decode, {many}"
    return (
        Sooner(LOAD, f"perdure, {many}", raw, 2),
        Sooner(f"{LOAD}, async inline", f"perdure async, {many}", raw, 2),
        Sooner(f"{LOAD}, flat", f"perdure, {many}", f"perdure, {few}", 1.25),
    )


SQLITE = (
    Workload("unit", ALONE, alone, (
        Faster(ALONE, "perdure", "raw apsw, same work", 0.85),
        Faster(ALONE, "perdure", "langgraph SqliteSaver.put", 1.3),
        Costs(ALONE, "perdure", "fsyncs", 1.05),
    )),
    Workload("unit-async", ALONE_ASYNC, alone_async, (
        Faster(ALONE_ASYNC, "perdure async", "langgraph AsyncSqliteSaver.aput", 1.6),
    )),
    Workload("crowd", CROWD, crowd, tuple(
        budget
        for ours in ("perdure, 64 tasks", "perdure, 64 threads")
        for budget in (
            Faster(CROWD, ours, "raw apsw, 64 to a transaction", 0.6),
            Costs(CROWD, ours, "fsyncs", 0.05),
            Faster(CROWD, ours, "langgraph AsyncSqliteStore.aput (WAL), 64 tasks", 1.5),
            Faster(CROWD, ours, "langgraph AsyncSqliteSaver.aput, 64 tasks", 8),
            Faster(CROWD, ours, "eventsourcing recorder, 64 threads", 8),
            Faster(CROWD, ours, "openai-agents SQLiteSession.add_items, 64 tasks", 8),
        )
    )),
    Workload("slow-disk", SLOW, slow, (
        Faster(SLOW, "perdure, 64 tasks", "langgraph SqliteSaver.put, 64 threads", 20),
        Faster(SLOW, "perdure, 64 threads", "langgraph SqliteSaver.put, 64 threads", 20),
    )),
)  # fmt: skip
