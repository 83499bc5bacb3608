"""An empty store on each engine, and a second look at the same data.

A test file whose stores shall also be opened with a vault gives ``how`` what ``seals`` gives.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import perdure
from tests.fix.postgres import FreshDatabase

# again() opens the same data once more, as the next process would.
Again = Callable[[], perdure.Store]
How = dict[str, Any]


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store may live: a file, or a database of its own."""
    if request.param == "sqlite":
        return os.fspath(tmp_path / "store.db")
    fresh: FreshDatabase = request.getfixturevalue("fresh_database")
    return fresh()


@pytest.fixture
def how() -> How:
    """What `open` and `connect` are told besides: nothing."""
    return {}


@pytest.fixture
def again(target: str, how: How) -> Iterator[Again]:
    """Open the target, as often as a test wants; everything is closed behind it."""
    opened: list[perdure.Store] = []

    def make() -> perdure.Store:
        opened.append(perdure.open(target, subject="default_user", **how))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(again: Again) -> perdure.Store:
    """An open store on each engine."""
    return again()
