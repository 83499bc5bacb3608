"""Verify the log of one slice: positions, streams, heads. Each page is read from one snapshot.

Only what was committed when the walk began has to be whole, so writers raise no false alarm:
events never change, and positions are given in commit order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

from perdure.errors import Invalid
from perdure.kernel import chain, log, tampering
from perdure.kernel.engine import Engine, Params, Rows, Session
from perdure.kernel.follow import lane
from perdure.kernel.log import PAGE_EVENTS, Ask, Header, Place, header
from perdure.kernel.queries import Query
from perdure.kernel.sealing import Keys

from .places import REFUSALS, owner_of
from .report import Ledger, Mark, Witness
from .tables import statements

STRAYS_MAX = 100
GAPS_MAX = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """A slice in numbers: what its counter says, and its events."""

    counter: int
    events: int
    last: int

    @property
    def upto(self) -> int:
        return max(self.counter, self.last)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the walk came: inside a stream, or behind one."""

    subject: str = ""
    stream: str = ""
    place: Place | None = None
    mended: dict[int, bytes | None] = field(default_factory=dict)


@dataclass(slots=True)
class Page:
    """What one snapshot gave."""

    keys: Keys | None
    seen: int = 0
    lost: int = 0
    events: int = 0
    streams: int = 0
    faults: list[tuple[tampering.Fault, Place]] = field(default_factory=list)

    def add(self, fault: tampering.Fault, place: Place, *, missed: int = 0) -> None:
        """Keep a fault and how many events it explains; a moved one is still there."""
        is_moved = fault.kind == "event_moved"
        self.seen += is_moved
        self.lost += missed - is_moved
        self.faults.append((fault, place))


@dataclass(frozen=True, slots=True)
class SliceWalk:
    """The walk through one slice of one database."""

    database: Engine
    name: str
    slice: int
    keys: Keys | None
    ledger: Ledger

    @property
    def lane(self) -> str:
        return lane(self.name, self.slice)

    def run(self, witness: Witness | None) -> None:
        """Verify positions, streams and heads, and hold them against the witness."""
        shape = self.database.read("", self._shape)
        mark = witness.slices.get(self.lane) if witness else None
        if mark is not None:
            self._hold_against(mark, shape)
        seen, lost = self._walk(shape)
        if seen < shape.events:
            self._strays(shape)
        if shape.last > shape.counter:
            self._tell(
                "counter_behind",
                f"slice {self.slice} has events up to position {shape.last} but counted"
                f" {shape.counter}: its counter was rewound",
            )
        if shape.upto - shape.events > lost:
            self._missing_positions(shape)

    def _shape(self, session: Session) -> Shape:
        ((counter, events, last),) = session.rows(statements.shape, {"slice": self.slice})
        return Shape(int(counter), int(events), int(last))

    def _tell(self, kind: str, sentence: str, place: Place | None = None) -> None:
        where = f"slice {self.lane}"
        if place is not None:
            where += f", subject {place.subject!r}, stream {place.stream!r}"
        self.ledger.tell(kind, sentence, where)

    # -- streams

    def _walk(self, shape: Shape) -> tuple[int, int]:
        """Walk all streams; return how many old events were seen, and how many are missed."""
        cursor: Cursor | None = Cursor()
        seen = lost = 0
        while cursor is not None:
            unit = partial(_page, cursor, self.slice, shape.upto, self.keys)
            page, cursor = self.database.read("", unit)
            seen, lost = seen + page.seen, lost + page.lost
            self.ledger.counts.update(events=page.events, streams=page.streams)
            for fault, place in page.faults:
                self._tell(fault.kind, fault.sentence, place)
        return seen, lost

    def _strays(self, shape: Shape) -> None:
        """Tell of events that no head covers."""
        params = {"slice": self.slice, "upto": shape.upto, "most": STRAYS_MAX}
        rows = self.database.read("", partial(_rows, statements.strays, params))
        for subject, stream, head, last, count in rows:
            place = Place(self.slice, subject, stream, int(head))
            if head:
                sentence = (
                    f"stream {stream!r} is at version {head}, but has events up to {last}: its"
                    " head was rewound"
                )
                self._tell("event_beyond_head", sentence, place)
            else:
                sentence = f"stream {stream!r} has {count} events but no head: it was removed"
                self._tell("event_without_stream", sentence, place)

    # -- positions

    def _missing_positions(self, shape: Shape) -> None:
        params = {"slice": self.slice, "upto": shape.upto, "most": GAPS_MAX}
        ((first,),) = self.database.read("", partial(_rows, statements.first_position, params))
        gaps = list(self.database.read("", partial(_rows, statements.gaps, params)))
        if first is not None and first > 1:
            gaps.insert(0, (0, first))
        for before, after in gaps:
            self._tell(
                "position_missing",
                f"slice {self.slice} goes from position {before} to {after}: an event was removed"
                " with the head of its stream",
            )
        if shape.last < shape.counter:
            self._tell(
                "counter_ahead",
                f"slice {self.slice} ends at position {shape.last} but counted {shape.counter}:"
                " its tail was cut with the head of its stream",
            )

    def _hold_against(self, mark: Mark, shape: Shape) -> None:
        if shape.upto < mark.position:
            self._tell(
                "tail_cut_with_counters",
                f"slice {self.slice} was at position {mark.position} when the witness was written"
                f" and is at {shape.upto} now: its tail was cut with heads and counters",
            )
            return
        params = {"slice": self.slice, "position": mark.position}
        found = self.database.read("", partial(_rows, statements.event_at, params))
        if mark.hash and found and bytes(found[0][0]).hex() != mark.hash:
            self._tell(
                "history_rewritten",
                f"the event at position {mark.position} of slice {self.slice} is not the one the"
                " witness saw: history was rewritten",
            )


