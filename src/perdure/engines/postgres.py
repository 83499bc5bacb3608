"""PostgreSQL 15 and newer through psycopg 3: one pool, pipelined transactions, row-level
security by subject.

A write takes the subject's advisory lock with its BEGIN, so units of work of one subject run one
after the other, as they do in a SQLite file. There is no session state: pgbouncer in transaction
mode works. No table is named here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import blake2b
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.types.string import TextLoader
from psycopg_pool import ConnectionPool, PoolTimeout

from perdure.errors import PerdureError, Unavailable
from perdure.kernel.engine import Cleaned, Engine, Params, Rows, Session, Unit
from perdure.kernel.queries import Query

from .guards import Guard
from .postgres_errors import is_passing, outcome, translate
from .postgres_vacuum import LEFT, vacuum

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.RawCursor[tuple[Any, ...]]

POOL_CONNECTIONS_MAX = 10
POOL_WAIT_SECONDS = 30.0
ATTEMPTS_MAX = 5
NOTIFY_SECONDS = 0.01
LISTEN_SECONDS = 0.25
CHANNEL = "perdure"
SERVER_MIN = 150_000
ROLES = {
    "app": "perdure_app",
    "service": "service_role",
    "reader": "perdure_reader",
    "owner": "perdure_owner",
    "login": "none",
}
AS_TEXT = ("json", "jsonb", "uuid")
MIGRATING = int.from_bytes(b"perdure!", "big", signed=True)


class PostgresSession:
    """A transaction on one connection; statements are sent together until a result is needed."""

    dialect = "postgres"
    __slots__ = ("_connection", "_failure", "_role")

    def __init__(self, connection: Connection, role: str) -> None:
        self._connection = connection
        self._role = role
        self._failure: Exception | None = None

    def rows(self, query: Query, params: Params) -> Rows:
        return self._fetch(self._execute(query, params))

    def later(self, query: Query, params: Params) -> Callable[[], Rows]:
        cursor = self._execute(query, params)
        return lambda: self._fetch(cursor)

    def script(self, text: str) -> None:
        self._connection.execute(text.encode())

    def fail(self, error: Exception) -> None:
        self._failure = self._failure or error

    def settle(self) -> None:
        """Raise what went wrong, also if the unit swallowed it: half a unit is never kept."""
        if self._failure is not None:
            raise self._failure

    def _execute(self, query: Query, params: Params) -> Cursor:
        self.settle()
        with self._told():
            if self._role and query.role != self._role:
                self._role = query.role
                _set_role(self._connection, query.role)
            cursor = psycopg.RawCursor(self._connection)
            return cursor.execute(query.numbered.encode(), [params[name] for name in query.names])

    def _fetch(self, cursor: Cursor) -> Rows:
        self.settle()
        with self._told():
            return _fetch(cursor)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell a unit of work our errors, not the driver's."""
        try:
            yield
        except (psycopg.Error, UnicodeEncodeError) as error:
            failure = translate(error)
            self.fail(failure)
            raise failure from error


