"""Seed B's own verification list, line by line, against the database itself."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

import perdure
from perdure import store as root
from tests.fix.postgres import FreshDatabase

MIGRATION = Path(root.__file__).parent / "domains/souls/migrations/0001_souls.postgres.sql"
THREAD = "6f1c1d2e-0000-4000-8000-00000000000a"


@pytest.fixture
def database(fresh_database: FreshDatabase) -> str:
    url = fresh_database()
    perdure.open(url, subject="vera").close()
    return url


def columns(url: str, table: str) -> dict[str, tuple[str, str]]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select column_name, data_type, is_nullable from information_schema.columns"
            " where table_name = %s",
            [table],
        ).fetchall()
    return {name: (kind, nullable) for name, kind, nullable in found}


def test_1_soul_versions_has_every_column_and_one_version_per_subject(database: str) -> None:
    found = columns(database, "soul_versions")
    assert found == {
        "slice": ("smallint", "NO"),
        "subject": ("text", "NO"),
        "id": ("uuid", "NO"),
        "created_at": ("timestamp with time zone", "NO"),
        "version": ("integer", "NO"),
        "core_identity": ("text", "NO"),
        "active_values": ("text", "NO"),
        "recent_growth": ("text", "NO"),
        "reflection_notes": ("text", "YES"),
        "token_count": ("integer", "NO"),
        "digest": ("bytea", "NO"),
    }


def test_2_a_version_exists_once(database: str) -> None:
    insert = (
        "insert into soul_versions (slice, subject, version, core_identity, active_values,"
        " recent_growth, digest) values (1, 'vera', 1, 'a', '', '', '')"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(insert)
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(insert)


def test_3_soul_milestones_takes_three_weights_and_a_thread_that_may_go(database: str) -> None:
    insert = (
        "insert into soul_milestones (slice, subject, event_description, emotional_weight,"
        " lesson_learned, source_thread_id, digest) values (1, 'vera', 'e', %s, 'l', %s, '')"
    )
    with psycopg.connect(database, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(insert, ["huge", None])
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute(insert, ["formative", THREAD])
        connection.execute("insert into threads values (1, 'vera', %s)", [THREAD])
        connection.execute(insert, ["formative", THREAD])
        connection.execute("delete from threads")
        kept = connection.execute("select slice, source_thread_id from soul_milestones").fetchall()
    assert kept == [(1, None)]


def test_4_the_active_bot_soul_becomes_version_0(database: str) -> None:
    with perdure.open(database, subject="vera") as store:
        place = store.transact(lambda tx: tx.slice)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "insert into bot_soul (slice, subject, content, is_active, updated_at) values"
                " (%(s)s, 'vera', 'old', true, '2026-01-01'),"
                " (%(s)s, 'vera', 'I am Vera.', true, '2026-02-01'),"
                " (%(s)s, 'vera', 'retired', false, '2026-03-01')",
                {"s": place},
            )
        assert store.souls.import_bot_soul().core_identity == "I am Vera."
        assert store.souls.import_bot_soul().version == 0
        assert len(store.souls.history()) == 1


def test_5_the_service_role_alone_reaches_the_tables(database: str) -> None:
    with perdure.open(database, subject="vera") as store:
        store.souls.publish(core_identity="I am Vera.")
    with psycopg.connect(database, autocommit=True) as connection:
        policies = connection.execute(
            "select tablename, policyname from pg_policies where tablename like 'soul_%'"
        ).fetchall()
        assert set(policies) >= {
            ("soul_versions", "service_role_all"),
            ("soul_milestones", "service_role_all"),
        }
        for role in ("perdure_app", "anon", "authenticated", "perdure_reader"):
            connection.execute(f"begin; set local role {role}; set local perdure.subject = 'vera'")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("select * from soul_versions")
            connection.execute("rollback")
        with connection.transaction():
            connection.execute("set local role service_role")
            connection.execute("set local perdure.subject = 'vera'")
            assert connection.execute("select count(*) from soul_versions").fetchone() == (1,)
            connection.execute("set local perdure.subject = 'bob'")
            assert connection.execute("select count(*) from soul_versions").fetchone() == (0,)


def test_6_every_index_is_created_if_it_does_not_exist() -> None:
    text = MIGRATION.read_text("utf-8")
    assert re.findall(r"create (?:unique )?index (?!if not exists)", text) == []
    assert {"soul_versions_created_at", "soul_versions_version"} < set(
        re.findall(r"create index if not exists (\w+)", text)
    )
    assert {"soul_milestones_created_at", "soul_milestones_weight"} < set(
        re.findall(r"create index if not exists (\w+)", text)
    )


def test_7_applying_the_migration_twice_by_hand_is_harmless(database: str) -> None:
    with perdure.open(database, subject="vera") as store:
        published = store.souls.publish(core_identity="I am Vera.")
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(MIGRATION.read_bytes())
            connection.execute(MIGRATION.read_bytes())
        assert store.souls.current() == published
