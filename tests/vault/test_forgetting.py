"""Forgetting a subject: what goes, what stays, who is refused, and what the receipt says."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

import perdure
from perdure import ops
from perdure.engines import sqlite, sqlite_cleaning
from perdure.errors import Forgotten, Invalid, NotFound, PerdureError, Tampered, Unavailable
from perdure.kernel.receipts import Receipt
from perdure.vault import Vault
from perdure.vault.receipt import check_receipt
from tests.fix.postgres import FreshDatabase
from tests.fix.vaults import Opened
from tests.ops.damage import raw

THREAD = "00000000-0000-0000-0000-000000000001"


@pytest.fixture(params=["file", "folder", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may live; a folder too."""
    if request.param == "postgres":
        fresh: FreshDatabase = request.getfixturevalue("fresh_database")
        return fresh()
    return str(tmp_path / "store.db") if request.param == "file" else f"{tmp_path}/store/"


@pytest.fixture
def store(opened: Opened) -> perdure.Store:
    """A store in which Ada and Bob live."""
    made = opened()
    for name in ("ada", "bob"):
        fill(made, name)
    return made


def fill(store: perdure.Store, name: str) -> None:
    me = store.subject(name)
    me.once("k").souls.publish(core_identity=f"I am {name} the unmistakable.")
    me.souls.milestones.add(f"met {name}", lesson_learned="x", source_thread_id=THREAD)
    me.drift.observe(f"Hello, I am {name}.")


def whole(store: perdure.Store, name: str) -> list[object]:
    me = store.subject(name)
    return [me.souls.history(), me.souls.milestones.list(), me.drift.current(), me.audit.deeds()]


def test_nothing_is_left_but_the_chain(store: perdure.Store) -> None:
    bob, told = whole(store, "bob"), list[tuple[str, int, int]]()
    witness = ops.witness(store)
    receipt = store.forget("ada", progress=lambda *each: told.append(each))
    assert receipt.events == 3
    assert receipt.streams == 2
    assert receipt.rows == {
        "drift_bands": 16, "drift_hashes": 1, "perdure_outcomes": 1, "soul_milestones": 1,
        "soul_versions": 1, "threads": 1, "vera_qiv_states": 1,
    }  # fmt: skip
    assert ("soul_versions", 1, 0) in told
    assert [end.position for end in receipt.lanes.values()] == [3]
    assert receipt.begun_at <= receipt.done_at
    assert '"ada"' not in receipt.to_json()
    assert receipt.is_signed == (store.keys is not None)
    assert store.receipts() == [receipt]
    assert whole(store, "bob") == bob
    report = ops.verify(store, deep=True, head=witness)
    assert report.is_sound, report.findings
    assert [type(each.event) for each in store.log.read() if each.event is None] == (
        [] if receipt.removed else [type(None)] * 3
    )


CALLS: list[Callable[[Any], Any]] = [
    lambda me: me.souls.current(),
    lambda me: me.souls.history(),
    lambda me: me.souls.milestones.list(),
    lambda me: me.drift.current(),
    lambda me: me.drift.history(),
    lambda me: me.audit.deeds(),
    lambda me: me.souls.publish(core_identity="back"),
    lambda me: me.once("k").souls.publish(core_identity="back"),
    lambda me: me.souls.restore(1),
    lambda me: me.drift.observe("back"),
    lambda me: me.transact(lambda tx: tx.version("soul-self")),
    lambda me: me.once("new").transact(_nothing),
]


def _nothing(_tx: perdure.kernel.Transaction) -> None:
    return


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_every_operation_is_refused_here_and_in_the_next_process(
    store: perdure.Store, opened: Opened, number: int
) -> None:
    other = opened()
    other.subject("ada").souls.current()  # it has the keys, and the file open
    store.forget("ada")
    for each in (store, other, opened()):
        with pytest.raises(Forgotten):
            CALLS[number](each.subject("ada"))
    with pytest.raises(Forgotten), other.subject("ada").transaction() as tx:
        tx.version("soul-self")


