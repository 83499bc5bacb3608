"""The rows of drift, and how the state and what was said go into them and out again.

`vera_qiv_states` is seed A's table. Its filter and its recent hashes are caches of `drift_hashes`:
together they know every reply, up to `FILTER_REPLIES_MAX`. With a vault open, what could be guessed
from (hashes, signatures, filters, the voice's profile of words) is sealed, and blind tokens stand
where the hashes are looked up. Not here: the events, the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

from perdure.errors import Tampered
from perdure.kernel import Recorded, Transaction, load
from perdure.kernel.privacy import Blind, Id, Personal, Pseudonymous
from perdure.kernel.queries import Query
from perdure.kernel.rows import DIGEST_BYTES, loose

from .echoes import Bloom
from .echoes import bands as bands_of
from .model import (
    RECENT_HASHES_MAX,
    Dimensions,
    DriftState,
    FitnessPosition,
    Voice,
    initial,
)

queries = load(__file__)

RECENT_HASHES: Final = 64  # in the column; the filter is at most so many replies behind
FILTER_FRESH_BELOW: Final = 1_024  # replies: below, the filter is written with each new one
FILTER_REPLIES_LEAST: Final = 64
FILTER_REPLIES_MAX: Final = 16_384  # 39 kB of base64; then it keeps the newest half
BANDS_READ_MAX: Final = 1_024
NEAREST_MOST: Final = 8
OUR_FILTER: Final = "UEJGMX"  # PBF1| in base64
_HASH_BYTES: Final = 8
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class QivState:
    """The row of vera_qiv_states."""

    id: Id[str]
    created_at: datetime
    updated_at: datetime
    drift_coefficient: float
    dimensions: Pseudonymous[Dimensions]
    fitness_position: Pseudonymous[FitnessPosition]
    total_interactions: int
    speciation_index: float
    momentum: float
    recent_hashes: Personal[tuple[str, ...]]
    voice: Personal[Voice]  # how often which words are used can tell who speaks
    replies: int  # how many different ones drift_hashes holds
    filter_digest: Pseudonymous[Blind[bytes | None]]  # the row's digest covers a filter nobody read
    bloom_filter: Personal[str | None] = loose()


@dataclass(frozen=True, slots=True)
class Reply:
    """A row of drift_hashes: that something was said, and when first. Never the text."""

    hash: Id[Blind[int]]  # its blind token where a vault is open
    said_at: datetime
    version: int
    signature: Personal[bytes]
    exact: Personal[bytes | None] = loose()  # the hash itself, where only its token stands


@dataclass(frozen=True, slots=True)
class Evidence:
    """The row of drift_imports: what an app knew of what was said before."""

    imported_at: datetime
    app_filter: Personal[str | None] = None
    own_filter: Personal[str | None] = None
    recent_hashes: Personal[tuple[str, ...]] = ()


def state_of(row: QivState | None) -> DriftState:
    """Return the state a row holds; without a row nothing has happened yet."""
    if row is None:
        return initial()
    return DriftState(
        row.drift_coefficient,
        row.dimensions,
        row.fitness_position,
        row.total_interactions,
        row.speciation_index,
        row.momentum,
        row.voice,
    )


def row_of(row: QivState | None, state: DriftState, *, id: str, at: datetime) -> QivState:
    """Return the row with this state; the first one takes its id and its birth from the event."""
    return QivState(
        row.id if row else id,
        row.created_at if row else at,
        at,
        state.coefficient,
        state.dimensions,
        state.fitness_position,
        state.total_interactions,
        state.speciation_index,
        state.momentum,
        row.recent_hashes if row else (),
        state.voice,
        row.replies if row else 0,
        row.filter_digest if row else None,
        row.bloom_filter if row else None,
    )


def read(tx: Transaction, query: Query = queries.state, **params: object) -> QivState | None:
    """Return the row, and its filter where the statement gives it, both verified."""
    row = tx.one(query, QivState, **params)
    if (
        row
        and row.bloom_filter is not None
        and row.filter_digest != digest_of(tx, row.bloom_filter)
    ):
        raise _not_written("the Bloom filter", "bloom_filter")
    return row


def read_to_extend(tx: Transaction) -> QivState | None:
    """Return the row, with the filter when the next new reply has to be put into it."""
    return read(tx, queries.state_to_extend, fresh_below=FILTER_FRESH_BELOW, batch=RECENT_HASHES)


def digest_of(tx: Transaction, bloom_filter: str | None) -> bytes | None:
    """Return the digest of a filter's text; with a vault, one that nobody can make of a guess."""
    if bloom_filter is None:
        return None
    digest = blake2b(bloom_filter.encode(), digest_size=DIGEST_BYTES).hexdigest()
    return bytes.fromhex(tx.blind("drift filter", digest))


