"""How long things are kept: a rule that domains answer by forgetting what is beyond it, and the
job that asks them, for one subject after the other.

A domain names what can expire in ``EXPIRES``. A job that was interrupted is simply run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from perdure.errors import Forgotten, Invalid

from .clock import EPOCH
from .engine import Engine, Session
from .log import statements
from .progress import Progress
from .sealing import Owner, owner_behind
from .transaction import Transaction
from .units import Context, unit_of
from .values import INTEGER_MAX, integer

DAYS_MAX = 36_500
BATCH_THINGS = 100
SUBJECTS_A_PAGE = 500
ACTOR = "retention"
OUTCOMES = "outcomes"


class Expire(Protocol):
    """Forgets what is beyond the rule, at most so many things, and says how many those were."""

    def __call__(self, tx: Transaction, keep: Keep, *, most: int) -> int: ...


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept: what is younger than ``days``, and no more than the newest ``count``."""

    days: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if self.days is None and self.count is None:
            raise Invalid("a rule that keeps everything", remedy="give days=, count= or both")
        for name, value in (("days", self.days), ("count", self.count)):
            if value is not None and integer(name, value) < 0:
                raise Invalid(f"{name} is {value}", value=value, remedy="give 0 or more")

    def since(self, now: datetime) -> datetime:
        """Give the time before which nothing is kept."""
        return EPOCH if self.days is None else now - timedelta(days=min(self.days, DAYS_MAX))

    def bounds(self, now: datetime) -> dict[str, object]:
        """Give the rule as parameters of a statement."""
        before = self.since(now).isoformat(timespec="microseconds")
        return {"before": before, "count": INTEGER_MAX if self.count is None else self.count}


def expire_outcomes(tx: Transaction, keep: Keep, *, most: int) -> int:
    """Delete what units of work returned under idempotency keys that nobody repeats any more."""
    before = (keep.since(tx.now) - EPOCH) // timedelta(microseconds=1)
    return len(tx.column(statements.prune_outcomes, before=before, most=most))


EVERYWHERE: Mapping[str, Expire] = {OUTCOMES: expire_outcomes}
USUAL: Mapping[str, Keep] = {OUTCOMES: Keep(days=30)}


@dataclass(frozen=True, slots=True)
class Job:
    """Rules for everybody in a store; ``expires`` says by which function each is kept."""

    engine: Engine
    context: Context
    expires: Mapping[str, Expire]
    rules: Mapping[str, Keep]
    progress: Progress

    def run(self) -> dict[str, int]:
        """Forget what is beyond the rules; give how many things that were, by rule."""
        known, done = {**EVERYWHERE, **self.expires}, Counter[str]()
        rules = {**USUAL, **self.rules}
        for name in rules:
            if name not in known:
                raise Invalid(
                    f"there is no rule for {name!r}",
                    value=name,
                    remedy=f"choose of {', '.join(known)}",
                )
        for number, owner in enumerate(self._owners(), start=1):
            with suppress(Forgotten):
                for name, keep in rules.items():
                    done[name] += self._expire(owner, known[name], keep)
            self.progress("subjects", number, 0)
        return {name: done[name] for name in rules}

    def _expire(self, owner: Owner, expire: Expire, keep: Keep) -> int:
        """Forget in batches: no transaction is long."""
        total = 0
        unit = unit_of(self.context, owner, expire, (keep,), {"most": BATCH_THINGS}, writable=True)
        while count := self.engine.write(owner.subject, unit):
            total += count
        return total

    def _owners(self) -> Iterator[Owner]:
        for _, database in self.engine.databases():
            for slice, _ in database.read("", lambda s: s.rows(statements.heads, {})):
                for subject in _subjects(database, slice):
                    owner = owner_behind(self.context.keys, subject)
                    if owner is not None:
                        yield owner


def _subjects(database: Engine, slice: int) -> Iterator[str]:
    after = ""
    while page := database.read("", partial(_page, slice, after)):
        yield from page
        after = page[-1]


def _page(slice: int, after: str, session: Session) -> list[str]:
    params = {"slice": slice, "after": after, "most": SUBJECTS_A_PAGE}
    return [str(subject) for (subject,) in session.rows(statements.subjects, params)]
