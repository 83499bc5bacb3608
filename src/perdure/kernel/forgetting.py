"""Forgetting a subject: one verb, a row of steps, each of which may be repeated.

Whoever is killed on the way is continued by calling the same again: what was done is found done.
What can not be reached now raises, and the next run goes on there. With and without a vault the
steps are the same; without, there are no keys to destroy, and the receipt is not signed.

    vault: refuse the subject, destroy its keys
    data:  tombstone -> rows and payloads, in batches -> ends of the log -> hygiene -> receipt
    vault: forget the name
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256

import msgspec

from perdure.errors import Forgotten, Invalid, NotFound

from .clock import Clock, microseconds, moment
from .engine import Engine, Params, Rows, Session
from .follow import lane
from .log import statements
from .progress import Progress, quiet
from .queries import Query
from .receipts import End, Receipt, handle_of
from .sealing import Keys
from .tables import Holding, holdings
from .transaction import slice_of

BATCH_ROWS = 500
RECEIPTS_A_PAGE = 500
EVENTS = "perdure_events"
OLD_COPIES = "copies of the database made before: they hold what was erased here"
OLD_KEYS = "copies of the key store made before, with the master key of their time"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subject's data is, and by which name it stands there."""

    engine: Engine
    keys: Keys | None
    subject: str

    @property
    def slice(self) -> int:
        return slice_of(self.subject)

    @property
    def key(self) -> dict[str, object]:
        """Give the parameters that find its rows."""
        return {"slice": self.slice, "subject": self.subject}

    @property
    def register(self) -> str:
        """Name whose database keeps the tombstone when the subject's own file is gone.

        A folder has a core; PostgreSQL shows a subject no row but its own.
        """
        return "" if self.engine.dialect == "sqlite" else self.subject

    def registered(self) -> Tombstone | None:
        """Look the tombstone up."""
        found = self.engine.read(
            self.register, lambda session: session.rows(statements.tombstone, self.key)
        )
        return Tombstone(*found[0]) if found else None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A row of perdure_tombstones."""

    at: int
    counts: str
    receipt: str | None
    done: bool


@dataclass(slots=True)
class Run:
    """One run of the steps, from the beginning or from where another one ended."""

    place: Place
    clock: Clock
    progress: Progress = quiet
    is_rotating: bool = False
    epoch: int = 0
    removed: tuple[str, ...] = ()
    not_reached: list[str] = field(default_factory=list)

    @staticmethod
    def write(database: Engine, subject: str, query: Query, params: Params) -> None:
        """Run one statement that may be repeated."""
        database.write(subject, lambda session: session.rows(query, params), is_repeatable=True)


# -- what the store asks


def begin(engine: Engine, keys: Keys | None, subject: str) -> Place:
    """Refuse a subject from now on and say where its data is."""
    if keys is not None:
        return Place(engine, keys, keys.begin_forgetting(subject))
    place = Place(engine, None, subject)
    known = place.registered()
    if known is not None and known.done:
        raise Forgotten(
            "the subject was forgotten already", remedy="its receipt is among the store's receipts"
        )
    if known is None and not engine.read(subject, partial(_is_there, place)):
        raise NotFound("there is no such subject", remedy="check the name")
    return place


def run(run: Run) -> Receipt:
    """Take every step and give the receipt, which the data keeps with the tombstone."""
    for step in STEPS:
        step(run)
    known = run.place.registered()
    assert known is not None
    assert known.receipt is not None
    return Receipt.from_json(known.receipt)


def unfinished(engine: Engine, keys: Keys | None) -> list[Place]:
    """Give the places of all whose forgetting has begun and is not finished."""
    begun = [str(subject) for _, subject, _, done in _tombstones(engine) if not done]
    begun += () if keys is None else keys.forgetting()
    return [Place(engine, keys, subject) for subject in dict.fromkeys(begun)]


def receipts(engine: Engine) -> Iterator[Receipt]:
    """Give the receipt of everybody who was forgotten here."""
    for _, _, receipt, done in _tombstones(engine):
        if done:
            yield Receipt.from_json(receipt)


def is_forgotten(engine: Engine, keys: Keys | None, subject: str) -> bool:
    """Say whether a subject was forgotten, or is being forgotten: nothing may be written for it.

    An import or a replica asks this; whoever writes without asking is refused by the log itself.
    """
    if keys is not None:
        try:
            subject = keys.owner(subject, create=False).subject
        except Forgotten:
            return True
    return Place(engine, keys, subject).registered() is not None


def readmit(engine: Engine, keys: Keys | None, subject: str) -> None:
    """Let a forgotten subject begin anew: with a vault as a new handle, else behind what it was."""
    if keys is not None:
        keys.readmit(subject)
        return
    place = Place(engine, None, subject)
    known = place.registered()
    if known is None or not known.done:
        raise NotFound("no forgotten subject has this name", remedy="check the name")
    if Receipt.from_json(known.receipt or "").removed:
        raise Invalid(
            "without a vault a subject that had a file of its own can not come back: the log of a"
            " new file would begin where followers have been",
            remedy="use another subject, or a store with a vault",
        )
    params = place.key
    engine.write(subject, lambda session: session.rows(statements.drop_tombstone, params))


def refuse(engine: Engine, subject: str) -> None:
    """Raise Forgotten for a subject that has a tombstone."""
    if Place(engine, None, subject).registered() is not None:
        raise Forgotten(
            "this subject was forgotten", remedy="nothing can be written for it any more"
        )


# -- the steps


def _destroy_keys(run: Run) -> None:
    keys, subject = run.place.keys, run.place.subject
    if keys is not None and (subject in keys.forgetting() or keys.owner_of(subject) is not None):
        keys.destroy_keys(subject)


def _bury(run: Run) -> None:
    """Write the tombstone: from here on every append is refused, in every process."""
    params = {**run.place.key, "at": microseconds(run.clock.now())}
    run.write(run.place.engine, run.place.register, statements.save_tombstone, params)


def _erase(run: Run) -> None:
    """Erase rows and payloads, with their number, and take down how the log ends."""
    place = run.place
    known = place.registered()
    assert known is not None
    if known.receipt is not None:
        if _is_ours(place, known.receipt):
            return
        params = {**place.key, "receipt": known.receipt}
        run.write(place.engine, place.register, statements.drop_receipt, params)
    with place.engine.home(place.subject) as (name, database):
        draft = _blank(place, known.at)
        if database is not None:
            _erase_from(run, database, known.at)
            draft = database.read(place.subject, partial(_filled, place, draft, name))
    params = {**place.key, "receipt": _signed(place, draft).to_json()}
    run.write(place.engine, place.register, statements.draft_receipt, params)


def _erase_from(run: Run, database: Engine, at: int) -> None:
    """Erase batch by batch: no transaction is long, none needs much memory."""
    place, subject = run.place, run.place.subject
    run.write(database, subject, statements.save_tombstone, {**place.key, "at": at})
    for holding in database.read(subject, holdings):
        unit = partial(_erase_rows, run, holding)
        while database.write(subject, unit, is_repeatable=True) == BATCH_ROWS:
            continue
    for stream, last, _ in database.read(subject, partial(_heads, place)):
        for after in range(0, last, BATCH_ROWS):
            unit = partial(_erase_payloads, run, stream, after)
            database.write(subject, unit, is_repeatable=True)


def _clean(run: Run) -> None:
    """Let the engine do what a deleted row leaves to be done."""
    known = run.place.registered()
    assert known is not None
    if known.done:
        return
    tables = () if run.place.keys is not None else (EVENTS, *_draft_of(known).rows)
    cleaned = run.place.engine.clean(run.place.subject, tables)
    run.removed = tuple(cleaned.removed)
    run.not_reached += cleaned.not_reached


def _rotate(run: Run) -> None:
    """Move every key to a new master: what older copies of the key store hold opens no more."""
    if run.is_rotating and run.place.keys is not None:
        run.epoch = run.place.keys.rotate()


def _sign(run: Run) -> None:
    """Close the receipt; where another run was faster, its receipt stays."""
    place, keys = run.place, run.place.keys
    known = place.registered()
    assert known is not None
    if known.done:
        return
    if keys is None:
        run.not_reached.append(OLD_COPIES)
    elif not run.epoch:
        run.not_reached.append(OLD_KEYS)
    receipt = replace(
        _draft_of(known),
        done_at=run.clock.now().isoformat(timespec="microseconds"),
        removed=run.removed,
        epoch=run.epoch,
        not_reached=tuple(run.not_reached),
    )
    params = {**place.key, "receipt": _signed(place, receipt).to_json()}
    run.write(place.engine, place.register, statements.save_receipt, params)


def _finish(run: Run) -> None:
    keys, subject = run.place.keys, run.place.subject
    if keys is not None:
        keys.finish_forgetting(subject)


STEPS: Sequence[Callable[[Run], None]] = (
    _destroy_keys, _bury, _erase, _clean, _rotate, _sign, _finish,
)  # fmt: skip


# -- inside the database


def _is_there(place: Place, session: Session) -> bool:
    if session.rows(statements.streams_of, place.key):
        return True
    return any(
        session.rows(holding.ask(statements.has_rows), place.key)[0][0]
        for holding in holdings(session)
    )


def _erase_rows(run: Run, holding: Holding, session: Session) -> int:
    """Delete one batch of a table, and count it in the same transaction."""
    place = run.place
    query = holding.ask(statements.forget_rows)
    count = len(session.rows(query, {**place.key, "most": BATCH_ROWS}))
    return _counted(run, session, holding.name, count)


def _erase_payloads(run: Run, stream: str, after: int, session: Session) -> int:
    place = run.place
    part = {**place.key, "stream": stream, "after": after, "upto": after + BATCH_ROWS}
    ((count,),) = session.rows(statements.count_payloads, part)
    if count:
        session.rows(statements.erase, part)
    return _counted(run, session, EVENTS, count)


def _counted(run: Run, session: Session, table: str, count: int) -> int:
    if count:
        counts = _counts(run.place, session)
        counts[table] = counts.get(table, 0) + count
        text = msgspec.json.encode(counts).decode()
        session.rows(statements.note_erased, {**run.place.key, "counts": text})
        run.progress(table, counts[table], 0)
    return count


def _counts(place: Place, session: Session) -> dict[str, int]:
    ((_, text, _, _),) = session.rows(statements.tombstone, place.key)
    return msgspec.json.decode(text, type=dict[str, int])


def _heads(place: Place, session: Session) -> list[tuple[str, int, bytes]]:
    rows: Rows = session.rows(statements.heads_of, place.key)
    return [(str(stream), int(version), bytes(hash)) for stream, version, hash in rows]


def _blank(place: Place, begun: int) -> Receipt:
    """Give the receipt of a subject that has nothing here."""
    vault = "" if place.keys is None else place.keys.id
    return Receipt(
        handle=place.subject if vault else handle_of(place.subject),
        vault=vault,
        begun_at=moment(begun).isoformat(timespec="microseconds"),
        stores=(place.engine.dialect, "key store") if vault else (place.engine.dialect,),
    )


def _filled(place: Place, blank: Receipt, name: str, session: Session) -> Receipt:
    """Say what was erased and how the log ends, while the subject's own file is still there."""
    counts, heads = _counts(place, session), _heads(place, session)
    return replace(
        blank,
        events=counts.pop(EVENTS, 0),
        rows=counts,
        streams=len(heads),
        heads=sha256(b"".join(hash for _, _, hash in heads)).hexdigest(),
        lanes=_lanes(place, name, session),
    )


