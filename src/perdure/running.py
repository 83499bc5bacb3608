"""How a call becomes a unit of work on an engine: for whom, by whom, noted if looks are noted.

The two runners are the sync and the async face of every operation; ``write`` and ``write_async``
run any function of a transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from perdure.kernel import Transaction
from perdure.kernel.engine import Engine
from perdure.kernel.operations import Operation, Runner
from perdure.kernel.units import Context, unit_of


def write(
    engine: Engine,
    context: Context,
    function: Callable[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    """Run a function of a transaction as one unit that may write."""
    owner = context.owner(writable=True)
    unit = unit_of(context, owner, function, args, kwargs, writable=True)
    return engine.write(owner.subject, unit, is_repeatable=context.key is not None)


async def write_async(
    engine: Engine,
    context: Context,
    function: Callable[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> Any:
    """Do the same for a coroutine; keys that have to be looked up are, in a thread."""
    if context.is_at_hand:
        owner = context.owner(writable=True)
    else:
        import asyncio

        owner = await asyncio.to_thread(context.owner, writable=True)
    unit = unit_of(context, owner, function, args, kwargs, writable=True)
    return await engine.write_async(owner.subject, unit, is_repeatable=context.key is not None)


def read(
    engine: Engine,
    context: Context,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Run a function of a transaction as one unit that only reads."""
    owner = context.owner(writable=False)
    unit = unit_of(context, owner, function, args, kwargs, writable=False)
    return engine.read(owner.subject, unit)


def note(tx: Transaction, what: str) -> None:
    """Keep that somebody looks."""
    from perdure.domains import audit

    audit.note(tx, what)


def noted(
    context: Context, function: Callable[..., Any], what: str = "a transaction"
) -> Callable[..., Any]:
    """Give the function that notes the look before it gives the answer, if looks are noted."""
    if not context.notes_reads:
        return function

    @wraps(function)
    def looked(tx: Transaction, *args: Any, **kwargs: Any) -> Any:
        note(tx, what)
        return function(tx, *args, **kwargs)

    return looked


class SyncRunner:
    """Runs operations in the caller's thread."""

    def __init__(self, engine: Engine, context: Context) -> None:
        self._engine, self._context = engine, context

    def call(
        self, operation: Operation[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        context, function = self._context, operation.function
        if operation.is_write:
            return write(self._engine, context, function, args, kwargs)
        if context.notes_reads:
            function = noted(context, function, operation.path)
            return write(self._engine, replace(context, key=None), function, args, kwargs)
        return read(self._engine, context, function, args, kwargs)

    def repeatable(self, key: str) -> Runner:
        return SyncRunner(self._engine, replace(self._context, key=key))


class AsyncRunner:
    """Hands units of work to the writer; short reads of SQLite run inline (17 µs, not 212)."""

    def __init__(self, engine: Engine, context: Context) -> None:
        self._engine, self._context = engine, context

    async def call(
        self, operation: Operation[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        context, function = self._context, operation.function
        if operation.is_write:
            return await write_async(self._engine, context, function, args, kwargs)
        if context.notes_reads:
            function = noted(context, function, operation.path)
            return await write_async(
                self._engine, replace(context, key=None), function, args, kwargs
            )
        if self._engine.reads_inline and not operation.is_long and context.is_at_hand:
            return read(self._engine, context, function, args, kwargs)
        import asyncio

        return await asyncio.to_thread(read, self._engine, context, function, args, kwargs)

    def repeatable(self, key: str) -> Runner:
        return SyncRunner(self._engine, replace(self._context, key=key))
