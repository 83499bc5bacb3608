"""Import: a subject comes back from an export.

The file is verified first, without the database. Then the events are appended as they were and
projected once more, and the rows held against those of the export. On SQLite that is one
transaction. PostgreSQL gets page after page, because each change of a row takes longer the more of
them a transaction holds; what was begun there lacks its end until the same import is done again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from perdure.errors import Conflict, Forgotten, Invalid, LockedOut, NotFound, Tampered
from perdure.kernel import Recorded, Transaction, events, forgetting, log, values
from perdure.kernel.clock import microseconds
from perdure.kernel.engine import Engine, Session
from perdure.kernel.progress import Progress
from perdure.kernel.replay import EventClock
from perdure.kernel.sealing import Owner
from perdure.kernel.units import Context, save_outcome
from perdure.kernel.units import Outcome as Kept

from . import archive
from .archive import FolderMembers, Members, TarMembers
from .exporting import TOLD_EVERY, Key
from .format import (
    ABOUT,
    AGAIN,
    ERASED,
    LOG,
    MANIFEST,
    OUTCOMES,
    TABLES,
    About,
    Event,
    Manifest,
    Outcome,
    lines,
    parse,
    parse_about,
)
from .stored import Holder, Readable, Sum

PAGE_EVENTS = 500
SEALED = b"\xd5perdure"  # how an encrypted file begins: vault/portable.py


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought; ``is_new`` is False where all of it was there already."""

    subject: str
    events: int
    streams: int
    outcomes: int
    rows: dict[str, int]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Import:
    """One import: into which store, under which name (empty: the old one), and who watches."""

    engine: Engine
    context: Context
    tables: Mapping[str, Sequence[str]]
    key: Key | None = field(repr=False)
    progress: Progress

    def run(self, source: str | Path | BinaryIO) -> Imported:
        """Read everything from a path, or from a stream that can be read twice."""
        with _opened(source, self.key) as members:
            about, manifest = self._verified(members)
            context = replace(self.context, subject=self.context.subject or about.subject)
            self._refuse_forgotten(about, context.subject)
            arrival = _Arrival(self, context.owner(writable=True), manifest)
            is_new = arrival.run(members)
        return Imported(
            context.subject, manifest.events, manifest.streams, manifest.outcomes, manifest.rows,
            is_new,
        )  # fmt: skip

    def _refuse_forgotten(self, about: About, subject: str) -> None:
        """Refuse who was forgotten here: by name, by the new name, and by what stood for it."""
        keys = self.context.keys
        names = [(keys, about.subject), (keys, subject), (None, about.handle)]
        if any(forgetting.is_forgotten(self.engine, whose, name) for whose, name in names):
            raise Forgotten("this subject was forgotten", remedy="an import does not bring it back")

    def _verified(self, members: Members) -> tuple[About, Manifest]:
        """Read the file to its end: every checksum, and that no stream has a gap."""
        about, manifest = None, None
        versions: dict[str, int] = {}
        for name, data in archive.read(members):
            if about is None:
                if name != ABOUT:
                    raise Tampered(f"there is no {ABOUT}", value=name, remedy=AGAIN)
                about = parse_about(data)
            elif name.startswith(LOG):
                _follow(name, data, versions)
            elif name == MANIFEST:
                manifest = parse(Manifest, data, name)
        assert about is not None
        assert manifest is not None  # `read` ends with it, or raises
        values.name_of("the subject", about.subject, characters_max=values.SUBJECT_CHARACTERS_MAX)
        if (sum(versions.values()), len(versions)) != (manifest.events, manifest.streams):
            raise Tampered("the manifest counts other events", value=MANIFEST, remedy=AGAIN)
        return about, manifest