class PostgresEngine:
    """One database behind a connection pool; ``role`` is the role its units of work begin in."""

    dialect = "postgres"
    reads_inline = False

    def __init__(self, url: str, *, role: str = "app") -> None:
        self._url, self._role = url, role
        self._guard = Guard()
        self._watchers: list[Callable[[], None]] = []
        self._news = _News(url, self._connection, self.wake_all)
        self._threads: ThreadPoolExecutor | None = None
        self.is_pooled = _probe(url)
        self._pool = ConnectionPool(
            url,
            connection_class=psycopg.Connection[tuple[Any, ...]],
            kwargs={"autocommit": True},
            min_size=1,
            max_size=POOL_CONNECTIONS_MAX,
            timeout=POOL_WAIT_SECONDS,
            configure=self._configure,
            open=True,
        )

    # -- what the kernel calls

    def write(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        self._guard.check()
        attempt = 0
        while True:
            attempt, state = attempt + 1, _State()
            try:
                with self._guard.unit(), self._open(subject, state, lock=True) as session:
                    result = unit(session)
            except (psycopg.Error, PerdureError) as error:
                may_repeat = is_repeatable or not state.is_committing
                self._repeat_or_raise(error, state, attempt, may_repeat=may_repeat)
            else:
                self._committed()
                return result

    async def write_async(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        import asyncio

        self._guard.check()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(POOL_CONNECTIONS_MAX, "perdure-postgres")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self.write(subject, unit, is_repeatable=is_repeatable)
        )

    def read(self, subject: str, unit: Unit[T]) -> T:
        self._guard.check()
        attempt = 0
        while True:
            attempt, state = attempt + 1, _State()
            try:
                with self._open(subject, state, lock=False) as session:
                    return unit(session)
            except (psycopg.Error, PerdureError) as error:
                self._repeat_or_raise(error, state, attempt, may_repeat=True)

    @contextmanager
    def transaction(self, subject: str) -> Iterator[Session]:
        self._guard.check()
        state = _State()
        try:
            with self._guard.unit(), self._open(subject, state, lock=True) as session:
                yield session
        except psycopg.Error as error:
            raise outcome(error, is_committing=state.is_committing) from error
        self._committed()

    def administer(self, unit: Unit[T]) -> T:
        self._guard.check()
        try:
            with (
                self._guard.unit(),
                self._pool.connection() as connection,
                connection.transaction(),
            ):
                connection.execute(LOCK, [MIGRATING])
                session = PostgresSession(connection, "")
                result = unit(session)
                session.settle()
                return result
        except psycopg.Error as error:
            raise translate(error) from error

    def databases(self) -> Iterable[tuple[str, Engine]]:
        return (("", self),)

    def home(self, subject: str) -> AbstractContextManager[tuple[str, Engine]]:
        return nullcontext(("", self))

    def clean(self, subject: str, tables: Sequence[str]) -> Cleaned:
        """Vacuum what this login may; the bytes of dead rows stay until they are written over."""
        self._guard.check()
        with self._pool.connection() as connection:
            vacuum(connection, tables)
        return Cleaned(not_reached=LEFT if tables else ())

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._watchers.append(wake)
        if not self.is_pooled:
            self._news.listen()
        return lambda: self._watchers.remove(wake)

    def close(self) -> None:
        """Wait for what is under way and close the pool; a fork leaves it to the parent."""
        self._guard.refuse_nested()
        if self._guard.is_foreign:
            return
        self._guard.is_closed = True
        self._news.close()
        if self._threads is not None:
            self._threads.shutdown()
        self._pool.close()

    # -- transactions

    @contextmanager
    def _open(self, subject: str, state: _State, *, lock: bool) -> Iterator[Session]:
        with self._pool.connection() as connection:
            try:
                with connection.pipeline():
                    connection.execute("begin" if lock else READ)
                    _set_role(connection, self._role)
                    if subject:
                        _set_subject(connection, subject)
                    if lock:
                        connection.execute(LOCK, [_lock_key(subject)])
                    session = PostgresSession(connection, self._role)
                    yield session
                    session.settle()
                    state.is_committing = lock
                    connection.execute("commit")
                state.is_committing = False
            except BaseException:
                _rollback(connection)
                raise

    def _repeat_or_raise(
        self, error: Exception, state: _State, attempt: int, *, may_repeat: bool
    ) -> None:
        """Return if another attempt may succeed; raise what the caller has to know otherwise."""
        driver = error.__cause__ if isinstance(error, PerdureError) else error
        if attempt == ATTEMPTS_MAX or not is_passing(driver, may_repeat=may_repeat):
            if driver is not error:
                raise error
            raise outcome(error, is_committing=state.is_committing) from error
        self._pool.check()

    def _connection(self) -> AbstractContextManager[Connection]:
        return self._pool.connection()

    def _committed(self) -> None:
        self.wake_all()
        self._news.tell()

    def wake_all(self) -> None:
        """Tell every watcher that somebody committed."""
        for wake in list(self._watchers):
            wake()

    def _configure(self, connection: Connection) -> None:
        for name in AS_TEXT:
            connection.adapters.register_loader(name, TextLoader)
        if self.is_pooled:
            connection.prepare_threshold = None


class _State:
    """How far a transaction came."""

    is_committing = False


class _News:
    """One notifier and one listener per process, both off the write path."""

    def __init__(
        self,
        url: str,
        pool: Callable[[], AbstractContextManager[Connection]],
        wake: Callable[[], None],
    ) -> None:
        self._url, self._pool, self._wake = url, pool, wake
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._wanted = threading.Event()
        self._stop = threading.Event()

    def tell(self) -> None:
        self._wanted.set()
        self._start("perdure-notify", self._notify)

    def listen(self) -> None:
        self._start("perdure-listen", self._listen)

    def close(self) -> None:
        self._stop.set()
        self._wanted.set()
        for thread in self._threads.values():
            thread.join()

    def _start(self, name: str, target: Callable[[], None]) -> None:
        if name in self._threads:
            return
        with self._lock:
            if name not in self._threads and not self._stop.is_set():
                self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
                self._threads[name].start()

    def _notify(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()  # before the look at stop: close() sets that first
            if self._stop.wait(NOTIFY_SECONDS):
                return
            # followers look again by themselves when a notification fails
            with contextlib.suppress(psycopg.Error, PoolTimeout), self._pool() as connection:
                connection.execute(f"notify {CHANNEL}")

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    connection.execute(f"listen {CHANNEL}")
                    self._hear(connection)
            except psycopg.Error:  # the server is away: followers look again by themselves
                self._stop.wait(LISTEN_SECONDS)

    def _hear(self, connection: Connection) -> None:
        while not self._stop.is_set():
            for _ in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                self._wake()


READ = "begin isolation level repeatable read read only"
LOCK = "select pg_advisory_xact_lock(%s)"


def _probe(url: str) -> bool:
    """Ask whether there is a server that is new enough, and whether a pooler stands before it."""
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            version = connection.info.server_version
            ((backend,),) = connection.execute("select pg_backend_pid()").fetchall()
            is_pooled = bool(backend != connection.info.backend_pid)
    except psycopg.Error as error:
        raise Unavailable(
            "PostgreSQL does not answer", value=str(error), remedy="check the URL and the server"
        ) from None
    if version < SERVER_MIN:
        raise Unavailable(
            f"PostgreSQL {version // 10_000} is too old", value=version, remedy="use 15 or newer"
        )
    return is_pooled  # a pooler answers with a process number of its own


def _set_role(connection: Connection, role: str) -> None:
    connection.execute(f"set local role {ROLES[role]}".encode())


def _set_subject(connection: Connection, subject: str) -> None:
    setting = sql.SQL("set local perdure.subject = {}").format(sql.Literal(subject))
    connection.execute(setting, prepare=False)


def _lock_key(subject: str) -> int:
    hashed = blake2b(subject.encode(), digest_size=8, person=b"perdure-lock").digest()
    return int.from_bytes(hashed, "big", signed=True)


def _fetch(cursor: Cursor) -> Rows:
    try:
        return cursor.fetchall()
    except psycopg.ProgrammingError:
        if cursor.pgresult is not None and cursor.description is None:
            return []
        raise


def _rollback(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error):  # a broken connection is replaced by the pool
        connection.rollback()
