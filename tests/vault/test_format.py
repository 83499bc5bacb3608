"""The written format: a second implementation, made from the page alone, opens what we seal, seals
what we open, and gives every vector of the page.
"""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from perdure.kernel.engine import Session
from perdure.vault import Keyring, envelope, keystore
from perdure.vault.masters import Passphrase
from perdure.vault.seals import Allowance, Generation, SubjectSeal
from tests.tidy import ROOT
from tests.vault import second
from tests.vault.rings import Place

PAGE = (ROOT / "docs" / "vault-format.md").read_text("utf-8")


@pytest.fixture(scope="module")
def vector() -> dict[str, Any]:
    """The vectors of the page: hex where it is hex."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    found = json.loads(block)
    return {
        name: bytes.fromhex(value)
        if isinstance(value, str) and re.fullmatch(r"([0-9a-f]{2}){12,}", value)
        else value
        for name, value in found.items()
    }


def place_of(vector: dict[str, Any]) -> bytes:
    names = (vector[name] for name in ("kind", "id", "field"))
    return second.bound_to(
        vector["vault"], vector["handle"], *names, generation=vector["generation"]
    )


def test_the_page_and_the_second_implementation_agree(vector: dict[str, Any]) -> None:
    data, master, root = vector["data_key"], vector["master_key"], vector["root_key"]
    nonce, generation = vector["nonce"], vector["generation"]
    wrap = second.wrap_bound_to(vector["vault"], vector["handle"], generation, vector["epoch"])
    for_root = second.wrap_bound_to(vector["vault"], b"root", b"", vector["epoch"])
    place, clear = place_of(vector), vector["clear"].encode()
    expected = {
        "bound_to": place,
        "seal_key": second.subkey(data, "seal"),
        "sealed": second.seal(data, nonce, clear, place, generation),
        "empty_sealed": second.seal(data, nonce, b"", place, generation),
        "digest_key": second.subkey(data, "digest"),
        "token_key": second.subkey(data, "token"),
        "blind": second.blind(data, vector["blind_kind"], vector["blind_clear"].encode()),
        "check": second.check(master),
        "commitment": second.commitment(data),
        "wrap_bound_to": wrap,
        "wrapped": second.wrap(master, nonce, data, wrap),
        "root_bound_to": for_root,
        "root_wrapped": second.wrap(master, nonce, root, for_root),
        "subject_token": second.token(root, vector["subject"]),
        "receipt_public_key": second.receipt_key(root),
        "passphrase_key": second.from_passphrase(vector["passphrase"], vector["parameters"]),
    }
    given = {"data_key", "vault", "handle", "generation", "nonce", "kind", "id", "field", "clear",
             "blind_kind", "blind_clear", "master_key", "epoch", "root_key", "subject",
             "passphrase", "parameters"}  # fmt: skip
    assert given | expected.keys() == vector.keys()
    assert {name: vector[name] for name in expected} == expected


def test_the_page_and_the_product_agree(
    vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, generation = vector["data_key"], vector["generation"]
    allowance = Allowance()
    allowance.grant(9, 9_999)
    monkeypatch.setattr("perdure.vault.seals.urandom", lambda _: vector["nonce"])
    monkeypatch.setattr(os, "urandom", lambda _: vector["nonce"])
    keeper: Any = None
    seal = SubjectSeal(
        keeper,
        vector["vault"],
        vector["handle"].hex(),
        [Generation(data, generation, 1, allowance)],
    )
    at = (vector["kind"], vector["id"], vector["field"])
    assert seal.seal(vector["clear"].encode(), *at) == vector["sealed"]
    assert seal.seal(b"", *at) == vector["empty_sealed"]
    assert seal.open(vector["sealed"], *at).decode() == vector["clear"]
    assert seal.digest_key == vector["digest_key"]
    assert seal.token_key == vector["token_key"]
    assert seal.blind(vector["blind_kind"], vector["blind_clear"].encode()) == vector["blind"]
    assert envelope.commitment(data) == vector["commitment"]
    assert envelope.check(vector["master_key"]) == vector["check"]
    master = AESGCMSIV(vector["master_key"])
    place = envelope.place(vector["vault"], vector["handle"], generation, vector["epoch"])
    assert place == vector["wrap_bound_to"]
    assert envelope.wrap(master, data, place) == vector["wrapped"]
    place = envelope.place(vector["vault"], envelope.ROOT, b"", vector["epoch"])
    assert place == vector["root_bound_to"]
    assert envelope.unwrap(master, vector["root_wrapped"], place) == vector["root_key"]
    token_key = envelope.subkey(vector["root_key"], "subject")
    assert envelope.token(token_key, vector["subject"]) == vector["subject_token"]
    parameters = json.dumps(vector["parameters"])
    phrase = Passphrase(vector["passphrase"])
    assert phrase.key(vector["vault"], 1, parameters) == vector["passphrase_key"]


def rows(ring: Keyring) -> dict[str, list[tuple[Any, ...]]]:
    """Read the key store's tables as anybody with the file could."""
    names = ("vault", "all_epochs", "all_subjects", "all_keys")
    places = {"all_subjects": b"", "all_keys": ""}

    def unit(session: Session) -> dict[str, list[tuple[Any, ...]]]:
        return {
            name: list(
                session.rows(
                    getattr(keystore.statements, name),
                    {"after": places[name], "number": 0, "most": 99} if name in places else {},
                )
            )
            for name in names
        }

    return ring.engine.read("", unit)


