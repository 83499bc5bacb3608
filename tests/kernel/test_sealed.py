"""Personal columns: sealed into columns of the types they had, opened only where they belong."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

import perdure
from perdure.errors import Internal, Tampered
from perdure.kernel import SystemClock, Transaction, rows, sealed
from perdure.kernel.privacy import Id, Personal, Pseudonymous, Public
from perdure.kernel.queries import Query
from perdure.kernel.sealing import Owner
from perdure.kernel.transaction import slice_of
from tests.fix.toys import ToySeal

MOMENT = datetime(2026, 11, 21, 12, 34, 56, 789_012, tzinfo=UTC)
ADA, BOB = ToySeal(b"ada"), ToySeal(b"bob")


@dataclass(frozen=True, slots=True)
class Inner:
    word: str


@dataclass(frozen=True, slots=True)
class Page:
    """A column of each kind."""

    id: Id[str]
    text: Personal[str]
    maybe: Personal[str | None]
    raw: Personal[bytes]
    many: Personal[list[Inner]]
    words: Personal[tuple[str, ...]]
    nested: Personal[Inner]
    table: Personal[Mapping[str, int] | None]
    mood: Personal[Literal["a", "b"]]
    tag: Pseudonymous[str]
    title: Public[str]
    at: datetime
    source: Personal[str | None] = rows.loose()


@dataclass(frozen=True, slots=True)
class Twice:
    """Named by two ids."""

    one: Id[str]
    two: Id[int]
    text: Personal[str]


PAGE = Page(
    "p-1", "é", None, b"\x00\xff", [Inner("x")], (), Inner('"]'), {"a": 1}, "a", "tag", "title",
    MOMENT, "s",
)  # fmt: skip
PERSONAL = ("text", "raw", "many", "words", "nested", "table", "mood", "source")
TEXTS = {"text", "maybe", "many", "words", "nested", "table", "mood", "source"}


def closed(row: rows.Row, seal: ToySeal = ADA) -> dict[str, Any]:
    return sealed.close(type(row), rows.parameters(row), seal)


def read(columns: Mapping[str, Any], owner: Owner) -> Page:
    return sealed.read(Page, list(columns.values()), slice=7, owner=owner)


def stored(row: Page, owner: Owner) -> dict[str, Any]:
    key = owner.seal.digest_key if owner.seal else b""
    digest = rows.digest(row, slice=7, subject=owner.subject, key=key)
    return {**closed(row), "digest": digest}


def test_each_column_keeps_its_type() -> None:
    found = closed(PAGE)
    clear: dict[str, Any] = rows.parameters(PAGE)
    untouched = set(clear) - set(PERSONAL)
    assert {name: found[name] for name in untouched} == {name: clear[name] for name in untouched}
    inside = {name: b64encode(ADA.seal(clear[name].encode(), "Page", "p-1", name)).decode()
              for name in PERSONAL if name != "raw"}  # fmt: skip
    assert found["text"] == inside["text"]
    assert found["source"] == inside["source"]
    assert found["raw"] == ADA.seal(PAGE.raw, "Page", "p-1", "raw")
    assert [found["many"], found["words"]] == [f'["{inside["many"]}"]', f'["{inside["words"]}"]']
    assert [found["nested"], found["table"], found["mood"]] == [
        f'"{inside[name]}"' for name in ("nested", "table", "mood")
    ]


def test_what_was_sealed_is_read_back() -> None:
    owner = Owner("ada", ADA)
    assert read(stored(PAGE, owner), owner) == PAGE
    later = replace(PAGE, maybe="", source=None, table=None, many=[], words=('"]', "[", ""))
    assert read(stored(later, owner), owner) == later


@pytest.mark.parametrize("name", PERSONAL)
def test_nothing_sealed_opens_anywhere_else(name: str) -> None:
    owner = Owner("ada", ADA)
    own, other = stored(PAGE, owner), closed(replace(PAGE, id="p-2"))
    for taken in (other[name], closed(PAGE, BOB)[name]):
        with pytest.raises(Tampered, match=f"Page p-1, {name}, was not sealed for this place"):
            read({**own, name: taken}, owner)
    if name in TEXTS - {"text"}:
        with pytest.raises(Tampered, match=f"Page p-1, {name}, was not"):
            read({**own, name: own["text"]}, owner)


@pytest.mark.parametrize("name", PERSONAL)
def test_clear_data_among_sealed_is_refused(name: str) -> None:
    owner = Owner("ada", ADA)
    with pytest.raises(Tampered, match="was not sealed for this place"):
        read({**stored(PAGE, owner), name: rows.parameters(PAGE)[name]}, owner)


def test_an_older_value_of_the_same_place_does_not_fit_the_digest() -> None:
    owner = Owner("ada", ADA)
    older = closed(replace(PAGE, text="older"))
    for changed in ({"text": older["text"]}, {"text": None}, {"tag": "gat"}):
        with pytest.raises(Tampered, match="a row of Page is not what was written"):
            read({**stored(PAGE, owner), **changed}, owner)
    keyless = rows.digest(PAGE, slice=7, subject="ada")
    with pytest.raises(Tampered, match="a row of Page is not what was written"):
        read({**stored(PAGE, owner), "digest": keyless}, owner)


def test_without_a_seal_rows_are_clear() -> None:
    owner = Owner("ada")
    digest = rows.digest(PAGE, slice=7, subject="ada")
    assert read({**rows.parameters(PAGE), "digest": digest}, owner) == PAGE


def test_several_ids_name_a_record_without_doubt() -> None:
    shape = sealed.shape(Twice)
    assert shape.id(["a", 1]) == "1:a1:1"
    assert shape.id(["1:a", 11]) != shape.id(["1", "a2:11"])
    assert sealed.shape(Page).id(["p-1"]) == "p-1"
    row = Twice("a", 1, "text")
    columns = list(closed(row).values())
    assert sealed.reopen(Twice, columns, ADA) == ["a", 1, "text"]
    with pytest.raises(Tampered):
        sealed.reopen(Twice, ["a", 2, columns[2]], ADA)


@pytest.mark.parametrize("kind", [int, float, bool, datetime])
def test_a_number_can_not_be_sealed(kind: type) -> None:
    personal: Any = Personal
    wrong: Any = dataclass(type("Wrong", (), {"__annotations__": {"at": personal[kind]}}))
    with pytest.raises(Internal, match=f"Wrong.at is a {kind.__name__}, which can not be sealed"):
        sealed.shape(wrong)


def test_what_is_no_base64_is_left_to_the_seal() -> None:
    assert sealed.from_text(sealed.to_text(b"\x00\xff")) == b"\x00\xff"
    assert sealed.from_text("clear text") == b"clear text"
    assert sealed.from_text("é") == "é".encode()


NAMES = [*rows.parameters(PAGE), "digest"]
TYPES = {"raw": "bytea", "digest": "bytea", "at": "timestamptz", "many": "jsonb", "words": "jsonb",
         "nested": "jsonb", "table": "jsonb"}  # fmt: skip
CASTS = ", ".join(f"cast(:{name} as {TYPES.get(name, 'text')})" for name in NAMES)
ECHO = Query("echo", "select " + ", ".join(f":{name}" for name in NAMES), f"select {CASTS}")


class Echo:
    """Stands where the session is, and gives back what is written as the engine keeps it."""

    def __init__(self, session: Any) -> None:
        self.session, self.found = session, list[Any]()

    def later(self, query: Query, params: dict[str, object]) -> None:
        self.found = self.session.rows(query, params)

    def rows(self, _query: Query, _params: dict[str, object]) -> list[Any]:
        return self.found


@pytest.mark.parametrize("owner", [Owner("ada"), Owner("f" * 32, ADA)], ids=["clear", "sealed"])
def test_an_engine_gives_back_what_it_was_given(store: perdure.Store, owner: Owner) -> None:
    def unit(session: Any) -> tuple[list[Page], Page | None]:
        echo: Any = Echo(session)
        tx = Transaction(echo, owner, SystemClock(), writable=True)
        tx.save(ECHO, PAGE)
        assert tx.slice == slice_of(owner.subject)
        return tx.all(ECHO, Page), tx.one(ECHO, Page)

    assert store.engine.administer(unit) == ([PAGE], PAGE)


@pytest.mark.parametrize("owner", [Owner("ada"), Owner("f" * 32, ADA)], ids=["clear", "sealed"])
def test_texts_are_opened_for_a_search(store: perdure.Store, owner: Owner) -> None:
    """Only the id and the texts are asked for; what is missing or empty is passed over."""

    def unit(session: Any) -> list[tuple[str, list[str]]]:
        echo: Any = Echo(session)
        tx = Transaction(echo, owner, SystemClock(), writable=True)
        tx.save(ECHO, replace(PAGE, source=None))
        columns = dict(zip(NAMES, echo.found[0], strict=True))
        echo.found = [(columns["id"], columns["text"], columns["maybe"], columns["source"])]
        return list(tx.texts(ECHO, Page, "text", "maybe", "source"))

    assert store.engine.administer(unit) == [("p-1", ["é"])]
