"""Whose keys they are: handles, names, the cache, and two who come at once."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.engines.folder import FolderEngine
from perdure.engines.postgres import PostgresEngine
from perdure.errors import (
    Conflict,
    Forbidden,
    Forgotten,
    Invalid,
    LockedOut,
    NotFound,
    Tampered,
    Unavailable,
)
from perdure.kernel.sealing import Keys, Owner, Seal
from perdure.vault import KeyFile, Keyring, Vault, cache, keyring, keystore
from tests.fix.postgres import FreshDatabase
from tests.vault.rings import Place, change, engine_at


def sealed(owner: Owner, text: str = "hello") -> bytes:
    assert owner.seal is not None
    return owner.seal.seal(text.encode(), "Kind", "id-1", "field")


def opened(owner: Owner | None, closed: bytes) -> str:
    assert owner is not None
    assert owner.seal is not None
    return owner.seal.open(closed, "Kind", "id-1", "field").decode()


def test_a_subject_gets_a_handle_that_stays(place: Place) -> None:
    with place.ring(create=True) as first:
        keys: Keys = first
        ada = keys.owner("ada@example.com", create=True)
        seal: Seal | None = ada.seal
        assert seal is not None
        assert len(ada.subject) == 32
        closed = sealed(ada)
        assert keys.owner("ada@example.com", create=False).subject == ada.subject
        assert keys.owner("bob", create=True).subject != ada.subject
    with place.ring() as again:
        back = again.owner("ada@example.com", create=False)
        assert back.subject == ada.subject
        assert opened(back, closed) == "hello"
        assert opened(again.owner_of(ada.subject), closed) == "hello"
        assert again.id == keys.id
        assert back.seal is not None
        assert back.seal.digest_key == seal.digest_key
        assert back.seal.blind("mail", b"x") == seal.blind("mail", b"x")
        assert back.seal.blind("mail", b"x") != seal.blind("name", b"x")


def test_names_are_known_to_the_vault_alone(ring: Keyring) -> None:
    ada = ring.owner("ada@example.com", create=True)
    assert ring.name_of(ada.subject) == "ada@example.com"
    with pytest.raises(NotFound):
        ring.name_of("1" * 32)


def test_the_key_store_holds_no_name_in_clear(file_place: Place) -> None:
    with file_place.ring(create=True) as ring:
        ring.owner("ada@example.com", create=True)
        assert b"ada@example" not in file_place.bytes()


def test_handles_are_listed_page_by_page(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "PAGE_ROWS", 2)
    made = {ring.owner(f"subject {n}", create=True).subject for n in range(5)}
    ring.begin_forgetting("subject 3")
    gone = ring.forgetting()
    assert list(ring.subjects()) == sorted(made - set(gone))


def test_an_unknown_subject_is_nobody(ring: Keyring) -> None:
    nobody = ring.owner("nobody", create=False)
    assert nobody.subject == "0" * 32
    assert nobody.seal is not None
    assert nobody.seal.blind("mail", b"x") != b"x"
    with pytest.raises(LockedOut, match="never wrote"):
        sealed(nobody)
    with pytest.raises(LockedOut, match="never wrote"):
        opened(nobody, sealed(ring.owner("ada", create=True)))
    assert ring.owner_of("0" * 32) is None
    assert list(ring.subjects()) == [ring.owner("ada", create=False).subject]


def test_a_subject_without_keys_is_locked_out(ring: Keyring) -> None:
    handle = ring.owner("ada", create=True).subject
    change(ring, "delete from perdure_vault_keys")
    ring._cache.remove(handle)
    with pytest.raises(LockedOut, match=f"no key for {handle}"):
        ring.owner("ada", create=False)


# -- the cache


def test_fresh_owners_are_answered_from_memory(ring: Keyring) -> None:
    assert not ring.is_fresh("ada")
    ada = ring.owner("ada", create=True)
    assert ring.is_fresh("ada")
    assert ring.owner("ada", create=False) is ada
    assert ring.owner_of(ada.subject) is ada


def test_an_owner_by_handle_is_kept_with_the_name_known_before(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = ring.owner("ada", create=True)
    now = time.monotonic()
    monkeypatch.setattr(cache, "monotonic", lambda: now + 56)
    assert not ring.is_fresh("ada")
    again = ring.owner_of(ada.subject)
    assert again is not ada
    assert ring.owner("ada", create=False) is again


def test_keys_leave_memory_by_themselves(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(cache, "SECONDS_MAX", 0.05)
    ring.owner("ada", create=True)
    thread = ring._cache._thread
    assert thread is not None
    thread.join(10)
    assert not ring._cache._by_handle
    assert not ring._cache._by_name
    ring.owner("ada", create=True)  # and it begins again
    assert ring._cache._thread is not thread


def test_the_cache_is_bounded_and_the_oldest_goes(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "OWNERS_MAX", 2)
    monkeypatch.setattr(keyring, "ALLOWANCES_MAX", 2)
    owners = [ring.owner(name, create=True) for name in ("ada", "bob", "cy")]
    assert [ring.is_fresh(name) for name in ("ada", "bob", "cy")] == [False, True, True]
    assert opened(ring.owner("ada", create=False), sealed(owners[0])) == "hello"
    assert len(ring._allowances) == 2


def test_what_was_looked_up_before_a_removal_is_not_kept(ring: Keyring) -> None:
    ada = ring.owner("ada", create=True)
    stamp = ring._cache.stamp
    ring._cache.remove(ada.subject)
    ring._cache.keep(ada, "ada", stamp=stamp)
    assert not ring.is_fresh("ada")


def test_a_closed_keyring_keeps_nothing(place: Place) -> None:
    with place.ring(create=True) as ring:
        ada = ring.owner("ada", create=True)
        ring.close()  # and once more at the end of the block
    ring._cache.keep(ada, "ada", stamp=ring._cache.stamp)
    assert not ring.is_fresh("ada")
    with pytest.raises(Unavailable, match="closed"):
        ring.owner("ada", create=True)


# -- two at once


def test_threads_that_create_a_subject_at_once_get_one_handle(ring: Keyring) -> None:
    gate, found = threading.Barrier(8), list[str]()

    def create() -> None:
        gate.wait()
        found.append(ring.owner("ada", create=True).subject)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def create_in_a_process(target: str, folder: Path, tell: Callable[[list[str]], None]) -> None:
    with Place(target, folder).ring() as ring:
        tell([ring.owner(f"subject {n}", create=True).subject for n in range(20)])


@pytest.mark.slow
def test_processes_that_create_subjects_at_once_get_one_handle_each(place: Place) -> None:
    with place.ring(create=True):
        pass
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    processes = [
        spawn.Process(target=create_in_a_process, args=(place.target, place.folder, answers.put))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    lists = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
        process.close()
    answers.close()
    answers.join_thread()
    assert lists[0] == lists[1] == lists[2]
    assert len(set(lists[0])) == 20


# -- opening


def test_nothing_is_made_where_no_key_store_is(place: Place) -> None:
    with pytest.raises(LockedOut, match="no key store here"), place.ring():
        pass
    assert not (place.folder / "master.key").exists()


def test_an_existing_key_store_is_opened_and_never_made_again(place: Place) -> None:
    with place.ring(create=True) as ring:
        handle = ring.owner("ada", create=True).subject
    with place.ring(create=True) as again:
        assert again.owner("ada", create=False).subject == handle


def test_who_comes_second_opens_what_the_first_has_made(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.ring(create=True) as ring:
        with monkeypatch.context() as patch:
            patch.setattr(keystore, "is_there", lambda _: False)
            engine = engine_at(place.target)
            vault = Vault(place.target, place.file)
            with pytest.raises(LockedOut):  # only the look itself is blind
                Keyring.opened(engine, vault, place.clock, create=True)
            engine.close()
        assert ring.owner("ada", create=True).subject


def test_a_lost_key_store_is_not_replaced_under_its_key_file(file_place: Place) -> None:
    with file_place.ring(create=True):
        pass
    (file_place.folder / "keys.db").unlink()
    with pytest.raises(Conflict, match="exists"), file_place.ring(create=True):
        pass
    with pytest.raises(LockedOut), file_place.ring():  # and the attempt made no tables
        pass


def test_keys_never_live_with_the_data(place: Place) -> None:
    engine = engine_at(place.target)
    engine.administer(lambda session: session.script("create table perdure_events (x integer)"))
    engine.close()
    with pytest.raises(Invalid, match="this database holds a store"), place.ring(create=True):
        pass


def test_a_folder_is_no_key_store(tmp_path: Path) -> None:
    engine = FolderEngine(tmp_path / "keys", durability="full", prepare=None)
    vault = Vault(tmp_path / "keys", KeyFile(tmp_path / "master.key"))
    with pytest.raises(Invalid, match="is a folder"):
        Keyring.opened(engine, vault, Place("", tmp_path).clock, create=True)
    engine.close()


def test_a_key_store_of_the_future_is_left_alone(place: Place) -> None:
    with place.ring(create=True) as ring:
        change(ring, "update perdure_vault set format = 2")
    with pytest.raises(Unavailable, match="has format 2"), place.ring():
        pass


def test_a_key_store_without_epochs_is_locked_out(place: Place) -> None:
    with place.ring(create=True) as ring:
        change(ring, "delete from perdure_vault_epochs")
    with pytest.raises(LockedOut, match="has no master key"), place.ring():
        pass


def test_a_key_store_on_postgresql_belongs_to_its_login(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    place = Place(fresh_database(), tmp_path)
    with place.ring(create=True) as ring:
        url = place.target.replace("postgres@", "plain_stranger@")
        change(ring, "create role plain_stranger login")
        stranger = PostgresEngine(url, role="login")
        with pytest.raises(Forbidden):
            Keyring.opened(stranger, Vault(url, place.file), place.clock)
        stranger.close()
        change(ring, "drop role plain_stranger")


def test_a_key_store_needs_no_role_of_the_data(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    url = fresh_database()
    engine = PostgresEngine(url, role="login")
    engine.administer(
        lambda session: session.script(
            "create role plain_keeper login; grant create on schema public to plain_keeper"
        )
    )
    place = Place(url.replace("postgres@", "plain_keeper@"), tmp_path)
    with place.ring(create=True) as ring:
        ada = ring.owner("ada", create=True)
        assert opened(ada, sealed(ada)) == "hello"
        assert ring.rotate() == 2
        assert ring.begin_forgetting("ada") == ada.subject
    engine.administer(
        lambda session: session.script("drop owned by plain_keeper; drop role plain_keeper")
    )
    engine.close()


def test_a_key_store_in_a_file_is_its_owners(file_place: Place) -> None:
    with file_place.ring(create=True):
        assert (file_place.folder / "keys.db").stat().st_mode & 0o777 == 0o600
        assert (file_place.folder / "master.key").stat().st_mode & 0o777 == 0o600


# -- what was changed behind the vault's back


@pytest.mark.parametrize(
    "column", ["wrapped = k.wrapped", "commitment = k.commitment", "generation = k.generation"]
)
def test_a_key_moved_to_another_subject_is_refused(ring: Keyring, column: str) -> None:
    handles = [ring.owner(name, create=True).subject for name in ("ada", "bob")]
    name = column.split(maxsplit=1)[0]
    if name == "generation":  # unique: what is moved is taken away first
        change(ring, f"update perdure_vault_keys set generation = {ring_bytes(ring)}"
                     f" where handle = '{handles[1]}'")  # fmt: skip
    else:
        change(
            ring,
            f"update perdure_vault_keys set {name} = (select k.{name} from perdure_vault_keys k"
            f" where k.handle = '{handles[0]}') where handle = '{handles[1]}'",
        )
    ring._cache.remove(handles[1])
    with pytest.raises(Tampered, match=f"key 1 of {handles[1]} .* changed or moved"):
        ring.owner("bob", create=False)
    assert ring.owner("ada", create=False).subject == handles[0]


def ring_bytes(ring: Keyring) -> str:
    """Write sixteen bytes in SQL."""
    return "x'" + "ab" * 16 + "'" if ring.engine.dialect == "sqlite" else "'\\x" + "ab" * 16 + "'"


@pytest.mark.parametrize("value", ["ab" * 60, "ab"])
def test_a_changed_root_key_is_refused(place: Place, value: str) -> None:
    with place.ring(create=True) as ring:
        literal = f"x'{value}'" if ring.engine.dialect == "sqlite" else f"'\\x{value}'"
        change(ring, f"update perdure_vault_epochs set root = {literal}")
    with pytest.raises(Tampered, match="root key under epoch 1 was changed"), place.ring():
        pass


def test_a_forgotten_subject_is_refused_in_the_cache_too(ring: Keyring) -> None:
    ring.owner("ada", create=True)
    ring.begin_forgetting("ada")
    with pytest.raises(Forgotten):
        ring.owner("ada", create=False)


def test_a_name_that_leads_to_somebody_elses_keys_is_refused(place: Place) -> None:
    """Whoever may write to the key store must not be able to hand out another person's keys."""
    with place.ring(create=True) as ring:
        ada, bob = (ring.owner(name, create=True).subject for name in ("ada", "bob"))
        spare = "zeroblob(32)" if "://" not in place.target else "decode(repeat('00', 32), 'hex')"
        change(ring, SWAP.format(ada=ada, bob=bob, spare=spare))
    with place.ring() as again:
        with pytest.raises(Tampered, match="gives the keys of somebody else for this name"):
            again.owner("ada", create=True)
        with pytest.raises(Tampered):
            again.begin_forgetting("bob")
        assert again.owner_of(ada) is not None


SWAP = """
create table held as select handle, token from perdure_vault_subjects;
update perdure_vault_subjects set token = {spare} where handle = '{ada}';
update perdure_vault_subjects
  set token = (select token from held where handle = '{ada}') where handle = '{bob}';
update perdure_vault_subjects
  set token = (select token from held where handle = '{bob}') where handle = '{ada}';
drop table held;
"""
