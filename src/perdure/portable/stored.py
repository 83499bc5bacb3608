"""What a store holds about a subject, as the lines of an export, page by page.

Everything is verified on the way: events against the chain, rows against their digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from typing import Any

import msgspec

from perdure.errors import Tampered
from perdure.kernel import chain, events, log, queries, sealed
from perdure.kernel.clock import moment
from perdure.kernel.engine import Session
from perdure.kernel.privacy import blind_in
from perdure.kernel.queries import Query
from perdure.kernel.sealing import Owner
from perdure.kernel.tables import DIGEST, Table, described, holdings, quoted
from perdure.kernel.transaction import Transaction
from perdure.kernel.units import opened_outcome

from .format import ERASED, Event, Outcome, encode

statements = queries.load(__file__)

ROWS_A_PAGE = 500
OURS = "perdure_"
_ALL_BITS = 2**256


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose data it is, inside one transaction."""

    session: Session
    owner: Owner
    tx: Transaction

    @property
    def place(self) -> dict[str, object]:
        return {"slice": self.tx.slice, "subject": self.tx.subject}

    def rows(self, query: Query, **params: object) -> Sequence[tuple[Any, ...]]:
        """Run a statement for this subject."""
        return self.session.rows(query, {**params, **self.place})

    # -- the log

    def size(self) -> tuple[int, int]:
        """Count the streams and the events."""
        ((streams, events_in_all),) = self.rows(statements.size_of)
        return int(streams), int(events_in_all)

    def headers(self) -> Iterator[log.Header]:
        """Give the events as they are stored, in the order they were written, each verified."""
        if self.session.dialect == "postgres":
            self.session.rows(statements.by_position, {})
        after, count = 0, 0
        while page := self.rows(statements.events_of, after=after, most=log.PAGE_EVENTS):
            for row in page:
                entry = log.header(row[:-1])
                self._verify(entry, None if row[-1] is None else bytes(row[-1]))
                yield entry
            after, count = int(page[-1][0]), count + len(page)
        broken = self.rows(statements.broken_head)
        if broken or count != self.size()[1]:
            stream = str(broken[0][0]) if broken else ""
            raise Tampered(
                f"the log is not whole, stream {stream!r}" if stream else "the log is not whole",
                value=stream,
                remedy=log.RESTORE,
            )

    def _verify(self, entry: log.Header, previous: bytes | None) -> None:
        before = chain.GENESIS if entry.version == 1 else previous
        version = entry.version - (before is None)  # the one before is gone
        place = log.Place(self.tx.slice, self.tx.subject, entry.stream, version, before)
        log.verify(self.session.rows, entry, place)

    def event(self, entry: log.Header) -> bytes:
        """Write an event as a line."""
        actor, written = "", ERASED
        if (payload := entry.clear(self.owner.seal)) is not None:
            actor, raw = events.signed(payload)
            written = msgspec.Raw(raw)
        return encode(
            Event(
                entry.stream, entry.version, entry.id, entry.type, entry.schema, moment(entry.at),
                actor, written,
            )
        )  # fmt: skip

    # -- outcomes

    def outcomes(self) -> Iterator[bytes]:
        """Give what retries return; one whose result was taken away is told nobody."""
        after = ""
        while page := self.rows(statements.outcomes_of, after=after, most=ROWS_A_PAGE):
            for token, unit, stored, at in page:
                if stored:
                    key, result = opened_outcome(self.tx, str(token), stored)
                    raw = msgspec.Raw(result.encode())
                    yield encode(Outcome(key, str(unit), moment(int(at)), raw))
            after = str(page[-1][0])

    # -- read models

    def tables(self, names: Mapping[str, Sequence[str]]) -> list[Readable]:
        """Give the tables whose rows are dataclasses; the others are indexes of those.

        Snapshots stay: they are caches, and which of them there are depends on what was erased.
        """
        own = {domain: tables for domain, tables in names.items() if tables}
        return [each for each in self._readable(own) if each.table.model is not None]

    def beside(self, names: Mapping[str, Sequence[str]]) -> list[Readable]:
        """Give the tables that no domain names: somebody else wrote them, and the log does not
        know their rows.
        """
        known = {table for tables in names.values() for table in tables}
        found = (each.name for each in holdings(self.session))
        others = [name for name in found if name not in known and not name.startswith(OURS)]
        return self._readable({"": others})

    def _readable(self, names: Mapping[str, Sequence[str]]) -> list[Readable]:
        roles = {each.name: each.role for each in holdings(self.session)}
        found = [
            Readable(self, table, roles[table.name])
            for table in described(self.session, names)
            if table.domain in names
        ]
        return sorted(found, key=lambda each: each.table.name)


@dataclass(frozen=True, slots=True)
class Readable:
    """The rows of one table, for their owner to read."""

    holder: Holder
    table: Table
    role: str

    @property
    def comparable(self) -> frozenset[str]:
        """Name the fields that are the same in every store: neither blind tokens, nor what the
        database itself may set to null.
        """
        model = self._model
        firm = {each.name for each in fields(model) if not each.metadata.get("loose")}
        return frozenset(firm) - blind_in(model)

    def sum(self, names: Iterable[str]) -> Sum:
        """Sum all rows up."""
        found = Sum(names)
        for line in self.lines():
            found.add(msgspec.json.decode(line))
        return found

    def lines(self) -> Iterator[bytes]:
        """Give each row as a line."""
        whose = ("slice", self.table.owner)
        if self.table.model is None:
            names = [name for name in self.table.columns if name not in whose]
            columns = ", ".join(map(quoted, names))
        else:
            names = [each.name for each in fields(self.table.model)]
            columns = ", ".join(map(quoted, (*names, DIGEST)))
        key = [name for name in self.table.key if name not in whose]
        params: dict[str, object] = {"most": ROWS_A_PAGE}
        beyond = ""
        while True:
            query = self.table.ask(statements.rows_of, columns=columns, beyond=beyond)
            page = self.holder.rows(replace(query, role=self.role), **params)
            for row in page:
                yield self._line(names, row)
            if len(page) < ROWS_A_PAGE or not key:
                return
            places = [f":after_{chr(97 + n)}" for n in range(len(key))]
            beyond = f"and ({', '.join(map(quoted, key))}) > ({', '.join(places)})"
            last = dict(zip(names, page[-1], strict=False))
            params |= {place[1:]: last[name] for place, name in zip(places, key, strict=True)}

    @property
    def _model(self) -> type:
        assert self.table.model is not None
        return self.table.model

    def _line(self, names: Sequence[str], row: Sequence[Any]) -> bytes:
        if self.table.model is None:
            return encode(dict(zip(names, row, strict=True)))
        plain = [encode(value).decode() if isinstance(value, list) else value for value in row]
        holder = self.holder
        return encode(sealed.read(self._model, plain, slice=holder.tx.slice, owner=holder.owner))


class Sum:
    """A sum over rows that does not depend on their order, over the fields that are named."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(names)
        self.value = (0, 0)

    def add(self, row: Mapping[str, object]) -> None:
        """Count a row in."""
        count, total = self.value
        digest = sha256(encode([row.get(name) for name in self.names])).digest()
        self.value = (count + 1, (total + int.from_bytes(digest, "big")) % _ALL_BITS)
