"""Ways to tamper with a log behind our back, and what each of them is called.

The statements are plain SQL for both engines, run by a raw connection: on SQLite while no store
has the file open, on PostgreSQL as a superuser with its triggers off.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import apsw
import psycopg

import perdure
from perdure.kernel import Transaction, event
from perdure.kernel.transaction import slice_of

SUBJECT, OTHER = "ada", "bob"
THREAD = "00000000-0000-0000-0000-0000000000aa"


@event()
class LineNoted:
    """An event of these tests, without a read model."""

    text: str


@event()
class LineUnnoted:
    """Another one, of the same shape."""

    text: str


def note(tx: Transaction, stream: str, *texts: str) -> None:
    """Append some lines."""
    for text in texts:
        tx.append(stream, LineNoted(text))


def fill(store: perdure.Store) -> None:
    """Write a small history; the lines of note-a come last in their slice."""
    ada, bob = store.subject(SUBJECT), store.subject(OTHER)
    bob.transact(lambda tx: note(tx, "note-a", "b1", "b2", "b3"))
    bob.souls.publish(core_identity="Bob")
    for version in range(1, 4):
        ada.souls.publish(core_identity=f"Ada {version}")
    ada.souls.milestones.add("we met", lesson_learned="trust", source_thread_id=THREAD)
    ada.transact(lambda tx: note(tx, "note-b", "x", "y", "z"))
    ada.transact(lambda tx: note(tx, "note-a", "one", "two", "three", "four", "five", "six"))


def last_read(store: perdure.Store) -> list[str]:
    """Read all of ada's lines through the API."""
    return store.subject(SUBJECT).transact(
        lambda tx: [r.event.text for stream in ("note-a", "note-b") for r in tx.events(stream)]
    )


Execute = Callable[[str], object]


@contextmanager
def raw(target: str) -> Iterator[Execute]:
    """Open the database without us."""
    if target.startswith("postgresql:"):
        with psycopg.connect(target) as postgres:
            postgres.execute("set session_replication_role = replica")
            yield lambda text: _rows(postgres, text)
    else:
        sqlite = apsw.Connection(target)
        try:
            with sqlite:
                yield lambda text: sqlite.execute(text).fetchall()
        finally:
            sqlite.close()


def blob(content: bytes) -> str:
    """Write bytes; `damage` makes them a literal of its engine."""
    return f"<{content.hex()}>"


def at(stream: str, version: int | None = None, subject: str = SUBJECT) -> str:
    """Write the condition that finds an event, or a stream."""
    found = f"slice = {slice_of(subject)} and subject = '{subject}' and stream = '{stream}'"
    return found if version is None else f"{found} and version = {version}"


def over(columns: str, here: str, there: str) -> list[str]:
    """Write one event's columns over another's."""
    sets = ", ".join(f"{c} = (select {c} from spare where {there})" for c in columns.split())
    return [
        "create temporary table spare as select * from perdure_events",
        f"update perdure_events set {sets} where {here}",
        "drop table spare",
    ]


def exchange(columns: str, here: str, there: str) -> list[str]:
    """Exchange the columns of two events."""
    first, *_ = over(columns, here, there)
    return [first, over(columns, here, there)[1], *over(columns, there, here)[1:]]


