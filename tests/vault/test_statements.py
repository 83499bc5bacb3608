"""Every statement of the key store is understood by both engines and finds its rows by an index."""

from __future__ import annotations

import re
from pathlib import Path

import apsw
import psycopg
import pytest

from perdure.kernel.queries import Query
from perdure.vault import keystore
from tests.fix.postgres import FreshDatabase
from tests.vault.rings import Place

ASKED = [query for query in keystore.statements if not query.sqlite.startswith("pragma")]
# Whole tables: each has one row, a few, or is counted or listed as a whole.
WHOLE = {"vault", "epochs", "all_epochs", "count_states", "handles_in_state", "has_table"}


def test_every_statement_runs_as_the_login() -> None:
    assert {query.role for query in keystore.statements} == {"login"}


@pytest.mark.parametrize("query", ASKED, ids=lambda query: query.name)
def test_sqlite_understands_it_and_finds_its_rows(query: Query, file_place: Place) -> None:
    with file_place.ring(create=True):
        connection = apsw.Connection(str(Path(file_place.target)))
        names = dict.fromkeys(re.findall(r":(\w+)", query.sqlite))
        plan = connection.execute(f"explain query plan {query.sqlite}", names).fetchall()
        connection.close()
    scans = [str(row[-1]) for row in plan if str(row[-1]).startswith("SCAN")]
    assert query.name in WHOLE or all("INDEX" in scan for scan in scans), scans


def test_postgresql_understands_every_statement(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    place = Place(fresh_database(), tmp_path)
    with place.ring(create=True), psycopg.connect(place.target) as connection:
        for query in ASKED:
            connection.execute(f"explain (generic_plan) {query.numbered}".encode())
