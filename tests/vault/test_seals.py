"""What is sealed opens in its own place alone; generations begin in time; nothing tells a key."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from perdure.errors import Forgotten, LockedOut, Tampered
from perdure.kernel.sealing import Owner
from perdure.vault import (
    Environment,
    KeyFile,
    Keyring,
    Passphrase,
    Vault,
    Wrapped,
    keyring,
    keystore,
)
from perdure.vault.seals import Allowance, SubjectSeal
from tests.vault.rings import Place, change

AT = ("Kind", "id-1", "field")
Wear = Callable[[Keyring, pytest.MonkeyPatch, Place], None]


def seal_of(owner: Owner) -> SubjectSeal:
    assert isinstance(owner.seal, SubjectSeal)
    return owner.seal


@pytest.fixture
def ada(ring: Keyring) -> SubjectSeal:
    return seal_of(ring.owner("ada", create=True))


@pytest.mark.parametrize("clear", [b"", b"x", "Größe".encode(), bytes(100_000)])
def test_what_is_sealed_is_46_bytes_longer_and_opens_again(ada: SubjectSeal, clear: bytes) -> None:
    closed = ada.seal(clear, *AT)
    assert len(closed) == len(clear) + 46
    assert ada.open(closed, *AT) == clear
    assert ada.seal(clear, *AT) != closed


@pytest.mark.parametrize(
    "elsewhere",
    [("Kind2", "id-1", "field"), ("Kind", "id-2", "field"), ("Kind", "id-1", "field2"),
     ("Kindi", "d-1", "field"), ("Kind", "id-1field", "")],
)  # fmt: skip
def test_sealed_elsewhere_is_tampered_by_name(
    ada: SubjectSeal, elsewhere: tuple[str, str, str]
) -> None:
    closed = ada.seal(b"hello", *elsewhere)
    told = "Kind id-1, field, was changed, or was sealed for another place"
    with pytest.raises(Tampered, match=told):
        ada.open(closed, *AT)


def test_every_changed_byte_is_noticed(ada: SubjectSeal) -> None:
    closed = ada.seal(b"hello", *AT)
    for place in range(len(closed)):
        changed = bytearray(closed)
        changed[place] ^= 1
        with pytest.raises((Tampered, LockedOut)):
            ada.open(bytes(changed), *AT)


@pytest.mark.parametrize("clear", [b"", b"hello", b"{}" * 50, b"\xd5\x01", b"\xd5\x01" + b"x" * 43])
def test_clear_text_is_tampered_by_name(ada: SubjectSeal, clear: bytes) -> None:
    with pytest.raises(Tampered, match="clear text where sealed data is expected, Kind id-1, fie"):
        ada.open(clear, *AT)


def test_an_algorithm_of_the_future_is_named(ada: SubjectSeal) -> None:
    closed = ada.seal(b"hello", *AT)
    with pytest.raises(Tampered, match="sealed by algorithm 9"):
        ada.open(closed[:1] + b"\x09" + closed[2:], *AT)


def test_what_another_subject_sealed_is_tampered(ring: Keyring, ada: SubjectSeal) -> None:
    bob = seal_of(ring.owner("bob", create=True))
    with pytest.raises(Tampered, match="Kind id-1, field, was sealed for another subject"):
        ada.open(bob.seal(b"hello", *AT), *AT)


def test_what_a_destroyed_key_sealed_is_locked_out(ring: Keyring, ada: SubjectSeal) -> None:
    closed = seal_of(ring.owner("bob", create=True)).seal(b"hello", *AT)
    ring.destroy_keys(ring.begin_forgetting("bob"))
    with pytest.raises(Tampered, match="sealed by a key that this vault does not have"):
        ada.open(closed, *AT)


def test_a_seal_in_use_ends_with_its_keys(ring: Keyring, ada: SubjectSeal) -> None:
    bob = seal_of(ring.owner("bob", create=True))
    bob.seal(b"the first", *AT)
    ring.begin_forgetting("bob")
    with pytest.raises(Forgotten):
        bob.seal(b"the second", *AT)
    with pytest.raises(Forgotten):
        ring.renew(bob._handle, 1)
    with pytest.raises(Forgotten):
        bob.open(ada.seal(b"hello", *AT), *AT)


# -- generations


def used(ring: Keyring) -> list[tuple[int, int]]:
    rows = ring.engine.read(
        "",
        lambda session: session.rows(
            keystore.statements.all_keys, {"after": "", "number": 0, "most": 99}
        ),
    )
    return [(row[7], row[8]) for row in rows]


def test_use_is_noted_ahead_so_that_a_crash_counts_too_much(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "BLOCK_MESSAGES", 4)
    monkeypatch.setattr(keyring, "BLOCK_BYTES", 1_000)
    seal = seal_of(ring.owner("ada", create=True))
    assert used(ring) == [(4, 1_000)]
    for _ in range(5):
        seal.seal(b"x", *AT)
    assert used(ring) == [(8, 2_000)]
    seal.seal(bytes(5_000), *AT)
    assert used(ring) == [(12, 7_000)]


def test_the_allowance_outlives_the_cached_key(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "BLOCK_MESSAGES", 4)
    ada = ring.owner("ada", create=True)
    for _ in range(2):
        seal_of(ring.owner("ada", create=False)).seal(b"x", *AT)
        ring._cache.remove(ada.subject)
    assert used(ring)[0][0] == 4


def by_messages(ring: Keyring, monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    monkeypatch.setattr(keyring, "GENERATION_MESSAGES_MAX", 9_000)
    monkeypatch.setattr(keyring, "BLOCK_MESSAGES", 4_500)
    for _ in range(9_000):
        seal_of(ring.owner("ada", create=False)).seal(b"", *AT)


def by_bytes(ring: Keyring, monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    monkeypatch.setattr(keyring, "GENERATION_BYTES_MAX", 2 * keyring.BLOCK_BYTES)
    for _ in range(2):
        seal_of(ring.owner("ada", create=False)).seal(bytes(keyring.BLOCK_BYTES), *AT)


def by_age(ring: Keyring, monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    place.clock.advance(365 * 86_400)
    ring._cache.remove(ring.owner("ada", create=False).subject)


@pytest.mark.parametrize("wear", [by_messages, by_bytes, by_age])
def test_a_worn_generation_is_followed_by_another_and_stays_readable(
    place: Place, ring: Keyring, monkeypatch: pytest.MonkeyPatch, wear: Wear
) -> None:
    first = seal_of(ring.owner("ada", create=True))
    before = first.seal(b"before", *AT)
    wear(ring, monkeypatch, place)
    if wear is by_messages:
        first_block, block = 4_096, 4_500  # the third was refused, and stays counted
        assert [messages for messages, _ in used(ring)] == [first_block + 2 * block, block]
    seal = seal_of(ring.owner("ada", create=False))
    after = seal.seal(b"after", *AT)
    assert len(used(ring)) == 2
    assert after[2:18] != before[2:18]
    assert (seal.open(before, *AT), seal.open(after, *AT)) == (b"before", b"after")
    assert first.open(after, *AT) == b"after"  # a seal from before looks again
    assert (first.digest_key, first.token_key) == (seal.digest_key, seal.token_key)
    assert ring.name_of(ring.owner("ada", create=False).subject) == "ada"


def test_two_who_renew_at_once_begin_one_generation(ring: Keyring, ada: SubjectSeal) -> None:
    gate, found = threading.Barrier(4), list[bytes]()

    def renew() -> None:
        gate.wait()
        found.append(ring.renew(ada._handle, 1)[-1].id)

    threads = [threading.Thread(target=renew) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_an_allowance_is_spent_exactly_once() -> None:
    allowance, spent = Allowance(), list[int]()
    allowance.grant(10_000, 10_000)

    def spend() -> None:
        spent.append(sum(allowance.spend(1) for _ in range(4_000)))

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(spent) == 10_000
    allowance.grant(5, 5)
    assert not allowance.spend(6)
    allowance.withdraw()
    assert not allowance.spend(0)


# -- no key in any text


def test_nothing_with_a_key_inside_is_written_out(
    ring: Keyring, ada: SubjectSeal, caplog: pytest.LogCaptureFixture
) -> None:
    for secret in (ring, ada, ada._newest, ring.epochs, ring._cache):
        assert repr(secret) == str(secret) == f"<{type(secret).__name__}>"
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(secret)
        with pytest.raises(TypeError, match="never pickled"):
            copy.copy(secret)
        with pytest.raises(TypeError):
            json.dumps(secret)
    with caplog.at_level(logging.DEBUG):
        ring._cache.remove(ring.owner("ada", create=False).subject)
        change(ring, "update perdure_vault_keys set commitment = wrapped where 1 = 0")
        ring.owner("ada", create=False)
    assert ada._newest.key.hex() not in caplog.text


def test_masters_and_vaults_tell_neither_keys_nor_passwords() -> None:
    secret = "secret-word"
    vault = Vault(f"postgresql://ada:{secret}@host/db", Passphrase(secret))
    assert secret not in repr(vault)
    assert secret not in repr(Wrapped(lambda key: key, lambda key: key))
    assert "master.key" in repr(KeyFile("master.key"))
    assert "NAME" in repr(Environment("NAME"))


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_perdure_itself_imports_no_cipher() -> None:
    assert python("import sys, perdure; print('cryptography' in sys.modules)") == "False"


def test_a_missing_library_is_told_with_its_remedy() -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from perdure.errors import Invalid\n"
        "try:\n    import perdure.vault\nexcept Invalid as error:\n    print(error)"
    )
    assert python(code).endswith("is missing: pip install 'perdure[vault]'")
