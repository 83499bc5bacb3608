"""Where master keys come from, and how each says what is missing, wrong, or left to do."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.errors import Conflict, Forbidden, Invalid, LockedOut, Tampered, Unavailable
from perdure.vault import Environment, KeyFile, Master, Passphrase, Wrapped
from tests.vault.rings import Place, change

ENV = "PERDURE_MASTER_KEY"
VAULT = bytes(16)
KEY, OTHER = bytes(range(32)), bytes(32)


def entry(epoch: int, key: bytes) -> str:
    return f"{epoch}:{b64encode(key).decode()}"


def flipped(key: bytes) -> bytes:
    """A key service that is good enough for a test."""
    return bytes(byte ^ 0xFF for byte in key)


@pytest.fixture(params=["key file", "environment", "passphrase", "key service"])
def master(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Master:
    monkeypatch.setenv(ENV, entry(1, KEY))
    masters: dict[str, Master] = {
        "key file": KeyFile(tmp_path / "master.key"),
        "environment": Environment(ENV),
        "passphrase": Passphrase(lambda: "correct horse battery staple"),
        "key service": Wrapped(flipped, flipped),
    }
    return masters[request.param]


def test_each_master_opens_what_it_made(file_place: Place, master: Master) -> None:
    with file_place.ring(master, create=True) as ring:
        handle = ring.owner("ada", create=True).subject
    with file_place.ring(master) as again:
        assert again.owner("ada", create=False).subject == handle


def test_each_master_is_told_from_the_others(
    file_place: Place, master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_place.ring(master, create=True):
        pass
    monkeypatch.setenv("OTHER_KEY", entry(1, OTHER))
    (file_place.folder / "b").mkdir()
    file = KeyFile(file_place.folder / "b" / "other.key")
    file.begin(VAULT, 1)
    others: list[tuple[Master, str]] = [
        (file, f"the key file {file.path} holds another key"),
        (Environment("OTHER_KEY"), "the environment variable OTHER_KEY holds another key"),
        (Passphrase("another"), "the passphrase is another one"),
        (Wrapped(flipped, lambda _: OTHER), "the key service gave another key"),
    ]
    for other, told in others:
        source = f"comes from a {master.source}, not a {other.source}"
        expected = told if other.source == master.source else source
        with pytest.raises(LockedOut, match=expected), file_place.ring(other):
            pass


def test_a_missing_key_file_is_not_a_wrong_one(file_place: Place) -> None:
    with file_place.ring(create=True):
        pass
    (file_place.folder / "master.key").unlink()
    with pytest.raises(LockedOut, match=r"the key file .*master\.key is missing"):
        file_place.ring().__enter__()
    assert not (file_place.folder / "master.key").exists()


# -- key files


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    made = KeyFile(tmp_path / "master.key")
    made.begin(VAULT, 1)
    return made


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_key_file_others_may_read_is_refused(file: KeyFile, mode: int) -> None:
    Path(file.path).chmod(mode)
    with pytest.raises(Forbidden, match=r"may be read by others .*: chmod 600"):
        file.key(VAULT, 1, "")


@pytest.mark.parametrize(
    "text",
    ["", "hello\n", "perdure key file 1 of vault zz\n1 x\n", "perdure key file 1 of vault 00\n",
     "\xff\xfe"],
)  # fmt: skip
def test_what_is_no_key_file_is_refused(file: KeyFile, text: str) -> None:
    Path(file.path).write_text(text, "latin-1")
    with pytest.raises(LockedOut, match=r"is no key file|holds another key"):
        file.key(VAULT, 1, "")


def test_a_key_file_keeps_several_epochs_and_loses_the_old_ones(file: KeyFile) -> None:
    first = file.key(VAULT, 1, "")
    second, _ = file.renew(VAULT, 2)
    assert file.renew(VAULT, 2)[0] == second  # an interrupted attempt came so far
    assert file.key(VAULT, 1, "") == first
    file.keep(VAULT, 2)
    assert file.key(VAULT, 2, "") == second
    with pytest.raises(LockedOut, match="holds another key"):
        file.key(VAULT, 1, "")
    assert os.listdir(Path(file.path).parent) == ["master.key"]  # noqa: PTH208
    before = Path(file.path).stat().st_ino
    file.keep(VAULT, 2)  # nothing left to do: the file is not touched
    assert Path(file.path).stat().st_ino == before


def test_what_a_killed_rotation_left_of_a_key_file_is_overwritten(file: KeyFile) -> None:
    path = Path(file.path)
    old, new = path.with_name("master.key.old"), path.with_name("master.key.new")
    old.write_text("old")
    witness = old.open("rb")  # still reads what the name stood for
    new.write_text("draft")
    file.keep(VAULT, 1)
    assert witness.read() == bytes(3)
    witness.close()
    assert not old.exists()
    assert not new.exists()
    assert len(file.key(VAULT, 1, "")) == 32


def test_a_key_file_of_another_vault_is_neither_used_nor_destroyed(file: KeyFile) -> None:
    for vault, epoch in ((b"another vault...", 1), (VAULT, 2)):
        with pytest.raises(Conflict, match="exists"):
            file.begin(vault, epoch)
    with pytest.raises(LockedOut, match="another key"):
        file.renew(b"another vault...", 2)
    file.keep(b"another vault...", None)
    assert file.begin(VAULT, 1)[0] == file.key(VAULT, 1, "")
    file.keep(VAULT, None)
    assert not Path(file.path).exists()
    file.keep(VAULT, None)


def test_a_disk_that_refuses_is_told(
    tmp_path: Path, file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unavailable, match="can not be read or written"):
        KeyFile(tmp_path / "nowhere" / "master.key").begin(VAULT, 1)
    with pytest.raises(Unavailable, match="can not be read or written"):
        KeyFile(Path(file.path) / "x").key(VAULT, 1, "")
    with pytest.raises(Unavailable, match="can not be read or written"):
        KeyFile(tmp_path / ("x" * 300)).key(VAULT, 1, "")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Unavailable, match=r"can not be read or written \(No space"):
        file.keep(VAULT, None)


# -- environment variables


def test_a_variable_that_is_not_set_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV, raising=False)
    with pytest.raises(LockedOut, match=f"variable {ENV} is not set"):
        Environment(ENV).key(VAULT, 1, "")


@pytest.mark.parametrize("text", ["hello", "1:x", "x:" + "A" * 44, entry(1, b"short"), "1", ","])
def test_a_variable_without_keys_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV, text)
    with pytest.raises(LockedOut, match="holds no list of keys") as told:
        Environment(ENV).key(VAULT, 1, "")
    assert text not in str(told.value) or len(text) < 5


def test_a_variable_holds_several_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV, f"{entry(1, KEY)}, {entry(2, OTHER)}")
    assert Environment(ENV).key(VAULT, 2, "") == OTHER
    assert Environment(ENV).renew(VAULT, 2) == (OTHER, "")
    with pytest.raises(LockedOut, match="holds no key of epoch 3"):
        Environment(ENV).key(VAULT, 3, "")
    with pytest.raises(Invalid, match="holds no key for epoch 3: add '3:'"):
        Environment(ENV).renew(VAULT, 3)
    assert "every entry but '2:'" in Environment(ENV).keep(VAULT, 2)
    assert "every entry from" in Environment(ENV).keep(VAULT, None)


# -- passphrases


def test_a_passphrase_is_the_same_however_it_is_composed() -> None:
    composed, decomposed = Passphrase("Gr\u00f6\u00dfe"), Passphrase("Gro\u0308\u00dfe")
    key, parameters = composed.begin(VAULT, 1)
    assert '"memory_kib":65536,"iterations":3,"lanes":4' in parameters
    assert decomposed.key(VAULT, 1, parameters) == key
    assert composed.begin(VAULT, 1)[0] != key


def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(LockedOut, match="the passphrase is empty"):
        Passphrase("").begin(VAULT, 1)


GOOD = {"kdf": "argon2id", "memory_kib": 64, "iterations": 1, "lanes": 1, "salt": "00" * 16}


@pytest.mark.parametrize(
    "bad",
    [{"kdf": "md5"}, {"memory_kib": 2**30}, {"memory_kib": 1}, {"iterations": 0},
     {"iterations": 1000}, {"lanes": 0}, {"lanes": 65}, {"salt": "00"}, {"salt": "zz"},
     {"salt": 7}, {"lanes": None}],
)  # fmt: skip
def test_parameters_nobody_wrote_are_tampered(bad: dict[str, object]) -> None:
    import json

    assert len(Passphrase("x").key(VAULT, 1, json.dumps(GOOD))) == 32
    with pytest.raises(Tampered, match="parameters of epoch 1"):
        Passphrase("x").key(VAULT, 1, json.dumps({**GOOD, **bad}))
    with pytest.raises(Tampered):
        Passphrase("x").key(VAULT, 1, "{}")


def test_the_same_passphrase_is_no_new_key() -> None:
    with pytest.raises(Invalid, match="rewrap to a new passphrase"):
        Passphrase("x").renew(VAULT, 2)
    assert Passphrase("x").keep(VAULT, 2) == ""
    assert "old copies" in Passphrase("x").keep(VAULT, None)


# -- key services


def refuse(_: bytes) -> bytes:
    raise OSError("the service is away")


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        (lambda one: one.begin(VAULT, 1), Unavailable),
        (lambda one: one.key(VAULT, 1, ""), LockedOut),
    ],
)
def test_a_key_service_that_fails_is_told(
    attempt: Callable[[Master], object], kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"the key service failed \(OSError\)") as told:
        attempt(Wrapped(refuse, refuse))
    assert told.value.__cause__ is None  # its text may quote the key
    assert "old copies" in Wrapped(refuse, refuse).keep(VAULT, 1)


def test_the_key_store_keeps_only_a_check_of_the_master_key(file_place: Place) -> None:
    with file_place.ring(create=True) as ring:
        key = file_place.file.key(ring.vault, 1, "")
        change(ring, "update perdure_vault_epochs set created_at = 1")
    (file_place.folder / "master.key").unlink()
    assert key not in file_place.bytes()
    assert b64encode(key) not in file_place.bytes()
