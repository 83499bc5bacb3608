"""The suite's own servers do what the other tests rely on, and the leak check can fail."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from tests.fix.leaks import GRACE_SECONDS_MAX, allowances, held, left_behind
from tests.fix.postgres import FreshDatabase, NewPostgres
from tests.servers import PgBouncer, PostgresServer, children, is_alive, wait_until

NOTHING = allowances(None)


def ask(url: str, statement: str) -> object:
    """Run one statement in one short session and return the first value, if it has one."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_the_server_answers_as_superuser_in_utf8(postgres: PostgresServer) -> None:
    assert ask(postgres.url(), "select 1") == 1
    assert ask(postgres.url(), "show is_superuser") == "on"
    assert ask(postgres.url(), "show server_encoding") == "UTF8"
    assert ask(postgres.url(), "show fsync") == "off"


def test_two_fresh_databases_share_nothing(fresh_database: FreshDatabase) -> None:
    first, second = fresh_database(), fresh_database()
    ask(first, "create table t (x int)")
    assert ask(second, "select to_regclass('t')") is None


def test_a_fresh_database_can_copy_a_template(fresh_database: FreshDatabase) -> None:
    template = fresh_database()
    ask(template, "create table t as select 7 as x")
    assert ask(fresh_database(template=template.rpartition("/")[2]), "select x from t") == 7


def test_a_database_is_dropped_although_somebody_is_in_it(postgres: PostgresServer) -> None:
    name = postgres.create_database()
    with psycopg.connect(postgres.url(name), autocommit=True) as guest:
        postgres.drop_database(name)
        with pytest.raises(psycopg.OperationalError):
            guest.execute("select 1")


def test_pgbouncer_pools_by_transaction(
    pgbouncer: PgBouncer, fresh_database: FreshDatabase
) -> None:
    url = pgbouncer.through(fresh_database())
    clients = [
        psycopg.connect(url, autocommit=True, prepare_threshold=None)
        for _ in range(PgBouncer.POOL_SIZE * 3)
    ]
    try:
        sessions = {one.execute("select pg_backend_pid()").fetchall()[0][0] for one in clients}
    finally:
        for one in clients:
            one.close()
    assert len(sessions) <= PgBouncer.POOL_SIZE


def test_pgbouncer_lets_in_a_role_made_later(
    postgres: PostgresServer, pgbouncer: PgBouncer, fresh_database: FreshDatabase
) -> None:
    url = fresh_database()
    ask(url, "create role made_later login")
    try:
        through = pgbouncer.through(url).replace("postgres@", "made_later@")
        assert ask(through, "select current_user") == "made_later"
    finally:
        postgres.drop_database(url.rpartition("/")[2])
        ask(postgres.url(), "drop role made_later")


def test_committed_rows_survive_a_kill_of_the_whole_server(new_postgres: NewPostgres) -> None:
    server = new_postgres(fsync=True)
    ask(server.url(), "create table t as select 42 as x")
    orphans = children(server.pid)
    server.kill9()
    assert not any(map(is_alive, orphans))
    with pytest.raises(psycopg.OperationalError):
        ask(server.url(), "select x from t")
    server.start()
    assert ask(server.url(), "select x from t") == 42


def test_a_killed_session_takes_the_others_with_it_and_the_server_recovers(
    new_postgres: NewPostgres,
) -> None:
    server = new_postgres()
    with psycopg.connect(server.url(), autocommit=True) as session:
        session.execute("create table t as select 42 as x")
        assert server.kill9_child() == session.info.backend_pid
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
    server.wait_ready()
    assert ask(server.url(), "select x from t") == 42


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_server_outlives_the_process_that_started_it(signum: int) -> None:
    program = (
        "import time; from tests.servers import Servers\n"
        "made = Servers(); server = made.postgres()\n"
        "print(server.pid, made.folder, flush=True); time.sleep(60)"
    )
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().split()
        assert is_alive(int(pid))
        owner.send_signal(signum)
    wait_until(lambda: not is_alive(int(pid)), "the server ends", 10)
    wait_until(lambda: not Path(folder).exists(), "its folder is removed", 10)


def test_a_thread_left_behind_is_told() -> None:
    before, go = held(), threading.Event()
    thread = threading.Thread(target=go.wait, name="forgotten")
    thread.start()
    assert left_behind(before, NOTHING, seconds_max=0) == ["thread forgotten"]
    go.set()
    thread.join()


def test_a_socket_left_behind_is_told() -> None:
    before = held()
    with socket.socket() as forgotten:
        (told,) = left_behind(before, NOTHING, seconds_max=0)
        assert told.startswith(f"file {forgotten.fileno()} -> socket:")


def test_a_process_left_behind_is_told() -> None:
    before = held()
    with subprocess.Popen(["sleep", "60"]) as forgotten:
        assert left_behind(before, NOTHING, seconds_max=0) == [f"process {forgotten.pid}"]
        forgotten.kill()


def test_what_ends_within_the_grace_is_no_leak() -> None:
    before = held()
    thread = threading.Thread(target=time.sleep, args=(GRACE_SECONDS_MAX / 10,))
    thread.start()
    assert left_behind(before, NOTHING) == []
    thread.join()