class _Arrival:
    """What an import writes: all in one transaction or, where that would take ever longer, page by
    page. Outcomes, and the look at the rows, are in the last one.
    """

    def __init__(self, work: Import, owner: Owner, manifest: Manifest) -> None:
        self._work, self._owner, self._manifest = work, owner, manifest
        self._page = PAGE_EVENTS if work.engine.dialect == "postgres" else sys.maxsize
        self._tables: dict[str, Readable] = {}
        self._sums: dict[str, Sum] = {}
        self._done, self._is_done = 0, False

    def run(self, members: Members) -> bool:
        """Write what is missing and say whether any event was."""
        engine, subject = self._work.engine, self._owner.subject
        known = engine.read(subject, lambda session: self._known(session, members))
        entries = _entries(members)
        while not self._is_done:
            with engine.transaction(subject) as session:
                self._take(self._holder(session), entries, known)
        return known < self._manifest.events

    def _holder(self, session: Session) -> Holder:
        tx = Transaction(session, self._owner, self._work.context.clock, writable=True)
        return Holder(session, self._owner, tx)

    def _known(self, session: Session, members: Members) -> int:
        """Count the events that are there; others than the first ones of the file are refused."""
        holder, known = self._holder(session), 0
        theirs = (line for top, _, line in _entries(members) if top == LOG)
        for entry in holder.headers():
            known += 1
            if holder.event(entry) != next(theirs, None):
                raise Conflict(
                    "the subject has other events already: nothing was imported",
                    remedy="import it under another name: import_subject(..., subject=...)",
                )
        return known

    def _take(self, holder: Holder, entries: Iterator[tuple[str, str, bytes]], known: int) -> None:
        for top, rest, line in entries:
            if top == LOG:
                self._done += 1
                if self._done > known:
                    _append(holder, parse(Event, line, rest))
                    if self._paused():
                        return
            elif top == OUTCOMES:
                _keep(holder, parse(Outcome, line, rest))
            elif top == TABLES:
                self._count(holder, rest.partition("/")[0], parse(dict[str, Any], line, rest))
        self._compare(holder)
        self._is_done = True

    def _paused(self) -> bool:
        """Tell how far it is; say whether this transaction has had enough."""
        if self._done == self._manifest.events or self._done % TOLD_EVERY == 0:
            self._work.progress(LOG, self._done, self._manifest.events)
        return self._done % self._page == 0 and self._done < self._manifest.events

    def _count(self, holder: Holder, table: str, row: dict[str, Any]) -> None:
        known = self._tables or self._readable(holder)
        if table not in known:
            raise Invalid(
                f"this store has no table {table}", value=table, remedy="upgrade perdure first"
            )
        if table not in self._sums:
            self._sums[table] = Sum(known[table].comparable & row.keys())
        self._sums[table].add(row)

    def _readable(self, holder: Holder) -> dict[str, Readable]:
        self._tables = {each.table.name: each for each in holder.tables(self._work.tables)}
        return self._tables

    def _compare(self, holder: Holder) -> None:
        """Hold the rows against those of the export; the last page is undone if they differ."""
        for name, table in self._readable(holder).items():
            theirs = self._sums.get(name, Sum(()))
            if table.sum(theirs.names).value != theirs.value:
                raise Tampered(
                    f"the rows of {name} are not what the events give: the import was not finished",
                    value=name,
                    remedy="run 'perdure rebuild' where it was made, then export again",
                )


def _entries(members: Members) -> Iterator[tuple[str, str, bytes]]:
    """Give each line with the member it stands in."""
    for name, data in archive.read(members):
        top, _, rest = name.partition("/")
        if rest:
            yield from ((top, rest, line) for line in lines(data, name))


def _append(holder: Holder, said: Event) -> None:
    """Append an event as it was, and project it once more."""
    id, at = values.uuid("the event's id", said.id), microseconds(said.at)
    params = {
        **holder.place, "stream": said.stream, "expected": said.version - 1, "id": id,
        "type": said.type, "schema": said.schema, "at": at, "payload": b"",
    }  # fmt: skip
    if (raw := bytes(said.event)) == bytes(ERASED):
        log.put(holder.session, Owner(holder.tx.subject), params)
        span = {"after": said.version - 1, "upto": said.version}
        holder.tx.run(log.statements.erase, stream=said.stream, **span)
        return
    fact = events.decode(said.type, said.schema, raw)
    events.encode(fact)  # refuses what can not be stored
    params["payload"] = events.sign(said.actor, raw)
    recorded = Recorded(
        fact, subject=holder.tx.subject, stream=said.stream, id=id, at=at, actor=said.actor,
        rows=log.put(holder.session, holder.owner, params),
    )  # fmt: skip
    tx = Transaction(holder.session, holder.owner, EventClock(recorded), writable=True)
    tx.project(recorded)
    tx.end()


def _keep(holder: Holder, said: Outcome) -> None:
    """Keep an outcome, unless the key is known here."""
    if holder.rows(log.statements.outcome, key=holder.tx.blind("idempotency", said.key)):
        return
    kept = Kept(said.key, said.unit, bytes(said.result).decode(), microseconds(said.at))
    save_outcome(holder.session, holder.tx, kept)


def _follow(name: str, data: bytes, versions: dict[str, int]) -> None:
    """Refuse a gap in a stream, and names that can not be stored."""
    for line in lines(data, name):
        said = parse(Event, line, name)
        if said.stream not in versions:
            most = values.STREAM_CHARACTERS_MAX
            values.name_of("the stream's name", said.stream, characters_max=most)
        if said.version != versions.get(said.stream, 0) + 1:
            raise Tampered(
                f"stream {said.stream!r} has a gap before version {said.version}",
                value=said.stream,
                remedy=AGAIN,
            )
        versions[said.stream] = said.version


@contextmanager
def _opened(source: str | Path | BinaryIO, key: Key | None) -> Iterator[Members]:
    if not isinstance(source, (str, Path)):
        yield _members(source, key)
        return
    path = Path(source)
    if path.is_dir():
        _refuse_key(key)
        yield FolderMembers(path)
        return
    if not path.is_file():
        raise NotFound(f"there is no file {path}", value=str(path), remedy="check the path")
    with path.open("rb") as file:
        yield _members(file, key)


def _members(file: BinaryIO, key: Key | None) -> Members:
    if not file.seekable():
        raise Invalid("the stream can not be read twice", remedy="save it as a file first")
    start = file.tell()
    is_sealed = file.read(len(SEALED)) == SEALED
    file.seek(start)
    if not is_sealed:
        _refuse_key(key)
        return TarMembers(file, lambda: file.seek(start))
    if key is None:
        raise LockedOut("the file is encrypted", remedy="give its passphrase or key")
    from perdure.vault.portable import Reader

    reader = Reader(file, key)
    return TarMembers(reader, reader.rewind)


def _refuse_key(key: Key | None) -> None:
    if key is not None:
        raise Tampered(
            "clear text where an encrypted file is expected",
            remedy="leave the key out if you trust it",
        )
