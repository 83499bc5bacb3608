"""Records between people: readable by the vault while all of them are there, then by nobody."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

import perdure
from perdure.errors import Forgotten, Invalid, LockedOut, PerdureError, Tampered
from perdure.vault import Vault

TEXT = "Ada told Bob what she dreamt. ⟦person:1⟧ was there."


@pytest.fixture
def store(target: str, vault: Vault) -> Iterator[perdure.Store]:
    with perdure.open(target, vault=vault) as opened:
        yield opened


def test_a_shared_record_is_sealed_and_opens(store: perdure.Store) -> None:
    record = store.seal_between(TEXT, "ada", "bob")
    assert "dreamt" not in record
    assert b"dreamt" not in b64decode(record)
    assert record != store.seal_between(TEXT, "ada", "bob")
    assert store.open_between(record) == TEXT


def test_it_can_stand_in_anybodys_record(store: perdure.Store) -> None:
    record = store.seal_between(TEXT, "ada", "bob")
    store.subject("ada").souls.milestones.add("a dream", lesson_learned=record)
    (milestone,) = store.subject("ada").souls.milestones.list()
    assert store.open_between(milestone.lesson_learned) == TEXT


@pytest.mark.parametrize("gone", ["ada", "bob", "cleo"])
def test_forgetting_one_erases_it_for_all(store: perdure.Store, gone: str) -> None:
    record = store.seal_between(TEXT, "ada", "bob", "cleo")
    store.forget(gone)
    with pytest.raises(Forgotten, match="a person this record is about was forgotten"):
        store.open_between(record)


def test_one_that_survives_is_gone_with_the_last(store: perdure.Store) -> None:
    record = store.seal_between(TEXT, "ada", "bob", survives=True)
    store.forget("ada")
    assert store.open_between(record) == TEXT
    store.forget("bob")
    with pytest.raises(Forgotten):
        store.open_between(record)


@pytest.mark.parametrize("people", [(), ("ada",), ("ada", "ada"), tuple(map(str, range(17)))])
def test_it_is_about_two_or_more(store: perdure.Store, people: tuple[str, ...]) -> None:
    with pytest.raises(Invalid, match="a shared record has"):
        store.seal_between(TEXT, *people)


def test_no_byte_of_it_may_change(store: perdure.Store) -> None:
    raw = b64decode(store.seal_between(TEXT, "ada", "bob"))
    for place in range(0, len(raw), 3):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(PerdureError) as told:
            store.open_between(b64encode(changed).decode())
        assert isinstance(told.value, (Tampered, LockedOut, Forgotten)), place


@pytest.mark.parametrize(
    "record", ["", "plain text", "AAAA", b64encode(b"perdure/shared/1").decode()]
)
def test_what_is_none_is_refused_by_name(store: perdure.Store, record: str) -> None:
    with pytest.raises(Tampered, match="this is no shared record"):
        store.open_between(record)


def test_without_a_vault_there_are_none(tmp_path: Path) -> None:
    with perdure.open(tmp_path / "clear.db") as store, pytest.raises(LockedOut, match="no vault"):
        store.seal_between(TEXT, "ada", "bob")


async def _between(target: str, vault: Vault) -> str:
    async with perdure.connect(target, vault=vault) as store:
        return await store.open_between(await store.seal_between(TEXT, "ada", "bob"))


def test_coroutines_have_the_same(target: str, vault: Vault) -> None:
    import asyncio

    assert asyncio.run(_between(target, vault)) == TEXT
