"""What happens to a voice, how the state follows, and the rows each event becomes.

`fold` is the one place that turns events into states: live, in a replay and in a rebuild.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import singledispatch
from typing import Final

from perdure.kernel import Recorded, Transaction, event, projects
from perdure.kernel.replay import keep

from . import model, stored, voice
from .features import Measurement
from .model import Dimensions, DriftState, FitnessPosition, Mutation
from .stored import OUR_FILTER, Evidence, QivState, queries

STREAM: Final = "drift-self"


@event()
class MutationEvolved:
    """The app measured its reply itself and gave the mutation."""

    mutation: Mutation


@event()
class ReplyObserved:
    """A reply was measured. Hashes and counts, never the text."""

    measurement: Measurement
    hash: int
    signature: bytes
    is_new: bool


@event()
class DriftReset:
    """The voice begins again, and what was said is forgotten."""


@event()
class DriftImported:
    """An app's stored object took the place of the numbers; the voice stays as it was learnt."""

    coefficient: float
    dimensions: Dimensions
    fitness_position: FitnessPosition
    total_interactions: int
    speciation_index: float
    momentum: float
    bloom_filter: str | None
    recent_hashes: tuple[str, ...]
    created_at: datetime | None


def fold(state: DriftState, fact: object, _at: Recorded | None = None) -> DriftState:
    """Return the state after an event. Minus zero becomes zero: a jsonb has none."""
    after = _after(fact, state)
    return replace(
        after, dimensions=Dimensions(*(each + 0.0 for each in after.dimensions.values()))
    )


@singledispatch
def _after(_fact: object, state: DriftState) -> DriftState:
    return state


@_after.register
def _(fact: MutationEvolved, state: DriftState) -> DriftState:
    return model.evolve(state, fact.mutation)


@_after.register
def _(fact: ReplyObserved, state: DriftState) -> DriftState:
    return voice.observe(state, fact.measurement)


@_after.register
def _(_fact: DriftReset, _state: DriftState) -> DriftState:
    return model.initial()


@_after.register
def _(fact: DriftImported, state: DriftState) -> DriftState:
    return DriftState(
        fact.coefficient,
        fact.dimensions,
        fact.fitness_position,
        fact.total_interactions,
        fact.speciation_index,
        fact.momentum,
        state.voice,
    )


@projects(MutationEvolved)
def _(tx: Transaction, fact: MutationEvolved, at: Recorded) -> None:
    tx.save(queries.save_state, _moved(tx, stored.read(tx), fact, at))


@projects(ReplyObserved)
def _(tx: Transaction, fact: ReplyObserved, at: Recorded) -> None:
    if not fact.is_new:
        tx.save(queries.save_state, _moved(tx, stored.read(tx), fact, at))
        return
    row = _moved(tx, stored.read_to_extend(tx), fact, at)
    reply = stored.reply(tx, fact.hash, at=at, signature=fact.signature)
    tx.save(queries.save_reply, reply)
    tx.run(queries.save_bands, hash=reply.hash, bands=stored.bands(tx, fact.signature))
    known, has_filter = stored.remembered(tx, row, fact.hash)
    tx.save(queries.save_state_and_filter if has_filter else queries.save_state, known)


@projects(DriftReset)
def _(tx: Transaction, fact: DriftReset, at: Recorded) -> None:
    for query in (queries.clear_hashes, queries.clear_bands, queries.clear_evidence):
        tx.run(query)
    row = replace(_moved(tx, stored.read(tx), fact, at), replies=0, recent_hashes=())
    tx.save(queries.save_state_and_filter, stored.with_filter(tx, row, None))


@projects(DriftImported)
def _(tx: Transaction, fact: DriftImported, at: Recorded) -> None:
    row = _moved(tx, stored.read(tx, queries.state_and_filter), fact, at)
    evidence = _evidence(tx, fact, at)
    if not row.replies:  # nothing of ours stands in the columns yet
        row = replace(row, recent_hashes=evidence.recent_hashes[-stored.RECENT_HASHES :])
        row = stored.with_filter(tx, row, fact.bloom_filter or row.bloom_filter)
    if fact.created_at is not None:
        row = replace(row, created_at=fact.created_at.astimezone(UTC))
    tx.save(queries.save_state_and_filter, row)


def _moved(tx: Transaction, row: QivState | None, fact: object, at: Recorded) -> QivState:
    """Return the row after the event; every 200 events its state is kept for replays."""
    state = fold(stored.state_of(row), fact)
    keep(tx, STREAM, at.version, state)
    return stored.row_of(row, state, id=at.id, at=at.at)


def _evidence(tx: Transaction, fact: DriftImported, at: Recorded) -> Evidence:
    """Keep what the app knew of what was said, beside what earlier imports knew."""
    old = tx.one(queries.evidence, Evidence)
    text = fact.bloom_filter
    is_ours = text is not None and text.startswith(OUR_FILTER)
    new = Evidence(at.at, None if is_ours else text, text if is_ours else None, fact.recent_hashes)
    known = stored.merged(old, new)
    tx.save(queries.save_evidence, known)
    return known
