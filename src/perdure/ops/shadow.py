"""Shadow tables: made like the live ones, written by the projections, dropped at the end.

``<table>__rebuild`` stands beside each table; ``perdure_rebuild`` says how far each stream was
replayed (an empty stream's name: the subject is done). A session around the engine's renames the
tables in every statement, so projections stay the only code that writes rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

from perdure.errors import Internal
from perdure.kernel import Transaction, log, queries
from perdure.kernel.engine import Engine, Params, Rows, Session
from perdure.kernel.queries import Query
from perdure.kernel.replay import EventClock
from perdure.kernel.sealing import Owner

from .tables import Table

statements = queries.load(__file__)

SUFFIX = "__rebuild"
PLAN_SLICE = -1
DONE = ""
PROGRESS = {"table": "perdure_rebuild", "owner": "subject"}


class ShadowSession:
    """A transaction whose statements meet the shadows, as the owner of all tables."""

    def __init__(self, session: Session, names: Mapping[str, str]) -> None:
        self._session = session
        self._names = dict(names)
        self._known: dict[Query, Query] = {}

    @property
    def dialect(self) -> str:
        return self._session.dialect

    def rows(self, query: Query, params: Params) -> Rows:
        return self._session.rows(self._shadowed(query), params)

    def later(self, query: Query, params: Params) -> Callable[[], Rows]:
        return self._session.later(self._shadowed(query), params)

    def fail(self, error: Exception) -> None:
        self._session.fail(error)

    def script(self, text: str) -> NoReturn:
        raise Internal("a projection changes the schema", value=text, remedy="use a migration")

    def _shadowed(self, query: Query) -> Query:
        if query not in self._known:
            over = query.renamed(self._names)
            is_same = over.sqlite == query.sqlite and over.postgres == query.postgres
            if is_same and not query.sqlite.lstrip().lower().startswith("select"):
                raise Internal(
                    f"the statement {query.name} of a projection writes to no table of TABLES",
                    value=query.name,
                    remedy="name the table in the domain's TABLES",
                )
            self._known[query] = Query(query.name, over.sqlite, over.postgres, "owner")
        return self._known[query]


class Shadows:
    """The shadow tables of one database."""

    def __init__(self, database: Engine, tables: Sequence[Table], plan: str) -> None:
        self.database = database
        self.tables = tuple(tables)
        self.plan = plan
        self.names = {table.name: table.name + SUFFIX for table in tables}

    def project(self, session: Session, entry: log.Header, owner: Owner) -> None:
        """Replay one event of an owner into the shadows; what is personal is sealed anew."""
        recorded = entry.recorded(owner.seal)
        around = ShadowSession(session, self.names)
        tx = Transaction(around, owner, EventClock(recorded), writable=True)
        tx.project(recorded)
        tx.end()

    def prepare(self, *, is_fresh: bool) -> bool:
        """Make the shadows; say whether an interrupted rebuild with the same plan goes on."""
        return self.database.write("", lambda session: self._prepare(session, is_fresh=is_fresh))

    def _prepare(self, session: Session, *, is_fresh: bool) -> bool:
        if not is_fresh and self._is_prepared(session):
            return True
        self._drop(session)
        for text in self._definitions(session):
            session.script(text)
        session.rows(statements.create_progress, {})
        note(session, PLAN_SLICE, self.plan, DONE, 1)
        return False

    def _is_prepared(self, session: Session) -> bool:
        ((known,),) = session.rows(statements.has_table, {"table": "perdure_rebuild"})
        return bool(known) and DONE in progress(session, PLAN_SLICE, self.plan)

    def _definitions(self, session: Session) -> list[str]:
        """Write the shadows' tables first, then what hangs on them."""
        parts = [
            (str(kind), str(name), str(text))
            for table in self.tables
            for kind, name, text in session.rows(statements.schema_of, {"table": table.name})
        ]
        names = dict(self.names)
        if session.dialect == "sqlite":
            names |= {name: name + SUFFIX for _, name, _ in parts}
        pattern = re.compile(r"\b(" + "|".join(map(re.escape, names)) + r")\b")
        is_like = session.dialect != "sqlite"
        return [
            text if kind == "table" and is_like else pattern.sub(lambda m: names[m[1]], text)
            for kind, _, text in sorted(parts, key=lambda part: part[0] != "table")
        ]

    def drop(self) -> None:
        """Remove every trace; what an older rebuild left goes as well."""
        self.database.write("", self._drop)

    def _drop(self, session: Session) -> None:
        for name in (*(t.name + SUFFIX for t in self.tables), "perdure_rebuild"):
            session.rows(statements.drop_table.over(name), {})

    def clear(self, session: Session, slice: int, subject: str) -> None:
        """Empty the shadows of one subject, those that refer to others first."""
        for table in self.tables:
            query = table.ask(statements.clear_rows).renamed(self.names)
            session.rows(query, {"slice": slice, "subject": subject})


def progress(session: Session, slice: int, subject: str) -> dict[str, int]:
    """Give how far each stream of a subject was replayed."""
    rows = session.rows(statements.progress_of, {"slice": slice, "subject": subject})
    return {str(stream): int(version) for stream, version in rows}


def note(session: Session, slice: int, subject: str, stream: str, version: int) -> None:
    """Keep how far a stream was replayed."""
    place = {"slice": slice, "subject": subject, "stream": stream, "version": version}
    session.rows(statements.note_progress, place)


def plan_of(folders: Sequence[Path], purpose: str) -> str:
    """Name the code that replays: an interrupted rebuild goes on only with the same code."""
    digest = sha256(purpose.encode())
    for folder in folders:
        for path in sorted((*folder.glob("*.py"), *folder.glob("*.sql"))):
            digest.update(path.read_bytes())
    return digest.hexdigest()
