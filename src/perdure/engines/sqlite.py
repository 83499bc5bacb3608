"""SQLite through apsw: WAL, synchronous=FULL, one writing connection per process, readers that
never wait.

apsw brings its own SQLite: 3.7.0 to 3.51.2 can corrupt a WAL database
(sqlite.org/wal.html#walresetbug), and the standard ``sqlite3`` module must not open the same
file in the same process. No table is named here.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import apsw

from perdure.errors import Invalid, Unavailable
from perdure.kernel.engine import Cleaned, Engine, Params, Rows, Session, Unit
from perdure.kernel.queries import Query

from .groups import WriteGroups
from .guards import Guard
from .sqlite_atrest import FileKey, explained, require_readable
from .sqlite_background import BUSY_MS, WAL_PAGES_SOFT, Background, Wal
from .sqlite_cleaning import clean
from .sqlite_errors import require_safe_version, translate, translated

T = TypeVar("T")

STATEMENTS_CACHED = 256
IDLE_READERS_MAX = 8
COPY_PAGES = 1_000
SYNCHRONOUS = {"full": "full", "normal": "normal"}


class SqliteSession:
    """A transaction on one connection; one that failed takes no more statements."""

    dialect = "sqlite"
    __slots__ = ("_connection", "_execute", "_failure")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._failure: Exception | None = None

    def rows(self, query: Query, params: Params) -> Rows:
        if self._failure is not None:
            raise self._failure
        try:
            return self._execute(query.sqlite, params).fetchall()
        except (apsw.Error, OverflowError, UnicodeEncodeError) as error:
            failure = translate(error)
            self.fail(failure)
            raise failure from error

    def later(self, query: Query, params: Params) -> Callable[[], Rows]:
        rows = self.rows(query, params)
        return lambda: rows

    def script(self, text: str) -> None:
        self._connection.execute(text)

    def fail(self, error: Exception) -> None:
        self._failure = self._failure or error

    def settle(self) -> None:
        """Raise what went wrong, also if the unit swallowed it: half a unit is never kept."""
        if self._failure is not None:
            raise self._failure


class _Turn:
    """Holds the lock file; a class, because every unit of work enters one."""

    __slots__ = ("_ticket",)

    def __init__(self, ticket: int) -> None:
        self._ticket = ticket

    def __enter__(self) -> None:
        fcntl.flock(self._ticket, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._ticket, fcntl.LOCK_UN)


class SqliteEngine:
    """One file (or one database in memory)."""

    dialect = "sqlite"
    reads_inline = True

    def __init__(
        self, path: Path | None, *, durability: str = "full", key: FileKey | None = None
    ) -> None:
        require_safe_version()
        if durability not in SYNCHRONOUS:
            raise Invalid(
                f"durability {durability!r} is unknown", value=durability, remedy="full or normal"
            )
        self.path = path
        self.key = key
        self._durability = durability
        self._guard = Guard()
        self._idle: list[apsw.Connection] = []
        self.watchers: list[Callable[[], None]] = []
        self._background = Background(self._connect, self._move, self.wake_all)
        self._wal = Wal(self._background)
        self._ticket = None if path is None else _open_ticket(path, key)
        try:
            with translated(), self.turn():
                self._writer = self._connect()
        except BaseException:
            self._close_ticket()
            raise
        self._groups = WriteGroups(self, self.turn, self._committed, self._guard)

    # -- what the kernel calls

    def write(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        return self._groups.run(lambda: _settled(unit, self._writer))

    async def write_async(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        return await self._groups.submit(lambda: _settled(unit, self._writer))

    def read(self, subject: str, unit: Unit[T]) -> T:
        self._guard.check()
        if self.path is None:
            with self._groups.idle():
                return _read(unit, self._writer)
        connection = self._borrow()  # no context managers here: they took a fifth of a short read
        try:
            return _read(unit, connection)
        finally:
            self._give_back(connection)

    def administer(self, unit: Unit[T]) -> T:
        return self.write("", unit)

    @contextmanager
    def transaction(self, subject: str) -> Iterator[Session]:
        with self._groups.alone():
            session = SqliteSession(self._writer)
            yield session
            session.settle()

    def databases(self) -> Iterable[tuple[str, Engine]]:
        return (("", self),)

    def home(self, subject: str) -> AbstractContextManager[tuple[str, Engine]]:
        return nullcontext(("", self))

    def clean(self, subject: str, tables: Sequence[str]) -> Cleaned:
        return Cleaned() if self.path is None else clean(self, self.path, is_deep=bool(tables))

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        self.watchers.append(wake)
        if self.path is not None:
            self._background.poll()
        return lambda: self.watchers.remove(wake)

    def close(self) -> None:
        """Commit what is queued and close the file; a fork leaves it to the parent."""
        self._guard.refuse_nested()
        if self._guard.is_foreign:
            return
        self._groups.close()
        self._background.close()
        with translated():
            while self._idle:
                self._idle.pop().close()
            self._writer.close()
        self._close_ticket()

    def _close_ticket(self) -> None:
        if self._ticket is not None:
            os.close(self._ticket)
            self._ticket = None

    # -- what write groups call

    def command(self, word: str) -> None:
        self._writer.execute(word)

    def is_open(self) -> bool:
        return not self._writer.get_autocommit()

    def translate(self, error: Exception) -> Exception:
        return translate(error)

    def turn(self) -> AbstractContextManager[object]:
        """Wait for this process's turn: SQLite's own busy handler starves (measured 4.3 s)."""
        return nullcontext() if self._ticket is None else _Turn(self._ticket)

    # -- connections

    def copy_to(
        self, target: Path, progress: Callable[[int, int], None], *, key: FileKey | None = None
    ) -> None:
        """Copy the whole database while it is in use, page by page; with a key, encrypted by it."""
        with translated(), self._reader() as source, _snapshot(source):
            copy = apsw.Connection(str(target))
            try:
                if self.key is not None:
                    (key or self.key).unlock(copy)
                with copy.backup("main", source, "main") as backup:
                    while not backup.done:
                        backup.step(COPY_PAGES)
                        progress(backup.page_count - backup.remaining, backup.page_count)
                if self.key is None and key is not None:
                    key.encrypt(copy)
            finally:
                copy.close()

    def checkpoint(self, mode: int = apsw.SQLITE_CHECKPOINT_TRUNCATE) -> tuple[int, int]:
        """Move the WAL into the file; return its frames and how many were moved."""
        with translated(), self._reader() as connection:
            return connection.wal_checkpoint(mode=mode)

    def vacuum(self) -> None:
        """Write the whole file anew: no page keeps what was deleted from it."""
        with translated(), self._reader() as connection:
            connection.execute("vacuum")

    def _move(self) -> None:
        self.checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._wal.is_moved = True

    def pragma(self, text: str) -> Any:
        """Ask a reading connection for a setting."""
        with translated(), self._reader() as connection:
            return connection.pragma(text)

    def _connect(self) -> apsw.Connection:
        name = ":memory:" if self.path is None else str(self.path)
        connection = apsw.Connection(name, statementcachesize=STATEMENTS_CACHED)
        try:
            with explained(self.path, self.key):
                self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(BUSY_MS)
        if self.key is not None:
            self.key.unlock(connection)
        for setting, value in (
            ("journal_mode", "wal"),
            ("synchronous", SYNCHRONOUS[self._durability]),
            ("foreign_keys", "on"),
            ("mmap_size", 0),
            ("trusted_schema", "off"),
            ("secure_delete", "on"),
            ("journal_size_limit", WAL_PAGES_SOFT * 4096),
        ):
            connection.pragma(setting, value)
        connection.set_wal_hook(self._wal.grew)

    @contextmanager
    def _reader(self) -> Iterator[apsw.Connection]:
        if self.path is None:
            with self._groups.idle():
                yield self._writer
            return
        connection = self._borrow()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _borrow(self) -> apsw.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            with translated():
                return self._connect()

    def _give_back(self, connection: apsw.Connection) -> None:
        if len(self._idle) < IDLE_READERS_MAX and not self._guard.is_closed:
            self._idle.append(connection)
        else:
            connection.close()

    def _committed(self) -> None:
        self.wake_all()
        self._wal.committed(self._writer)

    def wake_all(self) -> None:
        """Tell every watcher that somebody committed."""
        for wake in list(self.watchers):
            wake()


def _settled(unit: Unit[T], connection: apsw.Connection) -> T:
    session = SqliteSession(connection)
    result = unit(session)
    session.settle()
    return result


@contextmanager
def _snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Keep one state in view: without it a backup begins again with each commit of a writer."""
    connection.execute("begin")
    try:
        connection.pragma("schema_version")
        yield
    finally:
        connection.execute("rollback")


def _read(unit: Unit[T], connection: apsw.Connection) -> T:
    """Run a unit against one snapshot."""
    try:
        connection.execute("begin")
        try:
            return _settled(unit, connection)
        finally:
            if not connection.get_autocommit():
                connection.execute("rollback")
    except apsw.Error as error:
        raise translate(error) from error


def _open_ticket(path: Path, key: FileKey | None) -> int:
    if not Path(f"{path}-turn").exists():
        require_readable(path, key)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return os.open(f"{path}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(
            f"{path} can not be opened ({error.strerror})", value=str(path), remedy="check the path"
        ) from None
