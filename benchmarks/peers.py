"""The peers, each through its own documented interface: one durable write of 300 bytes.

Most write one row where Perdure writes an event, its stream's head, its position and a state
row, so the ratios flatter them. Who is not installed is skipped by name; a peer is imported only
when its turn comes.
"""

from __future__ import annotations

import importlib
import itertools
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .domain import agent
from .harness import CALLERS, Bench, Contestant, one_caller, tasks, threads

TEXT = "x" * 280
Make = Callable[[Bench], Contestant]


def present(bench: Bench, *makers: Make) -> Iterator[Contestant]:
    """Open those that are installed."""
    for make in makers:
        try:
            yield make(bench)
        except ImportError as error:
            bench.skip(str(make.__doc__).splitlines()[0].rstrip("."), f"not installed ({error})")


def _module(name: str) -> Any:
    return importlib.import_module(name)


def _config(number: int) -> dict[str, Any]:
    return {"configurable": {"thread_id": agent(number), "checkpoint_ns": ""}}


def _checkpoint() -> dict[str, Any]:
    made: dict[str, Any] = _module("langgraph.checkpoint.base").empty_checkpoint()
    made["channel_values"] = {"state": TEXT}
    made["channel_versions"] = {"state": "1"}
    return made


def _saver(bench: Bench, name: str) -> Any:
    saver = _module("langgraph.checkpoint.sqlite").SqliteSaver
    path = bench.folder / name
    return bench.closing.enter_context(saver.from_conn_string(str(path)))


def _put(saver: Any) -> Callable[[int], object]:
    version = {"state": "1"}
    return lambda n: saver.put(_config(n % CALLERS), _checkpoint(), {"step": 1}, version)


def sqlite_saver(bench: Bench) -> Contestant:
    """langgraph SqliteSaver.put."""
    return one_caller("langgraph SqliteSaver.put", _put(_saver(bench, "saver.db")))


def sqlite_saver_threads(bench: Bench) -> Contestant:
    """langgraph SqliteSaver.put, 64 threads."""
    return threads("langgraph SqliteSaver.put, 64 threads", _put(_saver(bench, "saver64.db")))


def _async_saver(bench: Bench, name: str) -> Any:
    module = _module("langgraph.checkpoint.sqlite.aio")
    context = module.AsyncSqliteSaver.from_conn_string(str(bench.folder / name))
    saver = bench.loop.run_until_complete(context.__aenter__())
    bench.closing.callback(
        lambda: bench.loop.run_until_complete(context.__aexit__(None, None, None))
    )
    return saver


def _aput(saver: Any) -> Callable[[int], Any]:
    version = {"state": "1"}
    return lambda n: saver.aput(_config(n), _checkpoint(), {"step": 1}, version)


def async_saver(bench: Bench) -> Contestant:
    """langgraph AsyncSqliteSaver.aput."""
    saver = _async_saver(bench, "asaver.db")
    return tasks("langgraph AsyncSqliteSaver.aput", bench, _aput(saver), callers=1)


def async_saver_tasks(bench: Bench) -> Contestant:
    """langgraph AsyncSqliteSaver.aput, 64 tasks."""
    saver = _async_saver(bench, "asaver64.db")
    return tasks("langgraph AsyncSqliteSaver.aput, 64 tasks", bench, _aput(saver))


def async_store_tasks(bench: Bench) -> Contestant:
    """langgraph AsyncSqliteStore.aput in WAL, 64 tasks."""
    module = _module("langgraph.store.sqlite.aio")
    path = str(bench.folder / "astore64.db")
    sqlite3.connect(path).execute("pragma journal_mode=wal").connection.close()
    context = module.AsyncSqliteStore.from_conn_string(path)
    store = bench.loop.run_until_complete(context.__aenter__())
    bench.loop.run_until_complete(store.setup())
    bench.closing.callback(
        lambda: bench.loop.run_until_complete(context.__aexit__(None, None, None))
    )
    fresh = itertools.count()  # an event is a new key: putting 64 old ones would keep no history
    return tasks(
        "langgraph AsyncSqliteStore.aput (WAL), 64 tasks",
        bench,
        lambda n: store.aput(("agents", str(n)), str(next(fresh)), {"state": TEXT}),
    )


def _recorder(bench: Bench, name: str) -> Callable[[int], object]:
    module = _module("eventsourcing.sqlite")
    stored = _module("eventsourcing.persistence").StoredEvent
    datastore = module.SQLiteDatastore(str(bench.folder / name))
    recorder = module.SQLiteApplicationRecorder(datastore)
    recorder.create_table()
    bench.closing.callback(datastore.close)
    body = TEXT.encode()
    return lambda _: recorder.insert_events([stored(uuid.uuid4(), 1, "Noted", body)])


def eventsourcing(bench: Bench) -> Contestant:
    """eventsourcing recorder."""
    return one_caller("eventsourcing recorder", _recorder(bench, "es.db"))


def eventsourcing_threads(bench: Bench) -> Contestant:
    """eventsourcing recorder, 64 threads."""
    return threads("eventsourcing recorder, 64 threads", _recorder(bench, "es64.db"))


def _sessions(bench: Bench, name: str, callers: int) -> list[Any]:
    kind = _module("agents").SQLiteSession
    sessions = [kind(agent(n), str(bench.folder / name)) for n in range(callers)]
    for session in sessions:
        bench.closing.callback(session.close)
    return sessions


def agents_session(bench: Bench) -> Contestant:
    """openai-agents SQLiteSession."""
    (session,) = _sessions(bench, "session.db", 1)
    items = [{"role": "user", "content": TEXT}]
    name = "openai-agents SQLiteSession.add_items"
    return tasks(name, bench, lambda _: session.add_items(items), callers=1)


def agents_session_tasks(bench: Bench) -> Contestant:
    """openai-agents SQLiteSession, 64 tasks."""
    sessions = _sessions(bench, "session64.db", CALLERS)
    items = [{"role": "user", "content": TEXT}]
    name = "openai-agents SQLiteSession.add_items, 64 tasks"
    return tasks(name, bench, lambda n: sessions[n].add_items(items))


@contextmanager
def _postgres_saver(url: str) -> Iterator[Any]:
    with _module("langgraph.checkpoint.postgres").PostgresSaver.from_conn_string(url) as saver:
        saver.setup()
        yield saver


def postgres_saver(url: str) -> Make:
    """Make langgraph's PostgresSaver, one caller."""

    def make(bench: Bench) -> Contestant:
        """langgraph PostgresSaver.put."""
        saver = bench.closing.enter_context(_postgres_saver(url))
        return one_caller("langgraph PostgresSaver.put", _put(saver))

    return make


def postgres_saver_threads(url: str) -> Make:
    """Make langgraph's PostgresSaver over a pool of ten connections, 64 threads."""

    def make(bench: Bench) -> Contestant:
        """langgraph PostgresSaver.put, 64 threads."""
        kind = _module("langgraph.checkpoint.postgres").PostgresSaver
        rows = _module("psycopg.rows").dict_row
        options = {"autocommit": True, "prepare_threshold": 0, "row_factory": rows}
        pool = _module("psycopg_pool").ConnectionPool(url, min_size=10, max_size=10, kwargs=options)
        saver = kind(bench.closing.enter_context(pool))
        saver.setup()
        return threads("langgraph PostgresSaver.put, 64 threads, pool of 10", _put(saver))

    return make
