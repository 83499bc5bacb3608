"""Corners of forgetting: nothing here, done already, damaged, in the way of another process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import perdure
from perdure.engines import shredding
from perdure.errors import Invalid, Tampered, Unavailable
from perdure.kernel import forgetting, tables
from perdure.kernel.clock import SystemClock
from perdure.kernel.forgetting import Place, Run
from perdure.kernel.retention import Keep
from perdure.vault import KeyFile, Vault


def test_who_only_another_store_knows_is_forgotten_here_too(tmp_path: Path, vault: Vault) -> None:
    """One vault, two stores: the folder never had a file of hers."""
    with perdure.open(tmp_path / "one.db", vault=vault) as one:
        one.subject("ada").souls.publish(core_identity="Ada.")
    with perdure.open(f"{tmp_path}/two/", vault=vault) as two:
        receipt = two.forget("ada")
        assert (receipt.rows, receipt.events) == ({}, 0)
        with pytest.raises(perdure.Forgotten):
            two.subject("ada").souls.publish(core_identity="Back.")
        assert not list((tmp_path / "two" / "agents").glob("*"))


@pytest.mark.parametrize("is_sealed", [False, True])
def test_steps_that_are_taken_again_change_nothing(
    tmp_path: Path, vault: Vault, *, is_sealed: bool
) -> None:
    """As when two processes forget the same subject, and one of them is late."""
    with perdure.open(tmp_path / "a.db", vault=vault if is_sealed else None) as store:
        store.subject("ada").souls.publish(core_identity="Ada.")
        place = forgetting.begin(store.engine, store.keys, "ada")
        receipt = forgetting.run(Run(place, SystemClock()))
        late = Place(store.engine, store.keys, place.subject)
        assert forgetting.run(Run(late, SystemClock())) == receipt


def test_a_damaged_file_of_its_own_is_told(tmp_path: Path) -> None:
    with perdure.open(f"{tmp_path}/store/") as store:
        store.subject("ada").souls.publish(core_identity="Ada.")
    (file,) = (tmp_path / "store" / "agents").glob("*/memory.sqlite")
    file.write_bytes(b"no database" * 1_000)
    with perdure.open(f"{tmp_path}/store/") as store:
        with pytest.raises(Tampered):
            store.forget("ada")
        with pytest.raises(Tampered), store.engine.home("ada"):
            pass


def test_a_file_that_vanishes_while_it_is_opened_is_another_processs_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with perdure.open(f"{tmp_path}/store/") as store:
        store.subject("ada").souls.publish(core_identity="Ada.")
    (file,) = (tmp_path / "store" / "agents").glob("*/memory.sqlite")
    with perdure.open(f"{tmp_path}/store/") as store:

        def vanish(*_: object) -> None:
            file.unlink()
            raise Tampered("the file is no SQLite database")

        monkeypatch.setattr(store.engine, "_take", vanish)
        gone = pytest.raises(Unavailable, match="another process is removing the file")
        with gone, store.engine.home("ada"):
            pass


def test_a_folder_that_is_gone_needs_no_shredding(tmp_path: Path) -> None:
    shredding.shred_all(tmp_path / "nowhere")


def test_a_folder_that_can_not_go_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(Path, "rmdir", refuse)
    (tmp_path / "hers").mkdir()
    with pytest.raises(Unavailable, match="can not be removed"):
        shredding.shred_all(tmp_path / "hers")


def test_coroutines_retain(tmp_path: Path) -> None:
    async def main() -> dict[str, int]:
        async with perdure.connect(tmp_path / "a.db") as store:
            ada = store.subject("ada")
            for text in ("one", "two"):
                await ada.souls.milestones.add(text, lesson_learned="")
            return await store.retain({"souls.milestones": Keep(count=1)})

    assert asyncio.run(main()) == {"outcomes": 0, "souls.milestones": 1}


def test_a_table_of_nobody_is_no_read_model(tmp_path: Path) -> None:
    with (
        perdure.open(tmp_path / "a.db") as store,
        pytest.raises(Invalid, match="the table perdure_slices has no key or no subject"),
    ):
        store.engine.read("", lambda s: tables.described(s, {"x": ["perdure_slices"]}))


@pytest.mark.parametrize("target", ["memory:", "keys/", "mysql://x"])
def test_a_key_store_is_a_file_or_a_database(tmp_path: Path, target: str) -> None:
    vault = Vault(target, master=KeyFile(tmp_path / "master.key"), create=True)
    with pytest.raises(Invalid, match="a key store is a file or a database"):
        perdure.open(tmp_path / "a.db", vault=vault)
