"""What may be stored: strict at the edge, so that both engines give back exactly what they took.

No NaN or infinity, no integer over 64 bits, no NUL, no lone surrogate, no duplicate key, no
endless depth. Nothing here knows a table or a domain.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn, TypeAlias, TypeVar

from perdure.errors import Invalid, TooLarge

V = TypeVar("V")
Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

SUBJECT_CHARACTERS_MAX = 255
STREAM_CHARACTERS_MAX = 255
KEY_CHARACTERS_MAX = 255
TEXT_CHARACTERS_MAX = 1_048_576
PAYLOAD_BYTES_MAX = 4_194_304
DEPTH_MAX = 64
ITEMS_MAX = 100_000
_HEX_UUID = re.compile("[0-9a-f]{32}")
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1


def text(name: str, value: str, *, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """Return the text if both engines can keep it, else say what is wrong with it."""
    if not isinstance(value, str):
        raise Invalid(
            f"{name} is {type(value).__name__}, not text", value=value, remedy="give a str"
        )
    if len(value) > characters_max:
        raise TooLarge(
            f"{name} has {len(value)} characters, {characters_max} are allowed",
            value=len(value),
            remedy="shorten it or split it",
        )
    if "\x00" in value:
        place = value.index("\x00")
        raise Invalid(f"{name} has a NUL at character {place}", value=place, remedy="remove it")
    if not value.isascii():
        _refuse_surrogates(name, value)
    return value


def name_of(kind: str, value: str, *, characters_max: int) -> str:
    """Return a non-empty identifier of one of our own kinds (subject, stream, key)."""
    if text(kind, value, characters_max=characters_max) == "":
        raise Invalid(f"{kind} is empty", value=value, remedy="give it at least one character")
    return value


def uuid(name: str, value: str) -> str:
    """Return the text of a UUID in its canonical form."""
    compact = text(name, value).replace("-", "").lower()
    if not _HEX_UUID.fullmatch(compact):
        raise Invalid(
            f"{name} is {value!r}, not a UUID", value=value, remedy="give 32 hexadecimal digits"
        )
    return "-".join(compact[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))


def integer(name: str, value: int) -> int:
    """Return a 64-bit integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(f"{name} is {value!r}, not an integer", value=value, remedy="give an int")
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise Invalid(
            f"{name} does not fit into 64 bits", value=value, remedy="store larger numbers as text"
        )
    return value


def number(name: str, value: float) -> float:
    """Return a finite float; minus zero becomes zero, since PostgreSQL's JSON has none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Invalid(f"{name} is {value!r}, not a number", value=value, remedy="give a float")
    try:
        found = float(value) + 0.0
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise Invalid(f"{name} is {found}", value=value, remedy="give a finite number")
    return found


def when(name: str, value: datetime) -> datetime:
    """Return the time in UTC; without a zone it is refused: nobody knows what it means."""
    if value.tzinfo is None:
        raise Invalid(f"{name} has no time zone", value=value, remedy="add tzinfo, such as UTC")
    return value.astimezone(UTC)


def document(name: str, value: object) -> Json:
    """Return a JSON value copied into plain types, or say where it can not be stored."""
    return _copy(name, value, DEPTH_MAX)


def parse(name: str, raw: str | bytes) -> Json:
    """Read JSON text strictly: UTF-8 only, no duplicate key, no NaN, every value storable."""
    try:
        clear = raw if isinstance(raw, str) else raw.decode("utf-8")
        loaded = json.loads(clear, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{name} is not JSON ({error})", remedy="send one UTF-8 JSON value") from None
    return document(name, loaded)


def storable(name: str, loaded: object) -> None:
    """Refuse NUL and integers over 64 bits anywhere inside what was read as JSON."""
    if isinstance(loaded, str):
        text(name, loaded, characters_max=len(loaded))
    elif isinstance(loaded, int) and not isinstance(loaded, bool):
        integer(name, loaded)
    elif isinstance(loaded, dict):
        storable(name, [*loaded.keys(), *loaded.values()])
    elif isinstance(loaded, list):
        for one in loaded:
            storable(name, one)


def _copy(name: str, value: object, depth: int) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(name, value)
    if isinstance(value, int):
        return integer(name, value)
    if isinstance(value, float):
        return number(name, value)
    if depth == 0:
        raise TooLarge(f"{name} is nested deeper than {DEPTH_MAX}", remedy="flatten it")
    if isinstance(value, Mapping):
        return {_key(name, k): _copy(f"{name}.{k}", v, depth - 1) for k, v in _few(name, value)}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_copy(f"{name}[{i}]", v, depth - 1) for i, v in enumerate(_short(name, value))]
    raise Invalid(
        f"{name} is {type(value).__name__}, which JSON has no place for",
        remedy="use str, int, float, bool, None, list and dict",
    )


def _few(name: str, value: Mapping[object, object]) -> Sequence[tuple[object, object]]:
    return _short(name, list(value.items()))


def _short(name: str, value: Sequence[V]) -> Sequence[V]:
    if len(value) > ITEMS_MAX:
        raise TooLarge(f"{name} has {len(value)} items, {ITEMS_MAX} are allowed", remedy="split it")
    return value


def _key(name: str, key: object) -> str:
    if not isinstance(key, str):
        raise Invalid(f"{name} has the key {key!r}", value=key, remedy="use text as keys")
    return text(f"a key of {name}", key)


def _refuse_surrogates(name: str, value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Invalid(
            f"{name} has a lone surrogate at character {error.start}",
            value=error.start,
            remedy="decode the text with errors='strict' where it comes in",
        ) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number of JSON")
