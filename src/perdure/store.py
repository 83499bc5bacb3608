"""The composition root: the only place that knows every engine and every domain.

``open`` and ``connect`` choose the engine by the target, bring the schema up to date and give a
store; a store and a subject's view of it carry the same domains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from perdure.engines.choose import KeySource, engine_for, engine_for_keys, is_missing
from perdure.errors import Invalid, LockedOut
from perdure.faces import EXPIRES, TABLES, Domains
from perdure.kernel import Clock, SystemClock, Transaction, migrations, values
from perdure.kernel.clock import microseconds
from perdure.kernel.engine import Engine, Session
from perdure.kernel.follow import AsyncLog, Log
from perdure.kernel.forgets import AsyncForgets, Forgets
from perdure.kernel.operations import Async, Sync
from perdure.kernel.sealing import Keys
from perdure.kernel.units import Context
from perdure.kernel.vaults import claim, refuse_keys
from perdure.portable.moves import AsyncMoves, Moves
from perdure.running import AsyncRunner, SyncRunner, note, noted, write, write_async

if TYPE_CHECKING:
    from perdure.vault import Keyring, Master, Vault

T = TypeVar("T")
HERE = Path(__file__).parent
PACKAGES = (
    ("kernel", HERE / "kernel"),
    ("drift", HERE / "domains" / "drift"),
    ("souls", HERE / "domains" / "souls"),
    ("tokens", HERE / "domains" / "tokens"),
)
DEFAULT_SUBJECT = "default_user"


class Subject(Domains[Sync]):
    """A store for one subject: every operation runs for it alone."""

    def __init__(self, engine: Engine, context: Context) -> None:
        super().__init__(SyncRunner(engine, context))
        self._engine, self._context = engine, context

    def once(self, key: str) -> Subject:
        """Give the same subject with an idempotency key: a retry returns the first result."""
        return Subject(self._engine, replace(self._context, key=_key(key)))

    def by(self, actor: str) -> Subject:
        """Give the same subject for somebody else: what is done from here on carries the name."""
        return Subject(self._engine, replace(self._context, actor=_actor(actor)))

    def transact(self, function: Callable[[Transaction], T]) -> T:
        """Run a function of a transaction as one unit of work, over any of the domains."""
        return cast(T, write(self._engine, self._context, noted(self._context, function)))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open one unit of work that the ``with`` block ends; an exception undoes it all."""
        if self._context.key is not None:
            raise Invalid(
                "a with block can not be repeated, so it takes no idempotency key",
                remedy="use once(key).transact(function)",
            )
        context = self._context
        owner = context.owner(writable=True)
        with self._engine.transaction(owner.subject) as session:
            tx = Transaction(session, owner, context.clock, writable=True, actor=context.actor)
            try:
                if context.notes_reads:
                    note(tx, "a transaction")
                yield tx
                tx.settle()
            finally:
                tx.end()


class AsyncSubject(Domains[Async]):
    """The same for coroutines: same names, awaited."""

    def __init__(self, engine: Engine, context: Context) -> None:
        super().__init__(AsyncRunner(engine, context))
        self._engine, self._context = engine, context

    def once(self, key: str) -> AsyncSubject:
        """Give the same subject with an idempotency key: a retry returns the first result."""
        return AsyncSubject(self._engine, replace(self._context, key=_key(key)))

    def by(self, actor: str) -> AsyncSubject:
        """Give the same subject for somebody else: what is done from here on carries the name."""
        return AsyncSubject(self._engine, replace(self._context, actor=_actor(actor)))

    async def transact(self, function: Callable[[Transaction], T]) -> T:
        """Run a function of a transaction as one unit of work; it never awaits inside."""
        function = noted(self._context, function)
        return cast(T, await write_async(self._engine, self._context, function))


class Store(Subject, Forgets, Moves):
    """An open database. Its own domains are those of the subject it was opened for."""

    tables = TABLES
    expires = EXPIRES
    _note = staticmethod(note)

    def __init__(self, engine: Engine, context: Context) -> None:
        super().__init__(engine, context)
        self.log = Log(engine, context.keys)

    @property
    def engine(self) -> Engine:
        """Give the engine to operator tools (copy, verify, rebuild)."""
        return self._engine

    @property
    def keys(self) -> Keys | None:
        """Give the open vault, if there is one, to the same."""
        return self._context.keys

    def subject(self, subject: str) -> Subject:
        """Give the store for one subject."""
        return Subject(self._engine, replace(self._context, subject=_subject(subject)))

    def seal_between(self, text: str, *subjects: str, survives: bool = False) -> str:
        """Seal a text about several people under each; it may be kept in a record of any of them.

        Forgetting one erases it for all, unless it ``survives`` until the last one is forgotten.
        """
        return _seal_between(self._context, text, subjects, survives=survives)

    def open_between(self, record: str) -> str:
        """Open such a text."""
        return _open_between(self._context, record)

    def close(self) -> None:
        """Commit what is queued and close the database, and the vault."""
        _close(self._engine, self._context)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncStore(AsyncSubject, AsyncForgets, AsyncMoves):
    """An open database for coroutines."""

    tables = TABLES
    expires = EXPIRES
    _note = staticmethod(note)

    def __init__(self, engine: Engine, context: Context) -> None:
        super().__init__(engine, context)
        self.log = AsyncLog(engine, context.keys)

    def subject(self, subject: str) -> AsyncSubject:
        """Give the store for one subject."""
        return AsyncSubject(self._engine, replace(self._context, subject=_subject(subject)))

    async def seal_between(self, text: str, *subjects: str, survives: bool = False) -> str:
        """Seal a text about several people under each; it may be kept in a record of any of them.

        Forgetting one erases it for all, unless it ``survives`` until the last one is forgotten.
        """
        import asyncio

        return await asyncio.to_thread(
            _seal_between, self._context, text, subjects, survives=survives
        )

    async def open_between(self, record: str) -> str:
        """Open such a text."""
        import asyncio

        return await asyncio.to_thread(_open_between, self._context, record)

    async def close(self) -> None:
        """Commit what is queued and close the database, and the vault."""
        import asyncio

        await asyncio.to_thread(_close, self._engine, self._context)


