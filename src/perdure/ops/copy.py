"""A safe copy of a SQLite store while it is in use: SQLite's backup API, never the bare file.

The copy is made beside its target, held against the chain's heads, made durable, and only then
given its name. PostgreSQL has a tool of its own for this: pg_dump.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perdure.engines.folder import FolderEngine
from perdure.engines.sqlite import SqliteEngine
from perdure.errors import Conflict, Invalid, Tampered, Unavailable
from perdure.kernel.engine import Session
from perdure.store import Store

from .places import Progress, quiet, slices
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


def copy(store: Store, target: str | Path, *, progress: Progress = quiet) -> Copied:
    """Copy a file or a folder to a new place; ``progress`` hears of pages, file by file."""
    engine, path = store.engine, Path(target)
    if engine.dialect != "sqlite":
        raise Invalid(
            "a PostgreSQL database is not copied as a file",
            value=engine.dialect,
            remedy=f"use its own tool: {PG_DUMP}",
        )
    _refuse_existing(path)
    with _beside(path) as draft:
        if isinstance(engine, FolderEngine):
            done = _folder(engine, draft, progress)
        else:
            assert isinstance(engine, SqliteEngine)
            done = _file("", engine, draft, progress)
        size = sum(_durable(one) for one in _files(draft))
        _name(draft, path)
    return Copied(path, done.files, size, done.slices)


@dataclass(slots=True)
class _Done:
    files: int
    slices: dict[str, Mark]


def _folder(engine: FolderEngine, draft: Path, progress: Progress) -> _Done:
    done = _Done(0, {})
    for name, database in engine.databases():
        assert isinstance(database, SqliteEngine)
        assert database.path is not None
        place = draft / database.path.relative_to(engine.root)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        one = _file(name, database, place, progress)
        done = _Done(done.files + 1, done.slices | one.slices)
    return done


def _file(name: str, source: SqliteEngine, place: Path, progress: Progress) -> _Done:
    """Copy one file and verify it: as new as when we began, and nothing but what was written."""
    before = dict(ends(source))
    os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    source.copy_to(place, partial(progress, name or place.name))
    copied = SqliteEngine(place)
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


# -- names and disks


def _refuse_existing(path: Path) -> None:
    for one in (path, *(Path(f"{path}{suffix}") for suffix in BESIDE)):
        if one.exists() or one.is_symlink():
            raise Conflict(f"{one} exists", value=str(one), remedy="name a place where nothing is")
    if not path.absolute().parent.is_dir():
        raise Invalid(
            f"there is no folder {path.absolute().parent}", value=str(path), remedy="make it first"
        )


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a place for the draft, which is gone afterwards whatever happens."""
    draft = path.absolute().with_name(f".{path.name}.perdure-copy")
    _remove(draft)  # what a killed copy left
    try:
        yield draft
    except OSError as error:
        raise Unavailable(
            f"{error.filename or draft} can not be written ({error.strerror})",
            value=str(draft),
            remedy="make space or check permissions, then copy again",
        ) from error
    finally:
        _remove(draft)


def _remove(draft: Path) -> None:
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft)
    for suffix in ("", *BESIDE):
        Path(f"{draft}{suffix}").unlink(missing_ok=True)


def _files(draft: Path) -> Iterator[Path]:
    """Give files before the folders that hold them."""
    if draft.is_dir():
        for one in sorted(draft.iterdir()):
            yield from _files(one)
    yield draft


def _durable(path: Path) -> int:
    """Flush a file or a folder; return a file's size."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return 0 if path.is_dir() else path.stat().st_size


def _name(draft: Path, path: Path) -> None:
    """Give the draft its name, never over something that came there meanwhile."""
    give: Callable[[Path, Path], None] = os.rename if draft.is_dir() else os.link
    try:
        give(draft, path)
    except FileExistsError:
        raise Conflict(f"{path} exists", value=str(path), remedy="name another place") from None
    except OSError:
        if draft.is_dir():
            raise
        draft.rename(path)  # a file system without hard links
    with suppress(FileNotFoundError):
        _durable(path.absolute().parent)
