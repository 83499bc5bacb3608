"""A transaction: one unit of work for one subject, with the subject, the time and new ids.

Operations take it as their first argument; they append events and read rows through it. It is
short-lived and belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NoReturn, cast

from perdure.errors import Forgotten, Internal, Invalid

from . import events, log, rows, sealed, values
from .clock import Clock, microseconds
from .engine import Params, Rows, Session
from .log import ANY, EXISTS, Recorded
from .queries import Query
from .rows import R
from .sealing import Owner

SLICES = 1024


def slice_of(subject: str) -> int:
    """Return the slice of a subject: stable on every machine and for ever."""
    return int.from_bytes(blake2b(subject.encode(), digest_size=8).digest(), "big") % SLICES


class Transaction:
    """What an operation may do; every statement runs for this subject only."""

    __slots__ = (
        "_clock", "_is_known", "_owner", "_place", "_seal", "_session", "_writable", "actor",
        "now", "slice", "subject",
    )  # fmt: skip

    def __init__(
        self, session: Session, owner: Owner, clock: Clock, *, writable: bool, actor: str = ""
    ) -> None:
        self.subject = owner.subject
        self.slice = slice_of(owner.subject)
        self.now = clock.now()
        self.actor = actor
        self._owner, self._seal = owner, owner.seal
        self._session = session
        self._clock = clock
        self._writable = writable
        self._is_known = False  # not to be forgotten
        self._place = {"slice": self.slice, "subject": owner.subject}

    @property
    def is_sealed(self) -> bool:
        """Say whether a vault is open: what is personal is sealed then."""
        return self._seal is not None

    def new_id(self) -> str:
        """Return a new UUID that sorts by time."""
        return self._clock.new_id()

    def append(self, stream: str, fact: object, *, expected: int = ANY) -> Recorded:
        """Append an event and bring its read models up to date, all in this transaction."""
        self._refuse_read_only()
        if values.integer("expected", expected) < EXISTS:
            raise Invalid(
                f"expected is {expected}", value=expected, remedy="give a version, ANY or EXISTS"
            )
        values.name_of("the stream's name", stream, characters_max=values.STREAM_CHARACTERS_MAX)
        recorded = log.append(
            self._session,
            fact,
            slice=self.slice,
            owner=self._owner,
            stream=stream,
            expected=expected,
            id=self.new_id(),
            at=microseconds(self.now),
            actor=self.actor,
        )
        self._is_known = True  # the append itself refuses the forgotten
        try:
            self.project(recorded)
        except Exception as error:
            self._session.fail(error)
            raise
        return recorded

    def project(self, recorded: Recorded) -> None:
        """Turn an event into rows, now or again in a rebuild."""
        projection = events.registry.projections.get(type(recorded.event))
        if projection is not None:
            projection(self, recorded.event, recorded)

    def events(self, stream: str, *, after: int = 0, upto: int | None = None) -> Iterator[Recorded]:
        """Yield the stream's events in order, verified against the chain."""
        for recorded in log.read(
            self._ask,
            slice=self.slice,
            owner=self._owner,
            stream=stream,
            after=after,
            upto=upto,
        ):
            if recorded.event is None and not self._is_known:
                self._refuse_forgotten()
            yield recorded

    def streams(self) -> list[str]:
        """Return the names of all streams of the subject."""
        return [row[0] for row in self._rows(log.statements.streams_of, {})]

    def version(self, stream: str) -> int:
        """Return how many events the stream has."""
        found = self._rows(log.statements.head, {"stream": stream})
        return int(found[0][0]) if found else 0

    def version_at(self, stream: str, moment: Any) -> int:
        """Return the version the stream had at a time."""
        at = microseconds(values.when("at", moment))
        return int(self.value(log.statements.version_at, stream=stream, at=at) or 0)

    def one(self, query: Query, model: type[R], **params: object) -> R | None:
        """Return the row of a read model, verified by its digest, or None."""
        found = self._rows(query, params)
        return self._read(model, found[0]) if found else None

    def all(self, query: Query, model: type[R], **params: object) -> list[R]:
        """Return rows of a read model, each verified by its digest."""
        return [self._read(model, row) for row in self._rows(query, params)]

    def texts(
        self, query: Query, model: type, *fields: str, **params: object
    ) -> Iterator[tuple[str, list[str]]]:
        """Yield the id of each row with these fields of it, opened, for a search in memory.

        The statement selects them alone. What is found is read again by its id, and verified whole.
        """
        return sealed.texts(model, fields, self._rows(query, params), self._seal)

    def value(self, query: Query, **params: object) -> Any:
        """Return the only column of the only row of a statement that computes something."""
        found = self._rows(query, params)
        return found[0][0] if found else None

    def column(self, query: Query, **params: object) -> list[Any]:
        """Return the first column of every row."""
        return [row[0] for row in self._rows(query, params)]

    def save(self, query: Query, row: rows.Row, **params: object) -> None:
        """Write a whole row of a read model with its digest, what is personal sealed."""
        self._refuse_read_only()
        columns, seal = rows.parameters(row), self._seal
        stored = rows.build(type(row), list(columns.values()))  # as it will be read
        key = b"" if seal is None else seal.digest_key
        digest = rows.digest(stored, slice=self.slice, subject=self.subject, key=key)
        if seal is not None:
            columns = sealed.close(type(row), columns, seal)
        self._session.later(query, {**columns, **params, "digest": digest, **self._place})

    def run(self, query: Query, **params: object) -> None:
        """Run a statement that returns nothing; what it is given is stored as it is."""
        self._refuse_read_only()
        self._session.later(query, {**params, **self._place})

    def seal_text(self, clear: str, kind: str, id: str, field: str) -> str:
        """Give what is stored instead of a text that stands in no row of a model."""
        if self._seal is None:
            return clear
        return sealed.to_text(self._seal.seal(clear.encode(), kind, id, field))

    def open_text(self, stored: str, kind: str, id: str, field: str) -> str:
        """Give the clear text back."""
        if self._seal is None:
            return stored
        return self._seal.open(sealed.from_text(stored), kind, id, field).decode()

    def blind(self, kind: str, text: str) -> str:
        """Give what stands for a text in a column that is searched for equality.

        With a vault that is a token, the same for the same text of this subject; without, the text.
        """
        return text if self._seal is None else self._seal.blind(kind, text.encode()).hex()

    def blind_int(self, kind: str, number: int) -> int:
        """Give the same for a 64-bit integer, as another one."""
        if self._seal is None:
            return number
        token = self._seal.blind(kind, number.to_bytes(8, "big", signed=True))
        return int.from_bytes(token[:8], "big", signed=True)

    def erase(self, stream: str, *, after: int = 0, upto: int) -> None:
        """Erase the payloads of events for good; their hashes stay, so the chain verifies.

        What else may hold what they said goes too: snapshots behind them, and what units of work
        have returned since under an idempotency key. Whoever erases also appends the event that
        takes the rows away.
        """
        place = {"stream": stream, "after": after}
        self.run(log.statements.erase, **place, upto=upto)
        self.run(log.statements.drop_snapshots, **place)
        self.run(log.statements.blank_outcomes, **place)

    def erase_event(self, stream: str, id: str) -> None:
        """Erase one event of a stream."""
        version = self.value(log.statements.version_of, stream=stream, id=id)
        self.erase(stream, after=version - 1, upto=version)

    def settle(self) -> None:
        """Refuse a forgotten subject if the unit of work has not noticed: it appended nothing."""
        if self._writable and not self._is_known:
            self._refuse_forgotten()

    def end(self) -> None:
        """Refuse everything from now on: what is read or written later belongs to nobody."""
        self._session = _ENDED

    def _read(self, model: type[R], columns: tuple[Any, ...]) -> R:
        return sealed.read(model, columns, slice=self.slice, owner=self._owner)

    def _ask(self, query: Query, params: Params) -> Rows:
        found = self._session.rows(query, params)  # looked up late: the session ends
        if not (found or self._writable or self._is_known):
            self._refuse_forgotten()
        return found

    def _rows(self, query: Query, params: dict[str, object]) -> Any:
        return self._ask(query, {**params, **self._place})

    def _refuse_forgotten(self) -> None:
        """Ask for a tombstone where nothing is: of a forgotten subject nothing is left."""
        if self._session.rows(log.statements.tombstone, self._place):
            raise Forgotten(
                "this subject was forgotten", remedy="nothing can be written for it any more"
            )
        self._is_known = True

    def _refuse_read_only(self) -> None:
        if not self._writable:
            raise Internal(
                "an operation that writes is declared as one that reads",
                remedy="declare it with writes(...)",
            )


class _Ended:
    """Stands where the session was, once the transaction is over."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Invalid(
            "the transaction is over",
            remedy="use its results inside the unit of work, or return a list of them",
        )


_ENDED = cast(Session, _Ended())
