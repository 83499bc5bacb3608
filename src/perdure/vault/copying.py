"""A copy of the key store as it is now, row by row, so that it may change the kind of database.

A copy is dead once the master key was rotated, and that is meant: keys have no history.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from perdure.errors import Conflict, Unavailable
from perdure.kernel.engine import Engine, Params, Session
from perdure.kernel.queries import Query

from . import keystore
from .keyring import Keyring
from .keystore import PAGE_ROWS, statements

BESIDE = ("", "-wal", "-shm", "-turn")
Opened = Callable[[str], Engine]


@dataclass(frozen=True, slots=True)
class Copied:
    """Where the copy is, and how much is in it."""

    target: str
    subjects: int
    keys: int


def copy(keyring: Keyring, target: str | Path, opened: Opened) -> Copied:
    """Copy the key store to a new file or an empty database; ``opened`` opens an engine there."""
    if "://" in str(target):
        return Copied("the database", *_into(keyring, opened(str(target))))
    path = Path(target).absolute()
    for one in (f"{path}{suffix}" for suffix in BESIDE):
        if os.path.lexists(one):
            raise Conflict(f"{one} exists", value=one, remedy="name a place where nothing is")
    draft = path.with_name(f".{path.name}.perdure-copy")
    try:
        _remove(draft)  # what a killed copy left
        copied = _into(keyring, opened(str(draft)))
        _durable(draft)
        os.link(draft, path)  # never over something that came there meanwhile
        _durable(path.parent)
    except OSError as error:
        raise Unavailable(
            f"{error.filename or draft} can not be written ({error.strerror})",
            value=str(path),
            remedy="make space or check permissions, then copy again",
        ) from error
    finally:
        _remove(draft)
    return Copied(str(path), *copied)


def _into(keyring: Keyring, engine: Engine) -> list[int]:
    try:
        copied = keyring.engine.read("", partial(_copied, engine, keyring.now()))
        keystore.settle(engine)
        return copied
    finally:
        engine.close()


def _copied(engine: Engine, now: int, source: Session) -> list[int]:
    """Copy one snapshot in one transaction."""
    counts: list[int] = []
    if not keystore.make(engine, lambda target: counts.extend(_fill(source, target)), now=now):
        raise Conflict("there is a key store already", remedy="name an empty database")
    return counts


EPOCH = ("epoch", "source", "parameters", "checked", "root", "is_settled", "now")
SUBJECT = ("token", "handle", "name", "state", "now")
KEY = (
    "handle", "number", "generation", "epoch", "wrapped", "commitment", "now", "messages", "bytes",
)  # fmt: skip


def _fill(source: Session, target: Session) -> tuple[int, int]:
    for vault, version, at in source.rows(statements.vault, {}):
        target.rows(statements.found_vault, {"vault": vault, "format": version, "now": at})
    for row in source.rows(statements.all_epochs, {}):
        target.rows(statements.add_epoch, dict(zip(EPOCH, row, strict=True)))
    subjects = keys = 0
    for row in _paged(source, statements.all_subjects, lambda row: {"after": row[0]}, b""):
        target.later(statements.copy_subject, dict(zip(SUBJECT, row, strict=True)))
        subjects += 1
    for row in _paged(
        source, statements.all_keys, lambda row: {"after": row[0], "number": row[1]}, ""
    ):
        target.later(statements.add_key, dict(zip(KEY, row, strict=True)))
        keys += 1
    return subjects, keys


def _paged(
    source: Session, query: Query, place: Callable[[tuple[Any, ...]], Params], first: object
) -> Iterator[tuple[Any, ...]]:
    where: Params = {"after": first, "number": 0}
    while page := source.rows(query, {**where, "most": PAGE_ROWS}):
        yield from page
        where = place(page[-1])


def _durable(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(draft: Path) -> None:
    for suffix in BESIDE:
        Path(f"{draft}{suffix}").unlink(missing_ok=True)
