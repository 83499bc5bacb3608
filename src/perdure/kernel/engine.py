"""The seam between the kernel and a database: two small protocols.

An engine runs transactions and knows no table. The suite in ``perdure.testing.conformance`` is
what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from .queries import Query

T = TypeVar("T")
Params = Mapping[str, Any]
Rows = Sequence[tuple[Any, ...]]
Unit = Callable[["Session"], T]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What an engine did behind deleted rows: databases it removed, and what it can not reach."""

    removed: Sequence[str] = ()
    not_reached: Sequence[str] = ()


class Session(Protocol):
    """One open transaction, as the engine hands it to a unit of work."""

    @property
    def dialect(self) -> str:
        """Say which text of a query is run: ``sqlite`` or ``postgres``."""
        ...

    def rows(self, query: Query, params: Params) -> Rows:
        """Run a statement and return all its rows."""
        ...

    def later(self, query: Query, params: Params) -> Callable[[], Rows]:
        """Run a statement whose rows are fetched afterwards; the engine may put off sending it."""
        ...

    def script(self, text: str) -> None:
        """Run the statements of a migration."""
        ...

    def fail(self, error: Exception) -> None:
        """Note that this transaction can only be undone; a failing statement does so by itself.

        The error is raised by every further statement, and at the end of a unit that swallowed it.
        """
        ...


class Engine(Protocol):
    """Runs units of work for one subject each; a unit commits as a whole or not at all."""

    @property
    def dialect(self) -> str: ...

    @property
    def reads_inline(self) -> bool:
        """Say whether a short read may run inside a coroutine."""
        ...

    def write(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        """Run a unit and return its result once it is durable.

        A repeatable one (it has an idempotency key) may run again when nobody knows whether it
        committed.
        """
        ...

    async def write_async(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        """Do the same for a coroutine; the unit runs in another thread."""
        ...

    def read(self, subject: str, unit: Unit[T]) -> T:
        """Run a unit that only reads, against one snapshot."""
        ...

    def administer(self, unit: Unit[T]) -> T:
        """Run a unit that changes the schema: alone, as the owner, for no subject."""
        ...

    def transaction(self, subject: str) -> AbstractContextManager[Session]:
        """Open a transaction that the caller's ``with`` block ends."""
        ...

    def databases(self) -> Iterable[tuple[str, Engine]]:
        """Give each database behind this engine with its name; '' is the only one."""
        ...

    def home(self, subject: str) -> AbstractContextManager[tuple[str, Engine | None]]:
        """Give the name of a subject's database, and the database: None while there is none."""
        ...

    def clean(self, subject: str, tables: Sequence[str]) -> Cleaned:
        """Leave nothing of the rows that were deleted: they were all the subject had.

        What can not be reached now raises Unavailable; repeating it goes on.
        """
        ...

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` soon after anybody commits; return the function that stops it."""
        ...

    def close(self) -> None: ...
