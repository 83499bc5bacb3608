"""Row-level security: no statement of the list reads or changes another subject's rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import perdure
from perdure.errors import Forbidden
from tests.faults import rls
from tests.faults.attacks import ALONE, EACH_TABLE, FREE
from tests.servers import PostgresServer, Servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("partitions", [0, 4])
def test_no_statement_of_the_list_reaches_anybody_else(
    tmp_path: Path, servers: Servers, partitions: int
) -> None:
    report = rls.run(tmp_path, partitions=partitions, is_quick=bool(partitions), servers=servers)
    assert report.is_green, report.text()
    assert len(EACH_TABLE) + len(ALONE) + len(FREE) > 40


def test_each_policy_that_is_true_is_noticed(tmp_path: Path, servers: Servers) -> None:
    report = rls.run(tmp_path, mutant="policy-true", servers=servers)
    assert report.figures["caught"] == report.figures["mutants"] > 5, report.text()


@pytest.mark.parametrize("mutant", ["open-set-config", "loose-search-path"])
def test_each_defence_that_is_taken_away_is_noticed(
    tmp_path: Path, servers: Servers, mutant: str
) -> None:
    report = rls.run(tmp_path, mutant=mutant, servers=servers)
    assert not report.is_green, report.text()


@pytest.fixture
def plain_owner(servers: Servers) -> Iterator[str]:
    """The URL of a database whose owner is no superuser but may create roles."""
    server = servers.postgres()
    name = server.create_database()
    with server.admin() as admin:
        admin.execute("create role plain_owner login createrole")
        admin.execute(f"alter database {name} owner to plain_owner".encode())
    yield server.url(name, user="plain_owner")
    servers.end(server)


def test_a_migrator_without_superuser_leaves_set_config_alone(plain_owner: str) -> None:
    with perdure.open(plain_owner, subject="ada") as store:
        store.souls.publish(core_identity="I am Ada.")
        assert store.souls.current().core_identity == "I am Ada."
    with psycopg.connect(plain_owner) as connection:
        asked = "select has_function_privilege('perdure_app', 'set_config(text, text, boolean)',"
        assert connection.execute(f"{asked} 'execute')".encode()).fetchall() == [(True,)]


def test_those_who_were_there_before_keep_set_config(servers: Servers) -> None:
    server: PostgresServer = servers.postgres()
    try:
        with server.admin() as admin:
            admin.execute("create role another_app login")
        url = server.url(server.create_database())
        perdure.open(url).close()
        for user, may in (("another_app", True), ("perdure_app", False), ("postgres", True)):
            with psycopg.connect(url) as connection:
                connection.execute(f"set role {user}".encode())
                try:
                    connection.execute("select set_config('x.y', 'z', false)")
                except psycopg.errors.InsufficientPrivilege:
                    assert not may, user
                else:
                    assert may, user
    finally:
        servers.end(server)


def test_a_login_without_the_service_role_gets_forbidden_for_souls(servers: Servers) -> None:
    server = servers.postgres()
    try:
        name = server.create_database()
        perdure.open(server.url(name)).close()
        with server.admin() as admin:
            admin.execute("create role only_app login in role perdure_app")
        with (
            perdure.open(server.url(name, user="only_app"), subject="ada") as store,
            pytest.raises(Forbidden),
        ):
            store.souls.publish(core_identity="I am Ada.")
    finally:
        servers.end(server)
