"""How private each field of a row is: said once, beside the field, by the domain it belongs to.

    id: Id[str]                     # clear, and part of what names the record
    core_identity: Personal[str]    # sealed where a vault is open
    emotional_weight: Pseudonymous[Weight]

A text nobody declared counts as personal. docs/data-layout.md lists every column; a test holds it
against this.
"""

from __future__ import annotations

import types
import typing
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeVar

T = TypeVar("T")


class Privacy(StrEnum):
    """What may be seen of a field by who can read the database and has no key."""

    ID = "id"
    PERSONAL = "personal"
    PSEUDONYMOUS = "pseudonymous"
    PUBLIC = "public"


Id = Annotated[T, Privacy.ID]
Personal = Annotated[T, Privacy.PERSONAL]
Pseudonymous = Annotated[T, Privacy.PSEUDONYMOUS]
Public = Annotated[T, Privacy.PUBLIC]

_BLIND = "blind"
Blind = Annotated[T, _BLIND]  # beside one of those: from ``tx.blind``, so no other store has it

_NEVER_TEXT = (int, float, bool, datetime)


@cache
def declared(model: type) -> dict[str, tuple[Any, Privacy | None]]:
    """Give each field's plain type and what its domain says of it."""
    hints = typing.get_type_hints(model, include_extras=True)
    return {each.name: _look_through(hints[each.name], None) for each in fields(model)}


@cache
def privacy_of(model: type) -> dict[str, Privacy]:
    """Give how private each field is; what was not declared and may hold text is personal."""
    return {
        name: said or (Privacy.PSEUDONYMOUS if _is_harmless(plain) else Privacy.PERSONAL)
        for name, (plain, said) in declared(model).items()
    }


@cache
def blind_in(model: type) -> frozenset[str]:
    """Give the fields that hold blind tokens where a vault is open."""
    hints = typing.get_type_hints(model, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _BLIND in _notes(hint))


def _notes(hint: Any) -> tuple[object, ...]:
    return getattr(hint, "__metadata__", ())


def _look_through(hint: Any, said: Privacy | None) -> tuple[Any, Privacy | None]:
    """Look through ``Annotated`` and ``X | None``, in whichever order they stand."""
    if typing.get_origin(hint) is Annotated:
        notes = [note for note in hint.__metadata__ if isinstance(note, Privacy)]
        return _look_through(hint.__origin__, notes[0] if notes else said)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (inner,) = (one for one in typing.get_args(hint) if one is not type(None))
        return _look_through(inner, said)
    return hint, said


def _is_harmless(plain: Any) -> bool:
    return plain in _NEVER_TEXT or typing.get_origin(plain) is typing.Literal
