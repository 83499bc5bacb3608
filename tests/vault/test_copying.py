"""A copy of the key store: whole, of one moment, never over anything, into either kind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure.errors import Conflict, Forgotten, Unavailable
from perdure.vault import Keyring, copying
from perdure.vault.copying import Copied, copy
from perdure.vault.rotation import rotate
from perdure.vault.status import status
from tests.fix.postgres import FreshDatabase
from tests.vault.kills import check, sealed_in
from tests.vault.rings import Place, engine_at


@pytest.fixture
def sealed(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr(copying, "PAGE_ROWS", 2)
    made = sealed_in(ring)
    ring.owner("forgotten", create=True)
    handle = ring.begin_forgetting("forgotten")
    ring.destroy_keys(handle)
    ring.finish_forgetting(handle)
    ring.owner("half forgotten", create=True)
    ring.begin_forgetting("half forgotten")
    return made


def beside(place: Place, target: str) -> Place:
    """The same master key, another key store."""
    return Place(target, place.folder)


@pytest.fixture(params=["file", "database"])
def target(request: pytest.FixtureRequest, place: Place, fresh_database: FreshDatabase) -> str:
    """Where the copy goes: the same kind of database, or the other one."""
    return str(place.folder / "copy.db") if request.param == "file" else fresh_database()


def test_a_copy_holds_everything_and_works(
    place: Place, ring: Keyring, sealed: dict[str, bytes], target: str
) -> None:
    done = copy(ring, target, engine_at)
    assert done == Copied("the database" if "://" in target else target, subjects=7, keys=6)
    with beside(place, target).ring() as other:
        assert status(other) == status(ring)
        assert other.public_key == ring.public_key
        (half,) = other.forgetting()
        assert half in other.forgetting()
        with pytest.raises(Forgotten):
            other.owner("forgotten", create=True)
        check(other, sealed)
        rotate(other)


def test_a_copy_is_its_owners_file(file_place: Place) -> None:
    with file_place.ring(create=True) as ring:
        target = file_place.folder / "copy.db"
        copy(ring, target, engine_at)
        assert target.stat().st_mode & 0o777 == 0o600
        assert {path.name for path in file_place.folder.iterdir()} >= {"copy.db", "keys.db"}
        assert not (file_place.folder / ".copy.db.perdure-copy").exists()


@pytest.mark.parametrize("suffix", ["", "-wal", "-turn"])
def test_a_copy_is_never_written_over_anything(file_place: Place, suffix: str) -> None:
    there = file_place.folder / f"copy.db{suffix}"
    there.write_text("precious")
    with file_place.ring(create=True) as ring, pytest.raises(Conflict, match="exists"):
        copy(ring, file_place.folder / "copy.db", engine_at)
    assert there.read_text() == "precious"


def test_a_database_with_a_key_store_is_not_copied_into(
    place: Place, ring: Keyring, fresh_database: FreshDatabase
) -> None:
    target = fresh_database()
    copy(ring, target, engine_at)
    with pytest.raises(Conflict, match="a key store already"):
        copy(ring, target, engine_at)


def came_meanwhile(source: Path, target: Path) -> None:
    target.write_text("precious")
    raise FileExistsError(17, "File exists", os.fspath(source))


def full(source: Path, target: Path) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("link", [came_meanwhile, full])
def test_a_copy_that_fails_leaves_nothing(
    file_place: Place, link: Callable[[Any, Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = file_place.folder / "copy.db"
    draft = file_place.folder / ".copy.db.perdure-copy"
    draft.write_text("what a killed copy left")
    with file_place.ring(create=True) as ring:
        monkeypatch.setattr(os, "link", link)
        with pytest.raises(Unavailable, match="can not be written"):
            copy(ring, target, engine_at)
    assert not draft.exists()
    assert target.exists() is (link is came_meanwhile)
