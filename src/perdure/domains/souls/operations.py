"""What can be done with a soul. Each function is one unit of work: check, append the event,
return.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from itertools import islice

from perdure.errors import Conflict, Invalid, NotFound
from perdure.kernel import Transaction, values
from perdure.kernel.retention import Keep

from .events import (
    MilestoneForgotten,
    MilestoneReached,
    SoulPublished,
    ThreadForgotten,
    VersionForgotten,
    queries,
)
from .model import (
    EVENT_CHARACTERS_MAX,
    HISTORY_MOST,
    LAYER_CHARACTERS_MAX,
    LAYERS,
    NOTES_CHARACTERS_MAX,
    PROMPT_TOKENS,
    SEARCHED_MOST,
    STREAM,
    Budgets,
    Counter,
    Diff,
    Milestone,
    Soul,
    compare,
    count_tokens,
    fit,
    weight,
)
from .model import prompt as compose

DEFAULT_BUDGETS = Budgets()
SEED_NOTE = "Seed from original bot_soul at migration time"


def publish(
    tx: Transaction,
    *,
    core_identity: str,
    active_values: str = "",
    recent_growth: str = "",
    reflection_notes: str | None = None,
    expected: int | None = None,
    budgets: Budgets = DEFAULT_BUDGETS,
    count: Counter = count_tokens,
    trim: bool = False,
) -> Soul:
    """Publish a new version of the three layers; over budget is an error unless ``trim``."""
    layers = _layers(core_identity, active_values, recent_growth)
    fitted = fit(layers, budgets, count, may_trim=trim)
    latest = _latest(tx)
    known = latest.version if latest else 0
    if expected is not None and expected != known:
        raise Conflict(
            f"the soul is at version {known}, not {expected}",
            value=known,
            remedy="read it again and retry",
        )
    return _append(tx, known + 1, fitted, _notes(reflection_notes), count)


def current(tx: Transaction) -> Soul:
    """Return the newest version."""
    latest = _latest(tx)
    if latest is None:
        raise NotFound("no soul was published yet", remedy="publish one")
    return latest


def at(tx: Transaction, when: int | datetime) -> Soul:
    """Return a version by its number, or the one that was current at a time."""
    if isinstance(when, datetime):
        moment = values.when("when", when).isoformat(timespec="microseconds")
        found = tx.one(queries.version_at, Soul, at=moment)
    else:
        found = tx.one(queries.version, Soul, version=values.integer("the version", when))
    if found is None:
        raise NotFound(f"there is no soul at {when}", value=when, remedy="see the history")
    return found


def history(tx: Transaction, *, most: int = HISTORY_MOST, before: int | None = None) -> list[Soul]:
    """List versions, newest first; go on with ``before`` the last one seen."""
    _positive("most", most)
    limit = values.INTEGER_MAX if before is None else values.integer("before", before)
    return tx.all(queries.history, Soul, most=most, before=limit)


def diff(tx: Transaction, before: int, after: int) -> Diff:
    """Compare two versions by layer and by word."""
    return compare(at(tx, before), at(tx, after))


def restore(tx: Transaction, version: int) -> Soul:
    """Publish an older version's layers again as a new version; nothing is rewound."""
    old, latest = at(tx, version), current(tx)
    fact = SoulPublished(
        latest.version + 1,
        old.core_identity,
        old.active_values,
        old.recent_growth,
        old.reflection_notes,
        old.token_count,
        restored_from=version,
    )
    recorded = tx.append(STREAM, fact)
    return replace(old, id=recorded.id, created_at=recorded.at, version=fact.version)


def forget_version(tx: Transaction, version: int) -> None:
    """Forget an older version for good, its text in the log included.

    One that was restored from it holds the same text, and is another version.
    """
    found, newest = at(tx, version), current(tx)
    if found.version == newest.version:
        raise Conflict(
            f"version {version} is who this is now",
            value=version,
            remedy="publish another one first, or forget the whole subject",
        )
    tx.append(STREAM, VersionForgotten(found.version))
    tx.erase_event(STREAM, found.id)
    if found.version == 0:
        tx.run(queries.delete_bot_soul)  # it came from there


def prompt(tx: Transaction, *, budget: int = PROMPT_TOKENS, count: Counter = count_tokens) -> str:
    """Compose the current soul for a model: layers in order, never over budget, never the notes."""
    _positive("budget", budget)
    return compose(current(tx), budget, count)


def import_bot_soul(tx: Transaction, content: str | None = None) -> Soul:
    """Keep an existing soul as version 0: the given text, or the active row of ``bot_soul``;
    idempotent. ``bot_soul`` is clear, so with a vault open the text has to be given.
    """
    seeded = tx.one(queries.version, Soul, version=0)
    if seeded is not None:
        return seeded
    if content is None and tx.is_sealed:
        raise Invalid(
            "bot_soul is clear and this store is sealed",
            remedy="pass the text as content, and empty the table",
        )
    text = tx.value(queries.active_bot_soul) if content is None else content
    if text is None:
        raise NotFound(
            "bot_soul has no active row for this subject", remedy="pass the text as content"
        )
    layers = _layers(text, "", "")
    return _append(tx, 0, layers, SEED_NOTE, lambda _: 0)


