"""The raw drivers doing the same work: the kernel's own statements, on the same tables, with the
same durability, and nothing else: no checks, no hashes, no JSON, no queue.

Values that Perdure computes (hashes, ids, times, the JSON text) are constants here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import msgspec

from perdure.kernel.log import statements as log
from perdure.kernel.queries import Query
from perdure.kernel.transaction import slice_of

from .domain import STATE, STREAM, State, agent, statements

PAYLOAD = b'{"note":"' + b"x" * 290 + b'"}'
HASH, DIGEST = b"h" * 32, b"d" * 16
DETAILS = msgspec.json.encode(STATE.details).decode()
AT = 1_700_000_000_000_000
_details = msgspec.json.Decoder(dict[str, float]).decode


def identity(number: int) -> str:
    """Make a different id for every event, without drawing one."""
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def place(number: int) -> dict[str, Any]:
    """Give the parameters that name an agent's stream."""
    subject = agent(number)
    return {"slice": slice_of(subject), "subject": subject, "stream": STREAM}


def state(where: dict[str, Any]) -> dict[str, Any]:
    """Give the parameters of a state row."""
    row = {"note": STATE.note, "details": DETAILS, "version": 1, "digest": DIGEST}
    return {**where, **row}


class RawSqlite:
    """apsw on a file that Perdure made: WAL, synchronous=FULL, one connection."""

    def __init__(self, path: Path, *, agents: int = 64) -> None:
        self.connection = apsw.Connection(str(path), statementcachesize=256)
        for name, value in (("journal_mode", "wal"), ("synchronous", "full")):
            self.connection.pragma(name, value)
        self.connection.pragma("foreign_keys", "on")
        self._places = [place(number) for number in range(agents)]
        self._count = 0

    def transaction(self, _call: int = 0, *, units: int = 1) -> None:
        """Commit so many units in one transaction, each in a savepoint if there are several."""
        run = self.connection.execute
        run("begin immediate")
        for _ in range(units):
            if units > 1:
                run("savepoint unit")
            self._unit()
            if units > 1:
                run("release unit")
        run("commit")

    def _unit(self) -> None:
        run: Any = self.connection.execute
        self._count += 1
        where = self._places[self._count % len(self._places)]
        found = run(log.head.sqlite, where).fetchall()
        version = found[0][0] + 1 if found else 1
        ((position,),) = run(log.take_position.sqlite, where).fetchall()
        params = {
            **where, "position": position, "version": version, "id": identity(self._count),
            "type": "Noted", "schema": 1, "at": AT, "payload": PAYLOAD, "payload_hash": HASH,
            "hash": HASH,
        }  # fmt: skip
        run(log.save_head.sqlite, params)
        run(log.insert_event.sqlite, params)
        run(statements.save_state.sqlite, state(where))

    def load(self, number: int) -> State:
        """Select one state and decode it."""
        where = {"slice": slice_of(agent(number)), "subject": agent(number)}
        run: Any = self.connection.execute
        ((note, details, version, _digest),) = run(statements.state.sqlite, where).fetchall()
        return State(note, _details(details), version)

    def close(self) -> None:
        self.connection.close()


def fill(path: Path, *, agents: int, events: int) -> None:
    """Write a history in the shape of the log, quickly and without durability."""
    connection = apsw.Connection(str(path))
    connection.pragma("synchronous", "off")
    places = [place(number) for number in range(agents)]
    positions = dict.fromkeys(range(1024), 0)
    with connection:
        head = ({**where, "version": events // agents, "hash": HASH} for where in places)
        connection.executemany(log.save_head.sqlite, head)
    for version in range(1, events // agents + 1):
        rows = []
        for number, where in enumerate(places):
            positions[where["slice"]] += 1
            rows.append(
                {**where, "position": positions[where["slice"]], "version": version,
                 "id": identity(version * agents + number), "type": "Noted", "schema": 1,
                 "at": AT, "payload": PAYLOAD, "payload_hash": HASH, "hash": HASH}
            )  # fmt: skip
        with connection:
            connection.executemany(log.insert_event.sqlite, rows)
    connection.close()


def numbered(query: Query, params: dict[str, Any]) -> tuple[bytes, list[Any]]:
    """Give a statement as psycopg's raw cursor takes it."""
    return query.numbered.encode(), [params[name] for name in query.names]