def test_the_asynchronous_face_forgets_and_refuses(
    target: str, seals: dict[str, Any], store: perdure.Store
) -> None:
    async def main() -> None:
        async with perdure.connect(target, **seals) as other:
            ada = other.subject("ada")
            await ada.souls.current()
            receipt = await other.forget("ada")
            assert await other.receipts() == [receipt]
            assert await other.is_forgotten("ada")
            assert not await other.is_forgotten("bob")
            assert await other.finish_forgetting() == []
            for call in CALLS[:10]:
                with pytest.raises(Forgotten):
                    await call(ada)
            with pytest.raises(Forgotten):
                await other.forget("ada")
            if not receipt.removed:
                await other.readmit("ada")
                assert not await other.is_forgotten("ada")

    asyncio.run(main())


def test_nobody_is_forgotten_by_mistake(store: perdure.Store) -> None:
    with pytest.raises(NotFound, match="no such subject"):
        store.forget("adda")
    with pytest.raises(Invalid):
        store.forget("")
    if store.keys is None:
        with pytest.raises(Invalid, match="there is no vault"):
            store.forget("bob", rotate=True)
    assert store.receipts() == []
    assert not store.is_forgotten("adda")
    with pytest.raises(NotFound, match="no forgotten subject"):
        store.readmit("bob")


def test_the_second_time_it_says_that_it_is_done(store: perdure.Store) -> None:
    store.forget("ada")
    with pytest.raises(Forgotten):
        store.forget("ada")
    assert store.is_forgotten("ada")
    assert not store.is_forgotten("bob")
    assert len(store.receipts()) == 1
    assert store.finish_forgetting() == []


def test_two_at_once_end_in_one_receipt(opened: Opened, store: perdure.Store) -> None:
    other, found = opened(), list[object]()

    def run(each: perdure.Store) -> None:
        try:
            found.append(each.forget("ada"))
        except Unavailable:  # the other one is removing the file
            run(each)
        except PerdureError as error:
            found.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receipts = [one for one in found if isinstance(one, Receipt)]
    assert receipts, found
    assert all(isinstance(one, (Receipt, Forgotten)) for one in found), found
    (kept,) = store.receipts()
    assert all(one == kept for one in receipts)
    assert kept.events == 3
    assert sum(kept.rows.values()) == 22


def test_who_comes_back_begins_anew(store: perdure.Store) -> None:
    receipt = store.forget("ada")
    if receipt.removed and store.keys is None:
        with pytest.raises(Invalid, match="without a vault"):
            store.readmit("ada")
        return
    store.readmit("ada")
    ada = store.subject("ada")
    with pytest.raises(NotFound):
        ada.souls.current()
    fill(store, "ada")
    assert ada.souls.current().version == 1
    assert ada.drift.current().total_interactions == 1
    report = ops.verify(store, deep=True)
    assert report.is_sound, report.findings
    assert store.forget("ada").rows == receipt.rows


def test_a_buffer_that_is_late_keeps_nothing(
    store: perdure.Store, target: str, seals: dict[str, Any]
) -> None:
    late = store.subject("ada").drift.buffered(seconds=60)
    late.observe("The last words.")
    other = store.subject("ada").drift.buffered(seconds=60)
    other.observe("The very last words.")

    async def main() -> None:
        async with perdure.connect(target, **seals) as again:
            waiting = again.subject("ada").drift.buffered(seconds=60)
            waiting.observe("These too.")
            store.forget("ada")
            with pytest.raises(Forgotten):
                await waiting.close()
            assert len(waiting) == 0

    asyncio.run(main())
    with pytest.raises(Forgotten):
        late.flush()
    assert len(late) == 0
    late.close()
    with pytest.raises(Forgotten):
        other.close()


def test_what_no_domain_names_goes_too(store: perdure.Store, target: str) -> None:
    """Rows that an operator put beside ours, and those of a rebuild that was interrupted."""
    if target.endswith("/") or store.keys is not None:
        pytest.skip("the rows are written by the subject's name")
    with raw(target) as execute:
        ((slice,),) = execute("select distinct slice from soul_versions where subject = 'ada'")
        execute(
            "insert into bot_soul (slice, subject, id, created_at, updated_at, content) values"
            f" ({slice}, 'ada', '{THREAD}', '2026-01-01T00:00:00+00:00',"
            " '2026-01-01T00:00:00+00:00', 'I was Ada.')"
        )
        execute(
            "create table perdure_rebuild (slice integer not null, subject text not null,"
            " stream text not null, version integer not null, primary key (slice, subject, stream))"
        )
        execute("create table keyless (slice integer, subject text, said text)")
        if target.startswith("postgres"):
            execute("alter table perdure_rebuild owner to perdure_owner")
            execute("alter table keyless owner to perdure_owner")
        execute(f"insert into perdure_rebuild values ({slice}, 'ada', 'soul-self', 1)")
        execute(f"insert into keyless values ({slice}, 'ada', 'x'), ({slice}, 'eve', 'y')")
    rows = store.forget("ada").rows
    assert rows["bot_soul"] == 1
    assert rows["keyless"] == 1
    assert rows["perdure_rebuild"] == 1


