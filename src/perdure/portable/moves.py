"""The verbs by which subjects move, as a store offers them to sync callers and to coroutines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Concatenate, ParamSpec, TypeVar

from perdure.kernel import Transaction, values
from perdure.kernel.engine import Engine
from perdure.kernel.progress import Progress, quiet
from perdure.kernel.units import Context

if TYPE_CHECKING:
    from .exporting import Exported
    from .importing import Imported

P = ParamSpec("P")
T = TypeVar("T")
Target = str | Path | BinaryIO
Key = str | bytes


class Moves:
    """How subjects leave a store and come into it."""

    tables: Mapping[str, Sequence[str]]  # of every domain; the store says which there are
    _note: Callable[[Transaction, str], None]  # keeps that somebody looks

    def __init__(self, engine: Engine, context: Context) -> None:
        self._engine, self._context = engine, context

    def export(
        self, subject: str, target: Target, *, key: Key | None = None, progress: Progress = quiet
    ) -> Exported:
        """Write everything about a subject to a folder, a .tar file or, with a key, one encrypted
        file. A text is a passphrase, 32 bytes are a key; a stream takes the file.
        """
        from .exporting import Export

        context = replace(self._context, subject=_subject(subject))
        return Export(self._engine, context, self.tables, key, progress).run(target, self._note)

    def import_subject(
        self,
        source: Target,
        *,
        subject: str | None = None,
        key: Key | None = None,
        progress: Progress = quiet,
    ) -> Imported:
        """Take a subject over from an export, whole or not at all, under another name if one is
        given. Done a second time it finds everything there.
        """
        from .importing import Import

        context = replace(self._context, subject="" if subject is None else _subject(subject))
        return Import(self._engine, context, self.tables, key, progress).run(source)


class AsyncMoves:
    """The same for coroutines: same names, awaited; ``progress`` is called in another thread."""

    tables: Mapping[str, Sequence[str]]
    _note: Callable[[Transaction, str], None]
    _engine: Engine
    _context: Context

    async def export(
        self, subject: str, target: Target, *, key: Key | None = None, progress: Progress = quiet
    ) -> Exported:
        """Write everything about a subject to a folder, a .tar file or, with a key, one encrypted
        file. A text is a passphrase, 32 bytes are a key; a stream takes the file.
        """
        return await self._moved(Moves.export, subject, target, key=key, progress=progress)

    async def import_subject(
        self,
        source: Target,
        *,
        subject: str | None = None,
        key: Key | None = None,
        progress: Progress = quiet,
    ) -> Imported:
        """Take a subject over from an export, whole or not at all, under another name if one is
        given. Done a second time it finds everything there.
        """
        return await self._moved(
            Moves.import_subject, source, subject=subject, key=key, progress=progress
        )

    async def _moved(
        self, verb: Callable[Concatenate[Moves, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        import asyncio

        own = Moves(self._engine, self._context)
        own.tables, own._note = self.tables, self._note  # noqa: SLF001  (a twin of its own)
        return await asyncio.to_thread(verb, own, *args, **kwargs)


def _subject(subject: str) -> str:
    return values.name_of("the subject", subject, characters_max=values.SUBJECT_CHARACTERS_MAX)
