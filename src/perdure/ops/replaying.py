"""Replay a subject's events into the shadow tables, page by page and in the order they happened.

Used by ``rebuild`` (which then swaps) and by ``verify(deep=True)`` (which then compares). The
chain is verified on the way: nothing is rebuilt from a log that was tampered with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import TypeVar

from perdure.errors import Conflict, Unavailable
from perdure.kernel import log
from perdure.kernel.engine import Params, Rows, Session
from perdure.kernel.log import Ask, Header, Place
from perdure.kernel.queries import Query
from perdure.kernel.sealing import Owner

from .shadow import DONE, PROGRESS, Shadows, note, progress
from .tables import statements

T = TypeVar("T")
EVENTS_A_PAGE = 200
LAG_EVENTS_MAX = 200
ROUNDS_MAX = 50


@dataclass(frozen=True, slots=True)
class Replay:
    """One subject's replay: which kinds of events, into which shadows."""

    shadows: Shadows
    kinds: frozenset[str]
    slice: int
    owner: Owner

    @property
    def subject(self) -> str:
        return self.owner.subject

    @property
    def place(self) -> dict[str, object]:
        return {"slice": self.slice, "subject": self.subject}

    def run(self, finish: Callable[[Session], T]) -> T | None:
        """Replay until little is missing, then the rest and ``finish`` in one transaction.

        Returns None for a subject that an interrupted run had finished, or that was forgotten.
        """
        database = self.shadows.database
        for _ in range(ROUNDS_MAX):
            behind = database.read(self.subject, self._behind)
            if behind is None:
                return None
            if sum(last - start.version for start, last in behind) <= LAG_EVENTS_MAX:
                return database.write(self.subject, lambda session: self._last(session, finish))
            self._bulk(behind)
        raise Unavailable(
            f"the subject {self.subject!r} writes faster than its rebuild reads",
            value=self.subject,
            remedy="repeat it in a quieter hour",
        )

    def _behind(self, session: Session) -> list[tuple[Place, int]] | None:
        ((is_there,),) = session.rows(statements.has_table, {"table": PROGRESS["table"]})
        if not is_there:
            raise Conflict(
                "another rebuild has finished and dropped the shadow tables", remedy="run it again"
            )
        known = progress(session, self.slice, self.subject)
        if DONE in known or self._is_forgotten(session):
            return None
        return [
            (Place(self.slice, self.subject, str(stream), known.get(str(stream), 0)), int(version))
            for stream, version in session.rows(statements.heads_of, self.place)
            if version > known.get(str(stream), 0)
        ]

    def _bulk(self, behind: Sequence[tuple[Place, int]]) -> None:
        """Read outside of the writing transactions; each of those takes one page."""
        database = self.shadows.database

        def ask(query: Query, params: Params) -> Rows:
            return database.read(self.subject, lambda session: session.rows(query, params))

        entries = in_order(ask, behind)
        while page := list(islice(entries, EVENTS_A_PAGE)):
            database.write(self.subject, partial(self._apply, page))

    def _last(self, session: Session, finish: Callable[[Session], T]) -> T | None:
        behind = self._behind(session)
        if behind is None:
            return None
        self._apply(list(in_order(session.rows, behind)), session)
        return finish(session)

    def _is_forgotten(self, session: Session) -> bool:
        return bool(session.rows(log.statements.tombstone, self.place))

    def _apply(self, page: Sequence[Header], session: Session) -> None:
        if self._is_forgotten(session):
            return
        known = progress(session, self.slice, self.subject)
        for entry in page:
            if entry.version != known.get(entry.stream, 0) + 1:
                raise Conflict(
                    f"another rebuild replays {self.subject!r} at this moment",
                    value=self.subject,
                    remedy="let it finish",
                )
            known[entry.stream] = entry.version
            if entry.type in self.kinds and entry.payload is not None:
                self.shadows.project(session, entry, self.owner)
        for stream in {entry.stream for entry in page}:
            note(session, self.slice, self.subject, stream, known[stream])


def in_order(ask: Ask, behind: Sequence[tuple[Place, int]]) -> Iterator[Header]:
    """Give the events of several streams in the order in which they were written."""
    streams = [log.headers(ask, start, upto=last) for start, last in behind]
    return merge(*streams, key=attrgetter("position"))
