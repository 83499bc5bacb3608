"""How private a field is: what its domain says, and what holds where nobody said anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Optional

import pytest

from perdure.kernel.privacy import (
    Blind,
    Id,
    Personal,
    Privacy,
    Pseudonymous,
    Public,
    blind_in,
    declared,
    privacy_of,
)


@dataclass(frozen=True, slots=True)
class Declared:
    """Every way to say it."""

    id: Id[str]
    number: Id[int]
    text: Personal[str]
    maybe: Personal[str | None]
    late: Personal[str] | None
    older: Optional[Personal[str]]  # noqa: UP045  (as older code writes it)
    many: Personal[tuple[str, ...]]
    tag: Pseudonymous[str]
    open: Public[str | None]
    noted: Annotated[Personal[str], "a note that says nothing of privacy"]
    said_twice: Pseudonymous[Annotated[str, "inner"]]


@dataclass(frozen=True, slots=True)
class Undeclared:
    """Nobody said anything."""

    text: str
    raw: bytes
    many: list[str]
    nested: Declared
    count: int
    share: float | None
    is_open: bool
    at: datetime
    kind: Literal["a", "b"]
    state: Literal["a"] | None
    noted: Annotated[str, "a note that says nothing of privacy"]


@dataclass(frozen=True, slots=True)
class Looked:
    """Looked up by tokens."""

    hash: Id[Blind[int]]
    tag: Pseudonymous[Blind[str | None]]
    text: Personal[str]


def test_what_a_domain_says_counts() -> None:
    assert privacy_of(Declared) == {
        "id": Privacy.ID,
        "number": Privacy.ID,
        "text": Privacy.PERSONAL,
        "maybe": Privacy.PERSONAL,
        "late": Privacy.PERSONAL,
        "older": Privacy.PERSONAL,
        "many": Privacy.PERSONAL,
        "tag": Privacy.PSEUDONYMOUS,
        "open": Privacy.PUBLIC,
        "noted": Privacy.PERSONAL,
        "said_twice": Privacy.PSEUDONYMOUS,
    }


def test_what_nobody_declared_is_personal_if_it_may_hold_text() -> None:
    found = privacy_of(Undeclared)
    personal = {name for name, said in found.items() if said is Privacy.PERSONAL}
    assert personal == {"text", "raw", "many", "nested", "noted"}
    assert set(found.values()) == {Privacy.PERSONAL, Privacy.PSEUDONYMOUS}


def test_the_plain_type_is_what_is_stored() -> None:
    plain = {name: kind for name, (kind, _) in declared(Declared).items()}
    assert plain["maybe"] is plain["late"] is plain["older"] is plain["noted"] is str
    assert plain["many"] == tuple[str, ...]
    assert [said for _, said in declared(Undeclared).values()] == [None] * 11


def test_what_is_blind_is_clear_and_differs_from_store_to_store() -> None:
    assert blind_in(Looked) == {"hash", "tag"}
    assert list(privacy_of(Looked).values()) == ["id", "pseudonymous", "personal"]
    assert blind_in(Undeclared) == frozenset()


def test_a_field_of_two_types_has_no_column() -> None:
    @dataclass
    class Both:
        """Text or a number: no column holds both."""

        value: str | int

    with pytest.raises(ValueError, match="too many values"):
        privacy_of(Both)
