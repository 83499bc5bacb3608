"""Export: everything about a subject, from one snapshot, member by member.

A path is written beside its place and named when it is whole and durable; a stream is the
caller's own business.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from perdure.errors import Forgotten, Invalid, NotFound, Unavailable
from perdure.kernel import SystemClock, Transaction, forgetting
from perdure.kernel.engine import Engine, Session
from perdure.kernel.progress import Progress
from perdure.kernel.sealing import Owner
from perdure.kernel.units import Context, unit_of

from .archive import FolderSink, Sink, TarSink, Writer
from .drafts import discard, drafted, refuse_existing, settle
from .format import (
    ABOUT,
    BESIDE,
    LOG,
    NAME,
    OUTCOMES,
    TABLES,
    VERSION,
    About,
    Head,
    Manifest,
    document,
)
from .stored import Holder, Readable

Key = str | bytes
SEALED_SUFFIX, TAR_SUFFIX = ".perdure", ".tar"
TOLD_EVERY = 1_000


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds. ``bytes`` are those of the members."""

    subject: str
    events: int
    streams: int
    outcomes: int
    rows: dict[str, int]
    bytes: int


@dataclass(frozen=True, slots=True)
class Export:
    """One export: of whom, from where, with which key, and who watches."""

    engine: Engine
    context: Context
    tables: Mapping[str, Sequence[str]]
    key: Key | None = field(repr=False)
    progress: Progress

    def run(self, target: str | Path | BinaryIO, note: Callable[..., None]) -> Exported:
        """Write everything to a path or a stream; a look that has to be noted is noted first."""
        owner = self.context.owner(writable=False)
        if forgetting.is_forgotten(self.engine, None, owner.subject):
            raise Forgotten("the subject was forgotten", remedy="there is nothing left to export")
        if self.context.notes_reads and self.engine.read(owner.subject, partial(_is_there, owner)):
            context = replace(self.context, key=None)
            look = unit_of(context, owner, note, ("export",), writable=True)
            self.engine.write(owner.subject, look)
        if not isinstance(target, (str, Path)):
            return self._read(owner, partial(self._streamed, iter((target,))))
        path = Path(target)
        if self.key is None and path.suffix == SEALED_SUFFIX:
            raise Invalid(
                f"{path.name} is a name for an encrypted file",
                value=str(path),
                remedy="give a key, or name a folder or a .tar file",
            )
        refuse_existing(path)
        with drafted(path, "export") as draft:
            done = self._read(owner, partial(self._drafted, draft, path.suffix))
            settle(draft, path)
        return done

    def _read(self, owner: Owner, written: Callable[[Session, Owner], Exported]) -> Exported:
        return self.engine.read(owner.subject, lambda session: written(session, owner))

    def _streamed(self, streams: Iterator[BinaryIO], session: Session, owner: Owner) -> Exported:
        for stream in streams:
            return self._to(stream, session, owner)
        raise Unavailable(
            "the connection was lost when a part was written already",
            remedy="export again, to a new stream",
        )

    def _drafted(self, draft: Path, suffix: str, session: Session, owner: Owner) -> Exported:
        """Fill the draft; a lost connection begins it again."""
        discard(draft)
        if self.key is None and suffix != TAR_SUFFIX:
            return self._fill(FolderSink(draft), session, owner)
        with open(draft, "xb", opener=_for_the_owner) as file:
            return self._to(file, session, owner)

    def _to(self, stream: BinaryIO, session: Session, owner: Owner) -> Exported:
        if self.key is None:
            return self._fill(TarSink(stream, self.context.clock.now()), session, owner)
        from perdure.vault.portable import Writer as Cipher

        cipher = Cipher(stream, self.key)
        done = self._fill(TarSink(cipher, self.context.clock.now()), session, owner)
        cipher.close()
        return done

    def _fill(self, sink: Sink, session: Session, owner: Owner) -> Exported:
        tx = Transaction(session, owner, self.context.clock, writable=False)
        writer = Writer(sink)
        about = self._about(session, tx)
        writer.member(ABOUT, document(about))
        said = self._members(writer, Holder(session, owner, tx))
        if not said.members[1:]:
            raise NotFound(
                "nothing is stored about the subject",
                value=self.context.subject,
                remedy="check the name",
            )
        writer.finish(document(said))
        size = sum(entry.bytes for entry in said.members)
        return Exported(about.subject, said.events, said.streams, said.outcomes, said.rows, size)

    def _about(self, session: Session, tx: Transaction) -> About:
        keys = self.context.keys
        return About(
            NAME, VERSION, self.context.subject, tx.subject, tx.now, session.dialect,
            "" if keys is None else keys.id,
        )  # fmt: skip

    def _members(self, writer: Writer, holder: Holder) -> Manifest:
        streams, total = holder.size()
        erased, head = 0, None
        for done, entry in enumerate(holder.headers(), start=1):
            writer.line(LOG, holder.event(entry))
            erased += entry.payload is None
            head = Head(holder.tx.slice, entry.position, entry.hash.hex())
            self._tell(LOG, done, total)
        writer.flush()
        outcomes = self._lines(writer, OUTCOMES, holder.outcomes())
        rows = self._rows(writer, TABLES, holder.tables(self.tables))
        self._rows(writer, BESIDE, holder.beside(self.tables))
        return Manifest(writer.entries, total, erased, streams, outcomes, rows, head)

    def _rows(self, writer: Writer, folder: str, tables: Iterable[Readable]) -> dict[str, int]:
        return {
            each.table.name: self._lines(writer, f"{folder}/{each.table.name}", each.lines())
            for each in tables
        }

    def _lines(self, writer: Writer, folder: str, lines: Iterator[bytes]) -> int:
        done = 0
        for done, line in enumerate(lines, start=1):
            writer.line(folder, line)
            self._tell(folder, done, 0)
        writer.flush()
        return done

    def _tell(self, what: str, done: int, total: int) -> None:
        if done == total or done % TOLD_EVERY == 0:
            self.progress(what, done, total)


def _is_there(owner: Owner, session: Session) -> bool:
    tx = Transaction(session, owner, SystemClock(), writable=False)
    return bool(tx.streams())


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
