"""An empty place for a vault, on each kind of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.vault import Keyring
from tests.fix.postgres import FreshDatabase
from tests.vault.rings import Place


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a vault may be made."""
    if request.param == "sqlite":
        return Place(str(tmp_path / "keys.db"), tmp_path)
    fresh: FreshDatabase = request.getfixturevalue("fresh_database")
    return Place(fresh(), tmp_path)


@pytest.fixture
def file_place(tmp_path: Path) -> Place:
    """The same, in a file."""
    return Place(str(tmp_path / "keys.db"), tmp_path)


@pytest.fixture
def ring(place: Place) -> Iterator[Keyring]:
    """A new vault, open."""
    with place.ring(create=True) as made:
        yield made
