"""The smallest domain: events with a writer's own numbers, an echo in a second stream, a counter.

It exists for the harnesses alone. A number is used once, so what was lost or doubled shows, and
the echo and the counter are written in the same unit of work, so what was torn shows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import perdure
from perdure.kernel import Recorded, Transaction, event, load, migrations, projects
from perdure.store import PACKAGES

SLOW_EVERY, SLOW_SECONDS = 16, 0.003  # some units stay open while others commit
HERE = Path(__file__).parent
queries = load(__file__)


@event()
class CounterRaised:
    """A writer counted to a number."""

    lane: str
    number: int


@event()
class CounterEchoed:
    """The same, said again in another stream."""

    lane: str
    number: int


@dataclass(frozen=True, slots=True)
class Counter:
    """How far a lane came: the read model of its stream."""

    name: str
    value: int


@projects(CounterRaised)
def _(tx: Transaction, fact: CounterRaised, _at: Recorded) -> None:
    tx.save(queries.save_counter, Counter(fact.lane, counted(tx, fact.lane) + 1))


def counted(tx: Transaction, lane: str) -> int:
    """Read a counter."""
    found = tx.one(queries.counter, Counter, name=lane)
    return found.value if found else 0


def stream_of(lane: str) -> str:
    """Name the stream of a lane."""
    return f"lane-{lane}"


def echo_of(lane: str) -> str:
    """Name the second stream of a lane."""
    return f"echo-{lane}"


@dataclass(frozen=True, slots=True)
class Raise:
    """A unit of work: two events and a counter, all or nothing."""

    lane: str
    number: int

    def __call__(self, tx: Transaction) -> str:
        recorded = tx.append(stream_of(self.lane), CounterRaised(self.lane, self.number))
        if self.number % SLOW_EVERY == 0:
            time.sleep(SLOW_SECONDS)
        tx.append(echo_of(self.lane), CounterEchoed(self.lane, self.number))
        return recorded.id


def increment(tx: Transaction) -> int:
    """Read the shared counter and write one more: the read-modify-write that loses updates."""
    return set_to(tx, counted(tx, "shared") + 1)


def set_to(tx: Transaction, value: int) -> int:
    """Write the shared counter."""
    tx.save(queries.save_counter, Counter("shared", value))
    return value


def prepare(target: str) -> perdure.Store:
    """Open a store and add the tables of this domain."""
    store = perdure.open(target, subject="nobody")
    steps = migrations.discover((*PACKAGES, ("faults", HERE)), store.engine.dialect)
    store.engine.administer(lambda session: migrations.up(session, steps, now=0))
    return store
