"""What happened to an event that is not the one that was written: each kind has its own
sentence.

Called only when something does not fit, so it may search; it searches a bounded number of events
and says less when it finds nothing. Walking a whole log is ``perdure.ops.verify``'s work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from . import chain, events
from .log import PAGE_EVENTS, Ask, Header, Place, header, statements

SEARCH_EVENTS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened, and the hashes that belong to the versions it explains (None: unknown)."""

    kind: str
    sentence: str
    mended: Mapping[int, bytes | None] = field(default_factory=dict)


def explain(ask: Ask, entry: Header, place: Place) -> Fault:
    """Say what happened to an event that does not fit its place."""
    if entry.version != place.version:
        lost = f"stream {place.stream!r} goes from version {place.version - 1} to {entry.version}"
        return missing(ask, place, "event_removed", f"{lost}: an event was removed")
    if place.previous is None or not entry.is_whole:
        return _swapped(ask, entry, place) or Fault(
            "payload_changed",
            f"the payload of {place.name} was changed",
            {place.version: entry.hash},
        )
    found = (
        _swapped(ask, entry, place)
        or _copied(ask, entry, place)
        or _type_changed(entry, place)
        or _header_or_hash_changed(ask, entry, place)
    )
    return found or Fault(
        "event_replaced", f"{place.name} is not the one written there", {place.version: None}
    )


def missing(ask: Ask, place: Place, kind: str, sentence: str) -> Fault:
    """Say where an event that is not at its place went, if it is still in the slice."""
    for other in _slice(ask, place.slice) if place.previous is not None else ():
        back = replace(other, subject=place.subject, stream=place.stream)
        if _link(back, place) == other.hash:
            to = _other(place, other.subject, other.stream)
            return Fault("event_moved", f"{place.name} was moved to {to}")
    return Fault(kind, sentence)


def _swapped(ask: Ask, entry: Header, place: Place) -> Fault | None:
    inside = chain.payload_hash(entry.payload or b"")
    for other in _stream(ask, place, after=entry.version):
        here = _link(other, place)
        stayed = {entry.version: entry.hash, other.version: other.hash}
        if here == other.hash:
            travelled = {entry.version: other.hash, other.version: entry.hash}
            return _swap(place, entry, other, "events", travelled)
        if entry.hash == here:
            return _swap(place, entry, other, "events", stayed)
        if _link(replace(entry, payload_hash=other.payload_hash), place) == entry.hash or (
            not entry.is_whole and inside == other.payload_hash and not other.is_whole
        ):
            return _swap(place, entry, other, "the payloads of events", stayed)
    return None


def _link(entry: Header, place: Place) -> bytes:
    """Hash an event as if it stood at this place; where the hash before is unknown, in vain."""
    return entry.linked(place.previous or b"", place.slice, version=place.version)


def _swap(place: Place, entry: Header, other: Header, what: str, mended: dict[int, bytes]) -> Fault:
    sentence = f"{what} {entry.version} and {other.version} of stream {place.stream!r} were swapped"
    return Fault("events_swapped", sentence, mended)


def _copied(ask: Ask, entry: Header, place: Place) -> Fault | None:
    params = {
        **place.key, "version": place.version, "id": entry.id, "hash": entry.hash,
        "payload_hash": entry.payload_hash,
    }  # fmt: skip
    for query, what in (
        (statements.copies, place.name),
        (statements.payload_copies, f"the payload of {place.name}"),
    ):
        for subject, stream, version in ask(query, params):
            origin = f"event {version} of {_other(place, subject, stream)}"
            return Fault("event_copied", f"{what} was copied from {origin}", {place.version: None})
    return None


def _type_changed(entry: Header, place: Place) -> Fault | None:
    for kind in events.registry.kinds():
        for schema in range(1, kind.version + 1):
            old = replace(entry, type=kind.name, schema=schema)
            if _link(old, place) == entry.hash:
                return Fault(
                    "header_changed",
                    f"the type of {place.name} was changed from {kind.name} {schema} to"
                    f" {entry.type} {entry.schema}",
                    {place.version: entry.hash},
                )
    return None


def _header_or_hash_changed(ask: Ask, entry: Header, place: Place) -> Fault | None:
    """Ask the event behind, or the head, which hash this one had."""
    linked = _link(entry, place)
    if _is_followed(ask, place, entry.hash):
        return Fault(
            "header_changed",
            f"the header of {place.name} was changed (its time, its id or its payload's hash)",
            {place.version: entry.hash},
        )
    if _is_followed(ask, place, linked):
        return Fault(
            "hash_changed", f"the hash of {place.name} was changed", {place.version: linked}
        )
    return None


def _is_followed(ask: Ask, place: Place, hash: bytes) -> bool:
    for after in _stream(ask, place, after=place.version):
        return after.version == place.version + 1 and after.linked(hash, place.slice) == after.hash
    return any(bytes(row[1]) == hash for row in ask(statements.head, place.key))


def _stream(ask: Ask, place: Place, *, after: int) -> Iterator[Header]:
    for _ in range(0, SEARCH_EVENTS_MAX, PAGE_EVENTS):
        params = {**place.key, "after": after, "most": PAGE_EVENTS}
        page = [header(row) for row in ask(statements.stream_events, params)]
        yield from page
        if len(page) < PAGE_EVENTS:
            return
        after = page[-1].version


def _slice(ask: Ask, slice: int) -> Iterator[Header]:
    after = 0
    for _ in range(0, SEARCH_EVENTS_MAX, PAGE_EVENTS):
        params = {"slice": slice, "after": after, "most": PAGE_EVENTS}
        page = [header(row[:-1]) for row in ask(statements.slice_events, params)]
        yield from page
        if len(page) < PAGE_EVENTS:
            return
        after = page[-1].position


def _other(place: Place, subject: str, stream: str) -> str:
    of = "" if subject == place.subject else f" of subject {subject!r}"
    return f"stream {stream!r}{of}"
