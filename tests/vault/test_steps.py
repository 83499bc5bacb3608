"""The key store's part in forgetting: each step, its repetition, and what is left in the file."""

from __future__ import annotations

import random

import pytest

from perdure.engines.sqlite import SqliteEngine
from perdure.errors import Conflict, Forgotten, NotFound
from perdure.kernel.engine import Session
from perdure.vault import Keyring, keystore
from perdure.vault.status import status
from tests.vault.rings import Place


def test_forgetting_goes_step_by_step_and_each_may_be_repeated(place: Place) -> None:
    with place.ring(create=True) as ring:
        ada = ring.owner("ada", create=True)
        assert ring.begin_forgetting("ada") == ada.subject
        assert ring.begin_forgetting("ada") == ada.subject
        assert ring.forgetting() == [ada.subject]
        for create in (False, True):
            with pytest.raises(Forgotten, match="the subject was forgotten"):
                ring.owner("ada", create=create)
        assert ring.owner_of(ada.subject) is None
    with place.ring() as again:  # the next process goes on
        assert again.forgetting() == [ada.subject]
        assert status(again).forgetting == 1
        for _ in range(2):
            again.destroy_keys(ada.subject)
        for _ in range(2):
            again.finish_forgetting(ada.subject)
        assert again.forgetting() == []
        assert status(again).forgotten == 1
        with pytest.raises(Forgotten):
            again.owner("ada", create=True)
        with pytest.raises(Forgotten):
            again.begin_forgetting("ada")
        with pytest.raises(NotFound):
            again.name_of(ada.subject)
        assert list(again.subjects()) == []


def test_a_person_who_comes_back_is_somebody_new(ring: Keyring) -> None:
    before = ring.owner("ada", create=True).subject
    with pytest.raises(NotFound, match="no forgotten subject"):
        ring.readmit("ada")
    ring.destroy_keys(ring.begin_forgetting("ada"))
    with pytest.raises(NotFound, match="no forgotten subject"):
        ring.readmit("ada")
    ring.finish_forgetting(before)
    ring.readmit("ada")
    assert ring.owner("ada", create=True).subject not in {before, "0" * 32}


def test_nobody_is_forgotten_by_mistake(ring: Keyring) -> None:
    ada = ring.owner("ada", create=True)
    with pytest.raises(NotFound, match="no such subject"):
        ring.begin_forgetting("bob")
    with pytest.raises(Conflict, match="in use are not destroyed"):
        ring.destroy_keys(ada.subject)
    with pytest.raises(Conflict):
        ring.finish_forgetting(ada.subject)
    assert ring.owner("ada", create=False).subject == ada.subject


def test_of_the_forgotten_no_byte_is_left_and_of_the_others_every_one(file_place: Place) -> None:
    """Nine hundred subjects, a third of them forgotten in between: pages split and merge."""
    choose, secrets = random.Random(3), dict[str, list[bytes]]()
    forgotten: set[str] = set()
    with file_place.ring(create=True) as ring:
        for number in range(900):
            name = f"subject-{number}@example.com"
            secrets[name] = secrets_of(ring, ring.owner(name, create=True).subject)
            if number % 3 == 2:
                gone = choose.choice([one for one in secrets if one not in forgotten])
                forget(ring, gone)
                forgotten.add(gone)
        found = file_place.bytes()
    for name, each in secrets.items():
        assert [one in found for one in each] == [name not in forgotten] * len(each), name


def forget(ring: Keyring, name: str) -> None:
    handle = ring.begin_forgetting(name)
    ring.destroy_keys(handle)
    ring.finish_forgetting(handle)


def secrets_of(ring: Keyring, handle: str) -> list[bytes]:
    """Give what must go: the wrapped key, the sealed name, and the handle."""

    def unit(session: Session) -> list[bytes]:
        found = keystore.by_handle(session, handle)
        assert found is not None
        ((name,),) = session.rows(keystore.statements.name_of, {"handle": handle})
        return [found.keys[0].wrapped, bytes(name), handle.encode()]

    return ring.engine.read("", unit)


def test_receipts_are_signed_by_a_key_that_stays(place: Place) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    with place.ring(create=True) as ring:
        signature, key = ring.sign(b"receipt"), ring.public_key
    with place.ring() as again:
        assert again.public_key == key
        assert again.sign(b"receipt") == signature
    Ed25519PublicKey.from_public_bytes(key).verify(signature, b"receipt")


def test_an_engine_without_a_second_file_has_nothing_to_settle(ring: Keyring) -> None:
    keystore.settle(ring.engine)
    if isinstance(ring.engine, SqliteEngine):
        wal = ring.engine.path
        assert wal is not None
        assert wal.with_name(f"{wal.name}-wal").stat().st_size == 0


def test_the_status_counts_and_tells_no_key(place: Place, ring: Keyring) -> None:
    assert status(ring).oldest is None
    for name in ("ada", "bob", "cy"):
        ring.owner(name, create=True)
    forget(ring, "cy")
    found = status(ring)
    assert (found.vault, found.epoch, found.source) == (ring.id, 1, "key file")
    assert (found.subjects, found.forgetting, found.forgotten) == (2, 0, 1)
    assert (found.generations, found.keys_by_epoch, found.is_rotating) == (2, {1: 2}, False)
    assert found.oldest == place.clock.now()
