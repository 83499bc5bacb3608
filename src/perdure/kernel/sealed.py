"""Personal columns, sealed on their way into the database and opened on their way out.

A text column holds the sealed bytes as base64, a JSON column a JSON string of that (a list, a list
of the one string), a column of bytes the bytes themselves: no schema differs between a store with a
vault and one without.
"""

from __future__ import annotations

import typing
from binascii import b2a_base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from perdure.errors import Internal, Tampered

from . import rows
from .privacy import Privacy, declared, privacy_of
from .rows import R
from .sealing import Owner, Seal

_FRAME = '["]'  # none of it is base64
MIXED = (
    "each sealed value in it was sealed for it, so an older one was put back, or a clear column was"
    " changed"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A personal column of a model: where it stands and how its values become bytes."""

    place: int
    name: str
    is_bytes: bool
    frame: str

    def close(self, seal: Seal, clear: Any, kind: str, id: str) -> Any:
        """Give what is stored instead of the clear value."""
        plain = clear if self.is_bytes else clear.encode()
        closed = seal.seal(plain, kind, id, self.name)
        return closed if self.is_bytes else self.frame.format(to_text(closed))

    def reopen(self, seal: Seal, stored: Any, kind: str, id: str) -> Any:
        """Give the clear value back."""
        clear = seal.open(self.closed(stored), kind, id, self.name)
        return clear if self.is_bytes else clear.decode()

    def closed(self, stored: Any) -> bytes:
        """Give the sealed bytes of what is stored."""
        return bytes(stored) if self.is_bytes else from_text(stored)


@dataclass(frozen=True, slots=True)
class Shape:
    """What sealing must know of a model."""

    kind: str
    ids: tuple[tuple[int, str], ...]
    personal: tuple[Column, ...]

    def id(self, values: Sequence[Any]) -> str:
        """Name the record by the values of its ids, each behind its length if there are many."""
        if len(values) == 1:
            return str(values[0])
        return "".join(f"{len(text)}:{text}" for text in map(str, values))


@cache
def shape(model: type) -> Shape:
    """Look a model's declarations up."""
    privacy = privacy_of(model)
    places = list(enumerate(privacy))
    ids = tuple((place, name) for place, name in places if privacy[name] is Privacy.ID)
    personal = [(place, name) for place, name in places if privacy[name] is Privacy.PERSONAL]
    return Shape(
        model.__name__, ids, tuple(_column(model, place, name) for place, name in personal)
    )


def close(model: type, columns: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    """Give the parameters of a row with its personal values sealed."""
    how = shape(model)
    id = how.id([columns[name] for _, name in how.ids])
    closed = {
        column.name: column.close(seal, columns[column.name], how.kind, id)
        for column in how.personal
        if columns[column.name] is not None
    }
    return {**columns, **closed}


def reopen(model: type, columns: Sequence[Any], seal: Seal) -> list[Any]:
    """Give the columns of a row, its digest behind them or not, with its personal values opened."""
    how = shape(model)
    id = how.id([columns[place] for place, _ in how.ids])
    opened = list(columns)
    for column in how.personal:
        stored = opened[column.place]
        if stored is not None:
            clear = seal.open(column.closed(stored), how.kind, id, column.name)
            opened[column.place] = clear if column.is_bytes else clear.decode()
    return opened


def read(model: type[R], columns: Sequence[Any], *, slice: int, owner: Owner) -> R:
    """Build the row of an owner from its columns, opened and held against its digest."""
    seal = owner.seal
    if seal is None:
        return rows.read(model, columns, slice=slice, subject=owner.subject)
    opened = reopen(model, columns, seal)
    try:
        return rows.read(model, opened, slice=slice, subject=owner.subject, key=seal.digest_key)
    except Tampered as error:
        said = f"{error.message}: {MIXED}"
        raise Tampered(said, value=error.value, remedy=error.remedy) from None


def texts(
    model: type, fields: Sequence[str], found: Sequence[Sequence[Any]], seal: Seal | None
) -> Iterator[tuple[str, list[str]]]:
    """Open some personal fields of rows that begin with their id; nothing else is looked at."""
    how = shape(model)
    columns = [next(column for column in how.personal if column.name == name) for name in fields]
    for id, *stored in found:
        pairs = [(column, text) for column, text in zip(columns, stored, strict=True) if text]
        yield (
            id,
            [
                text if seal is None else column.reopen(seal, text, how.kind, id)
                for column, text in pairs
            ],
        )


def to_text(closed: bytes) -> str:
    """Write sealed bytes into a column of text."""
    return b2a_base64(closed, newline=False).decode()


def from_text(stored: str) -> bytes:
    """Read them back; what is no base64 is handed on as it is, for the seal to refuse."""
    try:
        return msgspec.convert(stored.strip(_FRAME), bytes)  # twice as fast as binascii
    except msgspec.ValidationError:
        return stored.encode()


def _column(model: type, place: int, name: str) -> Column:
    plain, _ = declared(model)[name]
    if plain in (int, float, bool, datetime):
        raise Internal(
            f"{model.__name__}.{name} is a {plain.__name__}, which can not be sealed",
            value=name,
            remedy="declare it pseudonymous, or keep it as text",
        )
    is_many = typing.get_origin(plain) in (list, tuple)
    frame = "{}" if plain is str else '["{}"]' if is_many else '"{}"'
    return Column(place, name, plain is bytes, frame)
