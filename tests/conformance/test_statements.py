"""Every named statement is understood by both engines, as the role that runs it; every key, unique
rule and reference of the catalogue begins with the slice, so a shard can live anywhere.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import apsw
import psycopg
import pytest

import perdure
from perdure.engines.postgres import ROLES
from perdure.kernel.queries import Queries, Query
from tests.conformance.databases import PARTITIONS, Emptied

ASKS = ("select", "insert", "update", "delete", "with")
# What was done to the schema, and whose the database is, belongs to no subject.
UNSLICED = {"perdure_migrations", "perdure_vaults"}


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(perdure.__path__, "perdure.")
    names = [one.name for one in found if not one.name.endswith("__main__")]
    return [importlib.import_module(name) for name in names]


def statements() -> list[Query]:
    """List the statements of every queries.sql; `{table}` stands for the log's own.

    Those of the key store are run in tests/vault: its tables are never beside these.
    """
    of_data = [one for one in modules() if not one.__name__.startswith("perdure.vault")]
    sets = {id(v): v for m in of_data for v in vars(m).values() if isinstance(v, Queries)}
    found = [query.over("perdure_events") for one in sets.values() for query in one]
    return [q for q in found if "{" not in q.sqlite + q.postgres and q.name.split(".")[0]]


def asks(text: str) -> bool:
    return text.lstrip().lower().startswith(ASKS)


def named(query: Query) -> str:
    return query.name.removesuffix(".perdure_events")


# Tables that are not there: a case's own, and the one that lives as long as a rebuild.
ABSENT = ("perdure_nowhere", "perdure_rebuild", "__rebuild")
STATEMENTS = [q for q in statements() if not any(one in q.sqlite for one in ABSENT)]
# On PostgreSQL perdure_append does their work, and no role may; the last asks about SQLite.
ON_SQLITE_ONLY = {"take_position", "insert_event", "save_head", "sqlite_version"}
# Migrations are the login's, and what cases do behind the store's back is.
AS_SUPERUSER = {
    "erase_payload", "change_payload", "record_migration", "forget_migration", "save_vault",
}  # fmt: skip


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[apsw.Connection]:
    """A raw connection to a database with the schema."""
    path = os.fspath(tmp_path / "store.db")
    perdure.open(path).close()
    connection = apsw.Connection(path)
    yield connection
    connection.close()


@pytest.fixture(params=[0, PARTITIONS], ids=["plain", "partitioned"])
def server(
    request: pytest.FixtureRequest, emptied: Emptied
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A raw superuser's connection to a database with the schema, plain and partitioned."""
    with psycopg.connect(emptied(request.param)) as connection:
        yield connection


def nothing(text: str) -> dict[str, None]:
    return dict.fromkeys(re.findall(r"(?<![:\w]):(\w+)", text))


def test_sqlite_understands_every_statement(sqlite: apsw.Connection) -> None:
    tried = [q for q in STATEMENTS if asks(q.sqlite)]
    assert len(tried) > 30
    refused = []
    for query in tried:
        try:
            sqlite.execute(f"explain {query.sqlite}", nothing(query.sqlite)).fetchall()
        except apsw.Error as error:
            refused.append(f"{query.name}: {error}")
    assert not refused, "\n".join(refused)


def test_postgres_understands_every_statement_as_its_role(
    server: psycopg.Connection[tuple[Any, ...]],
) -> None:
    tried = [q for q in STATEMENTS if asks(q.postgres) and named(q) not in ON_SQLITE_ONLY]
    assert len(tried) > 30
    refused = []
    for query in tried:
        role = "login" if named(query) in AS_SUPERUSER else query.role
        try:
            with server.transaction(force_rollback=True):
                server.execute(f"set local role {ROLES[role]}".encode())
                server.execute(f"explain (generic_plan) {query.numbered}".encode())
        except psycopg.Error as error:
            refused.append(f"{query.name} as {query.role}: {error}")
    assert not refused, "\n".join(refused)


