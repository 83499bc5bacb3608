"""Strict at the edge: what is refused, with which words, and what comes through unchanged."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.errors import Invalid, TooLarge
from perdure.kernel import values

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(values.INTEGER_MIN, values.INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


def nested(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


REFUSED: list[tuple[object, type[Invalid], str]] = [
    (math.nan, Invalid, "x is nan: give a finite number"),
    (math.inf, Invalid, "x is inf: give a finite number"),
    (-math.inf, Invalid, "x is -inf: give a finite number"),
    (2**63, Invalid, "x does not fit into 64 bits: store larger numbers as text"),
    (-(2**63) - 1, Invalid, "x does not fit into 64 bits: store larger numbers as text"),
    ("a\0", Invalid, "x has a NUL at character 1: remove it"),
    ("ab\ud800", Invalid, "x has a lone surrogate at character 2: decode the text with errors="),
    ({"a": ["b\0"]}, Invalid, r"x.a\[0\] has a NUL at character 1"),
    ({"\0": 1}, Invalid, "a key of x has a NUL at character 0"),
    ({1: 2}, Invalid, "x has the key 1: use text as keys"),
    (b"bytes", Invalid, "x is bytes, which JSON has no place for"),
    (bytearray(b"x"), Invalid, "x is bytearray, which JSON has no place for"),
    (memoryview(b"x"), Invalid, "x is memoryview, which JSON has no place for"),
    ({1, 2}, Invalid, "x is set, which JSON has no place for: use str, int, float"),
    (nested(65), TooLarge, "is nested deeper than 64: flatten it"),
    ([0] * 100_001, TooLarge, "x has 100001 items, 100000 are allowed: split it"),
    ({str(n): 0 for n in range(100_001)}, TooLarge, "x has 100001 items"),
    ("x" * 1_048_577, TooLarge, "x has 1048577 characters, 1048576 are allowed: shorten it"),
]
NOT_JSON = [
    ('{"a": 1, "a": 2}', "a key stands twice in one object"),
    ('[{"b": {"a": 1, "a": 1}}]', "a key stands twice"),
    ("[NaN]", "NaN is not a number of JSON"),
    ("-Infinity", "-Infinity is not a number of JSON"),
    (b'"\xff"', "can't decode byte 0xff"),
    (b"\xff\xfe1\x00", "can't decode"),
    ("", "Expecting value"),
    ("1 2", "Extra data"),
    ("[" * 100_000, "recursion"),
    ("9" * 5_000, "4300 digits"),
]


@pytest.mark.parametrize(("value", "error", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_document_that_can_not_be_stored_is_refused_by_its_place(
    value: object, error: type[Invalid], message: str
) -> None:
    with pytest.raises(error, match=message) as told:
        values.document("x", value)
    assert told.type is error


@pytest.mark.parametrize(("raw", "reason"), NOT_JSON, ids=range(len(NOT_JSON)))
def test_text_that_is_no_strict_json_is_refused(raw: str | bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=f"body is not JSON .*{reason}"):
        values.parse("body", raw)


def test_numbers_of_json_have_the_same_limits() -> None:
    with pytest.raises(Invalid, match="does not fit into 64 bits"):
        values.parse("body", "9223372036854775808")
    with pytest.raises(Invalid, match="body is inf"):
        values.parse("body", "1e999")


@given(documents)
def test_a_storable_document_comes_through_equal(value: values.Json) -> None:
    assert values.document("x", value) == value
    assert values.parse("x", json.dumps(value)) == value
    assert values.parse("x", json.dumps(value, ensure_ascii=False).encode()) == value


def test_a_document_is_copied_into_plain_types() -> None:
    given_ = MappingProxyType({"a": (1, 2), "b": range(2)})
    found = values.document("x", given_)
    assert found == {"a": [1, 2], "b": [0, 1]}
    assert type(found) is dict
    assert values.document("x", nested(64)) == nested(64)


def test_minus_zero_becomes_zero() -> None:
    assert math.copysign(1, values.number("x", -0.0)) == 1
    assert values.number("x", 3) == 3.0
    assert type(values.number("x", 3)) is float


@pytest.mark.parametrize("value", [True, "1", None, 10**400, -(10**400)])
def test_what_is_no_finite_number_is_refused(value: float) -> None:
    with pytest.raises(Invalid):
        values.number("x", value)


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_what_is_no_integer_is_refused(value: int) -> None:
    with pytest.raises(Invalid, match="not an integer: give an int"):
        values.integer("x", value)


def test_integers_reach_to_64_bits() -> None:
    for value in (values.INTEGER_MIN, values.INTEGER_MAX, 0):
        assert values.integer("x", value) == value


@pytest.mark.parametrize("value", [None, 7, b"x"])
def test_what_is_no_text_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match=r"x is .*, not text: give a str"):
        values.text("x", value)


def test_a_name_is_not_empty_and_not_too_long() -> None:
    assert values.name_of("the name", "é" * 9, characters_max=9) == "é" * 9
    with pytest.raises(Invalid, match="the name is empty: give it at least one character"):
        values.name_of("the name", "", characters_max=9)
    with pytest.raises(TooLarge, match="the name has 10 characters, 9 are allowed"):
        values.name_of("the name", "x" * 10, characters_max=9)


def test_a_uuid_is_brought_into_its_canonical_form() -> None:
    wanted = "01890a5d-ac96-774b-bcce-b302099a8057"
    for one in (wanted, wanted.upper(), wanted.replace("-", "")):
        assert values.uuid("id", one) == wanted
    with pytest.raises(Invalid, match="id is 'nope', not a UUID: give 32 hexadecimal digits"):
        values.uuid("id", "nope")


def test_a_time_needs_a_zone_and_is_given_in_utc() -> None:
    there = datetime(2026, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))
    assert values.when("at", there) == datetime(2026, 1, 1, tzinfo=UTC)
    assert values.when("at", there).tzinfo is UTC
    with pytest.raises(Invalid, match="at has no time zone: add tzinfo, such as UTC"):
        values.when("at", datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize("value", ["a\0", {"k": [2**63]}, {"\0": 1}, [[-(2**63) - 1]]])
def test_rare_values_inside_an_event_are_found(value: object) -> None:
    with pytest.raises(Invalid):
        values.storable("the event", value)


def test_what_only_looks_rare_is_let_through() -> None:
    values.storable("the event", {"a": [True, None, 1.5, "\\u0000", 2**63 - 1, "9" * 30]})
