"""What can be done with a voice. Each function is one unit of work: measure or check, append the
event, return the state.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final, Literal

import msgspec

from perdure.errors import Invalid, NotFound
from perdure.kernel import Recorded, Transaction, values
from perdure.kernel.replay import replay
from perdure.kernel.values import Json

from . import echoes, features, model, stored, voice
from .events import (
    STREAM,
    DriftImported,
    DriftReset,
    MutationEvolved,
    ReplyObserved,
    fold,
)
from .features import Measurement
from .model import Dimensions, DriftState, Mutation
from .seedbloom import SeedBloom, simple_hash, strong_hash
from .stored import Evidence, Reply, queries
from .voice import Reason

HISTORY_MOST: Final = 100
HISTORY_MOST_MAX: Final = 10_000
NEAR_LEAST: Final = 0.5
_NOVELTY: Final = features.FEATURES.index("novelty")
_json = msgspec.json.Encoder()

Source = Literal["mutation", "reply", "reset", "import"]
_SOURCES: Final[Mapping[type, Source]] = {
    MutationEvolved: "mutation",
    ReplyObserved: "reply",
    DriftReset: "reset",
    DriftImported: "import",
}


@dataclass(frozen=True, slots=True)
class Point:
    """Where the voice was after one event, for a chart."""

    version: int
    at: datetime
    coefficient: float
    momentum: float
    speciation: float
    dimensions: Dimensions
    source: Source


@dataclass(frozen=True, slots=True)
class Explanation:
    """What moved between two versions, the largest first, and whether the voice has changed."""

    since: int
    version: int
    reasons: tuple[Reason, ...]
    alarm: bool
    alarm_since: int  # the interaction at which it began; 0 when there is none
    text: str


@dataclass(frozen=True, slots=True)
class Echo:
    """Whether something was said before: exactly, or nearly, and when first."""

    exact: bool
    near: float  # similarity of the nearest reply; 0 when none has half in common
    said_at: datetime | None
    is_imported: bool  # only an app's imported filter or hashes know it (probably, and not when)


_NO_ECHO: Final = Echo(exact=False, near=0.0, said_at=None, is_imported=False)


@dataclass(frozen=True, slots=True)
class Heard:
    """A reply, measured: what is known of it outside a transaction."""

    measurement: Measurement
    hash: int
    signature: bytes


def observe(tx: Transaction, text: str) -> DriftState:
    """Measure a reply and let the voice drift by it; the text itself is not kept."""
    _note(tx, hear(text))
    return current(tx)


def evolve(tx: Transaction, mutation: Mapping[str, object]) -> DriftState:
    """Let the voice drift by the app's own mutation vector, by the original's formulas."""
    tx.append(STREAM, MutationEvolved(vector(mutation)))
    return current(tx)


def current(tx: Transaction) -> DriftState:
    """Return the state now; before the first interaction it is the initial one."""
    return stored.state_of(stored.read(tx))


def at(tx: Transaction, when: int | datetime) -> DriftState:
    """Return the state after a number of events, or as it was at a time; by replay."""
    return replay(tx, STREAM, model.initial(), fold, upto=_version(tx, when))


def history(tx: Transaction, *, most: int = HISTORY_MOST) -> list[Point]:
    """List where the voice was after each of the newest events, oldest first."""
    if not 1 <= values.integer("most", most) <= HISTORY_MOST_MAX:
        raise Invalid(f"most is {most}", value=most, remedy=f"give 1 to {HISTORY_MOST_MAX}")
    last = tx.version(STREAM)
    before = max(0, last - most)
    state = replay(tx, STREAM, model.initial(), fold, upto=before)
    return list(_points(tx, state, before, last))


def explain(tx: Transaction, since: int | datetime = 0) -> Explanation:
    """Say which dimensions moved since a version or a time, why and by how much; and the alarm."""
    start = _version(tx, since)
    now, before = current(tx), at(tx, start)
    reasons = voice.explain(before, now)
    alarm = f"the voice has changed, since interaction {now.voice.alarm_since}"
    told = [alarm] if now.voice.alarm else []
    told += [reason.text for reason in reasons] or ["nothing moved"]
    return Explanation(
        start,
        tx.version(STREAM),
        reasons,
        now.voice.alarm,
        now.voice.alarm_since,
        "; ".join(told),
    )


def said_before(tx: Transaction, text: str) -> Echo:
    """Say whether this was said before: exactly, nearly, or as far as an import knows."""
    said = values.text("the text", text)
    hash = echoes.exact_hash(said)
    echo = _echo(tx, hash, echoes.minhash(said))
    if echo.exact:
        return echo
    evidence = tx.one(queries.evidence, Evidence)
    if evidence is not None and _is_known(evidence, said, hash):
        return Echo(exact=True, near=1.0, said_at=None, is_imported=True)
    return echo if echo.near >= NEAR_LEAST else _NO_ECHO


def reset(tx: Transaction) -> DriftState:
    """Begin again: the state, the baseline and what was said; the history stays."""
    tx.append(STREAM, DriftReset())
    return current(tx)


def export_state(tx: Transaction) -> dict[str, object]:
    """Give the state as seed A's app stores it (camelCase)."""
    row = stored.read(tx, queries.state_and_filter)
    if row is None:
        return model.to_seed(model.initial())
    evidence = None if row.replies else tx.one(queries.evidence, Evidence)
    return model.to_seed(
        stored.state_of(row),
        bloom_filter=stored.complete_filter(row),
        recent_hashes=evidence.recent_hashes if evidence else row.recent_hashes,
        created_at=row.created_at.isoformat(),
        last_updated=row.updated_at.isoformat(),
    )


