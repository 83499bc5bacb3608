"""What every engine refuses, looked at from inside: a fork's view, late helpers, surplus files."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import perdure
from perdure.engines import folder, postgres, sqlite_background
from perdure.engines.guards import Guard
from perdure.engines.postgres import PostgresEngine
from perdure.engines.sqlite import SqliteEngine
from perdure.errors import Internal, Invalid
from perdure.testing.conformance.samples import note, notes
from tests.conformance.databases import Emptied


@pytest.fixture(params=["file", "folder", "server"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "server":
        emptied: Emptied = request.getfixturevalue("emptied")
        return emptied(0)
    return f"{tmp_path}/store" + ("/" if request.param == "folder" else ".db")


def test_a_fork_can_neither_use_nor_close_what_is_its_parents(target: str) -> None:
    """The real fork is in the conformance suite; here the guard only believes to be in one."""
    with perdure.open(target, subject="ada") as store:
        store.transact(note("parent"))
        guard: Guard = store.engine._guard  # type: ignore[attr-defined]
        guard._process += 1
        for call in (lambda: store.transact(notes), store.souls.history):
            with pytest.raises(Invalid, match="opened before a fork: open it in the child"):
                call()
        store.close()
        guard._process -= 1
        assert store.transact(notes) == ["parent"]


def test_only_so_many_files_of_a_folder_stay_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "FILES_OPEN_MAX", 3)
    with perdure.open(f"{tmp_path}/store/") as store:
        engine = store.engine
        assert isinstance(engine, folder.FolderEngine)
        for number in range(9):
            store.subject(str(number)).transact(note(str(number)))
            assert len(engine._open) <= 3
        assert [store.subject(str(n)).transact(notes) for n in range(9)] == [
            [str(n)] for n in range(9)
        ]
        assert len(list(store.log.read())) == 9


def test_a_helper_that_is_called_after_close_does_not_start() -> None:
    def unused(*_: object) -> None:
        raise AssertionError

    news = postgres._News("", unused, unused)  # type: ignore[arg-type]
    background = sqlite_background.Background(unused, unused, unused)  # type: ignore[arg-type]
    before = threading.active_count()
    for helper in (news, background):
        helper.close()
    news.tell()
    news.listen()
    background.poll()
    background.checkpoint()
    assert threading.active_count() == before


def test_a_driver_s_error_of_a_reading_script_is_translated(tmp_path: Path) -> None:
    with perdure.open(tmp_path / "store.db") as store:
        assert isinstance(store.engine, SqliteEngine)
        with pytest.raises(Internal):
            store.engine.read("ada", lambda session: session.script("nonsense"))


def test_a_group_of_nobody_is_no_group(tmp_path: Path) -> None:
    async def main(store: perdure.AsyncStore) -> None:
        engine = store._engine
        assert isinstance(engine, SqliteEngine)
        with engine._groups._turn:  # somebody else leads
            waiting = asyncio.ensure_future(store.transact(note("never")))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.sleep(0)
        while engine._groups._queue:  # the writer thread finds nobody in it
            await asyncio.sleep(0.001)
        await store.transact(note("kept"))
        assert await store.transact(notes) == ["kept"]

    async def opened() -> None:
        async with perdure.connect(tmp_path / "store.db") as store:
            await main(store)

    asyncio.run(opened())


def test_a_pooler_is_noticed_and_nothing_is_prepared_behind_it(
    emptied: Emptied, request: pytest.FixtureRequest
) -> None:
    url = emptied(0)
    pooled = request.getfixturevalue("pgbouncer").through(url)
    for one, is_pooled in ((url, False), (pooled, True)):
        with perdure.open(one, subject="ada") as store:
            assert isinstance(store.engine, PostgresEngine)
            with store.engine._connection() as connection:
                assert (connection.prepare_threshold is None) == is_pooled
