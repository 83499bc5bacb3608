"""The two faces as one: a case is written once and runs in both.

``Awaited`` stands before an async store and is called like a sync one; each call runs to its end
on an event loop of its own.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

import perdure
from perdure.kernel import Face, Transaction, reads
from perdure.kernel.engine import Engine
from perdure.kernel.follow import AsyncLog
from perdure.kernel.operations import Async, Runner, Sync
from perdure.store import AsyncStore, AsyncSubject, Store, Subject
from perdure.testing import SettableClock

if TYPE_CHECKING:
    from perdure.vault import Vault

T = TypeVar("T")
Opening = Callable[..., Store]
_Inside = (AsyncSubject, Face, AsyncLog)


class Awaited:
    """Calls the async face as if it were the sync one."""

    def __init__(self, inner: object, runner: asyncio.Runner) -> None:
        self._inner, self._loop = inner, runner

    def __getattr__(self, name: str) -> object:
        return self._given(getattr(self._inner, name))

    def _given(self, found: object) -> object:
        if isinstance(found, _Inside):
            return Awaited(found, self._loop)
        if inspect.isawaitable(found):
            return self.wait(found)
        if isinstance(found, AsyncIterator):
            return self._each(found)
        if callable(found):
            return lambda *args, **kwargs: self._given(found(*args, **kwargs))
        return found

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Run the loop until this is done."""

        async def done() -> T:
            return await awaitable

        return self._loop.run(done())

    def _each(self, many: AsyncIterator[T]) -> Iterator[T]:
        try:
            while True:
                try:
                    yield self.wait(anext(many))
                except StopAsyncIteration:
                    return
        finally:
            self.wait(cast(Any, many).aclose())


def at_once(store: Store, calls: Sequence[Callable[[Any], Any]]) -> list[Any]:
    """Call all of them at the same moment; what one raises is its result.

    Each call gets the store of the face: threads in the sync one, tasks in the async one.
    """
    if isinstance(store, Awaited):
        inner = store._inner  # noqa: SLF001

        async def together() -> list[Any]:
            awaitables = [call(inner) for call in calls]
            return await asyncio.gather(*awaitables, return_exceptions=True)

        return store.wait(together())

    def caught(call: Callable[[Any], Any]) -> Any:
        try:
            return call(store)
        except BaseException as error:  # noqa: BLE001  (it is the result)
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(caught, calls))


def engine_of(store: Store) -> Engine:
    """Give the engine of either face."""
    return store._engine  # noqa: SLF001


def stored(store: Store, subject: str) -> str:
    """Give the name that rows and events carry: with a vault, a handle."""
    keys = store._context.keys  # noqa: SLF001
    return subject if keys is None else keys.owner(subject, create=False).subject


def inside(subject: Subject, function: Callable[[Transaction], T]) -> T:
    """Run a function as an operation that reads."""
    face = subject.souls
    if isinstance(face, Awaited):
        runner = cast(Runner, face._inner._runner)  # type: ignore[attr-defined]  # noqa: SLF001
        return face.wait(reads(function).__get__(Face[Async](runner), Face)())
    return reads(function).__get__(Face[Sync](face._runner), Face)()  # noqa: SLF001


class Cases:
    """The fixtures of every case; the class that uses it has to have a ``target``, and may have a
    ``vault``.
    """

    @pytest.fixture
    def clock(self) -> SettableClock:
        """Stand still."""
        return SettableClock()

    @pytest.fixture
    def vault(self) -> Vault | None:
        """Seal nothing, unless the class says otherwise."""
        return None

    @pytest.fixture
    def opening(self, target: str, vault: Vault | None) -> Opening:
        """Open the target, here or in another process."""
        return partial(perdure.open, target, vault=vault)

    @pytest.fixture
    def sync_store(self, opening: Opening, clock: SettableClock) -> Iterator[Store]:
        """Open the target in the sync face."""
        with opening(clock=clock, subject="nobody") as store:
            yield store

    @pytest.fixture
    def async_store(
        self, target: str, vault: Vault | None, clock: SettableClock
    ) -> Iterator[Store]:
        """Open the target in the async face, called like the sync one."""
        with asyncio.Runner() as runner:
            inner = runner.run(_opened(target, vault, clock))
            yield cast(Store, Awaited(inner, runner))
            runner.run(inner.close())

    @pytest.fixture(params=["sync", "async"])
    def store(self, request: pytest.FixtureRequest) -> Store:
        """Open the target in both faces, one after the other."""
        return cast(Store, request.getfixturevalue(f"{request.param}_store"))

    @pytest.fixture
    def ada(self, store: Store) -> Subject:
        """Whom most cases are about."""
        return store.subject("ada")


async def _opened(target: str, vault: Vault | None, clock: SettableClock) -> AsyncStore:
    store: AsyncStore = await perdure.connect(target, vault=vault, clock=clock, subject="nobody")
    return store