def import_state(tx: Transaction, state: Mapping[str, object]) -> DriftState:
    """Take over an object that seed A's app stored; what was said here before stays known."""
    if not isinstance(state, Mapping):
        raise Invalid(
            f"the state is {type(state).__name__}", value=state, remedy="give the app's object"
        )
    source = values.document("state", state)
    assert isinstance(source, dict)
    known, bloom_filter, recent = model.from_seed(source)
    fact = DriftImported(
        known.coefficient,
        known.dimensions,
        known.fitness_position,
        known.total_interactions,
        known.speciation_index,
        known.momentum,
        _base64(bloom_filter),
        recent,
        _time("createdAt", source),
    )
    _time("lastUpdated", source)
    tx.append(STREAM, fact)
    return current(tx)


def hear(text: str) -> Heard:
    """Measure a reply, before or inside a transaction."""
    said = values.text("the reply", text)
    return Heard(features.measure(said), echoes.exact_hash(said), echoes.minhash(said))


def vector(mutation: Mapping[str, object]) -> Mutation:
    """Read the app's mutation object."""
    if not isinstance(mutation, Mapping):
        raise Invalid(
            f"the mutation is {type(mutation).__name__}",
            value=mutation,
            remedy="give the app's object, a number for each dimension",
        )
    return Mutation.read(mutation)


def keep_all(tx: Transaction, pieces: Sequence[Heard | Mutation]) -> int:
    """Append what a buffer has collected, in its order."""
    for piece in pieces:
        if isinstance(piece, Heard):
            _note(tx, piece)
        else:
            tx.append(STREAM, MutationEvolved(piece))
    return len(pieces)


def _note(tx: Transaction, heard: Heard) -> None:
    """Append a measured reply; how near it is to earlier ones is one of its features."""
    echo = _echo(tx, heard.hash, heard.signature)
    measured = _with_echo(heard.measurement, echo.near)
    tx.append(STREAM, ReplyObserved(measured, heard.hash, heard.signature, not echo.exact))


def _with_echo(measurement: Measurement, echo: float) -> Measurement:
    if not measurement.tokens:
        return measurement
    numbers = list(measurement.features)
    numbers[_NOVELTY] = round(1.0 - echo, features.DECIMALS)
    return replace(measurement, features=tuple(numbers))


def _echo(tx: Transaction, hash: int, signature: bytes) -> Echo:
    """Find the same reply, else the most similar one that shares a band."""
    token, bands = stored.token(tx, hash), stored.bands(tx, signature)
    limits = {"most": stored.BANDS_READ_MAX, "nearest": stored.NEAREST_MOST}
    shared = tx.column(queries.alike, hash=token, bands=bands, **limits)
    wanted = [token] if token in shared else shared
    found = tx.all(queries.said, Reply, hashes=_json.encode(wanted).decode()) if shared else []
    if not found:
        return _NO_ECHO
    near, nearest = max(
        ((echoes.similarity(signature, reply.signature), reply) for reply in found),
        key=itemgetter(0),
    )
    is_exact = nearest.hash == token
    return Echo(is_exact, 1.0 if is_exact else near, nearest.said_at, is_imported=False)


def _is_known(evidence: Evidence, text: str, hash: int) -> bool:
    """Ask an import's hashes and filters; a filter of an unknown kind is kept, and not asked."""
    named = {stored.hexadecimal(hash), strong_hash(text), simple_hash(text)}
    if not named.isdisjoint(evidence.recent_hashes):
        return True
    if evidence.own_filter and hash in echoes.Bloom.from_base64(evidence.own_filter):
        return True
    theirs = evidence.app_filter
    return bool(
        theirs and SeedBloom.recognises(theirs) and SeedBloom.from_base64(theirs).has_said(text)
    )


def _points(tx: Transaction, state: DriftState, after: int, last: int) -> Iterator[Point]:
    for recorded in tx.events(STREAM, after=after, upto=last):
        if recorded.event is None:  # erased
            continue
        state = fold(state, recorded.event, recorded)
        yield _point(state, recorded)


def _point(state: DriftState, recorded: Recorded) -> Point:
    return Point(
        recorded.version,
        recorded.at,
        state.coefficient,
        state.momentum,
        state.speciation_index,
        state.dimensions,
        _SOURCES[type(recorded.event)],
    )


def _version(tx: Transaction, when: int | datetime) -> int:
    if isinstance(when, datetime):
        return tx.version_at(STREAM, when)
    known = tx.version(STREAM)
    if not 0 <= values.integer("the version", when) <= known:
        raise NotFound(
            f"there is no version {when} of this drift", value=when, remedy=f"give 0 to {known}"
        )
    return when


def _base64(text: str | None) -> str | None:
    """Refuse a filter that is none; one of an unknown size is the app's own affair."""
    if text is None:
        return None
    if text.startswith(stored.OUR_FILTER):
        echoes.Bloom.from_base64(text)
    elif not _is_base64(text):
        raise Invalid("bloomFilter is not base64", value=text[:40], remedy="store base64 or null")
    return text


def _is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _time(key: str, source: Mapping[str, Json]) -> datetime | None:
    text = source.get(key)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise Invalid(
            f"{key} is {text!r}", value=text, remedy="store an ISO 8601 time with its zone"
        ) from None
    return values.when(key, moment).astimezone(UTC)
