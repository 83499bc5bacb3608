"""Where there is something to look at: slices, subjects, rows and their owners, page by page.

Subjects come from the log, and from the tables themselves as far as the login may see them (a
superuser sees all of PostgreSQL, SQLite hides nothing): a moved row may belong to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from perdure.errors import Forgotten, LockedOut, Tampered
from perdure.kernel.engine import Engine, Params, Rows, Session
from perdure.kernel.log import Ask
from perdure.kernel.queries import Query
from perdure.kernel.sealing import Keys, Owner, owner_behind
from perdure.kernel.tables import Table, quoted

from .tables import statements

# What a vault may say of a sealed value; somebody may be forgotten while we look.
REFUSALS = (Tampered, LockedOut, Forgotten)
SUBJECTS_A_PAGE = 500
ROWS_A_PAGE = 500
Key = tuple[object, ...]
Stored = Sequence[Any]


def slices(database: Engine, tables: Sequence[Table] = ()) -> list[int]:
    """List the slices that hold events, counters, streams or rows."""

    def unit(session: Session) -> set[int]:
        found = set(_column(session, statements.slices_in_use))
        for table in tables:
            found |= set(_column(session, table.ask(statements.table_slices)))
        return found

    return sorted(database.read("", unit))


def subjects(database: Engine, slice: int, tables: Sequence[Table] = ()) -> Iterator[str]:
    """Give the subjects of a slice: those of the log, then those only the tables know."""
    yield from _paged(database, statements.slice_subjects, slice)
    strange: set[str] = set()
    for table in tables:
        for subject in _paged(database, table.ask(statements.strange_subjects), slice):
            if subject not in strange:
                strange.add(subject)
                yield subject


def stored_rows(
    ask: Ask,
    table: Table,
    columns: Sequence[str],
    place: Mapping[str, object],
    names: Mapping[str, str] | None = None,
) -> Iterator[tuple[Key, Stored]]:
    """Give the rows of a subject with their keys; ``names`` leads to its shadows instead."""
    key, after, params = ", ".join(map(quoted, table.key)), "", {**place, "most": ROWS_A_PAGE}
    places = [f"after_{chr(97 + n)}" for n in range(len(table.key))]
    beyond = f"and ({key}) > ({', '.join(f':{one}' for one in places)})"
    while True:
        listed = ", ".join(map(quoted, columns))
        query = table.ask(statements.stored_rows, columns=listed, beyond=after)
        page = ask(query.renamed(dict(names)) if names else query, params)
        for row in page:
            yield tuple(row[: len(places)]), list(map(plain, row[len(places) :]))
        if len(page) < ROWS_A_PAGE:
            return
        after, params = beyond, {**params, **dict(zip(places, page[-1], strict=False))}


def owner_of(keys: Keys | None, handle: str) -> Owner | None:
    """Give whose rows these are, or None where the keys are gone or can not be used."""
    try:
        return owner_behind(keys, handle)
    except REFUSALS:
        return None


def plain(value: object) -> object:
    """Write an array of PostgreSQL as the JSON text that dataclasses are read from."""
    return msgspec.json.encode(value).decode() if isinstance(value, list) else value


def _paged(database: Engine, query: Query, slice: int) -> Iterator[str]:
    params = {"slice": slice, "after": "", "most": SUBJECTS_A_PAGE}
    while page := database.read("", partial(_rows, query, params)):
        yield from (str(subject) for (subject,) in page)
        params = {**params, "after": page[-1][0]}


def _rows(query: Query, params: Params, session: Session) -> Rows:
    return session.rows(query, params)


def _column(session: Session, query: Query) -> list[int]:
    return [int(value) for (value,) in session.rows(query, {})]
