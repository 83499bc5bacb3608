"""Seed A's own verification list, line by line, against the database itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

import perdure
from perdure import store as root
from perdure.domains import drift
from perdure.domains.drift.model import DIMENSIONS
from perdure.kernel import Transaction, migrations
from perdure.store import PACKAGES
from tests.fix.postgres import FreshDatabase

MIGRATION = Path(root.__file__).parent / "domains/drift/migrations/0001_drift.postgres.sql"
SENTENCE = "I would rather tell you the truth, gently."
INSERT = "insert into vera_qiv_states (slice, user_id, digest) values (1, %s, '')"
COLUMNS = {
    "slice": ("smallint", "NO", None),
    "id": ("uuid", "NO", "gen_random_uuid()"),
    "user_id": ("text", "NO", None),
    "drift_coefficient": ("double precision", "NO", "0"),
    "dimensions": ("jsonb", "NO", "lexical"),
    "fitness_position": ("jsonb", "NO", "0.5"),
    "total_interactions": ("bigint", "NO", "0"),
    "speciation_index": ("double precision", "NO", "0"),
    "momentum": ("double precision", "NO", "0"),
    "bloom_filter": ("text", "YES", None),
    "recent_hashes": ("ARRAY", "YES", None),
    "created_at": ("timestamp with time zone", "NO", "now()"),
    "updated_at": ("timestamp with time zone", "NO", "now()"),
    "voice": ("text", "NO", "{}"),
    "replies": ("bigint", "NO", "0"),
    "filter_digest": ("bytea", "YES", None),
    "digest": ("bytea", "NO", None),
}
SUPABASE = """
create schema auth;
create function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
do $$ begin create role authenticated nologin; exception when duplicate_object then null; end $$;
grant usage on schema auth to public;
"""
ADA, BOB = "6f1c1d2e-0000-4000-8000-00000000000a", "6f1c1d2e-0000-4000-8000-00000000000b"


@pytest.fixture
def database(fresh_database: FreshDatabase) -> str:
    url = fresh_database()
    perdure.open(url, subject="ada").close()
    return url


@contextmanager
def as_role(url: str, role: str, *settings: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"set role {role}".encode())
        for each in settings:
            connection.execute(f"set {each}".encode())
        yield connection


def test_1_the_table_exists_and_can_be_selected_from(database: str) -> None:
    with perdure.open(database, subject="ada") as store:
        store.drift.observe(SENTENCE)
        kept = store.drift.evolve(dict.fromkeys(DIMENSIONS, 0.6))
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "select user_id, drift_coefficient, dimensions, fitness_position, total_interactions,"
            " speciation_index, momentum, bloom_filter, recent_hashes from vera_qiv_states limit 1"
        ).fetchone()
    assert row is not None
    assert row[:2] == ("ada", kept.coefficient)
    assert row[2]["lexical"] == kept.dimensions.lexical
    assert row[3] == {"x": 0.5, "y": kept.fitness_position.y, "z": kept.fitness_position.z}
    assert row[4:7] == (2, kept.speciation_index, kept.momentum)
    assert row[7].startswith("UEJGMX")
    assert len(row[8]) == 1


def test_2_what_is_saved_is_loaded(store: perdure.Store) -> None:
    saved = {
        "coefficient": 0.1,
        "dimensions": {},
        "fitnessPosition": {"x": 0.5, "y": 0.5, "z": 0.5},
    }
    user = store.subject("test-user-id").drift
    user.import_state(saved)
    loaded = user.export_state()
    assert loaded["coefficient"] == 0.1
    assert loaded["dimensions"] == dict.fromkeys(DIMENSIONS, 0.0)
    assert loaded["fitnessPosition"] == saved["fitnessPosition"]
    assert loaded["totalInteractions"] == loaded["speciationIndex"] == loaded["momentum"] == 0
    assert (loaded["bloomFilter"], loaded["recentHashes"]) == (None, [])
    assert loaded["createdAt"] == loaded["lastUpdated"]
    user.import_state(loaded | {"coefficient": 0.2})  # the seed's second save broke its UNIQUE
    assert user.export_state()["coefficient"] == 0.2
    assert user.export_state()["createdAt"] == loaded["createdAt"]


def test_3_every_column_and_default_is_the_seeds(database: str) -> None:
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "select column_name, data_type, is_nullable, column_default"
            " from information_schema.columns where table_name = 'vera_qiv_states'"
            " order by ordinal_position"
        ).fetchall()
        connection.execute(INSERT, ["fresh"])
        fresh = connection.execute(
            "select drift_coefficient, dimensions, fitness_position, total_interactions,"
            " speciation_index, momentum, bloom_filter, recent_hashes, created_at = updated_at"
            " from vera_qiv_states"
        ).fetchone()
    assert [row[0] for row in found] == list(COLUMNS)
    for name, kind, nullable, default in found:
        assert (kind, nullable) == COLUMNS[name][:2], name
        wanted = COLUMNS[name][2]
        assert default is None if wanted is None else wanted in default, name
    position = {"x": 0.5, "y": 0.5, "z": 0.5}
    zeros = dict.fromkeys(DIMENSIONS, 0)
    assert fresh == (0, zeros, position, 0, 0, 0, None, None, True)


def test_4_numbers_stay_in_their_range(database: str) -> None:
    for column, wrong in (
        *(("drift_coefficient", 1.1), ("speciation_index", -0.1), ("momentum", 2.1)),
        *(("drift_coefficient", "NaN"), ("total_interactions", -1)),
    ):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(INSERT, [column])
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(f"update vera_qiv_states set {column} = %s".encode(), [wrong])
            connection.execute("delete from vera_qiv_states")


def test_5_a_user_has_one_state(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(INSERT, ["ada"])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(INSERT, ["ada"])
        index = connection.execute(
            "select indexdef from pg_indexes where indexname = 'idx_qiv_user_id'"
        ).fetchone()
    assert index is not None
    assert index[0].endswith("ON public.vera_qiv_states USING btree (user_id)")


def test_6_an_update_by_hand_gets_the_time_and_is_noticed(database: str) -> None:
    with perdure.open(database, subject="ada") as store:
        store.drift.import_state({"coefficient": 0.5})
        with psycopg.connect(database, autocommit=True) as connection:
            before = connection.execute("select updated_at from vera_qiv_states").fetchone()
            connection.execute("update vera_qiv_states set user_id = user_id")
            same = connection.execute("select updated_at from vera_qiv_states").fetchone()
            assert store.drift.current().coefficient == 0.5
            connection.execute("update vera_qiv_states set drift_coefficient = 0.1")
            after = connection.execute("select updated_at from vera_qiv_states").fetchone()
        assert before is not None
        assert after is not None
        assert same == before < after
        with pytest.raises(perdure.Tampered):
            store.drift.current()


def test_7_the_trigger_leaves_the_projections_time(database: str) -> None:
    with perdure.open(database, subject="ada") as store:
        store.drift.observe(SENTENCE)

        def twice(tx: Transaction) -> None:
            drift.observe(tx, SENTENCE)
            drift.import_state(tx, {"coefficient": 0.5})
            drift.import_state(tx, {"coefficient": 0.5})

        store.transact(twice)
        assert store.drift.current().coefficient == 0.5
        updated = store.drift.export_state()["lastUpdated"]
        assert updated == store.drift.history()[-1].at.isoformat()


def test_8_a_partitioned_table_has_no_trigger(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    with perdure.open(url, subject="ada", migrate=False) as store:
        steps = migrations.discover(PACKAGES, "postgres")
        store.engine.administer(lambda s: migrations.up(s, steps, now=0, partitions=4))
        store.drift.observe(SENTENCE)
        assert store.drift.said_before(SENTENCE).exact
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "select relkind, (select count(*) from pg_trigger where tgname = 'qiv_state_updated')"
            " from pg_class where oid = 'vera_qiv_states'::regclass"
        ).fetchone()
    assert found == ("p", 0)


def test_9_the_seeds_policies_are_there(database: str) -> None:
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "select policyname, cmd from pg_policies where tablename = 'vera_qiv_states'"
        ).fetchall()
        forced = connection.execute(
            "select bool_and(relrowsecurity and relforcerowsecurity and relowner ="
            " 'perdure_owner'::regrole) from pg_class where relname = any(%s)",
            [["vera_qiv_states", "drift_hashes", "drift_bands", "drift_imports"]],
        ).fetchone()
    assert set(found) == {
        ("Users can read own QIV state", "SELECT"),
        ("Users can update own QIV state", "UPDATE"),
        ("Users can insert own QIV state", "INSERT"),
        ("own_subject", "ALL"),
        ("reads_all", "SELECT"),
    }
    assert forced == (True,)


@pytest.mark.parametrize("role", ["perdure_app", "authenticated"])
def test_10_another_subject_sees_and_changes_nothing(database: str, role: str) -> None:
    with perdure.open(database, subject="ada") as store:
        store.drift.observe(SENTENCE)
    with as_role(database, role, "perdure.subject = 'bob'") as connection:
        assert connection.execute("select * from vera_qiv_states").fetchall() == []
        changed = connection.execute("update vera_qiv_states set momentum = 1")
        assert changed.rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(INSERT, ["eve"])
        connection.execute("reset perdure.subject")
        assert connection.execute("select * from vera_qiv_states").fetchall() == []
    with as_role(database, role, "perdure.subject = 'ada'") as connection:
        found = connection.execute("select user_id from vera_qiv_states").fetchall()
        assert found == [("ada",)]


def test_11_other_roles_reach_nothing(database: str) -> None:
    with perdure.open(database, subject="ada") as store:
        store.drift.observe(SENTENCE)
    tables = ("vera_qiv_states", "drift_hashes", "drift_bands", "drift_imports")
    refused = [("anon", table) for table in tables]
    refused += [("authenticated", table) for table in tables[1:]]
    for role, table in refused:
        with (
            as_role(database, role, "perdure.subject = 'ada'") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(f"select * from {table}".encode())
    for table in tables[1:]:
        with as_role(database, "perdure_app", "perdure.subject = 'bob'") as connection:
            assert connection.execute(f"select * from {table}".encode()).fetchall() == []
            assert connection.execute(f"delete from {table}".encode()).rowcount == 0


def test_12_on_supabase_the_policies_ask_who_is_logged_in(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SUPABASE)
    with perdure.open(url, subject=ADA) as store:
        store.drift.observe(SENTENCE)
        assert store.drift.current().total_interactions == 1
    claim = "request.jwt.claim.sub"
    with as_role(url, "authenticated", f"{claim} = '{ADA}'") as connection:
        assert len(connection.execute("select * from vera_qiv_states").fetchall()) == 1
    for settings in ((f"{claim} = '{BOB}'", f"perdure.subject = '{ADA}'"), ()):
        with as_role(url, "authenticated", *settings) as connection:
            assert connection.execute("select * from vera_qiv_states").fetchall() == []


def test_13_applying_the_migration_twice_by_hand_is_harmless(database: str) -> None:
    text = MIGRATION.read_text("utf-8")
    assert re.findall(r"create (?:unique )?(?:index|table) (?!if not exists)", text) == []
    with perdure.open(database, subject="ada") as store:
        kept = store.drift.observe(SENTENCE)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(text.encode())
            connection.execute(text.encode())
        assert store.drift.current() == kept


def test_14_rolling_back_drops_the_table_and_up_makes_it_again(store: perdure.Store) -> None:
    store.drift.observe(SENTENCE)
    own = [package for package in PACKAGES if package[0] == "drift"]
    steps = migrations.discover(own, store.engine.dialect)
    undone = store.engine.administer(lambda session: migrations.down(session, steps, steps=2))
    assert [step.label for step in undone] == ["drift 0002 drift", "drift 0001 drift"]
    with pytest.raises(perdure.PerdureError):
        store.drift.current()
    store.engine.administer(lambda session: migrations.up(session, steps, now=0))
    assert store.drift.current().total_interactions == 0
    assert store.drift.observe(SENTENCE).total_interactions == 1
