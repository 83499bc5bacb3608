"""The composition root: the only place that knows every engine and every domain.

``open`` and ``connect`` choose the engine by the target, bring the schema up to date and give a
store; a store and a subject's view of it carry the same domains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from perdure.domains.drift import Drift
from perdure.domains.souls import Souls
from perdure.engines.choose import engine_for
from perdure.errors import Invalid
from perdure.kernel import Clock, SystemClock, Transaction, migrations, values
from perdure.kernel.clock import microseconds
from perdure.kernel.engine import Engine
from perdure.kernel.follow import AsyncLog, Log
from perdure.kernel.operations import Async, Face, M, Operation, Runner, Sync
from perdure.kernel.units import Context, unit_of

T = TypeVar("T")
HERE = Path(__file__).parent
PACKAGES = (
    ("kernel", HERE / "kernel"),
    ("drift", HERE / "domains" / "drift"),
    ("souls", HERE / "domains" / "souls"),
)
FACES: dict[str, type[Face[Any]]] = {"drift": Drift, "souls": Souls}
DEFAULT_SUBJECT = "default_user"


class Domains(Generic[M]):
    """Every domain, as attributes of a store and of a subject."""

    def __init__(self, runner: Runner) -> None:
        self.drift: Drift[M] = Drift(runner)
        self.souls: Souls[M] = Souls(runner)


class Subject(Domains[Sync]):
    """A store for one subject: every operation runs for it alone."""

    def __init__(self, engine: Engine, context: Context) -> None:
        super().__init__(_SyncRunner(engine, context))
        self._engine, self._context = engine, context

    def once(self, key: str) -> Subject:
        """Give the same subject with an idempotency key: a retry returns the first result."""
        return Subject(self._engine, replace(self._context, key=_key(key)))

    def transact(self, function: Callable[[Transaction], T]) -> T:
        """Run a function of a transaction as one unit of work, over any of the domains."""
        unit = unit_of(self._context, function, writable=True)
        again = self._context.key is not None
        return cast(T, self._engine.write(self._context.subject, unit, is_repeatable=again))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open one unit of work that the ``with`` block ends; an exception undoes it all."""
        if self._context.key is not None:
            raise Invalid(
                "a with block can not be repeated, so it takes no idempotency key",
                remedy="use once(key).transact(function)",
            )
        self._context.require_subject()
        with self._engine.transaction(self._context.subject) as session:
            tx = Transaction(session, self._context.subject, self._context.clock, writable=True)
            try:
                yield tx
            finally:
                tx.end()


class AsyncSubject(Domains[Async]):
    """The same for coroutines: same names, awaited."""

    def __init__(self, engine: Engine, context: Context) -> None:
        super().__init__(_AsyncRunner(engine, context))
        self._engine, self._context = engine, context

    def once(self, key: str) -> AsyncSubject:
        """Give the same subject with an idempotency key: a retry returns the first result."""
        return AsyncSubject(self._engine, replace(self._context, key=_key(key)))

    async def transact(self, function: Callable[[Transaction], T]) -> T:
        """Run a function of a transaction as one unit of work; it never awaits inside."""
        unit = unit_of(self._context, function, writable=True)
        again = self._context.key is not None
        return cast(
            T, await self._engine.write_async(self._context.subject, unit, is_repeatable=again)
        )


class Store(Subject):
    """An open database. Its own domains are those of the subject it was opened for."""

    def __init__(self, engine: Engine, context: Context) -> None:
        super().__init__(engine, context)
        self.log = Log(engine)

    @property
    def engine(self) -> Engine:
        """Give the engine to operator tools (copy, verify, rebuild)."""
        return self._engine

    def subject(self, subject: str) -> Subject:
        """Give the store for one subject."""
        context = self._context
        return Subject(self._engine, Context(_subject(subject), context.clock, context.key))

    def close(self) -> None:
        """Commit what is queued and close the database."""
        self._engine.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncStore(AsyncSubject):
    """An open database for coroutines."""

    def __init__(self, engine: Engine, context: Context) -> None:
        super().__init__(engine, context)
        self.log = AsyncLog(engine)

    def subject(self, subject: str) -> AsyncSubject:
        """Give the store for one subject."""
        context = self._context
        return AsyncSubject(self._engine, Context(_subject(subject), context.clock, context.key))

    async def close(self) -> None:
        """Commit what is queued and close the database."""
        import asyncio

        await asyncio.to_thread(self._engine.close)


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
) -> Store:
    """Open a file, a folder, ``memory:`` or a postgresql:// URL; bring its schema up to date."""
    return Store(*_opened(target, subject, durability, clock, migrate=migrate))


def connect(
    target: str | Path,
    *,
    subject: str | None = None,
    durability: str = "full",
    clock: Clock | None = None,
    migrate: bool = True,
) -> Connecting:
    """Open the same for coroutines: ``async with perdure.connect(...) as store``."""
    return Connecting(
        lambda: AsyncStore(*_opened(target, subject, durability, clock, migrate=migrate))
    )


def _opened(
    target: str | Path,
    subject: str | None,
    durability: str,
    clock: Clock | None,
    *,
    migrate: bool,
) -> tuple[Engine, Context]:
    clock = clock or SystemClock()

    def prepare(engine: Engine) -> None:
        steps = migrations.discover(PACKAGES, engine.dialect)
        now = microseconds(clock.now())
        engine.administer(lambda session: migrations.up(session, steps, now=now))

    named = None if subject is None else _subject(subject)  # refused before anything is open
    engine = engine_for(str(target), durability=durability, prepare=prepare if migrate else None)
    local = DEFAULT_SUBJECT if engine.dialect == "sqlite" else ""
    return engine, Context(local if named is None else named, clock)


def _subject(subject: str) -> str:
    return values.name_of("the subject", subject, characters_max=values.SUBJECT_CHARACTERS_MAX)


def _key(key: str) -> str:
    return values.name_of("the idempotency key", key, characters_max=values.KEY_CHARACTERS_MAX)


class _SyncRunner:
    """Runs operations in the caller's thread."""

    def __init__(self, engine: Engine, context: Context) -> None:
        self._engine, self._context = engine, context

    def call(
        self, operation: Operation[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        unit = unit_of(self._context, operation.function, args, kwargs, writable=operation.is_write)
        if operation.is_write:
            again = self._context.key is not None
            return self._engine.write(self._context.subject, unit, is_repeatable=again)
        return self._engine.read(self._context.subject, unit)

    def repeatable(self, key: str) -> Runner:
        return _SyncRunner(self._engine, replace(self._context, key=key))


class _AsyncRunner:
    """Hands units of work to the writer; short reads of SQLite run inline (17 µs, not 212)."""

    def __init__(self, engine: Engine, context: Context) -> None:
        self._engine, self._context = engine, context

    async def call(
        self, operation: Operation[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        unit = unit_of(self._context, operation.function, args, kwargs, writable=operation.is_write)
        if operation.is_write:
            again = self._context.key is not None
            return await self._engine.write_async(self._context.subject, unit, is_repeatable=again)
        if self._engine.reads_inline and not operation.is_long:
            return self._engine.read(self._context.subject, unit)
        import asyncio

        return await asyncio.to_thread(self._engine.read, self._context.subject, unit)

    def repeatable(self, key: str) -> Runner:
        return _SyncRunner(self._engine, replace(self._context, key=key))
