"""A token stands for a value that is personal: ``⟦person:3⟧`` is the third person of a subject.

The pure rules: how a token is written, which values are the same, how a text is written again.
Nothing here stores anything; what is found in a text is the business of ``detect.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from perdure.errors import Invalid
from perdure.kernel import values
from perdure.kernel.privacy import Blind, Id, Personal, Pseudonymous

from .names import folded, spaced

STREAM = "tokens-self"
KNOWN_MOST = 1_000

Mode = Literal["none", "tokens", "dropped"]
MODES: tuple[Mode, ...] = get_args(Mode)

MARK = re.compile(r"⟦([a-z]{1,24}):([1-9][0-9]{0,17})⟧")
MARK_OR_KIND = re.compile(r"⟦([a-z]{1,24})(?::([1-9][0-9]{0,17}))?⟧")
FOREIGN = "mark"  # the kind of what looks like a token and is none of this subject

Place = tuple[int, int, str]
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Token:
    """What a token of a subject stands for."""

    kind: str
    number: int
    value: str
    first_seen: datetime

    def __str__(self) -> str:
        return mark(self.kind, self.number)

    def __repr__(self) -> str:
        return f"<Token {self}>"  # without the value: a repr may end in a log


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of pii_tokens: a token and its value, or what is left of it once it was forgotten."""

    kind: Id[str]
    number: Id[int]
    at: datetime
    version: int
    value: Personal[str | None]
    blind: Pseudonymous[Blind[str | None]]


def mark(kind: str, number: int) -> str:
    """Write a token."""
    return f"⟦{kind}:{number}⟧"


def key_of(token: str) -> Key:
    """Read a token."""
    match = MARK.fullmatch(values.text("the token", token))
    if match is None:
        raise Invalid("this is no token", remedy="write it as in a text: ⟦person:3⟧")
    return match[1], int(match[2])


def keys_in(text: str) -> dict[Key, None]:
    """Give the tokens of a text, in its order."""
    return {(match[1], int(match[2])): None for match in MARK.finditer(text)}


def mode(how: str) -> Mode:
    """Return one of the three ways to hide."""
    for known in MODES:
        if how == known:
            return known
    raise Invalid(f"{how!r} is no way to hide", value=how, remedy=f"use {', '.join(MODES)}")


def rewritten(text: str, places: Iterable[Place]) -> str:
    """Write a text with something else in some places, which stand in its order."""
    pieces, at = [], 0
    for start, end, instead in places:
        pieces += [text[at:start], instead]
        at = end
    return "".join([*pieces, text[at:]])


def dropped(text: str, places: Iterable[Place]) -> str:
    """Write kinds instead of values, and take the numbers of tokens away."""
    bare = ((*match.span(), f"⟦{match[1]}⟧") for match in MARK.finditer(text))
    return rewritten(text, sorted([*bare, *places]))


def sameness(kind: str, value: str) -> str:
    """Give what is equal for two spellings of one value."""
    return f"{kind}:{_SAME.get(kind, str)(value)}"


_NO_DIGIT = re.compile(r"\D")
_NO_LETTER = re.compile(r"[\W_]")


def _same_name(value: str) -> str:
    return folded(spaced(value))


def _same_phone(value: str) -> str:
    number = folded(value).replace("(0)", "")
    sign = "+" if number.startswith(("+", "00")) else ""
    return sign + _NO_DIGIT.sub("", number).removeprefix("00" if sign else "")


def _same_code(value: str) -> str:
    return _NO_LETTER.sub("", folded(value))


def _same_ip(value: str) -> str:
    from ipaddress import ip_address

    try:
        return ip_address(value).compressed
    except ValueError:  # a caller's own detector may call something else an address
        return folded(value)


_SAME: dict[str, Callable[[str], str]] = {
    "person": _same_name, "email": folded, "handle": folded, "phone": _same_phone,
    "iban": _same_code, "card": _same_code, "ip": _same_ip,
}  # fmt: skip
