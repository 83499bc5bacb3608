"""The store as the composition root: opening, connecting, closing, whose subject it is."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import perdure
from perdure.store import DEFAULT_SUBJECT, AsyncStore, open_vault
from perdure.testing import SettableClock
from perdure.testing.conformance.samples import note, notes
from perdure.vault import KeyFile, Vault
from tests.fix.postgres import FreshDatabase


def test_a_file_speaks_for_the_default_user(tmp_path: Path) -> None:
    with perdure.open(tmp_path / "store.db") as store:
        store.transact(note("mine"))
        assert store.subject(DEFAULT_SUBJECT).transact(notes) == ["mine"]
    with perdure.open(os.fspath(tmp_path / "store.db"), subject="ada") as store:
        assert store.transact(notes) == []


def test_a_server_speaks_for_nobody_until_told(fresh_database: FreshDatabase) -> None:
    with perdure.open(fresh_database()) as store:
        with pytest.raises(perdure.Invalid, match=r"call store.subject\('...'\) first"):
            store.transact(notes)
        with pytest.raises(perdure.Invalid, match=r"call store.subject\('...'\) first"):
            store.transaction().__enter__()


def test_a_subject_is_checked_at_the_door(tmp_path: Path) -> None:
    async def connect() -> None:
        await perdure.connect(tmp_path / "store.db", subject="")

    with pytest.raises(perdure.Invalid, match="the subject is empty"):
        perdure.open(tmp_path / "store.db", subject="")
    with pytest.raises(perdure.Invalid, match="the subject is empty"):
        asyncio.run(connect())


def test_a_clock_of_ones_own_is_used(tmp_path: Path) -> None:
    clock = SettableClock()
    with perdure.open(tmp_path / "store.db", clock=clock) as store:
        first = store.souls.publish(core_identity="Curious.")
        clock.advance(60)
        second = store.souls.publish(core_identity="Curious.")
    assert (second.created_at - first.created_at).total_seconds() == 60
    assert first.id.startswith("019b76da-a800-7000-8000-0000000000")


def test_connecting_is_awaited_or_entered(tmp_path: Path) -> None:
    async def main() -> None:
        opened: AsyncStore = await perdure.connect(tmp_path / "store.db")
        await opened.transact(note("awaited"))
        await opened.close()
        async with perdure.connect(tmp_path / "store.db") as store:
            assert await store.transact(notes) == ["awaited"]
            assert await store.once("k").transact(note("x")) == [2]
            assert await store.once("k").transact(note("x")) == [2]
        with pytest.raises(perdure.Unavailable, match="the store is closed"):
            await store.transact(notes)

    asyncio.run(main())


def test_a_connection_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    async def main() -> None:
        async with perdure.connect(tmp_path / "nowhere" / "store.db"):
            raise AssertionError

    with pytest.raises(perdure.Unavailable):
        asyncio.run(main())


def test_a_connection_that_was_never_opened_can_be_left() -> None:
    asyncio.run(perdure.connect("memory:").__aexit__(None, None, None))


def test_the_operations_of_a_face_are_listed_with_their_groups() -> None:
    from perdure.domains.souls import Souls
    from perdure.kernel.operations import operations

    found = dict(operations(Souls))
    assert [found[name].is_write for name in ("publish", "current", "milestones.add")] == [
        True, False, True,
    ]  # fmt: skip


def test_an_operation_has_a_name_a_doc_and_a_signature() -> None:
    from perdure.domains.souls import Souls, operations

    assert Souls.publish.name == "publish"
    assert Souls.publish.__doc__ == operations.publish.__doc__
    assert "tx" not in Souls.publish.signature.parameters
    with perdure.open("memory:") as store:
        assert store.souls.publish.__name__ == "publish"
        assert store.souls.publish.__doc__ == operations.publish.__doc__
        assert store.transact(lambda tx: Souls.publish(tx, core_identity="x")).version == 1


def test_a_key_store_is_no_store(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "keys.db", master=KeyFile(tmp_path / "master.key"), create=True)
    open_vault(vault).close()
    with pytest.raises(perdure.Invalid, match="this database is a key store"):
        perdure.open(tmp_path / "keys.db")
    open_vault(vault).close()  # and still is one
