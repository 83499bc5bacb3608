"""SQLite's own edges: errors provoked for real, checkpoints, versions, watching."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import perdure
from perdure.engines import sqlite, sqlite_background
from perdure.engines.sqlite import SqliteEngine
from perdure.engines.sqlite_errors import require_safe_version, translate
from perdure.errors import (
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    PerdureError,
    Tampered,
    TooLarge,
    Unavailable,
)
from perdure.kernel import Transaction
from perdure.kernel.engine import Session
from perdure.kernel.log import statements
from perdure.testing.conformance.samples import SampleNoted, note, notes

HELD = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("begin immediate")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[perdure.Store]:
    with perdure.open(path) as opened:
        yield opened


def engine_of(store: perdure.Store) -> SqliteEngine:
    assert isinstance(store.engine, SqliteEngine)
    return store.engine


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0", "3.50.7", "3.50.9", "3.44.6"])
def test_a_sound_sqlite_is_taken(version: str) -> None:
    require_safe_version(version)


@pytest.mark.parametrize("version", ["3.51.2", "3.51.0", "3.50.6", "3.45.0", "3.44.5", "3.7.0"])
def test_a_sqlite_that_corrupts_is_refused(version: str) -> None:
    with pytest.raises(Unavailable, match=f"SQLite {version} can corrupt WAL databases"):
        require_safe_version(version)


def test_a_full_disk_is_unavailable_and_writing_goes_on_when_there_is_room(
    store: perdure.Store,
) -> None:
    store.transact(note("before"))
    writer = engine_of(store)._writer
    pages = writer.pragma("page_count")
    writer.pragma("max_page_count", pages + 1)
    big = "x" * 100_000
    with pytest.raises(Unavailable, match="the disk is full: make space and retry"):
        store.transact(note(big))
    with pytest.raises(Unavailable, match="the disk is full"), store.transaction() as tx:
        note(big)(tx)
    assert store.transact(notes) == ["before"]
    writer.pragma("max_page_count", 1_000_000)
    store.transact(note(big))
    assert writer.pragma("integrity_check") == "ok"


def test_a_unit_that_swallows_a_full_disk_keeps_nothing(store: perdure.Store) -> None:
    writer = engine_of(store)._writer
    writer.pragma("max_page_count", writer.pragma("page_count") + 1)

    def unit(tx: Transaction) -> None:
        for text in ("x" * 100_000, "small"):
            with pytest.raises(Unavailable):
                tx.append("note-a", SampleNoted(text))

    with pytest.raises(Unavailable, match="the disk is full"):
        store.transact(unit)
    assert store.transact(notes) == []


def test_a_file_that_another_program_holds_is_unavailable(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 20)
    with perdure.open(path) as store:
        command = [sys.executable, "-c", HELD, os.fspath(path)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(Unavailable, match="another process holds the file: retry"):
                store.transact(note("x"))
            with pytest.raises(NotFound):
                store.souls.current()  # readers never wait
            other.communicate("")
        assert store.transact(note("x")) == [1]


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"?" * 500]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Tampered, match=r"is no SQLite database: check the path|is damaged"):
        perdure.open(path)
    assert path.read_bytes() == content


def test_a_place_that_can_not_hold_a_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"can not be opened .No such file or directory."):
        perdure.open(tmp_path / "nowhere" / "store.db")
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="Not a directory"):
        perdure.open(tmp_path / "file" / "store.db")
    with pytest.raises(Unavailable, match=r"can not be made \(Not a directory\)"):
        perdure.open(f"{tmp_path / 'file' / 'folder'}/")


def test_an_unknown_durability_is_refused(path: Path) -> None:
    with pytest.raises(Invalid, match="durability 'fast' is unknown: full or normal"):
        perdure.open(path, durability="fast")
    with perdure.open(path, durability="normal") as store:
        assert engine_of(store).pragma("synchronous") == 1


REAL: list[tuple[type[apsw.Error], type[PerdureError]]] = [
    (apsw.FullError, Unavailable), (apsw.BusyError, Unavailable), (apsw.IOError, Unavailable),
    (apsw.CantOpenError, Unavailable), (apsw.ReadOnlyError, Forbidden),
    (apsw.PermissionsError, Forbidden), (apsw.CorruptError, Tampered), (apsw.NotADBError, Tampered),
    (apsw.TooBigError, TooLarge), (apsw.ConstraintError, perdure.Conflict),
    (apsw.InterruptError, Unavailable), (apsw.MisuseError, Internal), (apsw.SQLError, Internal),
]  # fmt: skip


@pytest.mark.parametrize(("theirs", "ours"), REAL, ids=lambda one: one.__name__)
def test_every_error_has_its_own(theirs: type[apsw.Error], ours: type[PerdureError]) -> None:
    told = translate(theirs("secret"))
    assert type(told) is ours
    assert isinstance(told, PerdureError)
    assert told.remedy
    assert "secret" not in str(told)


def test_an_unknown_error_is_told_to_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(translate(apsw.MisuseError("x")), Internal)
    assert "unexpected error of SQLite: MisuseError" in caplog.text
    assert isinstance(translate(OverflowError()), Invalid)
    other = KeyError()
    assert translate(other) is other


def test_a_reader_of_a_file_that_was_made_unreadable_is_told(store: perdure.Store) -> None:
    connection = engine_of(store)._connect()
    connection.pragma("query_only", "on")
    session = sqlite.SqliteSession(connection)
    with pytest.raises(Forbidden, match="the file is read-only"):
        session.rows(statements.take_position, {"slice": 1})
    with pytest.raises(Forbidden, match="the file is read-only"):
        session.settle()
    connection.close()


def test_a_changed_folder_of_the_process_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with perdure.open("store.db") as store:
        store.transact(note("x"))
        engine_of(store)._idle.clear()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert [one.event.text for one in store.log.read()] == ["x"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_wal_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_background, "WAL_PAGES_SOFT", 5)
    monkeypatch.setattr(sqlite_background, "WAL_PAGES_HARD", 20)
    with perdure.open(path) as store:
        for number in range(200):
            store.transact(note(str(number)))
        assert path.with_name("store.db-wal").stat().st_size < 400 * 4096


def test_a_reader_in_the_way_of_a_checkpoint_does_not_stop_the_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_background, "WAL_PAGES_SOFT", 2)
    monkeypatch.setattr(sqlite_background, "WAL_PAGES_HARD", 5)
    with perdure.open(path) as store:
        store.transact(note("first"))
        is_reading, may_end = threading.Event(), threading.Event()

        def slow(session: Session) -> None:
            session.rows(statements.heads, {})
            is_reading.set()
            may_end.wait(20)

        reader = threading.Thread(target=engine_of(store).read, args=["", slow])
        reader.start()
        is_reading.wait(5)
        start = time.monotonic()
        for number in range(4):
            store.transact(note("x" * 9_000 + str(number)))
        took = time.monotonic() - start
        may_end.set()
        reader.join()
        assert took < 2, f"{took:.1f} s: a writer waited for a reader"
