"""What every engine refuses: use after close, after a fork, and a unit of work inside another.

A unit that opens a second one of its store would wait for its own lock, or read beside its own
writes. Nothing here knows a database.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from perdure.errors import Invalid, Unavailable
from perdure.kernel.engine import Session, Unit

T = TypeVar("T")


class _Inside:
    """Marks a thread; a class, because every unit of work enters one."""

    __slots__ = ("_here",)

    def __init__(self, here: threading.local) -> None:
        self._here = here

    def __enter__(self) -> None:
        self._here.has_unit = True

    def __exit__(self, *_: object) -> None:
        self._here.has_unit = False


class Guard:
    """Knows whether a store is open, in which process, and which threads are inside a unit."""

    def __init__(self) -> None:
        self.is_closed = False
        self._process = os.getpid()
        self._here = threading.local()

    @property
    def is_foreign(self) -> bool:
        """Say whether this process is a fork of the one that opened the store."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Refuse whatever can not begin now."""
        if self.is_foreign:
            raise Invalid("the store was opened before a fork", remedy="open it in the child")
        self.refuse_nested()
        self.refuse_closed()

    def refuse_closed(self) -> None:
        """Refuse a store that was closed."""
        if self.is_closed:
            raise Unavailable("the store is closed", remedy="open it again")

    def refuse_nested(self) -> None:
        """Refuse a call from inside a unit of work."""
        if getattr(self._here, "has_unit", False):
            raise Invalid(
                "a unit of work is already open in this thread", remedy="use the tx it was given"
            )

    def unit(self) -> _Inside:
        """Note that this thread is inside a unit of work."""
        return _Inside(self._here)

    def around(self, unit: Unit[T]) -> Callable[[Session], T]:
        """Wrap a unit that may run in another thread."""

        def guarded(session: Session) -> T:
            with self.unit():
                return unit(session)

        return guarded
