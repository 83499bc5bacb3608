"""How long work is watched: a plain callback hears what is done, how much, and of how many."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def quiet(_what: str, _done: int, _total: int) -> None:
    """Report nothing."""
