"""The events and units of work that the cases are made of. No read model of their own: a counter
keeps its snapshots in the kernel's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from perdure.kernel import Recorded, Transaction, event, load, projects
from perdure.kernel.events import EventType, registry
from perdure.kernel.replay import SNAPSHOT_EVENTS, keep, replay
from perdure.kernel.values import Json

queries = load(__file__)
NOTES = "note-a"
COUNTER = "counter-a"


@event()
class SampleNoted:
    """A line of text."""

    text: str


@event()
class SampleKept:
    """Any value of JSON."""

    value: Any


@event()
class SampleTyped:
    """A value of each plain type."""

    count: int
    share: float


@event()
class SampleCounted:
    """A step of a counter."""

    step: int


@event()
class SampleSpoiled:
    """Can be appended but never projected."""


def _with_country(fields: dict[str, Json]) -> dict[str, Json]:
    return {**fields, "country": "unknown"}


def _with_reasons(fields: dict[str, Json]) -> dict[str, Json]:
    return {"to": fields["place"], "country": fields["country"], "reasons": []}


@event(version=3, upcasts={1: _with_country, 2: _with_reasons})
class SampleMoved:
    """Has been through two changes of its schema."""

    to: str
    country: str
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class MovedFirst:
    """The same event as version 1 wrote it."""

    place: str


@dataclass(frozen=True, slots=True)
class MovedSecond:
    """The same event as version 2 wrote it."""

    place: str
    country: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """An event of an application that is not here."""

    text: str


def _old(cls: type, name: str, version: int) -> None:
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(cls).decode
    registry.by_class[cls] = EventType(name, version, {}, cls, decode)


_old(MovedFirst, "SampleMoved", 1)
_old(MovedSecond, "SampleMoved", 2)
_old(Stranger, "SampleOfAnotherApp", 1)


@projects(SampleCounted)
def _(tx: Transaction, _fact: SampleCounted, at: Recorded) -> None:
    if at.version % SNAPSHOT_EVENTS == 0:
        keep(tx, at.stream, at.version, total(tx, upto=at.version))


@projects(SampleSpoiled)
def _(_tx: Transaction, _fact: SampleSpoiled, _at: Recorded) -> None:
    raise Broken


class Broken(Exception):
    """What a case raises on purpose."""


def note(*texts: str, stream: str = NOTES) -> Callable[[Transaction], list[int]]:
    """Make a unit that appends lines and returns their versions."""

    def unit(tx: Transaction) -> list[int]:
        recorded = [tx.append(stream, SampleNoted(text)) for text in texts]
        return [one.version for one in recorded]

    return unit


def keeping(values: Iterable[Any], stream: str) -> Callable[[Transaction], None]:
    """Make a unit that appends values."""

    def unit(tx: Transaction) -> None:
        for value in values:
            tx.append(stream, SampleKept(value))

    return unit


def notes(tx: Transaction, stream: str = NOTES) -> list[str]:
    """Read the lines back."""
    return [recorded.event.text for recorded in tx.events(stream)]


def kept(stream: str) -> Callable[[Transaction], list[Any]]:
    """Make a unit that reads values back."""
    return lambda tx: [recorded.event.value for recorded in tx.events(stream)]


def count(tx: Transaction) -> int:
    """Take one step and return the total: lost updates show."""
    so_far = total(tx)
    tx.append(COUNTER, SampleCounted(1))
    return so_far + 1


def total(tx: Transaction, *, upto: int | None = None) -> int:
    """Add up the steps, from the nearest snapshot on."""
    return replay(tx, COUNTER, 0, lambda so_far, fact, _: so_far + int(fact.step), upto=upto)


def fail(tx: Transaction) -> None:
    """Write something, then raise."""
    tx.append(NOTES, SampleNoted("half"))
    raise Broken
