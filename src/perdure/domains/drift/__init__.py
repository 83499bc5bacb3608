"""Drift: how far an agent's voice has evolved (seed A)."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, overload

from perdure.kernel import Face, M, reads, writes
from perdure.kernel.operations import Async, Sync

from . import operations
from .model import DriftState
from .operations import (
    Echo,
    Explanation,
    Point,
    at,
    current,
    evolve,
    explain,
    export_state,
    history,
    import_state,
    observe,
    reset,
    said_before,
)

if TYPE_CHECKING:
    from .buffer import AsyncBuffer, Buffer

__all__ = [
    "Drift",
    "DriftState",
    "Echo",
    "Explanation",
    "Point",
    "at",
    "current",
    "evolve",
    "explain",
    "export_state",
    "history",
    "import_state",
    "observe",
    "reset",
    "said_before",
]

TABLES = ("drift_bands", "drift_hashes", "drift_imports", "vera_qiv_states")


class Drift(Face[M]):
    """``store.drift``."""

    observe = writes(operations.observe)
    evolve = writes(operations.evolve)
    current = reads(operations.current)
    at = reads(operations.at, is_long=True)
    history = reads(operations.history, is_long=True)
    explain = reads(operations.explain, is_long=True)
    said_before = reads(operations.said_before)
    reset = writes(operations.reset)
    export_state = reads(operations.export_state)
    import_state = writes(operations.import_state)

    @overload
    def buffered(self: Drift[Sync], *, seconds: float = 5.0) -> Buffer: ...

    @overload
    def buffered(self: Drift[Async], *, seconds: float = 5.0) -> AsyncBuffer: ...

    def buffered(self, *, seconds: float = 5.0) -> Buffer | AsyncBuffer:
        """Collect what is said and write it every few seconds; a crash loses at most those."""
        from .buffer import AsyncBuffer, Buffer

        kind = AsyncBuffer if iscoroutinefunction(self._runner.call) else Buffer
        return kind(self._runner, seconds=seconds)
