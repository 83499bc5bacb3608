"""Named statements: how they are read, numbered, renamed and filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.kernel.queries import Queries, Query, load

SHARED = """-- A file of statements.

-- name: find
-- Why it is so.
select a, b from t
where slice = :slice and subject = :subject and b = :b and c = :b;

-- name: all_heads (reader)
select 1::int, ':not' from t;

-- name: only_here
select 2;
"""
DIFFERING = """-- name: find (service)
-- Differs because: a cast.
select a, b from t where slice = cast(:slice as smallint) and b = :b;

-- name: only_there
select 3;
"""


@pytest.fixture
def queries(tmp_path: Path) -> Queries:
    (tmp_path / "queries.sql").write_text(SHARED)
    (tmp_path / "queries.postgres.sql").write_text(DIFFERING)
    return load(str(tmp_path / "module.py"), role="special")


def test_a_statement_is_known_by_its_name(queries: Queries) -> None:
    assert queries.only_here.sqlite == queries.only_here.postgres == "select 2"
    assert [query.name for query in queries] == ["find", "all_heads", "only_here", "only_there"]
    with pytest.raises(AttributeError, match="no query is named 'lost'"):
        _ = queries.lost


def test_postgres_has_its_own_words_where_they_differ(queries: Queries) -> None:
    assert queries.find.sqlite.startswith("select a, b from t\nwhere slice = :slice")
    assert queries.find.postgres.startswith("select a, b from t where slice = cast")
    assert (queries.only_there.sqlite, queries.only_there.postgres) == ("", "select 3")


def test_a_role_stands_behind_the_name_or_is_the_modules(queries: Queries) -> None:
    roles = {query.name: query.role for query in queries}
    assert roles == {
        "find": "service", "all_heads": "reader", "only_here": "special", "only_there": "special",
    }  # fmt: skip


def test_parameters_are_numbered_once_each_and_casts_are_left_alone() -> None:
    query = Query("q", "", "select :a::text, :b, :a, x::int from t where c = :c_d")
    assert query.numbered == "select $1::text, $2, $1, x::int from t where c = $3"
    assert query.names == ("a", "b", "c_d")


def test_other_tables_take_the_place_of_whole_names_only() -> None:
    query = Query("q", "select t.a from t, tt", "update t set a = 1")
    other = query.renamed({"t": "t__new", "x": "y"})
    assert other.sqlite == "select t__new.a from t__new, tt"
    assert other.postgres == "update t__new set a = 1"


def test_a_statement_for_every_table_is_filled() -> None:
    query = Query("count", "select 1 from {table}", "select 2 from {table}", "reader").over("t")
    assert (query.name, query.sqlite, query.postgres, query.role) == (
        "count.t", "select 1 from t", "select 2 from t", "reader",
    )  # fmt: skip


def test_a_package_without_statements_has_none(tmp_path: Path) -> None:
    assert list(load(str(tmp_path / "module.py"))) == []
