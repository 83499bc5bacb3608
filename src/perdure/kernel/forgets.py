"""The verbs of forgetting, as a store offers them to sync callers and to coroutines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Concatenate, ParamSpec, TypeVar

from perdure.errors import Invalid

from . import forgetting, values
from .engine import Engine
from .forgetting import Run
from .progress import Progress, quiet
from .receipts import Receipt
from .retention import ACTOR, EVERYWHERE, Expire, Job, Keep
from .units import Context

P = ParamSpec("P")
T = TypeVar("T")


class Forgets:
    """What a store can forget, and who it has forgotten; ``expires`` is what rules can name."""

    expires: Mapping[str, Expire] = EVERYWHERE

    def __init__(self, engine: Engine, context: Context) -> None:
        self._engine, self._context = engine, context

    def forget(self, subject: str, *, rotate: bool = False, progress: Progress = quiet) -> Receipt:
        """Forget a subject for good: its keys, its rows, its payloads; give the receipt.

        Interrupted, it goes on when it is called again. ``rotate`` also changes the master key, so
        that older copies of the key store open nothing; it takes every key in hand once.
        """
        if rotate and self._context.keys is None:
            raise Invalid("there is no vault whose master key could change", remedy="leave it out")
        place = forgetting.begin(self._engine, self._context.keys, _subject(subject))
        return forgetting.run(self._run(place, progress, rotate=rotate))

    def finish_forgetting(self, *, progress: Progress = quiet) -> list[Receipt]:
        """Go on with all that was begun and not finished, whoever it was for."""
        places = forgetting.unfinished(self._engine, self._context.keys)
        return [forgetting.run(self._run(place, progress, rotate=False)) for place in places]

    def receipts(self) -> list[Receipt]:
        """Give the receipt of everybody this store has forgotten."""
        return list(forgetting.receipts(self._engine))

    def is_forgotten(self, subject: str) -> bool:
        """Say whether a subject was forgotten, or is being forgotten."""
        return forgetting.is_forgotten(self._engine, self._context.keys, _subject(subject))

    def readmit(self, subject: str) -> None:
        """Let somebody come back who was forgotten. Nothing that was erased comes back."""
        forgetting.readmit(self._engine, self._context.keys, _subject(subject))

    def retain(self, rules: Mapping[str, Keep], *, progress: Progress = quiet) -> dict[str, int]:
        """Forget what is beyond the rules, for every subject; give how much that was, by rule.

        What retries would be answered goes after 30 days, if no rule says otherwise.
        """
        context = replace(self._context, actor=ACTOR, key=None)
        return Job(self._engine, context, self.expires, rules, progress).run()

    def _run(self, place: forgetting.Place, progress: Progress, *, rotate: bool) -> Run:
        return Run(place, self._context.clock, progress, is_rotating=rotate)


class AsyncForgets:
    """The same for coroutines: same names, awaited."""

    expires: Mapping[str, Expire] = EVERYWHERE
    _engine: Engine
    _context: Context

    async def forget(
        self, subject: str, *, rotate: bool = False, progress: Progress = quiet
    ) -> Receipt:
        """Forget a subject for good; ``progress`` is called in another thread."""
        return await self._away(Forgets.forget, subject, rotate=rotate, progress=progress)

    async def finish_forgetting(self, *, progress: Progress = quiet) -> list[Receipt]:
        """Go on with all that was begun and not finished, whoever it was for."""
        return await self._away(Forgets.finish_forgetting, progress=progress)

    async def receipts(self) -> list[Receipt]:
        """Give the receipt of everybody this store has forgotten."""
        return await self._away(Forgets.receipts)

    async def is_forgotten(self, subject: str) -> bool:
        """Say whether a subject was forgotten, or is being forgotten."""
        return await self._away(Forgets.is_forgotten, subject)

    async def readmit(self, subject: str) -> None:
        """Let somebody come back who was forgotten. Nothing that was erased comes back."""
        await self._away(Forgets.readmit, subject)

    async def retain(
        self, rules: Mapping[str, Keep], *, progress: Progress = quiet
    ) -> dict[str, int]:
        """Forget what is beyond the rules, for every subject; give how much that was, by rule."""
        return await self._away(Forgets.retain, rules, progress=progress)

    async def _away(
        self, verb: Callable[Concatenate[Forgets, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        import asyncio

        own = Forgets(self._engine, self._context)
        own.expires = self.expires
        return await asyncio.to_thread(verb, own, *args, **kwargs)


def _subject(subject: str) -> str:
    return values.name_of("the subject", subject, characters_max=values.SUBJECT_CHARACTERS_MAX)
