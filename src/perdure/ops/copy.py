"""A safe copy of a SQLite store while it is in use: SQLite's backup API, never the bare file.

The copy is made beside its target, held against the chain's heads, made durable, and only then
given its name. PostgreSQL has a tool of its own for this: pg_dump.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perdure.engines.choose import KeySource
from perdure.engines.folder import FolderEngine
from perdure.engines.sqlite import SqliteEngine
from perdure.engines.sqlite_atrest import FileKey
from perdure.errors import Invalid, Tampered
from perdure.kernel.engine import Session
from perdure.kernel.progress import Progress, quiet
from perdure.portable.drafts import drafted, refuse_existing, settle
from perdure.store import Store

from .places import slices
from .report import Mark
from .tables import statements
from .verify import ends

BESIDE = ("-wal", "-shm", "-journal", "-turn")
PG_DUMP = "pg_dump --format=custom --file=COPY URL; into an empty database: pg_restore --dbname=URL"


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, and the end of every slice in it."""

    target: Path
    files: int
    bytes: int
    slices: dict[str, Mark]


def copy(
    store: Store,
    target: str | Path,
    *,
    progress: Progress = quiet,
    at_rest: KeySource | None = None,
) -> Copied:
    """Copy a file or a folder to a new place; ``progress`` hears of pages, file by file.

    A copy is encrypted like its store; ``at_rest`` gives it a key of its own.
    """
    engine, path = store.engine, Path(target)
    if engine.dialect != "sqlite":
        raise Invalid(
            "a PostgreSQL database is not copied as a file",
            value=engine.dialect,
            remedy=f"use its own tool: {PG_DUMP}",
        )
    key = None if at_rest is None else FileKey(at_rest)
    refuse_existing(path, BESIDE)
    with drafted(path, "copy", BESIDE) as draft:
        if isinstance(engine, FolderEngine):
            done = _folder(engine, draft, progress, key)
        else:
            assert isinstance(engine, SqliteEngine)
            done = _file("", engine, draft, progress, key)
        size = settle(draft, path)
    return Copied(path, done.files, size, done.slices)


@dataclass(slots=True)
class _Done:
    files: int
    slices: dict[str, Mark]


def _folder(engine: FolderEngine, draft: Path, progress: Progress, key: FileKey | None) -> _Done:
    done = _Done(0, {})
    for name, database in engine.databases():
        assert isinstance(database, SqliteEngine)
        assert database.path is not None
        place = draft / database.path.relative_to(engine.root)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        one = _file(name, database, place, progress, key)
        done = _Done(done.files + 1, done.slices | one.slices)
    return done


def _file(
    name: str, source: SqliteEngine, place: Path, progress: Progress, key: FileKey | None
) -> _Done:
    """Copy one file and verify it: as new as when we began, and nothing but what was written."""
    before = dict(ends(source))
    os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    source.copy_to(place, partial(progress, name or place.name), key=key)
    copied = SqliteEngine(place, key=key or source.key)
    try:
        after = dict(ends(copied))
        for slice in sorted({*before, *after, *slices(copied)}):
            _compare(source, copied, slice, before.get(slice))
    finally:
        copied.close()
        for suffix in BESIDE:
            Path(f"{place}{suffix}").unlink(missing_ok=True)
    return _Done(1, {f"{name}/{slice}" if name else str(slice): m for slice, m in after.items()})


def _compare(source: SqliteEngine, copied: SqliteEngine, slice: int, before: Mark | None) -> None:
    counter, events, last = copied.read("", partial(_shape, slice))
    is_new = before is None or last >= before.position
    is_same = copied.read("", partial(_hash, slice, last)) == source.read(
        "", partial(_hash, slice, last)
    )
    if not (counter == events == last and is_new and is_same):
        raise Tampered(
            f"slice {slice} of the copy is not what the store holds",
            value=slice,
            remedy="run 'perdure log verify' on the store, then copy again",
        )


def _shape(slice: int, session: Session) -> tuple[int, int, int]:
    ((counter, events, last),) = session.rows(statements.shape, {"slice": slice})
    return int(counter), int(events), int(last)


def _hash(slice: int, position: int, session: Session) -> bytes | None:
    rows = session.rows(statements.event_at, {"slice": slice, "position": position})
    return bytes(rows[0][0]) if rows else None
