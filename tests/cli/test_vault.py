"""A vault on the command line: made, used, moved, copied; and every wrong way to name one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Perdure

PHRASE = "correct horse battery staple"


@pytest.fixture
def sealed(perdure: Perdure, monkeypatch: pytest.MonkeyPatch) -> Perdure:
    """The command with a vault, for one subject."""
    monkeypatch.setenv("PERDURE_VAULT", "keys.db")
    monkeypatch.setenv("PERDURE_MASTER", "file:master.key")
    monkeypatch.setenv("PERDURE_SUBJECT", "ada@example.com")
    assert perdure("vault", "init").code == 0
    return perdure


def test_a_vault_is_made_once_and_its_key_is_nobody_elses(sealed: Perdure, tmp_path: Path) -> None:
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    code, error = sealed.error("vault", "init")
    assert (code, error["code"]) == (10, "conflict")
    assert sealed.json("vault", "status")["subjects"] == 0


def test_a_sealed_store_knows_no_name(sealed: Perdure, tmp_path: Path) -> None:
    assert sealed("souls", "publish", "--core-identity", "Curious, warm.").code == 0
    assert "Curious, warm." in sealed("souls", "show").out
    every = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"Curious" not in every
    assert b"ada@example.com" not in every
    (event,) = sealed.lines("log", "show")
    assert event["event"]["core_identity"] == "Curious, warm."
    assert event["subject"] != "ada@example.com"
    assert len(sealed.lines("log", "show", "--subject", "eve")) == 0
    assert sealed.json("log", "verify", "--deep")["findings"] == []
    assert sealed("rebuild").code == 0


def test_without_its_key_a_sealed_store_stays_shut(
    sealed: Perdure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealed("souls", "publish", "--core-identity", "Curious, warm.")
    monkeypatch.delenv("PERDURE_VAULT")
    assert sealed.error("souls", "show")[0] == 16
    monkeypatch.setenv("PERDURE_VAULT", "other.db")
    code, error = sealed.error("souls", "show")
    assert (code, error["message"]) == (16, "there is no key store at other.db")
    assert not (tmp_path / "other.db").exists()
    monkeypatch.setenv("PERDURE_VAULT", "keys.db")
    (tmp_path / "master.key").rename(tmp_path / "lost.key")
    code, error = sealed.error("souls", "show")
    assert (code, error["message"]) == (16, "the key file master.key is missing")
    assert not (tmp_path / "master.key").exists()


def test_a_rotated_vault_makes_old_copies_worthless(sealed: Perdure) -> None:
    sealed("souls", "publish", "--core-identity", "Curious, warm.")
    assert sealed("vault", "copy", "old.db").out == "old.db: 1 subjects, 1 keys\n"
    assert sealed("vault", "rotate").out == "1 keys are wrapped by epoch 2\n"
    assert sealed.json("souls", "show")["version"] == 1
    assert sealed.error("souls", "show", "--vault", "old.db")[0] == 16
    assert sealed.json("vault", "status")["keys_by_epoch"] == {"2": 1}


def test_a_vault_moves_from_a_file_to_a_passphrase(
    sealed: Perdure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealed("souls", "publish", "--core-identity", "Curious, warm.")
    (tmp_path / "phrase").write_text(f"{PHRASE}\n", "utf-8")
    assert sealed("vault", "rewrap", "--to", "passphrase:file:phrase").code == 0
    assert not (tmp_path / "master.key").exists()
    monkeypatch.setenv("PHRASE", PHRASE)
    monkeypatch.setenv("PERDURE_MASTER", "passphrase:env:PHRASE")
    assert sealed.json("souls", "show")["version"] == 1
    monkeypatch.setenv("PHRASE", "another phrase altogether")
    code, error = sealed.error("souls", "show")
    assert (code, error["message"]) == (16, "the passphrase is another one")
    assert PHRASE not in str(error)


@pytest.mark.parametrize(
    ("master", "remedy"),
    [
        ("key", "give file:PATH, env:NAME or passphrase:"),
        ("file:", "give file:PATH, env:NAME or passphrase:"),
        ("passphrase:env", "give passphrase:, passphrase:env:NAME or passphrase:file:PATH"),
        ("passphrase:what:x", "give passphrase:, passphrase:env:NAME or passphrase:file:PATH"),
        ("passphrase:", "give passphrase:env:NAME or passphrase:file:PATH"),
        ("passphrase:file:nowhere", "check the path"),
        ("passphrase:env:NOBODY_SET_THIS", "use 12 or more"),
    ],
)
def test_a_wrong_source_is_refused_with_its_remedy(
    sealed: Perdure, master: str, remedy: str
) -> None:
    code, error = sealed.error("vault", "rewrap", "--to", master)
    assert (code, error["remedy"]) == (2, remedy)
    assert sealed.json("vault", "status")["epoch"] == 1


def test_what_is_not_named_is_asked_for(perdure: Perdure) -> None:
    code, error = perdure.error("vault", "status")
    assert (code, error["message"]) == (2, "no vault was named")
    code, error = perdure.error("vault", "status", "--vault", "keys.db")
    assert (code, error["message"]) == (2, "the vault is named, but not what opens it")


def test_who_did_it_is_kept(sealed: Perdure) -> None:
    sealed("souls", "publish", "--core-identity", "Curious.", "--actor", "support:eve")
    sealed("souls", "publish", "--core-identity", "Curious, warm.")
    deeds = sealed.json("audit", "deeds")
    assert [deed["actor"] for deed in deeds] == ["self", "support:eve"]
    assert "support:eve  SoulPublished" in sealed("audit", "deeds").out
    assert sealed.json("audit", "deeds", "--since", "2999-01-01T00:00Z") == []


def test_tokens_hide_and_show(sealed: Perdure) -> None:
    text = "Write to bob@example.com, or to Carla."
    hidden = sealed("tokens", "hide", text, "--names", '["Carla"]').out
    assert hidden == "Write to ⟦email:1⟧, or to ⟦person:1⟧.\n"
    assert sealed("tokens", "reveal", "-", stdin=hidden).out == f"{text}\n"
    assert [one["value"] for one in sealed.json("tokens", "known")] == ["bob@example.com", "Carla"]
    assert sealed("tokens", "forget", "⟦person:1⟧").code == 0
    assert sealed("tokens", "reveal", "⟦person:1⟧").out == "⟦person:1⟧\n"