def _rows(query: Query, params: Params, session: Session) -> Rows:
    return session.rows(query, params)


def _page(
    cursor: Cursor, slice: int, upto: int, keys: Keys | None, session: Session
) -> tuple[Page, Cursor | None]:
    """Walk on until a page is full or the slice ends."""

    def ask(query: Query, params: Params) -> Rows:
        return session.rows(replace(query, role="reader"), params)

    page = Page(keys)
    at: Cursor | None = cursor
    while at is not None and page.events + page.streams < PAGE_EVENTS:
        head = _head(ask, at, slice)
        at = None if head is None else _stream(ask, page, at, head, upto)
    return page, at


@dataclass(frozen=True, slots=True)
class Head:
    """The head row of a stream."""

    slice: int
    subject: str
    stream: str
    version: int
    hash: bytes


def _head(ask: Ask, cursor: Cursor, slice: int) -> Head | None:
    """Give the head of the stream that the walk is in, or of the next one."""
    if cursor.place is not None:
        found = ask(log.statements.head, cursor.place.key)
        rows = [(cursor.subject, cursor.stream, *row) for row in found]
    else:
        after = {"after_subject": cursor.subject, "after_stream": cursor.stream}
        rows = list(ask(statements.next_stream, {"slice": slice, **after}))
    if not rows:
        return None
    subject, stream, version, hash = rows[0]
    return Head(slice, subject, stream, int(version), bytes(hash))


def _stream(ask: Ask, page: Page, cursor: Cursor, head: Head, upto: int) -> Cursor:
    """Verify a page of one stream; at its end, its head."""
    place = cursor.place or Place(head.slice, head.subject, head.stream, 0, chain.GENESIS)
    mended = dict(cursor.mended)
    params = {**place.key, "after": place.version, "most": PAGE_EVENTS}
    rows = ask(log.statements.stream_events, params)
    for entry in map(header, rows):
        if entry.version > head.version:
            break
        place = _event(ask, page, entry, place, mended)
        page.events += 1
        page.seen += entry.position <= upto
    if len(rows) == PAGE_EVENTS and place.version < head.version:
        return Cursor(head.subject, head.stream, place, mended)
    _end(ask, page, place, head)
    page.streams += 1
    return Cursor(head.subject, head.stream)


def _event(
    ask: Ask, page: Page, entry: Header, place: Place, mended: dict[int, bytes | None]
) -> Place:
    """Verify one event; go on with the hash it should have, None where nobody knows it."""
    here = place.next
    if entry.version != here.version:
        page.add(tampering.explain(ask, entry, here), here, missed=entry.version - here.version)
        here = replace(here, version=entry.version, previous=None)
    if entry.version in mended:
        return replace(here, previous=mended[entry.version])
    if not here.fits(entry):
        fault = tampering.explain(ask, entry, here)
        page.add(fault, here)
        mended.update(fault.mended)
    elif (refusal := _refusal(page.keys, entry)) is not None:
        sentence = f"the payload of {here.name} was not sealed for it: {refusal}"
        page.add(tampering.Fault("payload_does_not_open", sentence), here)
    return replace(here, previous=mended.get(entry.version, entry.hash))


def _refusal(keys: Keys | None, entry: Header) -> str | None:
    """Say why a sealed payload does not open; whoever knows no key can write a chain anew."""
    owner = owner_of(keys, entry.subject)
    try:
        if owner is not None and owner.seal is not None:
            entry.recorded(owner.seal)
    except REFUSALS as error:
        return error.message
    except Invalid:  # another version's event: it did open
        return None
    return None


def _end(ask: Ask, page: Page, place: Place, head: Head) -> None:
    """Hold the last event against the head."""
    if place.version < head.version:
        sentence = log.cut_message(head.stream, place.version, head.version)
        fault = tampering.missing(ask, place.next, "tail_cut", sentence)
        page.add(fault, place, missed=head.version - place.version)
    elif place.previous not in (None, head.hash):
        page.add(tampering.Fault("head_changed", log.head_message(place)), place)
