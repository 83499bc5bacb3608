"""Reading and following the whole log, across subjects, in the order of each slice.

A checkpoint maps a slice to the last position seen there. Positions are gapless and given in
commit order, so a reader that goes on from its checkpoint can neither miss nor repeat an event.
There is no order across slices.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from perdure.errors import Tampered

from . import chain
from .engine import Engine, Params, Rows, Session
from .log import (
    PAGE_EVENTS,
    RESTORE,
    Ask,
    Header,
    Place,
    Recorded,
    header,
    headers,
    statements,
    verify,
)
from .queries import Query
from .sealing import Keys, owner_behind

if TYPE_CHECKING:
    import asyncio

LOOK_AGAIN_SECONDS = 0.25


class Checkpoint(dict[str, int]):
    """Slice (with its database, in the folder layout) to position; ``advance`` after handling an
    event.
    """

    def advance(self, recorded: Recorded) -> None:
        """Note that this event was handled."""
        self[recorded.lane] = recorded.position


class Log:
    """The log of a store, for synchronous readers."""

    def __init__(self, engine: Engine, keys: Keys | None = None) -> None:
        self._engine, self._keys = engine, keys

    def head(self) -> Checkpoint:
        """Return the newest position of every slice."""
        return _head(self._engine)

    def read(self, after: Mapping[str, int] | None = None) -> Iterator[Recorded]:
        """Yield every event behind the checkpoint that is committed now."""
        seen = Checkpoint(after or {})
        while page := _page(self._engine, self._keys, seen):
            for recorded in page:
                seen.advance(recorded)
                yield recorded

    def follow(self, after: Mapping[str, int] | None = None) -> Iterator[Recorded]:
        """Yield every event behind the checkpoint, then wait for the next ones, for ever."""
        news = threading.Event()
        stop = self._engine.watch(news.set)
        seen = Checkpoint(after or {})
        try:
            while True:
                news.clear()
                for recorded in self.read(seen):
                    seen.advance(recorded)
                    yield recorded
                news.wait(LOOK_AGAIN_SECONDS)
        finally:
            stop()


class AsyncLog:
    """The log of a store, for coroutines."""

    def __init__(self, engine: Engine, keys: Keys | None = None) -> None:
        self._engine, self._keys = engine, keys

    async def head(self) -> Checkpoint:
        """Return the newest position of every slice."""
        import asyncio

        return await asyncio.to_thread(_head, self._engine)

    async def read(self, after: Mapping[str, int] | None = None) -> AsyncIterator[Recorded]:
        """Yield every event behind the checkpoint that is committed now."""
        import asyncio

        seen = Checkpoint(after or {})
        while page := await asyncio.to_thread(_page, self._engine, self._keys, seen):
            for recorded in page:
                seen.advance(recorded)
                yield recorded

    async def follow(self, after: Mapping[str, int] | None = None) -> AsyncIterator[Recorded]:
        """Yield every event behind the checkpoint, then wait for the next ones, for ever."""
        import asyncio

        loop, news = asyncio.get_running_loop(), asyncio.Event()
        stop = self._engine.watch(lambda: _wake(loop, news))
        seen = Checkpoint(after or {})
        try:
            while True:
                news.clear()
                async for recorded in self.read(seen):
                    seen.advance(recorded)
                    yield recorded
                try:
                    await asyncio.wait_for(news.wait(), LOOK_AGAIN_SECONDS)
                except TimeoutError:
                    continue
        finally:
            stop()


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop was closed: nobody follows any more
        loop.call_soon_threadsafe(news.set)


def _head(engine: Engine) -> Checkpoint:
    return Checkpoint(
        (lane(name, slice), position)
        for name, database in engine.databases()
        for slice, position in database.read("", lambda s: s.rows(statements.heads, {}))
    )


def lane(database: str, slice: int) -> str:
    """Name a slice of one database."""
    return f"{database}/{slice}" if database else str(slice)


def _page(engine: Engine, keys: Keys | None, seen: Mapping[str, int]) -> list[Recorded]:
    page: list[Recorded] = []
    for name, database in engine.databases():
        wanted = PAGE_EVENTS - len(page)
        entries = database.read("", partial(_fresh, name=name, seen=seen, most=wanted))
        page += [_recorded(lane, entry, keys) for lane, entry in entries]
        if len(page) >= PAGE_EVENTS:
            break
    return page


def _recorded(lane: str, entry: Header, keys: Keys | None) -> Recorded:
    """Decode an event; one whose keys are gone is as good as erased."""
    owner = owner_behind(keys, entry.subject)
    if owner is None:
        recorded = replace(entry, payload=None).recorded()
    else:
        recorded = entry.recorded(owner.seal)
    recorded.lane = lane
    return recorded


Entries = list[tuple[str, Header]]


def _fresh(session: Session, *, name: str, seen: Mapping[str, int], most: int) -> Entries:
    found: Entries = []
    for slice, position in session.rows(statements.heads, {}):
        after = seen.get(lane(name, slice), 0)
        if position > after and len(found) < most:
            wanted = min(most - len(found), position - after)
            page = _of_slice(session, name, slice, after, wanted)
            if len(page) < wanted:
                raise _removed(slice, after + len(page), f"ends there, but counted {position}")
            found += page
    return found


def _of_slice(session: Session, name: str, slice: int, after: int, most: int) -> Entries:
    rows = session.rows(statements.slice_events, {"slice": slice, "after": after, "most": most})
    found = []
    for expected, row in enumerate(rows, start=after + 1):
        entry, previous = header(row[:-1]), row[-1]
        if entry.position != expected:
            raise _removed(slice, expected - 1, f"goes on with {entry.position}")
        _verify(partial(_as_reader, session), entry, _place(slice, entry, previous))
        found.append((lane(name, slice), entry))
    return found


def _place(slice: int, entry: Header, previous: bytes | None) -> Place:
    """Give the place an event should be at; without an event before it, the one before."""
    if entry.version == 1:
        previous = chain.GENESIS
    version = entry.version - (previous is None)
    known = None if previous is None else bytes(previous)
    return Place(slice, entry.subject, entry.stream, version, known)


def _verify(ask: Ask, entry: Header, place: Place) -> None:
    """Refuse an event that does not fit; what is wrong shows where its stream first breaks."""
    if not place.fits(entry):
        for _ in headers(ask, replace(place, version=0)):
            continue
        verify(ask, entry, place)


def _as_reader(session: Session, query: Query, params: Params) -> Rows:
    return session.rows(replace(query, role="reader"), params)


def _removed(slice: int, position: int, goes_on: str) -> Tampered:
    return Tampered(
        f"slice {slice} is whole up to position {position} and {goes_on}: an event was removed",
        value=slice,
        remedy=RESTORE,
    )
