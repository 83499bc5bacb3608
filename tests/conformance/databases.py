"""Databases for the suite: made once a session, emptied for each test (a new one takes 20 x)."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

import perdure
from perdure.kernel import SystemClock, migrations
from perdure.kernel.clock import microseconds
from perdure.store import PACKAGES
from tests.servers import PostgresServer

PARTITIONS = 16
EMPTIED = (
    "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    "where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition "
    "and c.relname not in ('perdure_migrations')"
)
# emptied(16): the URL of a database with the schema in 16 partitions, and without a row.
Emptied = Callable[[int], str]
# empty_keys(): the URL of a database without a table.
EmptyKeys = Callable[[], str]


@pytest.fixture(scope="session")
def migrated(postgres: PostgresServer) -> dict[int, str]:
    """The databases that were made so far, by their partitions."""
    return {}


@pytest.fixture
def emptied(postgres: PostgresServer, migrated: dict[int, str]) -> Emptied:
    """A function that gives an empty database with the schema, plain or in partitions."""

    def url(partitions: int) -> str:
        if partitions not in migrated:
            migrated[partitions] = postgres.url(postgres.create_database())
            _migrate(migrated[partitions], partitions)
        _empty(migrated[partitions])
        return migrated[partitions]

    return url


@pytest.fixture(scope="session")
def key_database(postgres: PostgresServer) -> str:
    """A database for keys, made once a session."""
    return postgres.url(postgres.create_database())


@pytest.fixture
def empty_keys(key_database: str) -> EmptyKeys:
    """A function that gives the URL of a database in which a key store may be made."""

    def url() -> str:
        with psycopg.connect(key_database) as connection:
            connection.execute("drop schema public cascade")
            connection.execute("create schema public")
        return key_database

    return url


def _migrate(url: str, partitions: int) -> None:
    steps = migrations.discover(PACKAGES, "postgres")
    now = microseconds(SystemClock().now())
    with perdure.open(url, migrate=False) as store:
        store.engine.administer(
            lambda session: migrations.up(session, steps, now=now, partitions=partitions)
        )


def _empty(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")
        for (table,) in connection.execute(EMPTIED).fetchall():
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier(table)))
