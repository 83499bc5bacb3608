"""Engines with one promise broken. A harness that stays green with them proves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from functools import partial
from typing import Any

import apsw

import perdure
from perdure.engines import sqlite
from perdure.engines.groups import Job, WriteGroups
from perdure.engines.postgres import PostgresEngine
from perdure.kernel import Recorded
from perdure.kernel.engine import Rows, Session
from perdure.kernel.log import header
from tests.faults.counters import queries

Unit = Callable[..., Any]


def become(name: str) -> None:
    """Turn this process into a mutant; no name, no change."""
    if name:
        MUTANTS[name]()


def early(unit: Unit, told: Future[Any]) -> Unit:
    """Run a unit and tell its outcome at once: the commit is still to come."""

    def run(*args: Any) -> Any:
        try:
            result = unit(*args)
        except BaseException as error:
            tell(told.set_exception, error)
            raise
        tell(told.set_result, result)
        return result

    return run


def tell(how: Callable[[Any], None], what: Any) -> None:
    """Tell an outcome once: a repeated unit has told it before."""
    with contextlib.suppress(InvalidStateError):
        how(what)


class EagerGroups(WriteGroups):
    """Releases a result when its unit ran, and commits behind the caller's back."""

    def run(self, unit: Unit) -> Any:
        return self._told(unit).result()

    async def submit(self, unit: Unit) -> Any:
        return await asyncio.wrap_future(self._told(unit))

    def _told(self, unit: Unit) -> Future[Any]:
        told: Future[Any] = Future()
        self._start()
        self._enqueue(Job(early(unit, told)))
        self._wanted.set()
        return told


def acknowledge_before_commit() -> None:
    """Both engines release a result before it is durable."""
    write = PostgresEngine.write

    def eager(self: PostgresEngine, subject: str, unit: Unit, **how: Any) -> Any:
        told: Future[Any] = Future()

        def behind() -> None:
            try:
                write(self, subject, early(unit, told), **how)
            except Exception as error:  # after the acknowledgement it fails in silence
                tell(told.set_exception, error)

        threading.Thread(target=behind, daemon=True).start()
        return told.result()

    sqlite.WriteGroups = EagerGroups  # type: ignore[attr-defined]
    PostgresEngine.write = eager  # type: ignore[method-assign]


def swallow_errors() -> None:
    """A commit that fails on the disk counts as done."""
    command = sqlite.SqliteEngine.command

    def careless(self: sqlite.SqliteEngine, word: str) -> None:
        try:
            command(self, word)
        except (apsw.FullError, apsw.IOError):
            if word != "commit":
                raise
            self._groups._rollback()

    sqlite.SqliteEngine.command = careless  # type: ignore[method-assign]


def follow_positions(store: perdure.Store, after: Mapping[str, int]) -> Iterator[Recorded]:
    """Follow as the store does."""
    return store.log.follow(after)


def rows_behind(seen: dict[str, str], session: Session) -> Rows:
    """Read what has a higher id."""
    return session.rows(queries.by_id, seen)


def follow_ids(store: perdure.Store, _after: Mapping[str, int]) -> Iterator[Recorded]:
    """Follow by the highest id seen: what commits late has a lower one and is never read."""
    last = "00000000-0000-0000-0000-000000000000"
    while True:
        seen = {"last": last}
        for slice, *row in store.engine.read("", partial(rows_behind, seen)):
            recorded = header(tuple(row)).recorded()
            recorded.lane = str(slice)
            last = recorded.id
            yield recorded


follow: Callable[[perdure.Store, Mapping[str, int]], Iterator[Recorded]] = follow_positions


def read_by_sequence() -> None:
    """The follower reads by a sequence instead of positions."""
    global follow  # noqa: PLW0603 - one process, one mutant
    follow = follow_ids


MUTANTS: dict[str, Callable[[], None]] = {
    "ack-before-commit": acknowledge_before_commit,
    "swallow-errors": swallow_errors,
    "read-by-sequence": read_by_sequence,
}
