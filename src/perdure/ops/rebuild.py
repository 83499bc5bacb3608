"""Rebuild read models from the log while reads and writes go on.

Each subject is replayed into shadow tables, then swapped in one short transaction: the newest
events are caught up, the live rows are deleted and the shadows copied. A killed rebuild leaves
the live tables whole and goes on where it was. Rows of tables that no ``TABLES`` names stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perdure import store as composition
from perdure.kernel.engine import Engine, Session
from perdure.kernel.progress import Progress, quiet
from perdure.kernel.transaction import slice_of
from perdure.store import Store

from .places import owner_of, slices, subjects
from .replaying import Replay
from .shadow import DONE, PROGRESS, Shadows, note, plan_of
from .tables import chosen, described, filled, kinds_of, statements


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did; ``subjects_before`` were swapped by one that was interrupted."""

    domains: tuple[str, ...]
    subjects: int
    subjects_before: int
    rows: int


def rebuild(
    store: Store,
    domains: Iterable[str] | None = None,
    *,
    subject: str | None = None,
    is_fresh: bool = False,
    progress: Progress = quiet,
) -> Rebuilt:
    """Replay the read models of domains (None: of all), for one subject or for everybody.

    ``subject`` is as rows carry it: with a vault open, a handle.
    An interrupted rebuild by the same code goes on; ``is_fresh`` begins again. ``progress`` hears
    of the lane (slice, with its database in a folder), the subjects done and all of them.
    """
    names = chosen(domains)
    swapped: list[int | None] = []
    for lane, database in store.engine.databases():
        if subject is not None and not _is_here(database, subject):
            continue
        shadows = shadows_of(database, names, f"rebuild {sorted(names)} {subject}")
        shadows.prepare(is_fresh=is_fresh)
        total = 1 if subject is not None else len(swapped) + _count(database)
        for slice, one in _everybody(shadows, subject):
            owner = owner_of(store.keys, one)
            if owner is None:  # its keys are gone, and so is what a replay could read
                continue
            replay = Replay(shadows, kinds_of(names), slice, owner)
            swapped.append(replay.run(partial(_swap, replay)))
            progress(f"{lane}/{slice}" if lane else str(slice), len(swapped), total)
        shadows.drop()
    done = [rows for rows in swapped if rows is not None]
    return Rebuilt(tuple(names), len(done), len(swapped) - len(done), sum(done))


def discard(store: Store) -> None:
    """Drop the shadows that an interrupted rebuild left, when it shall not go on."""
    for _, database in store.engine.databases():
        shadows_of(database, chosen(None), "").drop()


def shadows_of(database: Engine, names: dict[str, tuple[str, ...]], purpose: str) -> Shadows:
    """Describe the shadows of domains in one database."""
    folders = [folder for name, folder in composition.PACKAGES if name in ("kernel", *names)]
    tables = database.read("", lambda session: described(session, names))
    return Shadows(database, tables, plan_of([*folders, Path(__file__).parent], purpose))


def _is_here(database: Engine, subject: str) -> bool:
    place = {"slice": slice_of(subject), "subject": subject}
    return bool(database.read(subject, lambda s: s.rows(statements.heads_of, place)))


def _count(database: Engine) -> int:
    ((count,),) = database.read("", lambda s: s.rows(statements.count_subjects, {}))
    return int(count)


def _everybody(shadows: Shadows, subject: str | None) -> Iterator[tuple[int, str]]:
    if subject is not None:
        yield slice_of(subject), subject
        return
    for slice in slices(shadows.database, shadows.tables):
        for one in subjects(shadows.database, slice, shadows.tables):
            yield slice, one


def _swap(replay: Replay, session: Session) -> int:
    """Put the shadow rows in the place of the live ones; return how many there are."""
    own = [table for table in replay.shadows.tables if table.domain != "kernel"]
    for table in own:
        session.rows(table.ask(statements.clear_rows), replay.place)
    rows = 0
    for table in reversed(own):
        session.rows(table.ask(statements.copy_rows), replay.place)
        ((count,),) = session.rows(table.ask(statements.count_rows), replay.place)
        rows += count
    _swap_snapshots(replay, session)
    replay.shadows.clear(session, replay.slice, replay.subject)
    session.rows(filled(statements.clear_rows, PROGRESS), replay.place)
    note(session, replay.slice, replay.subject, DONE, 1)
    return rows


def _swap_snapshots(replay: Replay, session: Session) -> None:
    """Exchange the snapshots of these domains' streams; a stream is its first event's domain's."""
    (table,) = (table for table in replay.shadows.tables if table.domain == "kernel")
    for stream, kind in session.rows(statements.streams_by_type, replay.place):
        if kind in replay.kinds:
            place = {**replay.place, "stream": stream}
            session.rows(table.ask(statements.clear_snapshots), place)
            session.rows(table.ask(statements.copy_snapshots), place)