# -- copies


def test_a_copy_made_before_is_unreadable_with_the_vault_of_today(
    target: str, tmp_path: Path, vault: Vault
) -> None:
    if target.startswith("postgres"):
        pytest.skip("pg_dump's own")
    with perdure.open(target, vault=vault) as store:
        for name in ("ada", "bob"):
            fill(store, name)
        bob = whole(store, "bob")
        ops.copy(store, tmp_path / "copy")
        store.forget("ada")
    with perdure.open(tmp_path / "copy", vault=vault) as restored:
        assert whole(restored, "bob") == bob
        for call in CALLS:
            with pytest.raises(Forgotten):
                call(restored.subject("ada"))
        assert sum(each.event is None for each in restored.log.read()) == 3
        assert restored.receipts() == []  # it does not know; the vault does
        assert restored.is_forgotten("ada")


def test_a_copy_made_afterwards_refuses_too(
    store: perdure.Store, target: str, tmp_path: Path
) -> None:
    if target.startswith("postgres"):
        pytest.skip("pg_dump's own")
    store.forget("ada")
    ops.copy(store, tmp_path / "copy")
    vault: dict[str, Any] = (
        {} if store.keys is None else {"vault": Vault(tmp_path / "keys.db", _master(tmp_path))}
    )
    with perdure.open(tmp_path / "copy", **vault) as copied:
        with pytest.raises(Forgotten):
            copied.subject("ada").souls.publish(core_identity="back")
        assert copied.is_forgotten("ada")


def _master(folder: Path) -> Any:
    from perdure.vault import KeyFile

    return KeyFile(folder / "master.key")


# -- receipts


def test_a_receipt_is_checked_offline(target: str, vault: Vault) -> None:
    with perdure.open(target, vault=vault) as store:
        fill(store, "ada")
        assert store.keys is not None
        key = store.keys.public_key
        handle = store.keys.owner("ada", create=False).subject
        receipt = store.forget("ada", rotate=True)
        assert receipt.handle == handle
        assert receipt.vault == store.keys.id
        assert receipt.epoch == 2
        assert receipt.not_reached == ()
    assert check_receipt(receipt.to_json(), key) == receipt
    assert check_receipt(receipt.to_json().encode(), key) == receipt
    changed = [
        replace(receipt, events=receipt.events + 1),
        replace(receipt, signature=receipt.signature[:-8] + "AAAAAAA="),
        replace(receipt, signature="nonsense"),
        replace(receipt, signature=""),
    ]
    for one in changed:
        with pytest.raises(Tampered, match="signed"):
            check_receipt(one, key)
    with pytest.raises(Tampered):
        check_receipt(receipt, bytes(32))
    with pytest.raises(Invalid, match="32 bytes"):
        check_receipt(receipt, key[:8])
    for text in ("{}", "nonsense", receipt.to_json().replace("receipt-1", "receipt-9")):
        with pytest.raises(Invalid):
            check_receipt(text, key)


def test_a_receipt_that_was_changed_in_the_data_is_told(target: str, vault: Vault) -> None:
    with perdure.open(target, vault=vault) as store:
        fill(store, "ada")
        store.forget("ada")
        place = f"{target}core.db" if target.endswith("/") else target
        with raw(place) as execute:
            execute(
                "update perdure_tombstones set receipt ="
                " replace(receipt, '\"events\":3', '\"events\":4')"
            )
        (finding,) = ops.verify(store).findings
        assert finding.kind == "receipt_changed"


# -- files


