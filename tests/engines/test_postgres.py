"""PostgreSQL's own edges: errors provoked for real, lost connections, commits nobody saw."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import PoolTimeout

import perdure
from perdure.engines import postgres
from perdure.engines.postgres import PostgresEngine
from perdure.engines.postgres_errors import is_passing, outcome, translate
from perdure.errors import Conflict, Forbidden, Internal, Invalid, TooLarge, Unavailable
from perdure.kernel import Transaction
from perdure.kernel.queries import Query
from perdure.testing.conformance.samples import NOTES, SampleNoted, note, notes
from tests.conformance.databases import Emptied
from tests.fix.postgres import NewPostgres


@pytest.fixture
def url(emptied: Emptied) -> str:
    return emptied(0)


@pytest.fixture
def store(url: str) -> Iterator[perdure.Store]:
    with perdure.open(url, subject="ada") as opened:
        yield opened


def ask(text: str, role: str = "app") -> Query:
    return Query("ask", "", text, role)


def kill(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(%s)", [pid])


def backend(tx: Transaction) -> int:
    return int(tx.value(ask("select pg_backend_pid()")))


def test_a_killed_connection_is_replaced_and_the_unit_runs_again(
    store: perdure.Store, url: str
) -> None:
    tries: list[int] = []

    def unit(tx: Transaction) -> list[str]:
        tries.append(backend(tx))
        tx.append(NOTES, SampleNoted("x"))
        if len(tries) < 3:
            kill(url, tries[-1])
        return notes(tx)

    assert store.transact(unit) == ["x"]
    assert len(tries) == 3
    assert store.transact(notes) == ["x"]


def test_a_killed_reader_reads_again(store: perdure.Store, url: str) -> None:
    store.souls.publish(core_identity="Curious.")
    tries: list[int] = []

    def unit(session: Any) -> int:
        tries.append(session.rows(ask("select pg_backend_pid()"), {})[0][0])
        if len(tries) == 1:
            kill(url, tries[0])
        return int(session.rows(ask("select 7"), {})[0][0])

    assert store.engine.read("ada", unit) == 7
    assert len(tries) == 2


def test_who_is_killed_every_time_gives_up(store: perdure.Store, url: str) -> None:
    tries: list[int] = []

    def unit(tx: Transaction) -> int:
        tries.append(backend(tx))
        kill(url, tries[-1])
        return tx.version(NOTES)

    with pytest.raises(Unavailable):
        store.transact(unit)
    assert len(tries) == postgres.ATTEMPTS_MAX


def test_a_block_that_loses_its_connection_is_not_repeated(store: perdure.Store, url: str) -> None:
    def block() -> None:
        with store.transaction() as tx:
            tx.append(NOTES, SampleNoted("x"))
            kill(url, backend(tx))

    with pytest.raises(Unavailable, match="whose outcome is unknown: repeat it under an idemp"):
        block()
    assert store.transact(notes) == []


def test_a_commit_nobody_saw_is_repeated_only_under_a_key(store: perdure.Store, url: str) -> None:
    """The connection dies between the last statement and the commit."""
    tries: list[int] = []

    def unit(tx: Transaction) -> int:
        tries.append(backend(tx))
        version = tx.append(NOTES, SampleNoted("x")).version
        if len(tries) == 1:
            kill(url, tries[0])
        return version

    with pytest.raises(Unavailable, match=r"subject.once\(key\)"):
        store.transact(unit)
    tries.clear()
    assert store.once("key").transact(unit) == 1
    assert len(tries) == 2


def test_a_deadlock_is_tried_again(store: perdure.Store) -> None:
    first, second, both = store.subject("a"), store.subject("b"), threading.Barrier(2)
    runs: list[str] = []

    def unit(name: str, keys: tuple[int, int]) -> Callable[[Transaction], str]:
        def work(tx: Transaction) -> str:
            runs.append(name)
            tx.value(ask("select pg_advisory_xact_lock(:k)::text"), k=keys[0])
            if runs.count(name) == 1:
                both.wait(10)
            tx.value(ask("select pg_advisory_xact_lock(:k)::text"), k=keys[1])
            return name

        return work

    told: list[str] = []
    other = threading.Thread(target=lambda: told.append(second.transact(unit("b", (2, 1)))))
    other.start()
    told.append(first.transact(unit("a", (1, 2))))
    other.join()
    assert sorted(told) == ["a", "b"]
    assert len(runs) == 3


REFUSALS: list[tuple[str, type[perdure.PerdureError], str]] = [
    ("select 1 / 0", Invalid, "PostgreSQL refuses a value"),
    ("select cast('x' as integer)", Invalid, "PostgreSQL refuses a value"),
    ("insert into perdure_outcomes values (1, 'bob', 'k', 'u', 'r', 1)", Forbidden, "this role"),
    ("delete from perdure_events where slice = 1", Forbidden, "the database refuses this role"),
    ("select * from soul_versions", Forbidden, "the database refuses this role"),
    ("select 1 from nowhere", Unavailable, "the schema is missing"),
    ("select nothing(1)", Unavailable, "the schema is missing"),
    ("select repeat('x', 2000000000)", TooLarge, "too big for PostgreSQL"),
    ("set local statement_timeout = 1", Unavailable, "cancelled this"),
    ("sel", Internal, "PostgreSQL failed in an unexpected way"),
]


@pytest.mark.parametrize(("text", "error", "message"), REFUSALS, ids=range(len(REFUSALS)))
def test_what_the_server_refuses_has_our_name(
    store: perdure.Store, text: str, error: type[perdure.PerdureError], message: str
) -> None:
    def unit(tx: Transaction) -> None:
        tx.append(NOTES, SampleNoted("half"))
        tx.run(ask(text))
        tx.value(ask("select pg_sleep(0.05)::text"))

    with pytest.raises(error, match=message) as told:
        store.transact(unit)
    assert told.type is error
    assert isinstance(told.value.__cause__, psycopg.Error)
    assert store.transact(notes) == []


def test_an_error_that_surfaces_at_the_commit_is_translated_and_undoes_all(
    store: perdure.Store,
) -> None:
    """Nothing is fetched behind the failing statement: its error comes with the commit's."""

    def unit(tx: Transaction) -> str:
        tx.append(NOTES, SampleNoted("half"))
        tx.run(ask("select 1 / 0"))
        return "as if all were well"

    with pytest.raises(Invalid, match="PostgreSQL refuses a value"):
        store.transact(unit)
    with pytest.raises(Invalid, match="PostgreSQL refuses a value"), store.transaction() as tx:
        unit(tx)
    assert store.transact(notes) == []