class Connecting:
    """What ``connect`` returns: ``async with`` it, or ``await`` it."""

    def __init__(self, start: Callable[[], AsyncStore]) -> None:
        self._start = start
        self._store: AsyncStore | None = None

    async def _open(self) -> AsyncStore:
        import asyncio

        self._store = await asyncio.to_thread(self._start)
        return self._store

    def __await__(self) -> Any:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncStore:
        return await self._open()

    async def __aexit__(self, *_: object) -> None:
        if self._store is not None:
            await self._store.close()


def open(
    target: str | Path,
    *,
    subject: str | None = None,
    durability: str = "full",
    clock: Clock | None = None,
    migrate: bool = True,
    vault: Vault | None = None,
    at_rest: KeySource | None = None,
    actor: str = "",
    audit_reads: bool = False,
) -> Store:
    """Open a file, a folder, ``memory:`` or a postgresql:// URL; bring its schema up to date.

    With a ``vault`` what is personal is sealed. ``at_rest`` is the key, or a function that fetches
    it, that files are encrypted with as a whole. ``actor`` is who works with the store; every write
    carries the name. ``audit_reads`` notes each answer before it is given.
    """
    how = _How(
        subject, durability, clock or SystemClock(), migrate, vault, at_rest, actor, audit_reads
    )
    return Store(*_opened(target, how))


def connect(
    target: str | Path,
    *,
    subject: str | None = None,
    durability: str = "full",
    clock: Clock | None = None,
    migrate: bool = True,
    vault: Vault | None = None,
    at_rest: KeySource | None = None,
    actor: str = "",
    audit_reads: bool = False,
) -> Connecting:
    """Open the same for coroutines: ``async with perdure.connect(...) as store``."""
    how = _How(
        subject, durability, clock or SystemClock(), migrate, vault, at_rest, actor, audit_reads
    )
    return Connecting(lambda: AsyncStore(*_opened(target, how)))


@dataclass(frozen=True, slots=True)
class _How:
    """How a store is opened."""

    subject: str | None = field(repr=False)
    durability: str
    clock: Clock
    is_migrated: bool
    vault: Vault | None
    at_rest: KeySource | None = field(repr=False)
    actor: str = field(repr=False)
    audits_reads: bool


def _opened(target: str | Path, how: _How) -> tuple[Engine, Context]:
    named = None if how.subject is None else _subject(how.subject)  # before anything is open
    actor = _actor(how.actor) if how.actor else ""
    keys = None if how.vault is None else open_vault(how.vault, clock=how.clock)
    now = microseconds(how.clock.now())

    def prepare(engine: Engine) -> None:
        steps = migrations.discover(PACKAGES, engine.dialect) if how.is_migrated else ()
        vault = None if keys is None else keys.id

        def unit(session: Session) -> None:
            refuse_keys(session)
            if steps:
                migrations.up(session, steps, now=now)
            claim(session, vault, now=now)

        engine.administer(unit)

    try:
        engine = engine_for(
            str(target), durability=how.durability, prepare=prepare, at_rest=how.at_rest
        )
    except BaseException:
        if keys is not None:
            keys.close()
        raise
    local = DEFAULT_SUBJECT if engine.dialect == "sqlite" else ""
    subject = local if named is None else named
    return engine, Context(subject, how.clock, keys=keys, actor=actor, notes_reads=how.audits_reads)


def open_vault(vault: Vault, *, clock: Clock | None = None, also: Sequence[Master] = ()) -> Keyring:
    """Open a key store; without ``create`` a missing one is an error, and nothing is made.

    ``also`` are further masters: while keys move from one to another there are two.
    """
    from perdure.vault import Keyring

    target = str(vault.target)
    if not vault.create and is_missing(target):
        raise LockedOut(
            f"there is no key store at {target}",
            value=target,
            remedy="restore it, or make a new one with 'perdure vault init'",
        )
    engine = engine_for_keys(target)
    try:
        return Keyring.opened(engine, vault, clock or SystemClock(), create=vault.create, also=also)
    except BaseException:
        engine.close()
        raise


def _seal_between(context: Context, text: str, subjects: Sequence[str], *, survives: bool) -> str:
    from perdure.vault import shared

    keys = _required(context)
    owners = [keys.owner(_subject(one), create=True) for one in subjects]
    return shared.seal(owners, values.text("the text", text), survives=survives)


def _open_between(context: Context, record: str) -> str:
    from perdure.vault import shared

    return shared.open(_required(context), values.text("the record", record))


def _required(context: Context) -> Keys:
    if context.keys is None:
        raise LockedOut("the store has no vault", remedy="open it with vault=...")
    return context.keys


def _close(engine: Engine, context: Context) -> None:
    engine.close()
    if context.keys is not None:
        context.keys.close()


def _subject(subject: str) -> str:
    return values.name_of("the subject", subject, characters_max=values.SUBJECT_CHARACTERS_MAX)


def _key(key: str) -> str:
    return values.name_of("the idempotency key", key, characters_max=values.KEY_CHARACTERS_MAX)


def _actor(actor: str) -> str:
    return values.name_of("the actor", actor, characters_max=values.SUBJECT_CHARACTERS_MAX)
