"""A subject as a whole on the command line: exported, imported, forgotten, and let back in."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Perdure

PHRASE = "correct horse battery staple"


@pytest.fixture(params=["clear", "sealed"])
def ada(
    perdure: Perdure, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Perdure:
    """The command for a subject with a soul, with a vault and without."""
    monkeypatch.setenv("PERDURE_SUBJECT", "ada@example.com")
    monkeypatch.setenv("PHRASE", PHRASE)
    if request.param == "sealed":
        monkeypatch.setenv("PERDURE_VAULT", "keys.db")
        monkeypatch.setenv("PERDURE_MASTER", "file:master.key")
        assert perdure("vault", "init").code == 0
    assert perdure("souls", "publish", "--core-identity", "Curious, warm.").code == 0
    return perdure


@pytest.mark.parametrize("target", ["ada/", "ada.tar"])
def test_a_self_moves_to_another_store(ada: Perdure, target: str) -> None:
    assert ada("export", target).out == f"{target}: 1 events, 1 rows\n"
    assert ada("import", target, "--store", "other.db").out == "ada@example.com: 1 events, 1 rows\n"
    assert ada.json("souls", "show", "--store", "other.db") == ada.json("souls", "show")
    assert ada.json("import", target, "--store", "other.db")["is_new"] is False


def test_an_encrypted_self_needs_its_passphrase(ada: Perdure) -> None:
    key = ("--key", "passphrase:env:PHRASE")
    assert ada.json("export", "ada.perdure", *key)["events"] == 1
    assert ada.error("import", "ada.perdure", "--store", "other.db")[0] == 16
    assert ada("import", "ada.perdure", "--subject", "eve", "--store", "other.db", *key).code == 0
    shown = ada.json("souls", "show", "--subject", "eve", "--store", "other.db")
    assert shown["core_identity"] == "Curious, warm."
    assert ada.error("export", "x.perdure", "--key", "file:x")[0] == 2
    assert ada.error("export", "ada.perdure", *key)[1]["code"] == "conflict"


def test_forgetting_asks_prints_a_receipt_and_stays(ada: Perdure) -> None:
    code, error = ada.error("forget", "ada@example.com")
    assert (code, error["remedy"]) == (2, "export it, then give --yes")
    ran = ada("forget", "ada@example.com", "--yes")
    receipt = json.loads(ran.out)
    assert receipt["rows"] == {"soul_versions": 1}
    assert receipt["events"] == 1
    assert "forgotten: 1 rows and 1 events" in ran.err
    assert ada.error("souls", "show")[1]["code"] == "forgotten"
    assert ada.lines("receipts") == [receipt]
    assert ada("forget").out == ""
    assert ada("readmit", "ada@example.com").code == 0
    assert ada.error("souls", "show")[1]["code"] == "not_found"
    assert ada.json("log", "verify", "--deep")["findings"] == []


def test_a_receipt_is_checked_with_the_public_key_alone(
    ada: Perdure, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = ada("forget", "ada@example.com", "--yes").out
    if not json.loads(receipt)["signature"]:
        code, error = ada.error("vault", "check-receipt", receipt, "--public-key", "ab" * 32)
        assert (code, error["message"]) == (15, "the receipt is not signed")
        return
    public = ada.json("vault", "status")["public_key"]
    assert "was forgotten at" in ada("vault", "check-receipt", "-", stdin=receipt).out
    monkeypatch.delenv("PERDURE_VAULT")
    check = ("vault", "check-receipt", receipt, "--public-key")
    assert ada(*check, public).code == 0
    assert ada.error(*check, "ab" * 32)[0] == 15
    assert ada.error(*check, "not hexadecimal")[0] == 2
    assert ada.error("vault", "check-receipt", receipt.replace('"events":1', '"events":2'),
                     "--public-key", public)[0] == 15  # fmt: skip


def test_rules_of_retention_are_kept_and_wrong_ones_refused(ada: Perdure) -> None:
    for text in ("one", "two", "three"):
        ada("souls", "milestones", "add", text, "--lesson-learned", "")
    assert (
        "souls.milestones  2 forgotten" in ada("retain", '{"souls.milestones": {"count": 1}}').out
    )
    assert len(ada.json("souls", "milestones", "list")) == 1
    assert ada.json("retain", "{}") == {"outcomes": 0}
    assert ada.error("retain", '{"souls.milestones": {"weeks": "x"}}')[1]["code"] == "invalid"
    assert ada.error("retain", '{"nothing": {"days": 1}}')[1]["code"] == "invalid"


def test_a_milestone_is_forgotten_alone(ada: Perdure) -> None:
    made = ada.json("souls", "milestones", "add", "A secret.", "--lesson-learned", "Hush.")
    ada("souls", "milestones", "add", "A walk.", "--lesson-learned", "")
    assert ada("souls", "milestones", "forget", made["id"]).code == 0
    assert [one["event_description"] for one in ada.json("souls", "milestones", "list")] == [
        "A walk."
    ]
    assert "A secret." not in ada("log", "show").out