def test_values_that_only_the_driver_refuses_are_invalid(store: perdure.Store) -> None:
    def unit(value: str) -> Callable[[Transaction], object]:
        return lambda tx: tx.value(ask("select cast(:v as text)"), v=value)

    for value in ("a\0b", "\ud800"):
        with pytest.raises(Invalid):
            store.transact(unit(value))


def test_a_swallowed_error_of_a_migration_undoes_it(store: perdure.Store) -> None:
    def unit(session: Any) -> None:
        session.script("create table half (a int)")
        with pytest.raises(Unavailable):
            session.rows(ask("select 1 from nowhere"), {})

    with pytest.raises(Unavailable, match="the schema is missing"):
        store.engine.administer(unit)
    with pytest.raises(Unavailable):
        store.engine.administer(lambda s: s.rows(ask("select 1 from half"), {}))
    with pytest.raises(Internal):
        store.engine.administer(lambda s: s.script("creat table"))


def test_a_server_error_class_decides(caplog: pytest.LogCaptureFixture) -> None:
    lost = psycopg.OperationalError("gone")
    assert isinstance(translate(lost), Unavailable)
    assert isinstance(translate(PoolTimeout()), Unavailable)
    assert isinstance(translate(psycopg.InterfaceError("odd")), Internal)
    assert "unexpected error of PostgreSQL: InterfaceError" in caplog.text
    assert isinstance(translate(psycopg.errors.DiskFull()), Unavailable)
    assert isinstance(translate(psycopg.errors.UniqueViolation()), Conflict)
    other = ValueError()
    assert translate(other) is other


def test_only_what_is_lost_has_an_unknown_outcome_and_only_what_passes_is_repeated() -> None:
    errors = psycopg.errors
    lost = [psycopg.OperationalError(), errors.AdminShutdown(), errors.ConnectionFailure()]
    for error in lost:
        assert "outcome is unknown" in str(outcome(error, is_committing=True))
        assert "outcome is unknown" not in str(outcome(error, is_committing=False))
        assert is_passing(error, may_repeat=True)
        assert not is_passing(error, may_repeat=False)
    for error in (errors.DiskFull(), PoolTimeout(), errors.UniqueViolation(), ValueError(), None):
        assert not is_passing(error, may_repeat=True)
    assert "no room" in str(outcome(errors.DiskFull(), is_committing=True))
    for error in (errors.SerializationFailure(), errors.DeadlockDetected()):
        assert is_passing(error, may_repeat=False)


def test_a_pool_that_stays_empty_says_so_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "POOL_CONNECTIONS_MAX", 1)
    monkeypatch.setattr(postgres, "POOL_WAIT_SECONDS", 0.2)
    with perdure.open(url, subject="ada") as store:
        is_inside, may_end = threading.Event(), threading.Event()

        def unit(tx: Transaction) -> None:
            is_inside.set()
            may_end.wait(10)

        holder = threading.Thread(target=store.transact, args=[unit])
        holder.start()
        is_inside.wait(5)
        for call in (lambda: store.transact(notes), store.souls.history):
            with pytest.raises(Unavailable, match="no connection to PostgreSQL became free"):
                call()
        may_end.set()
        holder.join()


def test_a_server_that_is_too_old_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SERVER_MIN", 10**9)
    with pytest.raises(Unavailable, match="is too old: use 15 or newer"):
        perdure.open(url)


@pytest.mark.slow
def test_a_follower_survives_a_restart_of_the_server(new_postgres: NewPostgres) -> None:
    server = new_postgres()
    with perdure.open(server.url(), subject="ada") as store:
        store.transact(note("before"))
        events = store.log.follow()
        assert next(events).event.text == "before"
        server.stop()
        with pytest.raises(Unavailable):
            store.transact(note("down"))
        server.start()
        store.transact(note("after"))
        assert next(events).event.text == "after"
        events.close()  # type: ignore[attr-defined]


def test_the_engine_is_what_it_says(store: perdure.Store) -> None:
    assert isinstance(store.engine, PostgresEngine)
    assert (store.engine.dialect, store.engine.reads_inline) == ("postgres", False)
