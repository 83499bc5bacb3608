"""What somebody may try who can write to the data, or to the folder of the key store."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import apsw
import pytest

import perdure
from perdure import ops
from perdure.errors import Forgotten, LockedOut, Unavailable
from perdure.kernel.transaction import slice_of
from perdure.kernel.units import Context
from perdure.portable.exporting import Export
from perdure.store import open_vault
from perdure.testing import SettableClock
from perdure.vault import Vault, Wrapped
from perdure.vault.receipt import check_receipt
from perdure.vault.rotation import rewrap, rotate


@pytest.fixture
def store(tmp_path: Path, vault: Vault) -> perdure.Store:
    """A sealed store with two people, closed and open at once: see `change`."""
    with perdure.open(tmp_path / "a.db", vault=vault) as made:
        for name in ("ada", "bob"):
            made.subject(name).souls.publish(core_identity=f"I am {name}.")
    return made


def change(path: Path, statement: str, *values: object) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement, values)
    connection.close()


@pytest.mark.parametrize("done", [0, 1])
@pytest.mark.parametrize("text", ["forged", "{}", "not json"])
def test_a_planted_receipt_neither_stops_forgetting_nor_gets_signed(
    tmp_path: Path, vault: Vault, store: perdure.Store, done: int, text: str
) -> None:
    with perdure.open(tmp_path / "a.db", vault=vault) as opened:
        assert opened.keys is not None
        ada, bob = (opened.keys.owner(name, create=False).subject for name in ("ada", "bob"))
        forged = {
            "handle": bob, "vault": opened.keys.id, "begun_at": "2026-01-01T00:00:00+00:00",
            "stores": ["sqlite"], "rows": {"soul_versions": 9999}, "format": "perdure-receipt-1",
        }  # fmt: skip
    change(
        tmp_path / "a.db",
        "insert into perdure_tombstones (slice, subject, at, receipt, done) values (?, ?, 1, ?, ?)",
        slice_of(ada), ada, json.dumps(forged) if text == "forged" else text, done,
    )  # fmt: skip
    with perdure.open(tmp_path / "a.db", vault=vault) as opened:
        assert opened.keys is not None
        receipt = opened.forget("ada")
        assert (receipt.handle, receipt.rows, receipt.events) == (ada, {"soul_versions": 1}, 1)
        assert check_receipt(receipt, opened.keys.public_key) == receipt
        assert opened.subject("bob").souls.current().version == 1
        assert ops.verify(opened, deep=True).is_sound


def test_a_key_that_came_back_with_an_old_key_store_is_told(
    tmp_path: Path, vault: Vault, store: perdure.Store
) -> None:
    shutil.copy(tmp_path / "keys.db", tmp_path / "old.db")
    with perdure.open(tmp_path / "a.db", vault=vault) as opened:
        opened.forget("ada")
    shutil.copy(tmp_path / "old.db", tmp_path / "keys.db")
    with perdure.open(tmp_path / "a.db", vault=vault) as opened:
        with pytest.raises(Forgotten):
            opened.subject("ada").souls.current()
        (finding,) = ops.verify(opened).findings
        assert finding.kind == "forgotten_key_is_back"
        opened.forget("ada")
        assert ops.verify(opened).is_sound


def test_a_key_store_that_was_replaced_takes_no_more_keys_and_destroys_none(
    tmp_path: Path, vault: Vault, store: perdure.Store
) -> None:
    """What is written to a file that nobody will open again is lost, or was never destroyed."""
    with perdure.open(tmp_path / "a.db", vault=vault) as opened:
        (tmp_path / "keys.db").rename(tmp_path / "away.db")
        shutil.copy(tmp_path / "away.db", tmp_path / "keys.db")
        for attempt in (
            lambda: opened.forget("ada"),
            lambda: opened.subject("zoe").souls.publish(core_identity="Zoe."),
        ):
            with pytest.raises(Unavailable, match="the key store was replaced or removed"):
                attempt()
        (tmp_path / "keys.db").unlink()
        assert opened.keys is not None
        with pytest.raises(Unavailable, match="the key store was replaced or removed"):
            rotate(opened.keys)  # type: ignore[arg-type]
        (tmp_path / "away.db").rename(tmp_path / "keys.db")
        assert opened.forget("ada").events == 1


def test_nothing_that_may_end_in_a_log_holds_a_secret(tmp_path: Path) -> None:
    context = Context("ada@example.com", SettableClock(), key="message-17", actor="eve")
    with perdure.open(tmp_path / "a.db") as opened:
        export = Export(opened.engine, context, {}, "a good passphrase", print)
        text = repr(export)
    for secret in ("ada@example.com", "message-17", "eve", "a good passphrase"):
        assert secret not in text


@pytest.mark.parametrize("wrap", [lambda _: b"x", lambda _: 7, lambda key: key[::-1]])
def test_a_key_service_that_does_not_give_back_is_refused_before_anything_depends_on_it(
    tmp_path: Path, vault: Vault, store: perdure.Store, wrap: object
) -> None:
    broken = Wrapped(wrap, lambda wrapped: wrapped)  # type: ignore[arg-type]
    keyring = open_vault(vault)
    with pytest.raises(Unavailable, match="the key service"):
        rewrap(keyring, broken)
    keyring.close()
    with perdure.open(tmp_path / "a.db", vault=vault) as opened:
        assert opened.subject("zoe").souls.publish(core_identity="Zoe.").version == 1


def test_what_a_key_service_says_in_its_error_is_not_repeated(tmp_path: Path) -> None:
    def refuse(given: bytes) -> bytes:
        raise RuntimeError(given.hex())

    vault = Vault(tmp_path / "k.db", master=Wrapped(refuse, refuse), create=True)
    with pytest.raises(Unavailable) as told:
        open_vault(vault)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_a_coroutine_waits_for_keys_in_a_thread(tmp_path: Path, vault: Vault) -> None:
    async def main() -> int:
        async with perdure.connect(tmp_path / "a.db", vault=vault) as opened:
            for name in ("ada", "bob", "ada"):
                await opened.subject(name).souls.publish(core_identity=name)
            return (await opened.subject("ada").souls.current()).version

    assert asyncio.run(main()) == 2
    (tmp_path / "keys.db").unlink()
    with pytest.raises(LockedOut):
        perdure.open(tmp_path / "a.db", vault=Vault(vault.target, vault.master))