def add_milestone(
    tx: Transaction,
    event_description: str,
    *,
    lesson_learned: str,
    emotional_weight: str = "meaningful",
    source_thread_id: str | None = None,
) -> Milestone:
    """Keep a moment that formed the soul, with the thread it came from."""
    said = values.name_of(
        "event_description", event_description, characters_max=EVENT_CHARACTERS_MAX
    )
    lesson = values.text("lesson_learned", lesson_learned, characters_max=EVENT_CHARACTERS_MAX)
    thread = None if source_thread_id is None else values.uuid("source_thread_id", source_thread_id)
    fact = MilestoneReached(said, weight(emotional_weight), lesson, thread)
    recorded = tx.append(STREAM, fact)
    return Milestone(
        recorded.id, recorded.at, said, fact.emotional_weight, lesson, fact.source_thread_id
    )


def list_milestones(tx: Transaction, *, most: int = HISTORY_MOST) -> list[Milestone]:
    """List milestones, newest first."""
    return tx.all(queries.milestones, Milestone, most=_positive("most", most))


def milestones_by_weight(
    tx: Transaction, emotional_weight: str, *, most: int = HISTORY_MOST
) -> list[Milestone]:
    """List the milestones of one weight, newest first."""
    return tx.all(
        queries.milestones_by_weight,
        Milestone,
        emotional_weight=weight(emotional_weight),
        most=_positive("most", most),
    )


def search_milestones(tx: Transaction, text: str, *, most: int = HISTORY_MOST) -> list[Milestone]:
    """Find milestones that hold a text, whatever its case, newest first; 10,000 are looked at."""
    _positive("most", most)
    wanted = values.name_of("the text", text, characters_max=EVENT_CHARACTERS_MAX).casefold()
    fields = ("event_description", "lesson_learned")
    texts = tx.texts(queries.milestone_texts, Milestone, *fields, most=SEARCHED_MOST)
    found = (id for id, held in texts if any(wanted in one.casefold() for one in held))
    ids = json.dumps(list(islice(found, most)))
    return tx.all(queries.milestones_named, Milestone, ids=ids)


def forget_thread(tx: Transaction, thread_id: str) -> None:
    """Delete a thread; its milestones stay, without their source."""
    tx.append(STREAM, ThreadForgotten(values.uuid("thread_id", thread_id)))


def forget_milestone(tx: Transaction, id: str) -> None:
    """Forget a milestone for good, its text in the log included."""
    known = values.uuid("the milestone's id", id)
    if tx.one(queries.milestone, Milestone, id=known) is None:
        raise NotFound(f"there is no milestone {known}", value=known, remedy="see the list")
    tx.append(STREAM, MilestoneForgotten(known))
    tx.erase_event(STREAM, known)


def expire_versions(tx: Transaction, keep: Keep, *, most: int) -> int:
    """Forget versions beyond what is kept, the oldest first, never the newest of all."""
    beyond = tx.column(queries.versions_beyond, **keep.bounds(tx.now), most=most)
    for version in beyond:
        forget_version(tx, version)
    return len(beyond)


def expire_milestones(tx: Transaction, keep: Keep, *, most: int) -> int:
    """Forget milestones beyond what is kept, the oldest first."""
    beyond = tx.column(queries.milestones_beyond, **keep.bounds(tx.now), most=most)
    for id in beyond:
        forget_milestone(tx, str(id))
    return len(beyond)


def _latest(tx: Transaction) -> Soul | None:
    return tx.one(queries.latest, Soul)


def _append(
    tx: Transaction, version: int, layers: dict[str, str], notes: str | None, count: Counter
) -> Soul:
    tokens = sum(count(text) for text in layers.values())
    fact = SoulPublished(
        version,
        layers["core_identity"],
        layers["active_values"],
        layers["recent_growth"],
        notes,
        tokens,
    )
    recorded = tx.append(STREAM, fact)
    return Soul(
        recorded.id,
        recorded.at,
        version,
        fact.core_identity,
        fact.active_values,
        fact.recent_growth,
        notes,
        tokens,
    )


def _layers(*texts: str) -> dict[str, str]:
    layers = {
        name: values.text(name, text, characters_max=LAYER_CHARACTERS_MAX)
        for name, text in zip(LAYERS, texts, strict=True)
    }
    if not layers["core_identity"].strip():
        raise Invalid("core_identity is empty", remedy="say who this is, in a sentence at least")
    return layers


def _notes(notes: str | None) -> str | None:
    if notes is None:
        return None
    return values.text("reflection_notes", notes, characters_max=NOTES_CHARACTERS_MAX)


def _positive(name: str, number: int) -> int:
    if values.integer(name, number) < 1:
        raise Invalid(f"{name} is {number}", value=number, remedy="give 1 or more")
    return number
