"""How a call becomes a unit of work: the transaction around the function, and "once" for
retries.

An outcome is kept under the caller's idempotency key in the same transaction as the events, so a
retry after an unknown commit returns the first result instead of doing the work again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from perdure.errors import Conflict, Invalid

from .clock import Clock, microseconds
from .engine import Session, Unit
from .log import statements
from .transaction import Transaction

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Context:
    """For whom, by which clock and under which idempotency key units of work run."""

    subject: str
    clock: Clock
    key: str | None = None


def unit_of(
    context: Context,
    function: Function,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    writable: bool,
) -> Unit[Any]:
    """Wrap a function of a transaction so that an engine can run it."""
    if not context.subject:
        raise Invalid("no subject was named", remedy="call store.subject('...') first")
    named = kwargs or {}

    def unit(session: Session) -> Any:
        tx = Transaction(session, context.subject, context.clock, writable=writable)
        try:
            if context.key is None or not writable:
                return function(tx, *args, **named)
            work = partial(function, tx, *args, **named)
            return _once(session, tx, context.key, function, work)
        except StopIteration as error:  # no future and no generator can carry one
            raise RuntimeError("a unit of work raised StopIteration") from error
        finally:
            tx.end()

    return unit


def _once(
    session: Session,
    tx: Transaction,
    key: str,
    function: Function,
    work: Callable[[], Any],
) -> Any:
    place = {"slice": tx.slice, "subject": tx.subject, "key": key}
    name = getattr(function, "__qualname__", type(function).__name__)
    found = session.rows(statements.outcome, place)
    if found:
        return _first_result(key, name, found[0], function)
    result = work()
    kept = {"unit": name, "result": _encode(name, result), "at": microseconds(tx.now)}
    session.later(statements.save_outcome, {**place, **kept})
    return result


def _first_result(key: str, name: str, kept: tuple[str, str], function: Function) -> Any:
    unit, result = kept
    if unit != name:
        raise Conflict(
            f"the idempotency key {key!r} was used for {unit}, not for {name}",
            value=key,
            remedy="use a new key for each piece of work",
        )
    hint = inspect.signature(function, eval_str=True).return_annotation
    return msgspec.json.decode(result, type=Any if hint is inspect.Signature.empty else hint)


def _encode(name: str, result: object) -> str:
    try:
        return msgspec.json.encode(result).decode()
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise Invalid(
            f"the result of {name} can not be kept for a retry ({error})",
            remedy="return plain values or dataclasses from a unit that has an idempotency key",
        ) from None
