"""What an export says, line by line: docs/export.md in code. Nothing is read or written here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from perdure.errors import Invalid, Tampered

NAME = "perdure export"
VERSION = 1
ABOUT, MANIFEST = "about.json", "manifest.json"
LOG, OUTCOMES, TABLES, BESIDE = "log", "outcomes", "tables", "beside"
AGAIN = "take it from where it was made once more"

S = TypeVar("S")
When = Annotated[datetime, msgspec.Meta(tz=True)]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class About(msgspec.Struct, frozen=True):
    """The first member: what this is, of whom, and from where."""

    format: str
    version: int
    subject: str
    handle: str  # what stands for the name in the rows of the store it came from
    at: datetime
    engine: str
    vault: str = ""


class Entry(msgspec.Struct, frozen=True):
    """A member, as the manifest lists it."""

    name: str
    bytes: int
    lines: int
    sha256: str


class Head(msgspec.Struct, frozen=True):
    """The last event, where it stood in the store it came from."""

    slice: int
    position: int
    hash: str


class Manifest(msgspec.Struct, frozen=True):
    """The last member: everything there is, so that nothing can be missing."""

    members: list[Entry]
    events: int
    erased: int
    streams: int
    outcomes: int
    rows: dict[str, int]
    head: Head | None = None


class Event(msgspec.Struct, frozen=True):
    """A line of the log. An erased event has no fact any more, and nobody behind it."""

    stream: str
    version: Version
    id: str
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    schema: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    at: When
    actor: Annotated[str, msgspec.Meta(max_length=255)]
    event: msgspec.Raw


class Outcome(msgspec.Struct, frozen=True):
    """What a retry with this idempotency key returns."""

    key: str
    unit: str
    at: When
    result: msgspec.Raw


ERASED = msgspec.Raw(b"null")
encode = msgspec.json.Encoder().encode
_pretty = msgspec.json.format


def document(value: About | Manifest) -> bytes:
    """Write a whole member for people as well."""
    return _pretty(encode(value), indent=2) + b"\n"


def parse(kind: type[S], raw: bytes, name: str) -> S:
    """Read a line or a member; what does not fit was not written by us."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Tampered(f"{name} can not be read ({error})", value=name, remedy=AGAIN) from None


def parse_about(raw: bytes) -> About:
    """Read the first member; other formats and later versions are refused by name."""
    said = parse(dict[str, Any], raw, ABOUT)
    kind, version = said.get("format"), said.get("version")
    if kind != NAME or version != VERSION:
        raise Invalid(
            f"this is {kind!r} in version {version!r}, not {NAME!r} in version {VERSION}",
            value=version,
            remedy="upgrade perdure, or check which file this is",
        )
    return parse(About, raw, ABOUT)


def lines(data: bytes, name: str) -> Iterator[bytes]:
    """Split a member; the last line ends as well."""
    *found, rest = data.split(b"\n")
    if rest:
        raise Tampered(f"{name} ends inside a line", value=name, remedy=AGAIN)
    yield from found
