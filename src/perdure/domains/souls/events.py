"""What happens to a soul, and the rows each event becomes."""

from __future__ import annotations

from datetime import datetime

from perdure.kernel import Recorded, Transaction, event, load, projects

from .model import Milestone, Soul, Weight

queries = load(__file__, role="service")


@event()
class SoulPublished:
    """A version was published, restored from an older one, or imported as version 0."""

    version: int
    core_identity: str
    active_values: str
    recent_growth: str
    reflection_notes: str | None
    token_count: int
    restored_from: int | None = None


@event()
class MilestoneReached:
    """Something happened that formed the soul."""

    event_description: str
    emotional_weight: Weight
    lesson_learned: str
    source_thread_id: str | None


@event()
class ThreadForgotten:
    """A thread was deleted; milestones that came from it stay."""

    thread_id: str


@event()
class VersionForgotten:
    """A version was taken out of the history; the event that brought it is erased."""

    version: int


@event()
class MilestoneForgotten:
    """A milestone was taken away; the event that brought it is erased."""

    id: str


@projects(SoulPublished)
def _(tx: Transaction, fact: SoulPublished, at: Recorded) -> None:
    tx.save(
        queries.save_version,
        Soul(
            at.id,
            at.at,
            fact.version,
            fact.core_identity,
            fact.active_values,
            fact.recent_growth,
            fact.reflection_notes,
            fact.token_count,
        ),
    )


@projects(MilestoneReached)
def _(tx: Transaction, fact: MilestoneReached, at: Recorded) -> None:
    if fact.source_thread_id is not None:
        tx.run(queries.note_thread, id=fact.source_thread_id, created_at=_written(at.at))
    tx.save(
        queries.save_milestone,
        Milestone(
            at.id,
            at.at,
            fact.event_description,
            fact.emotional_weight,
            fact.lesson_learned,
            fact.source_thread_id,
        ),
    )


@projects(ThreadForgotten)
def _(tx: Transaction, fact: ThreadForgotten, _at: Recorded) -> None:
    tx.run(queries.delete_thread, id=fact.thread_id)


@projects(VersionForgotten)
def _(tx: Transaction, fact: VersionForgotten, _at: Recorded) -> None:
    tx.run(queries.delete_version, version=fact.version)


@projects(MilestoneForgotten)
def _(tx: Transaction, fact: MilestoneForgotten, _at: Recorded) -> None:
    """Leave the thread as if the milestone had never named it: a replay does not know that."""
    thread = tx.value(queries.thread_of_milestone, id=fact.id)
    tx.run(queries.delete_milestone, id=fact.id)
    if thread is not None:
        tx.run(queries.delete_idle_thread, id=thread)
        tx.run(queries.begin_thread, id=thread)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
