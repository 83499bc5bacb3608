"""Migrations on real databases: up, down, status, checksums, partitions, and two at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import perdure
from perdure.errors import Conflict, Invalid, PerdureError, Unavailable
from perdure.kernel import migrations
from perdure.kernel.migrations import Migration, discover
from perdure.store import PACKAGES
from perdure.testing.conformance.processes import elsewhere, opens, told
from tests.fix.postgres import FreshDatabase

NOW = 1_700_000_000_000_000


@pytest.fixture
def bare(target: str) -> Iterator[perdure.Store]:
    """A store without a schema."""
    with perdure.open(target, migrate=False) as store:
        yield store


@pytest.fixture
def steps(bare: perdure.Store) -> list[Migration]:
    return discover(PACKAGES, bare.engine.dialect)


def labels(found: list[Migration]) -> list[str]:
    return [one.label for one in found]


def applied(store: perdure.Store, steps: list[Migration]) -> list[str]:
    found = store.engine.administer(lambda session: migrations.status(session, steps))
    return [step.migration.label for step in found if step.is_applied]


def test_up_applies_what_is_missing_and_only_once(
    bare: perdure.Store, steps: list[Migration]
) -> None:
    assert applied(bare, steps) == []
    run = bare.engine.administer
    assert labels(run(lambda s: migrations.up(s, steps[:2], now=NOW))) == labels(steps[:2])
    assert applied(bare, steps) == labels(steps[:2])
    assert labels(run(lambda s: migrations.up(s, steps, now=NOW))) == labels(steps[2:])
    assert run(lambda s: migrations.up(s, steps, now=NOW)) == []


def test_down_undoes_the_newest_first_and_up_does_it_again(
    bare: perdure.Store, steps: list[Migration]
) -> None:
    run = bare.engine.administer
    for _ in range(2):
        run(lambda s: migrations.up(s, steps, now=NOW))
        newest = run(lambda s: migrations.down(s, steps, steps=1))
        assert labels(newest) == labels(steps[-1:])
        rest = run(lambda s: migrations.down(s, steps, steps=99))
        assert labels(rest) == labels(steps[-2::-1])
        assert applied(bare, steps) == []
    assert run(lambda s: migrations.down(s, steps, steps=1)) == []


def test_a_file_that_was_changed_is_refused(bare: perdure.Store, steps: list[Migration]) -> None:
    run = bare.engine.administer
    run(lambda s: migrations.up(s, steps, now=NOW))
    first = steps[0]
    other = Migration(first.package, first.number, first.name, first.up + "--", first.down)
    with pytest.raises(Conflict, match="kernel 0001 log was applied with another text") as found:
        run(lambda s: migrations.up(s, [other], now=NOW))
    assert found.value.value == "kernel 0001 log"


def test_a_database_from_tomorrow_is_refused_at_open(
    bare: perdure.Store, steps: list[Migration], target: str
) -> None:
    tomorrow = Migration("kernel", 9_999, "tomorrow", "select 1", "select 1")
    bare.engine.administer(lambda s: migrations.up(s, [*steps, tomorrow], now=NOW))
    with pytest.raises(Unavailable, match="kernel 9999, which this perdure does not know"):
        perdure.open(target)


def test_a_migration_that_fails_leaves_nothing(bare: perdure.Store, steps: list[Migration]) -> None:
    broken = Migration("mine", 1, "broken", "create table mine (a int); select * from lost", "")
    with pytest.raises(PerdureError):
        bare.engine.administer(lambda s: migrations.up(s, [*steps, broken], now=NOW))
    assert applied(bare, steps) == []


def test_a_store_without_a_schema_says_so(bare: perdure.Store) -> None:
    for call in (bare.subject("ada").souls.current, lambda: list(bare.log.read())):
        with pytest.raises(Unavailable, match="the schema is missing: run 'perdure migrate up'"):
            call()


def test_threads_and_processes_open_a_new_target_at_once(target: str) -> None:
    failed: list[BaseException] = []

    def open_it() -> None:
        try:
            perdure.open(target).close()
        except BaseException as error:
            failed.append(error)

    opening = partial(perdure.open, target)
    with elsewhere(opens, opening) as one, elsewhere(opens, opening) as two:
        assert (told(one), told(two)) == ("ready", "ready")
        threads = [threading.Thread(target=open_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        one.send("go")
        two.send("go")
        assert sorted([told(one), told(two)]) == [[1], [2]]
        for thread in threads:
            thread.join()
    assert failed == []


def test_tables_are_split_by_slice_if_wanted() -> None:
    text = (
        "create table if not exists t (\n  slice int\n) /* partition */;\ncreate table u (a int);"
    )
    assert migrations.partitioned(text, 0) == text
    split = migrations.partitioned(text, 2)
    assert "partition by hash (slice);\ncreate table if not exists t_p0 partition of t" in split
    assert "for values with (modulus 2, remainder 1);\ncreate table u (a int);" in split


@pytest.mark.parametrize("partitions", [-1, 1025])
def test_a_number_of_partitions_has_limits(partitions: int) -> None:
    with pytest.raises(Invalid, match=f"{partitions} partitions are not possible: choose 0 to"):
        migrations.partitioned("", partitions)


def test_a_partitioned_database_stays_so(fresh_database: FreshDatabase) -> None:
    steps = discover(PACKAGES, "postgres")
    with perdure.open(fresh_database(), migrate=False) as store:
        run = store.engine.administer
        run(lambda s: migrations.up(s, steps[:-1], now=NOW, partitions=4))
        run(lambda s: migrations.up(s, steps, now=NOW))
        (last,) = run(lambda s: migrations.down(s, steps, steps=1))
        assert last == steps[-1]
        assert run(migrations._partitions) == 4


def test_files_that_are_no_migrations_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name in ("0002_b.sql", "0001_a.sql", "0001_a.down.sql", "0002_b.down.sql", "notes.sql"):
        (folder / name).write_text(f"-- {name}")
    (folder / "0001_a.postgres.sql").write_text("-- there")
    (folder / "0002_b.down.postgres.sql").write_text("-- there, down")
    here, there = (discover([("p", tmp_path)], dialect) for dialect in ("sqlite", "postgres"))
    assert labels(here) == labels(there) == ["p 0001 a", "p 0002 b"]
    assert [(one.up, one.down) for one in there] == [
        ("-- there", "-- 0001_a.down.sql"), ("-- 0002_b.sql", "-- there, down"),
    ]  # fmt: skip
