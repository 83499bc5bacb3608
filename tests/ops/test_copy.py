"""A copy of a store in use: whole, verified, and never half there."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import perdure
from perdure.ops.copy import copy
from perdure.ops.verify import verify, witness
from tests.fix.postgres import FreshDatabase
from tests.ops.damage import OTHER, SUBJECT, damage, fill, last_read, note
from tests.servers import postgres_bin


@pytest.fixture(params=["store.db", "store/"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file, or a folder."""
    return f"{tmp_path}/{request.param}"


@pytest.fixture
def filled(place: str) -> Iterator[perdure.Store]:
    """An open store with a history."""
    with perdure.open(place) as store:
        fill(store)
        yield store


def names(folder: Path) -> list[str]:
    """List what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_copy_holds_the_same(filled: perdure.Store, tmp_path: Path) -> None:
    target, pages = tmp_path / "copy", list[tuple[str, int, int]]()
    before = names(tmp_path)
    done = copy(filled, target, progress=lambda *heard: pages.append(heard))
    assert done.slices == witness(filled).slices
    assert done.files == (3 if target.is_dir() else 1)
    assert done.bytes > 10_000
    assert all(done <= total for _, done, total in pages)
    assert names(tmp_path) == sorted([*before, "copy"])
    with perdure.open(target) as twin:
        assert last_read(twin) == last_read(filled)
        assert verify(twin, head=witness(filled), deep=True).is_sound


def test_only_the_owner_may_read_a_copy(filled: perdure.Store, tmp_path: Path) -> None:
    copy(filled, tmp_path / "copy")
    files = [p for p in (tmp_path / "copy", *(tmp_path / "copy").rglob("*")) if p.is_file()]
    assert [oct(path.stat().st_mode)[-3:] for path in files] == ["600"] * len(files)


def test_a_store_in_memory_can_be_kept(tmp_path: Path) -> None:
    with perdure.open("memory:") as store:
        fill(store)
        copy(store, tmp_path / "kept.db")
        with perdure.open(tmp_path / "kept.db") as twin:
            assert last_read(twin) == last_read(store)


@pytest.mark.parametrize("there", ["copy", "copy-wal", "copy-turn"])
def test_an_existing_target_is_refused(filled: perdure.Store, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(perdure.Conflict, match=f"{there} exists: name a place where nothing is"):
        copy(filled, tmp_path / "copy")
    assert (tmp_path / there).read_text() == "mine"


def test_a_target_that_appears_meanwhile_is_kept(filled: perdure.Store, tmp_path: Path) -> None:
    target = tmp_path / "copy"

    def appear(*_: object) -> None:
        target.mkdir(exist_ok=True)
        (target / "mine").touch()

    with pytest.raises((perdure.Conflict, perdure.Unavailable)):
        copy(filled, target, progress=appear)
    assert names(target) == ["mine"]


def test_a_target_without_a_folder_is_refused(filled: perdure.Store, tmp_path: Path) -> None:
    with pytest.raises(perdure.Invalid, match=r"there is no folder .*nowhere: make it first"):
        copy(filled, tmp_path / "nowhere" / "copy")


def test_an_interrupted_copy_leaves_nothing(filled: perdure.Store, tmp_path: Path) -> None:
    before = names(tmp_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(filled, tmp_path / "copy", progress=stop)
    assert names(tmp_path) == before


KILLED = """
import os, signal, sys
import perdure
from perdure.ops.copy import copy
with perdure.open(sys.argv[1]) as store:
    copy(store, sys.argv[2], progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_copy_leaves_no_target_and_the_next_one_tidies_up(
    filled: perdure.Store, place: str, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    command = [sys.executable, "-c", KILLED, place, str(target)]
    assert subprocess.run(command, check=False).returncode == -9
    assert not target.exists()
    copy(filled, target)
    assert [name for name in names(tmp_path) if "perdure-copy" in name] == []


def test_a_copy_of_a_tampered_store_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    with perdure.open(place) as store:
        fill(store)
    damage(str(place), ["delete from perdure_events where stream = 'note-b'"])
    with (
        perdure.open(place) as store,
        pytest.raises(perdure.Tampered, match="of the copy is not what the store holds"),
    ):
        copy(store, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_is_made_while_writers_write(filled: perdure.Store, tmp_path: Path) -> None:
    big = "x" * 100_000
    for _ in range(10):
        filled.subject(OTHER).transact(lambda tx: note(tx, "note-big", *[big] * 10))
    stop, pages = threading.Event(), list[int]()

    def write() -> None:
        while not stop.is_set():
            filled.subject(SUBJECT).transact(lambda tx: note(tx, "note-a", "more"))

    def heard(_what: str, done: int, total: int) -> None:
        pages.append(done if done < total else 0)

    writer = threading.Thread(target=write)
    writer.start()
    done = copy(filled, tmp_path / "copy", progress=heard)
    stop.set()
    writer.join()
    assert all(now >= before or not now for before, now in pairwise(pages))
    with perdure.open(tmp_path / "copy") as twin:
        assert verify(twin).is_sound
        assert witness(twin).slices == done.slices
    assert verify(filled, head={lane: mark.position for lane, mark in done.slices.items()}).is_sound


def test_postgres_is_pointed_to_pg_dump(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    with (
        perdure.open(fresh_database(), subject="x") as store,
        pytest.raises(perdure.Invalid, match="use its own tool: pg_dump --format=custom"),
    ):
        copy(store, tmp_path / "copy")


def test_a_follower_goes_on_after_dump_and_restore(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    old, new, dump = fresh_database(), fresh_database(), os.fspath(tmp_path / "dump")
    with perdure.open(old, subject="x") as store:
        fill(store)
        head, kept = store.log.head(), witness(store)
        store.subject(SUBJECT).transact(lambda tx: note(tx, "note-a", "seven"))
    tools = postgres_bin()
    for command in (
        [tools / "pg_dump", "--format=custom", f"--file={dump}", old],
        [tools / "pg_restore", "--exit-on-error", f"--dbname={new}", dump],
    ):
        subprocess.run(command, check=True, capture_output=True)
    with perdure.open(new, subject="x") as twin:
        twin.subject(SUBJECT).transact(lambda tx: note(tx, "note-a", "eight"))
        assert [recorded.event.text for recorded in twin.log.read(head)] == ["seven", "eight"]
        assert verify(twin, head=kept, deep=True).is_sound
