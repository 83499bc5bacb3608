"""Rows of read models are frozen dataclasses, written whole and read whole, each with its own
digest.

The statement lists the columns in the order of the fields, the digest last; a test holds every
statement against its dataclass. Nested values are JSON text in the database on both engines.
With a vault open, personal columns hold sealed values and the digest has a key (``sealed.py``).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields, replace
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from typing import Any, ClassVar, Protocol, TypeVar, cast

import msgspec

from perdure.errors import Tampered

from .privacy import declared

DIGEST_BYTES = 16


class Row(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=Row)
Reader = Callable[[object], object]

_canonical = msgspec.json.Encoder(order="sorted")
_json = msgspec.json.Encoder()


def loose(*, default: None = None) -> Any:
    """Declare a field that the database itself may set to null; it is not part of the digest."""
    return field(default=default, metadata={"loose": True})


def digest(row: Row, *, slice: int, subject: str, key: bytes = b"") -> bytes:
    """Hash a row with its place, so that a changed or moved one is noticed."""
    kind = type(row)
    kept, nulled = row, _loose(kind)
    if nulled and any(getattr(row, name) is not None for name in nulled):  # replace() takes 8 µs
        kept = replace(row, **nulled)
    clear = _canonical.encode((kind.__name__, slice, subject, kept))
    return blake2b(clear, digest_size=DIGEST_BYTES, key=key).digest()


def parameters(row: Row) -> dict[str, object]:
    """Give the columns of a row as statement parameters."""
    return {name: write(getattr(row, name)) for name, write in _writers(type(row))}


def read(
    model: type[R], columns: Sequence[object], *, slice: int, subject: str, key: bytes = b""
) -> R:
    """Build the dataclass from the columns and refuse a row whose digest does not fit."""
    row = build(model, columns[:-1])
    if columns[-1] is None or bytes(cast(bytes, columns[-1])) != digest(
        row, slice=slice, subject=subject, key=key
    ):
        raise Tampered(
            f"a row of {model.__name__} is not what was written",
            value=model.__name__,
            remedy="run 'perdure log verify', then 'perdure rebuild'",
        )
    return row


def build(model: type[R], columns: Sequence[object]) -> R:
    """Build the dataclass from its columns, without looking for a digest."""
    readers = _readers(model)
    return model(*[r(c) if c is not None else None for r, c in zip(readers, columns, strict=True)])


@cache
def _loose(model: type) -> dict[str, None]:
    return {f.name: None for f in fields(model) if f.metadata.get("loose")}


@cache
def _readers(model: type) -> tuple[Reader, ...]:
    return tuple(_reader(plain) for plain, _ in declared(model).values())


@cache
def _writers(model: type) -> tuple[tuple[str, Reader], ...]:
    return tuple((name, _writer(plain)) for name, (plain, _) in declared(model).items())


def _reader(plain: Any) -> Reader:
    if typing.get_origin(plain) is typing.Literal:
        return _same
    return _READERS.get(plain) or cast(Reader, msgspec.json.Decoder(plain).decode)


def _writer(plain: Any) -> Reader:
    if typing.get_origin(plain) is typing.Literal:
        return _same
    return _WRITERS.get(plain, _json_text)


def _json_text(value: object) -> str | None:
    return None if value is None else _json.encode(value).decode()


def _when(value: object) -> datetime:
    loaded = datetime.fromisoformat(value) if isinstance(value, str) else value
    return cast(datetime, loaded).astimezone(UTC)


def _timestamp(value: object) -> str | None:
    if value is None:
        return None
    return cast(datetime, value).astimezone(UTC).isoformat(timespec="microseconds")


def _positive_zero(value: object) -> float | None:
    """Write a float; SQLite gives minus zero back as zero."""
    return None if value is None else cast(float, value) + 0.0


def _same(value: object) -> object:
    return value


_READERS: Mapping[object, Reader] = {
    str: _same,
    int: _same,
    float: float,  # type: ignore[dict-item]
    bool: bool,
    bytes: bytes,  # type: ignore[dict-item]
    datetime: _when,
}
_WRITERS: Mapping[object, Reader] = {
    str: _same,
    int: _same,
    float: _positive_zero,
    bool: _same,
    bytes: _same,
    datetime: _timestamp,
}