def _lanes(place: Place, name: str, session: Session) -> dict[str, End]:
    found = session.rows(statements.end_of, {"slice": place.slice})
    return {
        lane(name, place.slice): End(int(position), bytes(hash).hex()) for position, hash in found
    }


def _signed(place: Place, receipt: Receipt) -> Receipt:
    """Sign a receipt, also an unfinished one: who writes to the data must not dictate it."""
    if place.keys is None:
        return receipt
    signature = b64encode(place.keys.sign(receipt.signable())).decode()
    return replace(receipt, signature=signature)


def _is_ours(place: Place, text: str) -> bool:
    """Say whether the vault has signed what stands with the tombstone, for this very subject."""
    if place.keys is None:
        return True
    try:
        receipt = Receipt.from_json(text)
    except Invalid:
        return False
    return receipt.handle == place.subject and _signed(place, receipt) == receipt


def _draft_of(tombstone: Tombstone) -> Receipt:
    assert tombstone.receipt is not None
    return Receipt.from_json(tombstone.receipt)


def _tombstones(engine: Engine) -> Iterator[tuple[int, str, str, bool]]:
    after: dict[str, object] = {"after": -1, "after_subject": ""}
    while page := engine.read("", partial(_page, {**after, "most": RECEIPTS_A_PAGE})):
        for slice, subject, receipt, done in page:
            yield int(slice), str(subject), receipt, bool(done)
        after = {"after": page[-1][0], "after_subject": page[-1][1]}


def _page(params: dict[str, object], session: Session) -> Rows:
    return session.rows(statements.tombstones, params)