def with_filter(tx: Transaction, row: QivState, bloom_filter: str | None) -> QivState:
    """Return the row with another filter."""
    return replace(row, bloom_filter=bloom_filter, filter_digest=digest_of(tx, bloom_filter))


def remembered(tx: Transaction, row: QivState, hash: int) -> tuple[QivState, bool]:
    """Return the row that knows one more reply, and whether its filter was written anew."""
    replies = row.replies + 1
    recent = (*row.recent_hashes, hexadecimal(hash))[-RECENT_HASHES:]
    known = replace(row, replies=replies, recent_hashes=recent)
    if replies > FILTER_FRESH_BELOW and replies % RECENT_HASHES:
        return known, False
    missing = [hash] if replies <= FILTER_FRESH_BELOW else [signed(each) for each in recent]
    old = _filter_of(row) if row.replies else None
    return with_filter(tx, known, _extended(tx, old, missing).to_base64()), True


def _extended(tx: Transaction, text: str | None, missing: Sequence[int]) -> Bloom:
    """Return the filter with these hashes; a full one is built anew, larger, from the table."""
    bloom = Bloom.from_base64(text) if text else Bloom(FILTER_REPLIES_LEAST)
    if len(bloom) + len(missing) > bloom.capacity:
        capacity = min(2 * bloom.capacity, FILTER_REPLIES_MAX)
        kept = capacity if capacity > bloom.capacity else capacity // 2
        newest = tx.all(queries.newest, Reply, most=kept)
        return Bloom.of((_exact(tx, each) for each in newest), capacity=capacity)
    for each in missing:
        bloom.add(each)
    return bloom


def reply(tx: Transaction, hash: int, *, at: Recorded, signature: bytes) -> Reply:
    """Return the row that keeps a new reply."""
    exact = hash.to_bytes(_HASH_BYTES, "big", signed=True) if tx.is_sealed else None
    return Reply(token(tx, hash), at.at, at.version, signature, exact)


def token(tx: Transaction, hash: int) -> int:
    """Return what a reply is looked up by."""
    return tx.blind_int("drift reply", hash)


def bands(tx: Transaction, signature: bytes) -> str:
    """Return what replies that are alike are looked up by."""
    return _json.encode([tx.blind_int("drift band", each) for each in bands_of(signature)]).decode()


def _exact(tx: Transaction, known: Reply) -> int:
    """Return the hash of a reply, which has to fit its token."""
    hash = known.hash if known.exact is None else int.from_bytes(known.exact, "big", signed=True)
    if token(tx, hash) != known.hash:
        raise _not_written("a hash of drift_hashes", "exact")
    return hash


def _filter_of(row: QivState) -> str | None:
    """Return the filter of a row that was read with it, and miss one that was taken away."""
    if row.bloom_filter is None and row.filter_digest is not None:
        raise _not_written("the Bloom filter", "bloom_filter")
    return row.bloom_filter


def _not_written(what: str, value: str) -> Tampered:
    return Tampered(f"{what} is not what was written", value=value, remedy="run 'perdure rebuild'")


def complete_filter(row: QivState) -> str | None:
    """Return the filter with the replies it is behind, for an export."""
    text = _filter_of(row)
    if not row.replies or text is None or row.replies <= FILTER_FRESH_BELOW:
        return text
    bloom = Bloom.from_base64(text)
    for each in row.recent_hashes:
        bloom.add(signed(each))
    return bloom.to_base64()


def merged(old: Evidence | None, new: Evidence) -> Evidence:
    """Return what two imports know together: a newer filter replaces one of its kind."""
    if old is None:
        return new
    newest = dict.fromkeys((*reversed(new.recent_hashes), *reversed(old.recent_hashes)))
    return Evidence(
        new.imported_at,
        new.app_filter or old.app_filter,
        new.own_filter or old.own_filter,
        tuple(reversed(list(newest)[:RECENT_HASHES_MAX])),
    )


def hexadecimal(hash: int) -> str:
    """Write a hash as the 16 digits of recent_hashes."""
    return f"{hash & _MASK:016x}"


def signed(digits: str) -> int:
    """Read such digits back."""
    unsigned = int(digits, 16)
    return unsigned - (_MASK + 1) if unsigned >> 63 else unsigned
