"""Append to a stream and read it back, verified. The chain and the positions are kept here.

On SQLite the transaction is alone in the file, so the head is read, the event linked and written
by simple statements; on PostgreSQL one function does the same in one round trip. Following
across subjects lives in ``follow.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from perdure.errors import Conflict, Tampered

from . import chain, events, queries
from .clock import moment
from .engine import Params, Rows, Session
from .queries import Query
from .sealing import Owner, Seal

statements = queries.load(__file__)

Ask = Callable[[Query, Params], Rows]
ANY, EXISTS, NONE = -1, -2, 0
PAGE_EVENTS = 500


class Recorded:
    """An event with its place: stream, version, position and time.

    Right after an append the version and position may still be on their way (one round trip is
    saved when nobody asks).
    """

    __slots__ = ("_at", "_place", "_rows", "actor", "event", "id", "lane", "stream", "subject")

    def __init__(
        self,
        event: Any,
        *,
        subject: str,
        stream: str,
        id: str,
        at: int,
        actor: str,
        rows: Callable[[], Rows],
    ) -> None:
        self.event, self.subject, self.stream = event, subject, stream
        self.id, self._at, self.actor, self.lane = id, at, actor, ""
        self._rows = rows
        self._place: tuple[int, int] | None = None

    @property
    def at(self) -> datetime:
        """The time of the transaction that appended it."""
        return moment(self._at)

    @property
    def version(self) -> int:
        """The number inside the stream, from 1."""
        return self._fetch()[0]

    @property
    def position(self) -> int:
        """The number inside the slice, from 1, without gaps, in commit order."""
        return self._fetch()[1]

    def _fetch(self) -> tuple[int, int]:
        if self._place is None:
            ((version, position),) = self._rows()
            self._place = (version, position)
        return self._place

    def __repr__(self) -> str:
        return f"<{type(self.event).__name__} {self._place or 'on its way'} of {self.stream!r}>"


@dataclass(frozen=True, slots=True)
class Header:
    """What is stored around a payload, as the chain sees it."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    schema: int
    at: int
    payload: bytes | None
    payload_hash: bytes
    hash: bytes
    subject: str

    def linked(self, previous: bytes, slice: int, *, version: int | None = None) -> bytes:
        """Compute the hash this event should carry after ``previous``."""
        return chain.link(
            previous,
            slice=slice,
            subject=self.subject,
            stream=self.stream,
            version=self.version if version is None else version,
            id=self.id,
            type=self.type,
            schema=self.schema,
            at=self.at,
            payload=self.payload_hash,
        )

    @property
    def is_whole(self) -> bool:
        """Say whether the payload is the one that was hashed; an erased one always is."""
        return self.payload is None or chain.payload_hash(self.payload) == self.payload_hash

    def clear(self, seal: Seal | None = None) -> bytes | None:
        """Give the payload as it was before it was sealed; an erased one is None."""
        if self.payload is None or seal is None:
            return self.payload
        return seal.open(self.payload, *_in_log(self.id))

    def recorded(self, seal: Seal | None = None) -> Recorded:
        """Decode the event; an erased payload decodes to None."""
        fact, actor = None, ""
        if (payload := self.clear(seal)) is not None:
            actor, written = events.signed(payload)
            fact = events.decode(self.type, self.schema, written)
        place = [(self.version, self.position)]
        return Recorded(
            fact, subject=self.subject, stream=self.stream, id=self.id, at=self.at, actor=actor,
            rows=lambda: place,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event is expected: as this version of a stream, behind the hash ``previous`` (None
    if that is unknown).
    """

    slice: int
    subject: str
    stream: str
    version: int
    previous: bytes | None = None

    @property
    def key(self) -> dict[str, object]:
        """Give the parameters that find the stream."""
        return {"slice": self.slice, "subject": self.subject, "stream": self.stream}

    @property
    def next(self) -> Place:
        """Give the place behind this one."""
        return replace(self, version=self.version + 1)

    @property
    def name(self) -> str:
        return f"event {self.version} of stream {self.stream!r}"

    def fits(self, entry: Header) -> bool:
        """Say whether this event is the one that was written here."""
        if entry.version != self.version or not entry.is_whole:
            return False
        return self.previous is None or entry.linked(self.previous, self.slice) == entry.hash


def header(row: tuple[Any, ...]) -> Header:
    """Read a row of perdure_events."""
    position, stream, version, id, type, schema, at, payload, payload_hash, hash, subject = row
    return Header(
        position, stream, version, str(id), type, schema, at,
        None if payload is None else bytes(payload), bytes(payload_hash), bytes(hash), subject,
    )  # fmt: skip


def append(
    session: Session,
    fact: object,
    *,
    slice: int,
    owner: Owner,
    stream: str,
    expected: int,
    id: str,
    at: int,
    actor: str,
) -> Recorded:
    """Append one event or raise Conflict; nothing is visible before the transaction commits."""
    kind, payload = events.encode(fact)
    params = {
        "slice": slice, "subject": owner.subject, "stream": stream, "expected": expected, "id": id,
        "type": kind.name, "schema": kind.version, "at": at, "payload": events.sign(actor, payload),
    }  # fmt: skip
    rows = put(session, owner, params)
    return Recorded(
        fact, subject=owner.subject, stream=stream, id=id, at=at, actor=actor, rows=rows
    )


def put(session: Session, owner: Owner, params: dict[str, Any]) -> Callable[[], Rows]:
    """Append an event that is encoded and signed; its version and position come later."""
    if owner.seal is not None:
        params["payload"] = owner.seal.seal(params["payload"], *_in_log(params["id"]))
    return _APPEND[session.dialect](session, params)


def _in_log(id: str) -> tuple[str, str, str]:
    """Name the place a payload is sealed for."""
    return "event", id, "payload"


def _append_here(session: Session, params: dict[str, Any]) -> Callable[[], Rows]:
    found = session.rows(statements.head, params)
    known, previous = found[0] if found else (0, chain.GENESIS)
    try:
        check_expected(params["stream"], params["expected"], known)
    except Conflict as error:
        session.fail(error)  # as PostgreSQL does
        raise
    version = known + 1
    payload_hash = chain.payload_hash(params["payload"])
    linked = chain.link(
        bytes(previous),
        slice=params["slice"], subject=params["subject"], stream=params["stream"], version=version,
        id=params["id"], type=params["type"], schema=params["schema"], at=params["at"],
        payload=payload_hash,
    )  # fmt: skip
    ((position,),) = session.rows(statements.take_position, params)
    params.update(version=version, position=position, payload_hash=payload_hash, hash=linked)
    session.rows(statements.save_head, params)
    session.rows(statements.insert_event, params)
    place = [(version, position)]
    return lambda: place


def _append_there(session: Session, params: dict[str, Any]) -> Callable[[], Rows]:
    return session.later(statements.append, params)


_APPEND: Mapping[str, Callable[[Session, dict[str, Any]], Callable[[], Rows]]] = {
    "sqlite": _append_here,
    "postgres": _append_there,
}


def check_expected(stream: str, expected: int, known: int) -> None:
    """Refuse an append to another version than the caller saw."""
    if expected in (ANY, known) or (expected == EXISTS and known > 0):
        return
    raise Conflict(conflict_message(stream, expected, known), value=known, remedy=_AGAIN)


_AGAIN = "read it again and retry"


def conflict_message(stream: str, expected: int, known: int) -> str:
    """Say what the stream is and what was expected of it."""
    is_at = f"stream {stream!r} is at version {known}" if known else f"stream {stream!r} is empty"
    wanted = {EXISTS: "not existing as expected", NONE: "not new as expected"}
    return f"{is_at}, {wanted.get(expected, f'not {expected}')}"


def read(
    ask: Ask, *, slice: int, owner: Owner, stream: str, after: int = 0, upto: int | None
) -> Iterator[Recorded]:
    """Yield the events of a stream in order, each verified against the one before and the head."""
    for entry in headers(ask, Place(slice, owner.subject, stream, after), upto=upto):
        yield entry.recorded(owner.seal)


def headers(ask: Ask, start: Place, *, upto: int | None = None) -> Iterator[Header]:
    """Yield the same as they are stored, behind the start."""
    known, head_hash = _head(ask, start)
    last = known if upto is None else min(upto, known)
    place = replace(start, previous=_hash_at(ask, start))
    while place.version < last:
        most = min(PAGE_EVENTS, last - place.version)
        page = ask(statements.stream_events, {**place.key, "after": place.version, "most": most})
        if not page:
            raise _cut(ask, place.next, known)
        for entry in map(header, page):
            verify(ask, entry, place.next)
            place = replace(place, version=entry.version, previous=entry.hash)
            yield entry
    if place.version == known and place.previous != head_hash:
        raise Tampered(head_message(place), value=place.stream, remedy=RESTORE)


def _head(ask: Ask, place: Place) -> tuple[int, bytes]:
    found = ask(statements.head, place.key)
    return (int(found[0][0]), bytes(found[0][1])) if found else (0, chain.GENESIS)


def _hash_at(ask: Ask, place: Place) -> bytes | None:
    if place.version == 0:
        return chain.GENESIS
    found = ask(statements.event_hash, {**place.key, "version": place.version})
    return bytes(found[0][0]) if found else None


RESTORE = "restore it from a copy; 'perdure log verify' lists everything that is wrong"


def cut_message(stream: str, version: int, known: int) -> str:
    """Say that the tail is missing."""
    return f"stream {stream!r} ends at version {version} but was at {known}: its tail was cut"


def head_message(place: Place) -> str:
    """Say that the head and the last event contradict each other."""
    return f"the head of stream {place.stream!r} does not fit its last event"


def verify(ask: Ask, entry: Header, place: Place) -> None:
    """Refuse an event that is not the one that was written at this place."""
    if not place.fits(entry):
        from . import tampering

        fault = tampering.explain(ask, entry, place)
        raise Tampered(fault.sentence, value=place.stream, remedy=RESTORE)


def _cut(ask: Ask, place: Place, known: int) -> Tampered:
    from . import tampering

    sentence = cut_message(place.stream, place.version - 1, known)
    fault = tampering.missing(ask, place, "tail_cut", sentence)
    return Tampered(fault.sentence, value=place.stream, remedy=RESTORE)