def test_the_second_implementation_opens_a_whole_key_store_and_what_it_sealed(
    place: Place,
) -> None:
    at, clear = ("Kind", "id-1", "field"), "Größe".encode()
    with place.ring(create=True) as ring:
        ada = ring.owner("ada@example.com", create=True)
        assert ada.seal is not None
        sealed, blind, tables = ada.seal.seal(clear, *at), ada.seal.blind("m", b"x"), rows(ring)
        public_key = ring.public_key
    first, line = Path(place.file.path).read_text("ascii").splitlines()
    ((vault, version, _),) = tables["vault"]
    assert version == 1
    assert first == f"perdure key file 1 of vault {vault.hex()}"
    epoch, text = line.split(" ")
    import base64

    master = base64.b64decode(text)
    ((number, source, parameters, check, root_wrapped, is_settled, _),) = tables["all_epochs"]
    assert (number, source, parameters, is_settled) == (int(epoch), "key file", "", 1)
    assert second.check(master) == check
    root = second.unwrap(master, root_wrapped, second.wrap_bound_to(vault, b"root", b"", number))
    ((token, handle, name, state, _),) = tables["all_subjects"]
    assert second.token(root, "ada@example.com") == token
    assert (handle, state) == (ada.subject, "active")
    ((_, count, generation, under, wrapped, commitment, *_),) = tables["all_keys"]
    assert (count, under) == (1, number)
    raw = bytes.fromhex(handle)
    key = second.unwrap(master, wrapped, second.wrap_bound_to(vault, raw, generation, under))
    assert second.commitment(key) == commitment
    assert second.generation_of(sealed) == generation
    here = second.bound_to(vault, raw, *at, generation=generation)
    assert second.open_sealed(key, sealed, here) == clear
    named = second.bound_to(vault, raw, "subject", handle, "name", generation=generation)
    assert second.open_sealed(key, name, named) == b"ada@example.com"
    assert second.blind(key, "m", b"x") == blind
    assert second.receipt_key(root) == public_key
    with pytest.raises(InvalidTag):
        second.open_sealed(key, sealed, named)
    theirs = second.seal(key, bytes(12), b"from the other side", here, generation)
    with place.ring() as again:
        back = again.owner("ada@example.com", create=False)
        assert back.seal is not None
        assert back.seal.open(theirs, *at) == b"from the other side"


def test_the_second_implementation_knows_nothing_of_the_first() -> None:
    module = ast.parse((ROOT / "tests" / "vault" / "second.py").read_text("utf-8"))
    imported = {
        name
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module]
        )
    }
    assert not any("perdure" in str(name) for name in imported)