def test_no_byte_of_the_forgotten_is_in_the_file(tmp_path: Path) -> None:
    """In clear, two hundred subjects: pages split and merge."""
    secret = {n: f"unmistakable-{n:04d}-" + "xyz" * (n % 300) for n in range(200)}
    with perdure.open(tmp_path / "store.db", durability="normal") as store:
        for number, text in secret.items():
            me = store.subject(f"subject {number}")
            me.once("k").souls.publish(core_identity=text, reflection_notes=text * 9)
            me.souls.milestones.add(text, lesson_learned=text)
        for number in range(0, 200, 2):
            store.forget(f"subject {number}")
        found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert ops.verify(store, deep=True).is_sound
    for number, text in secret.items():
        assert (text[:18].encode() in found) == bool(number % 2), number


def test_a_reader_in_the_way_is_told_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    monkeypatch.setattr(sqlite_cleaning, "SECONDS_MAX", 0.2)
    with perdure.open(tmp_path / "store.db") as store, perdure.open(tmp_path / "store.db") as other:
        fill(store, "ada")
        fill(store, "bob")
        reads, may_end = threading.Event(), threading.Event()

        def slowly(session: Any) -> None:
            session.rows(ops.tables.statements.sqlite_version, {})
            session.rows(perdure.kernel.log.statements.heads, {})
            reads.set()
            may_end.wait()

        thread = threading.Thread(target=lambda: other.engine.read("bob", slowly))
        thread.start()
        reads.wait()
        try:
            with pytest.raises(Unavailable):
                store.forget("ada")
            assert store.receipts() == []
            with pytest.raises(Forgotten):
                store.subject("ada").souls.current()
        finally:
            may_end.set()
            thread.join()
        (receipt,) = other.finish_forgetting()
        assert receipt.events == 3


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[perdure.Store]:
    """A folder without a vault, so that names are known here."""
    with perdure.open(f"{tmp_path}/store/") as store:
        for name in ("ada", "bob"):
            fill(store, name)
        yield store


def agents(tmp_path: Path) -> set[str]:
    return {path.parent.name for path in (tmp_path / "store" / "agents").glob("*/*")}


def test_a_file_of_its_own_goes_and_is_not_made_again(
    folder: perdure.Store, tmp_path: Path
) -> None:
    before = agents(tmp_path)
    (ada,) = folder.forget("ada").removed
    assert agents(tmp_path) == before - {ada}
    with suppress(Forgotten):
        folder.subject("ada").souls.publish(core_identity="back")
    assert not (tmp_path / "store" / "agents" / ada).exists()


def test_a_file_that_was_put_back_is_refused(folder: perdure.Store, tmp_path: Path) -> None:
    ops.copy(folder, tmp_path / "copy")
    (ada,) = folder.forget("ada").removed
    place = tmp_path / "store" / "agents" / ada
    os.rename(tmp_path / "copy" / "agents" / ada, place)  # noqa: PTH104 - a folder
    with pytest.raises(Forgotten):
        folder.subject("ada").souls.publish(core_identity="back")
    with pytest.raises(Forgotten):
        folder.subject("ada").souls.current()


def test_a_file_in_use_is_waited_for(
    folder: perdure.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.engines.folder.USED_SECONDS_MAX", 0.05)
    with folder.engine.home("ada"), pytest.raises(Unavailable, match="still uses"):
        folder.forget("ada")
    assert folder.finish_forgetting()[0].events == 3


def test_a_file_that_can_not_be_written_over_is_told(
    folder: perdure.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("perdure.engines.shredding.os.write", refuse)
        with pytest.raises(Unavailable, match="can not be overwritten"):
            folder.forget("ada")
    assert folder.finish_forgetting()[0].removed


# -- PostgreSQL


def test_an_application_may_forget(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    with perdure.open(url) as store:
        fill(store, "ada")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop role if exists forgetful_login")
        connection.execute("create role forgetful_login login")
        connection.execute("grant perdure_app, perdure_reader, service_role to forgetful_login")
    with perdure.open(url.replace("postgres@", "forgetful_login@")) as store:
        receipt = store.forget("ada")
        assert sum(receipt.rows.values()) == 22
        assert any("dead rows" in each for each in receipt.not_reached)
        with pytest.raises(perdure.Forbidden):
            store.readmit("ada")  # an operator's act