EMPTY = blob(sha256(b"{}").digest())
CONTENT = "id type schema at payload payload_hash hash"
CUT = f"delete from perdure_events where {at('note-a')} and version > 4"
FIFTH = f"(select hash from perdure_events where {at('note-a', 4)})"
REWIND = f"update perdure_streams set version = 4, hash = {FIFTH} where {at('note-a')}"


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done, what verify calls it, and what a reader is told (None: he can not see it)."""

    statements: list[str]
    kind: str
    sentence: str
    on_events: str | None = ""
    on_log: str | None = ""


def _swap_versions(a: int, b: int) -> list[str]:
    return [
        f"update perdure_events set version = {new} where {at('note-a', old)}"
        for old, new in ((a, -1), (b, a), (-1, b))
    ]


SWAPPED = "events 2 and 4 of stream 'note-a' were swapped"
DAMAGES = {
    "payload changed": Damage(
        [
            f"update perdure_events set payload = {blob(b'{}')} where {at('note-a', 3)}"
        ],
        "payload_changed",
        "the payload of event 3 of stream 'note-a' was changed",
    ),
    "removed from the middle": Damage(
        [f"delete from perdure_events where {at('note-a', 3)}"],
        "event_removed",
        "stream 'note-a' goes from version 2 to 4: an event was removed",
        on_log="and goes on with",
    ),
    "two swapped, by their versions": Damage(
        _swap_versions(2, 4), "events_swapped", SWAPPED
    ),
    "neighbours swapped": Damage(
        _swap_versions(2, 3),
        "events_swapped",
        "events 2 and 3 of stream 'note-a' were swapped",
    ),
    "two swapped, by their content": Damage(
        exchange(CONTENT, at("note-a", 2), at("note-a", 4)), "events_swapped", SWAPPED
    ),
    "two swapped, but for their hashes": Damage(
        exchange(CONTENT[:-5], at("note-a", 2), at("note-a", 4)),
        "events_swapped",
        SWAPPED,
    ),
    "two payloads swapped": Damage(
        exchange("payload payload_hash", at("note-a", 2), at("note-a", 4)),
        "events_swapped",
        "the payloads of events 2 and 4 of stream 'note-a' were swapped",
    ),
    "two payloads swapped, their hashes not": Damage(
        exchange("payload", at("note-a", 2), at("note-a", 4)),
        "events_swapped",
        "the payloads of events 2 and 4 of stream 'note-a' were swapped",
    ),
    "copied from another stream": Damage(
        over(CONTENT, at("note-a", 3), at("note-b", 2)),
        "event_copied",
        "event 3 of stream 'note-a' was copied from event 2 of stream 'note-b'",
    ),
    "copied from another subject": Damage(
        over(CONTENT, at("note-a", 3), at("note-a", 2, OTHER)),
        "event_copied",
        "event 3 of stream 'note-a' was copied from event 2 of stream 'note-a' of subject 'bob'",
    ),
    "payload copied from another subject": Damage(
        over("payload payload_hash", at("note-a", 3), at("note-a", 2, OTHER)),
        "event_copied",
        "the payload of event 3 of stream 'note-a' was copied from event 2 of stream 'note-a' of"
        " subject 'bob'",
    ),
    "tail cut": Damage(
        [CUT],
        "tail_cut",
        "stream 'note-a' ends at version 4 but was at 6: its tail was cut",
        on_log="ends there, but counted",
    ),
    "tail cut with its head": Damage(
        [CUT, REWIND],
        "counter_ahead",
        f"slice {slice_of(SUBJECT)} ends at position 11 but counted 13: its tail was cut with the"
        " head of its stream",
        on_events=None,
        on_log="ends there, but counted",
    ),
    "time changed": Damage(
        [f"update perdure_events set at = at + 1 where {at('note-a', 3)}"],
        "header_changed",
        "the header of event 3 of stream 'note-a' was changed",
    ),
    "time of the last changed": Damage(
        [f"update perdure_events set at = at + 1 where {at('note-a', 6)}"],
        "header_changed",
        "the header of event 6 of stream 'note-a' was changed",
    ),
    "type changed": Damage(
        [f"update perdure_events set type = 'LineUnnoted' where {at('note-a', 3)}"],
        "header_changed",
        "the type of event 3 of stream 'note-a' was changed from LineNoted 1 to LineUnnoted 1",
    ),
    "subject changed": Damage(
        [f"update perdure_events set subject = 'bob' where {at('note-a', 3)}"],
        "event_moved",
        "event 3 of stream 'note-a' was moved to stream 'note-a' of subject 'bob'",
        on_log="of stream 'note-a' goes|goes from version",
    ),
    "stream of the last changed": Damage(
        [f"update perdure_events set stream = 'note-c' where {at('note-a', 6)}"],
        "event_moved",
        "event 6 of stream 'note-a' was moved to stream 'note-c'",
        on_log="stream 'note-c' goes from version 4 to 6",
    ),
    "hash changed": Damage(
        [
            f"update perdure_events set hash = {blob(bytes(32))} where {at('note-a', 3)}"
        ],
        "hash_changed",
        "the hash of event 3 of stream 'note-a' was changed",
    ),
    "payload and its hash changed": Damage(
        [
            f"update perdure_events set payload = {blob(b'{}')} where {at('note-a', 3)}",
            f"update perdure_events set payload_hash = {EMPTY} where {at('note-a', 3)}",
            f"update perdure_events set hash = {blob(bytes(32))} where {at('note-a', 3)}",
        ],
        "event_replaced",
        "event 3 of stream 'note-a' is not the one written there",
    ),
    "head changed": Damage(
        [f"update perdure_streams set hash = {blob(bytes(32))} where {at('note-a')}"],
        "head_changed",
        "the head of stream 'note-a' does not fit its last event",
        on_log=None,
    ),
    "head rewound": Damage(
        [REWIND],
        "event_beyond_head",
        "stream 'note-a' is at version 4, but has events up to 6: its head was rewound",
        on_events=None,
        on_log=None,
    ),
    "stream removed": Damage(
        [f"delete from perdure_streams where {at('note-b')}"],
        "event_without_stream",
        "stream 'note-b' has 3 events but no head: it was removed",
        on_events=None,
        on_log=None,
    ),
    "counter rewound": Damage(
        [
            f"update perdure_slices set position = 9 where slice = {slice_of(SUBJECT)}"
        ],
        "counter_behind",
        f"slice {slice_of(SUBJECT)} has events up to position 13 but counted 9: its counter was"
        " rewound",
        on_events=None,
        on_log=None,
    ),
}  # fmt: skip


def damage(target: str, statements: list[str]) -> None:
    """Tamper."""
    bytes_as = r"'\\x\1'::bytea" if target.startswith("postgresql:") else r"x'\1'"
    with raw(target) as execute:
        for statement in statements:
            execute(re.sub("<([0-9a-f]*)>", bytes_as, statement))


def _rows(connection: "psycopg.Connection[tuple[object, ...]]", text: str) -> list[object]:
    cursor = connection.execute(text.encode())
    return list(cursor.fetchall()) if cursor.description else []
