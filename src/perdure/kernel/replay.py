"""The state of a stream at any version, by replay; a snapshot every 200 events keeps it short.

Snapshots are rows of a read model like any other: verified by their digest, rebuilt from the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from .log import Recorded, statements
from .privacy import Id, Personal
from .transaction import Transaction

S = TypeVar("S")
SNAPSHOT_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a stream after one of its events."""

    stream: Id[str]
    version: Id[int]
    state: Personal[str]


class EventClock:
    """The time and the id of an event that is projected once more."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded

    def now(self) -> datetime:
        return self._recorded.at

    def new_id(self) -> str:
        return self._recorded.id


def keep(tx: Transaction, stream: str, version: int, state: object) -> None:
    """Save the state if this version is one that gets a snapshot; projections call it."""
    if version % SNAPSHOT_EVENTS == 0:
        text = msgspec.json.encode(state).decode()
        tx.save(statements.save_snapshot, Snapshot(stream, version, text))


def replay(
    tx: Transaction,
    stream: str,
    initial: S,
    fold: Callable[[S, Any, Recorded], S],
    *,
    upto: int | None = None,
) -> S:
    """Fold the events of a stream, from the nearest snapshot on, up to a version."""
    state, after = initial, 0
    most = tx.version(stream) if upto is None else upto
    snapshot = tx.one(statements.nearest_snapshot, Snapshot, stream=stream, version=most)
    if snapshot is not None:
        state, after = msgspec.json.decode(snapshot.state, type=type(initial)), snapshot.version
    for recorded in tx.events(stream, after=after, upto=most):
        state = fold(state, recorded.event, recorded)
    return state