def rows_of_models() -> Iterator[tuple[str, Query, type]]:
    """Find what is read by `tx.one(queries.name, Model)` and `tx.all(...)`."""
    for module in modules():
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and re.fullmatch(
                r"tx\.(one|all)", ast.unparse(node.func)
            ):
                query, model = node.args[:2]
                if isinstance(query, ast.Attribute):
                    found = getattr(vars(module)[ast.unparse(query.value)], query.attr)
                    yield query.attr, found, vars(module)[ast.unparse(model)]


MODELS = list(rows_of_models())


@pytest.mark.parametrize("number", range(len(MODELS)), ids=[name for name, _, _ in MODELS])
def test_columns_stand_in_the_order_of_the_fields(sqlite: apsw.Connection, number: int) -> None:
    _, query, model = MODELS[number]
    for text in {query.sqlite, query.postgres if "::" not in query.postgres else query.sqlite}:
        (columns,) = re.findall(r"(?is)^\s*select\s+(.*?)\s+from\s", text)
        listed = [part.split()[-1].split(".")[-1] for part in re.split(r",\s*", columns)]
        assert listed == [*(field.name for field in fields(model)), "digest"]


SERVER_RULES = """
select c.conrelid::regclass::text, c.conname, c.contype::text,
  (select attname from pg_attribute where attrelid = c.conrelid and attnum = c.conkey[1]),
  (select attname from pg_attribute where attrelid = c.confrelid and attnum = c.confkey[1])
from pg_constraint c join pg_namespace n on n.oid = c.connamespace
where n.nspname = 'public' and c.contype in ('p', 'u', 'f')
union all
select i.indrelid::regclass::text, i.indexrelid::regclass::text, 'i',
  (select attname from pg_attribute where attrelid = i.indrelid and attnum = i.indkey[0]), null
from pg_index i join pg_class k on k.oid = i.indrelid
join pg_namespace n on n.oid = k.relnamespace
where n.nspname = 'public' and i.indisunique
"""


def test_every_rule_of_postgres_begins_with_the_slice(
    server: psycopg.Connection[tuple[Any, ...]],
) -> None:
    rules = [rule for rule in server.execute(SERVER_RULES) if rule[0] not in UNSLICED]
    assert len(rules) > 20
    assert {rule[2] for rule in rules} == {"p", "u", "f", "i"}
    bad = [rule for rule in rules if rule[3] != "slice" or rule[4] not in (None, "slice")]
    assert bad == []


def test_every_table_of_a_partitioned_database_is_partitioned(emptied: Emptied) -> None:
    with psycopg.connect(emptied(PARTITIONS)) as connection:
        whole = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace "
            "and relkind = 'r' and not relispartition"
        ).fetchall()
        pieces = connection.execute(
            "select distinct count(*) from pg_inherits i join pg_class c on c.oid = i.inhparent "
            "where c.relkind = 'p' group by c.oid"
        ).fetchall()
    assert {name for (name,) in whole} == UNSLICED
    assert pieces == [(PARTITIONS,)]


def test_every_rule_of_sqlite_begins_with_the_slice(sqlite: apsw.Connection) -> None:
    tables = [
        name
        for (name,) in sqlite.execute("select name from sqlite_schema where type = 'table'")
        if name not in UNSLICED and not name.startswith("sqlite_")
    ]
    assert len(tables) > 8
    for table in tables:
        key = [c[1] for c in sqlite.execute(f"pragma table_info({table})") if c[5] == 1]
        assert key == ["slice"], table
        for index in sqlite.execute(f"pragma index_list({table})").fetchall():
            if index[2]:
                first = sqlite.execute(f"pragma index_info({index[1]})").fetchall()[0]
                assert first[2] == "slice", index
        for reference in sqlite.execute(f"pragma foreign_key_list({table})").fetchall():
            if reference[1] == 0:
                assert (reference[3], reference[4]) == ("slice", "slice"), (table, reference)
