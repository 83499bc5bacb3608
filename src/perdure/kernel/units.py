"""How a call becomes a unit of work: the transaction around the function, and "once" for
retries.

An outcome is kept under the caller's idempotency key in the same transaction as the events, so a
retry after an unknown commit returns the first result instead of doing the work again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from perdure.errors import Conflict, Forgotten, Invalid, NotFound

from . import events
from .clock import Clock, microseconds
from .engine import Session, Unit
from .log import statements
from .sealing import Keys, Owner
from .transaction import Transaction

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Context:
    """For whom, by which clock, by whom and under which idempotency key units of work run."""

    subject: str = field(repr=False)  # a repr may end in a log
    clock: Clock
    key: str | None = field(default=None, repr=False)
    keys: Keys | None = None
    actor: str = field(default="", repr=False)
    notes_reads: bool = False

    def owner(self, *, writable: bool) -> Owner:
        """Give whose rows they are, from the vault if one is open; refuse work for nobody."""
        if not self.subject:
            raise Invalid("no subject was named", remedy="call store.subject('...') first")
        if self.keys is None:
            return Owner(self.subject)
        return self.keys.owner(self.subject, create=writable)

    @property
    def is_at_hand(self) -> bool:
        """Say whether ``owner`` answers from memory, so that a coroutine may ask."""
        return self.keys is None or self.keys.is_fresh(self.subject)


def unit_of(
    context: Context,
    owner: Owner,
    function: Function,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    writable: bool,
) -> Unit[Any]:
    """Wrap a function of a transaction so that an engine can run it."""
    named = kwargs or {}

    def unit(session: Session) -> Any:
        tx = Transaction(session, owner, context.clock, writable=writable, actor=context.actor)
        work = partial(function, tx, *args, **named)
        try:
            if context.key is None or not writable:
                result = work()
            else:
                result = _once(session, tx, context.key, function, work)
            tx.settle()
            return result
        except NotFound:
            tx.settle()
            raise
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
    token = tx.blind("idempotency", key)
    place = {"slice": tx.slice, "subject": tx.subject, "key": token}
    name = getattr(function, "__qualname__", type(function).__name__)
    found = session.rows(statements.outcome, place)
    if found:
        unit, kept = found[0]
        if unit != name:
            raise Conflict(
                f"this idempotency key was used for {unit}, not for {name}",
                value=key,
                remedy="use a new key for each piece of work",
            )
        if not kept:
            raise Forgotten(
                "what this piece of work returned was forgotten; it was done",
                value=key,
                remedy="do not repeat it",
            )
        return _decode(function, opened_outcome(tx, token, kept)[1])
    result = work()
    kept = _encode(name, function, result)
    save_outcome(session, tx, Outcome(key, name, kept, microseconds(tx.now)))
    return result


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a unit of work returned under an idempotency key, as JSON."""

    key: str = field(repr=False)
    unit: str
    result: str = field(repr=False)
    at: int


def save_outcome(session: Session, tx: Transaction, outcome: Outcome) -> None:
    """Keep an outcome. A sealed one holds its key as well, whose token alone says nothing."""
    token = tx.blind("idempotency", outcome.key)
    text = outcome.result
    if tx.is_sealed:
        whole = events.sign(outcome.key, text.encode()).decode()
        text = tx.seal_text(whole, "outcome", token, "result")
    place = {"slice": tx.slice, "subject": tx.subject, "key": token}
    kept = {"unit": outcome.unit, "result": text, "at": outcome.at}
    session.later(statements.save_outcome, {**place, **kept})


def opened_outcome(tx: Transaction, token: str, stored: str) -> tuple[str, str]:
    """Give the key and the result of an outcome."""
    if not tx.is_sealed:
        return token, stored
    whole = tx.open_text(stored, "outcome", token, "result")
    key, result = events.signed(whole.encode())
    return key, result.decode()


def _encode(name: str, function: Function, result: object) -> str:
    """Give the text of a result that a retry can return; one that would differ is refused now."""
    problem: object = "it would come back different"
    try:
        kept = msgspec.json.encode(result).decode()
        if _decode(function, kept) == result:
            return kept
    except (TypeError, ValueError, NameError, msgspec.MsgspecError) as error:
        problem = error
    raise Invalid(
        f"the result of {name} can not be kept for a retry ({problem})",
        remedy="return plain values or dataclasses and annotate what it returns",
    )


def _decode(function: Function, kept: str) -> Any:
    hint = inspect.signature(function, eval_str=True).return_annotation
    return msgspec.json.decode(kept, type=Any if hint is inspect.Signature.empty else hint)
