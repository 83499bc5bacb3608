"""The workloads on a real PostgreSQL that this run starts for itself, with its defaults: fsync on.

The raw driver sends the same statements in a pipeline, prepared, one transaction for each call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool

import perdure
from perdure.kernel.log import statements as log

from . import peers, sealed
from .budgets import Costs, Faster
from .domain import agent, note, open_store, statements
from .harness import CALLERS, Bench, Contestant, one_caller, tasks, threads
from .raw import AT, PAYLOAD, identity, numbered, place, state
from .workloads import Workload

ALONE = "append, PostgreSQL, one caller"
CROWD = "append, PostgreSQL, 64 callers"
CONNECTIONS = 10
NOTIFIES_PER_SECOND = 100  # the engine's notifier: one every 10 ms at most, beside the writes
Connection = psycopg.Connection[tuple[Any, ...]]


class RawPostgres:
    """psycopg doing the statements of our transaction, as cheaply as it can."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._places = [place(number) for number in range(CALLERS)]

    def pipelined(self, connection: Connection, caller: int) -> None:
        """One flush and one wait for each transaction."""
        with connection.pipeline():
            self._statements(connection, caller)

    def plain(self, connection: Connection, caller: int) -> None:
        """As most programs do it: each statement waits for the one before."""
        self._statements(connection, caller)

    def _statements(self, connection: Connection, caller: int) -> None:
        with self._lock:
            self._count += 1
            count = self._count
        where = self._places[caller % CALLERS]
        subject = sql.SQL("set local perdure.subject = {}").format(sql.Literal(where["subject"]))
        params = {
            **where, "expected": -1, "id": identity(count), "type": "Noted", "schema": 1, "at": AT,
            "payload": PAYLOAD,
        }  # fmt: skip
        connection.execute("begin")
        connection.execute("set local role perdure_app")
        connection.execute(subject, prepare=False)
        connection.execute("select pg_advisory_xact_lock(%s)", [caller % CALLERS])
        cursor = psycopg.RawCursor(connection)
        cursor.execute(*numbered(log.append, params))
        psycopg.RawCursor(connection).execute(*numbered(statements.save_state, state(where)))
        connection.execute("commit")


def _sync_call(bench: Bench, url: str) -> Callable[[int], object]:
    store = bench.closing.enter_context(open_store(url))
    subjects = [store.subject(agent(number)) for number in range(CALLERS)]
    return lambda number: subjects[number % CALLERS].transact(note)


def _async_call(bench: Bench, url: str) -> Callable[[int], Any]:
    store = bench.loop.run_until_complete(perdure.connect(url)._open())  # noqa: SLF001
    bench.closing.callback(lambda: bench.loop.run_until_complete(store.close()))
    subjects = [store.subject(agent(number)) for number in range(CALLERS)]
    return lambda number: subjects[number % CALLERS].transact(note)


def workloads(new_database: Callable[[], str]) -> tuple[Workload, ...]:
    """Give the workloads over a server that makes databases."""

    def raw_database() -> str:
        url = new_database()
        open_store(url).close()
        return url

    def alone(bench: Bench) -> Iterator[Contestant]:
        yield one_caller("perdure", _sync_call(bench, new_database()))
        raw = RawPostgres()
        for name, transaction in (("pipelined", raw.pipelined), ("plain", raw.plain)):
            connection = bench.closing.enter_context(
                psycopg.connect(raw_database(), autocommit=True)
            )
            yield one_caller(f"raw psycopg, same work, {name}", _over(connection, transaction))
        yield from peers.present(bench, peers.postgres_saver(new_database()))

    def crowd(bench: Bench) -> Iterator[Contestant]:
        url = new_database()
        yield threads("perdure, 64 threads", _sync_call(bench, url))
        yield tasks("perdure, 64 tasks", bench, _async_call(bench, url))
        raw = RawPostgres()
        for name, transaction in (("pipelined", raw.pipelined), ("plain", raw.plain)):
            pool = ConnectionPool(
                raw_database(), kwargs={"autocommit": True}, min_size=CONNECTIONS, open=True
            )
            bench.closing.enter_context(pool)
            yield threads(
                f"raw psycopg, same work, {name}, 64 threads, pool of 10",
                _pooled(pool, transaction),
            )
        yield from peers.present(bench, peers.postgres_saver_threads(new_database()))

    pipelined = "raw psycopg, same work, pipelined"
    pooled = f"{pipelined}, 64 threads, pool of 10"
    return (
        Workload("pg", ALONE, alone, (
            Costs(ALONE, "perdure", "round_trips", 1.1, aside_per_second=NOTIFIES_PER_SECOND),
            Faster(ALONE, "perdure", pipelined, 0.65),
        )),
        Workload("pg-crowd", CROWD, crowd, (
            Faster(CROWD, "perdure, 64 threads", pooled, 1.0),
            Faster(CROWD, "perdure, 64 tasks", pooled, 1.0),
        )),
        *sealed.workloads(lambda _: new_database, name="pg-", of=", PostgreSQL"),
    )  # fmt: skip


def _over(
    connection: Connection, transaction: Callable[[Connection, int], None]
) -> Callable[[int], None]:
    return lambda caller: transaction(connection, caller)


def _pooled(
    pool: ConnectionPool[Connection], transaction: Callable[[Connection, int], None]
) -> Callable[[int], None]:
    def call(caller: int) -> None:
        with pool.connection() as connection:
            transaction(connection, caller)

    return call
