"""The unit of work that is measured: one event of 300 bytes, and the one row it leads to.

Nothing of Perdure's own domains is in it: they measure texts, which is not what is asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import perdure
from perdure.kernel import Face, M, Recorded, Transaction, event, load, projects, reads, writes
from perdure.kernel.events import encode
from perdure.store import Store

if TYPE_CHECKING:
    from perdure.vault import Vault

statements = load(__file__)
STREAM = "notes-self"
PAYLOAD_BYTES = 300


@event()
class Noted:
    """The agent noted something."""

    note: str
    details: dict[str, float]


@dataclass(frozen=True, slots=True)
class State:
    """The latest note of a subject."""

    note: str
    details: dict[str, float]
    version: int


@projects(Noted)
def _project(tx: Transaction, fact: Noted, _at: Recorded) -> None:
    tx.save(statements.save_state, State(fact.note, fact.details, 1))


def _fact() -> Noted:
    details = {"warmth": 0.25, "pace": 0.5, "length": 120.0}
    empty = len(encode(Noted("", details))[1])
    return Noted("x" * (PAYLOAD_BYTES - empty), details)


FACT = _fact()
STATE = State(FACT.note, FACT.details, 1)


def note(tx: Transaction) -> None:
    """Append the event; its projection saves the row."""
    tx.append(STREAM, FACT)


def latest(tx: Transaction) -> State | None:
    """Load the state."""
    return tx.one(statements.state, State)


class Notes(Face[M]):
    """The benchmark's own domain, in both faces."""

    note = writes(note)
    latest = reads(latest)


def agent(number: int) -> str:
    """Name a subject."""
    return f"agent-{number}@example.com"


def open_store(target: str, *, at_rest: bytes | None = None, vault: Vault | None = None) -> Store:
    """Open a new database with the read model in it."""
    store = perdure.open(target, at_rest=at_rest, vault=vault)
    text = getattr(statements.create_states, store.engine.dialect)
    store.engine.administer(lambda session: session.script(text))
    return store


def notes(store: Any, subject: str) -> Notes[Any]:
    """Give the domain for a subject; a face is nothing but its runner."""
    return Notes(store.subject(subject).souls._runner)  # noqa: SLF001
