"""On PostgreSQL an application needs the three roles and no other right."""

from __future__ import annotations

import psycopg
import pytest

import perdure
from tests.fix.postgres import FreshDatabase
from tests.servers import PostgresServer


@pytest.fixture
def login(postgres: PostgresServer) -> str:
    with postgres.admin() as connection:
        connection.execute(
            "do $$ begin create role plain_login login;"
            " exception when duplicate_object then null; end $$"
        )
    return "plain_login"


def test_a_login_without_rights_opens_a_migrated_database(
    fresh_database: FreshDatabase, login: str
) -> None:
    url = fresh_database()
    perdure.open(url, subject="ada").close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"grant perdure_app, perdure_reader, service_role to {login}")
    with perdure.open(url.replace("postgres@", f"{login}@"), subject="ada") as store:
        store.souls.publish(core_identity="Curious.")
        assert store.souls.current().version == 1
        assert [recorded.version for recorded in store.log.read()] == [1]


def test_a_login_without_rights_is_told_what_an_empty_database_lacks(
    fresh_database: FreshDatabase, login: str
) -> None:
    url = fresh_database().replace("postgres@", f"{login}@")
    with pytest.raises(perdure.Forbidden, match="the database refuses this role"):
        perdure.open(url, subject="ada")


def test_a_store_without_a_subject_says_so(fresh_database: FreshDatabase) -> None:
    unnamed = pytest.raises(perdure.Invalid, match="no subject was named")
    with perdure.open(fresh_database()) as store, unnamed:
        store.souls.current()
