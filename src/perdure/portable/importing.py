"""Import: a subject comes back from an export, whole or not at all.

The file is verified first, without the database. Then one transaction appends the events as they
were, projects them once more, and holds the rows against those of the export; whatever does not
fit undoes everything. A second import of the same finds everything there and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from perdure.errors import Conflict, Forgotten, Invalid, LockedOut, NotFound, Tampered
from perdure.kernel import Recorded, Transaction, events, forgetting, log, values
from perdure.kernel.clock import microseconds
from perdure.kernel.engine import Engine
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
from .stored import Holder, Sum

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
    key: Key | None
    progress: Progress

    def run(self, source: str | Path | BinaryIO) -> Imported:
        """Read everything from a path, or from a stream that can be read twice."""
        with _opened(source, self.key) as members:
            about, manifest = self._verified(members)
            context = replace(self.context, subject=self.context.subject or about.subject)
            self._refuse_forgotten(about, context.subject)
            owner = context.owner(writable=True)
            with self.engine.transaction(owner.subject) as session:
                tx = Transaction(session, owner, context.clock, writable=True)
                arrival = _Arrival(self, Holder(session, owner, tx), manifest)
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
        if about is None or manifest is None:
            raise Tampered(f"there is no {ABOUT}", remedy=AGAIN)
        values.name_of("the subject", about.subject, characters_max=values.SUBJECT_CHARACTERS_MAX)
        if (sum(versions.values()), len(versions)) != (manifest.events, manifest.streams):
            raise Tampered("the manifest counts other events", value=MANIFEST, remedy=AGAIN)
        return about, manifest


class _Arrival:
    """The one transaction of an import."""

    def __init__(self, work: Import, holder: Holder, manifest: Manifest) -> None:
        self._progress, self._holder, self._manifest = work.progress, holder, manifest
        self._tables = {each.table.name: each for each in holder.tables(work.tables)}
        self._sums: dict[str, Sum] = {}
        self._is_new = holder.size()[0] == 0
        self._here = (holder.event(entry) for entry in holder.headers())
        self._done = 0

    def run(self, members: Members) -> bool:
        """Write what is missing, compare the rest; say whether anything was missing."""
        take = {LOG: self._event, OUTCOMES: self._outcome, TABLES: self._row}
        for name, data in archive.read(members):
            top, _, rest = name.partition("/")
            if top in take:
                for line in lines(data, name):
                    take[top](line, rest)
        if not self._is_new and next(self._here, None) is not None:
            raise self._other()
        for name, table in self._tables.items():
            theirs = self._sums.get(name, Sum(()))
            if table.sum(theirs.names).value != theirs.value:
                raise Tampered(
                    f"the rows of {name} are not what the events give: nothing was imported",
                    value=name,
                    remedy="run 'perdure rebuild' where it was made, then export again",
                )
        return self._is_new

    def _event(self, line: bytes, name: str) -> None:
        if not self._is_new:
            if next(self._here, None) != line:
                raise self._other()
        else:
            self._append(parse(Event, line, name))
        self._done += 1
        if self._done == self._manifest.events or self._done % TOLD_EVERY == 0:
            self._progress(LOG, self._done, self._manifest.events)

    def _append(self, said: Event) -> None:
        holder, id, at = self._holder, values.uuid("the event's id", said.id), microseconds(said.at)
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

    def _outcome(self, line: bytes, name: str) -> None:
        if self._is_new:
            said = parse(Outcome, line, name)
            kept = Kept(said.key, said.unit, bytes(said.result).decode(), microseconds(said.at))
            save_outcome(self._holder.session, self._holder.tx, kept)

    def _row(self, line: bytes, name: str) -> None:
        table = name.partition("/")[0]
        if (known := self._tables.get(table)) is None:
            raise Invalid(
                f"this store has no table {table}", value=table, remedy="upgrade perdure first"
            )
        row = parse(dict[str, Any], line, name)
        if table not in self._sums:
            self._sums[table] = Sum(known.comparable & row.keys())
        self._sums[table].add(row)

    def _other(self) -> Conflict:
        return Conflict(
            "the subject has other events already: nothing was imported",
            remedy="import it under another name: import_subject(..., subject=...)",
        )


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
