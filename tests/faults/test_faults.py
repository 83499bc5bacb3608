"""Each harness, short: its mutant has to be red first, then the product green.

Run a harness as a program for its full length; `docs/faults.md` has the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults import (
    diskfull,
    followers,
    fsyncerror,
    kill9,
    kill9_postgres,
    lostupdates,
    powercut,
)
from tests.faults.disk import missing_disk
from tests.faults.fsyncerror import missing_strace
from tests.faults.report import Report
from tests.faults.shims import missing_compiler
from tests.servers import Servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# room("red") is an empty folder for one run.
Room = Callable[[str], Path]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A folder of its own for each run of a harness."""

    def make(name: str) -> Path:
        (tmp_path / name).mkdir()
        return tmp_path / name

    return make


@pytest.fixture
def disks() -> None:
    """Skip where no disk can be made."""
    if reason := missing_disk():
        pytest.skip(reason)


def assert_red(report: Report) -> None:
    """The mutant has to be caught, or the harness is blind."""
    assert not report.is_green, report.text()


def assert_green(report: Report) -> None:
    """The product has to pass."""
    assert report.is_green, report.text()


def test_killed_sqlite_writers_lose_nothing_acknowledged(room: Room) -> None:
    assert_red(kill9.run(room("red"), rounds=10, mutant="ack-before-commit"))
    assert_green(kill9.run(room("green"), rounds=10))


def test_a_killed_postgres_and_killed_clients_lose_nothing_acknowledged(
    room: Room, servers: Servers
) -> None:
    assert_red(
        kill9_postgres.run(room("red"), rounds=15, mutant="ack-before-commit", servers=servers)
    )
    assert_green(kill9_postgres.run(room("green"), rounds=3, servers=servers))


def test_sqlite_followers_miss_nothing_and_repeat_nothing(room: Room) -> None:
    assert_red(followers.run(room("red"), rounds=1, mutant="read-by-sequence"))
    assert_green(followers.run(room("green"), rounds=1))


def test_postgres_followers_miss_nothing_and_repeat_nothing(room: Room, servers: Servers) -> None:
    how: dict[str, Any] = {"engine": "postgres", "servers": servers}
    assert_red(followers.run(room("red"), rounds=1, mutant="read-by-sequence", **how))
    assert_green(followers.run(room("green"), rounds=1, **how))


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_three_processes_count_to_exactly_600(room: Room, servers: Servers, engine: str) -> None:
    own = servers if engine == "postgres" else None
    how: dict[str, Any] = {"engine": engine, "servers": own}
    assert_red(lostupdates.run(room("red"), rounds=1, mutant="two-units-of-work", **how))
    assert_green(lostupdates.run(room("green"), rounds=1, **how))


@pytest.mark.usefixtures("disks")
@pytest.mark.skipif(bool(missing_compiler()), reason=missing_compiler())
def test_a_power_cut_loses_nothing_acknowledged(room: Room) -> None:
    assert_red(powercut.run(room("red"), rounds=2, mutant="lying-fsync"))
    assert_green(powercut.run(room("green"), rounds=3))


@pytest.mark.usefixtures("disks")
def test_a_power_cut_with_durability_normal_leaves_a_sound_file(room: Room) -> None:
    assert_green(powercut.run(room("green"), rounds=3, durability="normal"))


@pytest.mark.usefixtures("disks")
def test_a_full_disk_is_told_read_and_survived_without_reopening(room: Room) -> None:
    assert_red(diskfull.run(room("red"), rounds=2, mutant="swallow-errors"))
    assert_green(diskfull.run(room("green"), rounds=3))


@pytest.mark.skipif(bool(missing_strace()), reason=missing_strace())
def test_a_failed_fsync_is_told_and_nothing_acknowledged_is_missing(room: Room) -> None:
    assert_red(fsyncerror.run(room("red"), rounds=2, mutant="swallow-errors"))
    assert_green(fsyncerror.run(room("green"), rounds=3))
