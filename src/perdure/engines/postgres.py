"""PostgreSQL 15 and newer through psycopg 3: one pool, pipelined transactions, row-level
security by subject.

A write takes the subject's advisory lock with its BEGIN, so units of work of one subject run one
after the other, as they do in a SQLite file. There is no session state: pgbouncer in transaction
mode works. No table is named here.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.types.string import TextLoader
from psycopg_pool import ConnectionPool, PoolTimeout

from perdure.errors import (
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    PerdureError,
    TooLarge,
    Unavailable,
)
from perdure.kernel.engine import Engine, Params, Rows, Session, Unit
from perdure.kernel.queries import Query

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]
logger = logging.getLogger("perdure")

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

_ERRORS: tuple[tuple[str, type[PerdureError], str, str], ...] = (
    ("42501", Forbidden, "the database refuses this role", "see docs/data-layout.md, roles"),
    ("42P01", Unavailable, "the schema is missing", "run 'perdure migrate up'"),
    ("42883", Unavailable, "the schema is missing", "run 'perdure migrate up'"),
    ("23", Conflict, "a rule of the schema was broken", "read again and retry"),
    ("40", Conflict, "other transactions were in the way", "retry"),
    ("22", Invalid, "PostgreSQL refuses a value", "see the value"),
    ("54", TooLarge, "a value is too big for PostgreSQL", "split it"),
    ("53", Unavailable, "PostgreSQL has no room", "make space or raise its limits, then retry"),
    ("55", Unavailable, "PostgreSQL is not ready for this", "retry"),
    ("57", Unavailable, "PostgreSQL is shutting down or cancelled this", "retry"),
    ("58", Unavailable, "PostgreSQL's disk refused", "check the server, then retry"),
    ("08", Unavailable, "the connection to PostgreSQL was lost", "retry"),
)


def translate(error: Exception) -> Exception:
    """Turn psycopg's error into ours; an unknown one is told to the operator, not to the caller."""
    if isinstance(error, PoolTimeout):
        return Unavailable("no connection to PostgreSQL became free", remedy="retry")
    if not isinstance(error, psycopg.Error):
        return error
    state, diagnosis = error.sqlstate, error.diag
    if state == "PD001":
        message, remedy = str(diagnosis.message_primary), str(diagnosis.message_hint)
        return Conflict(message, value=int(diagnosis.message_detail or 0), remedy=remedy)
    for prefix, ours, message, remedy in _ERRORS:
        if state is not None and state.startswith(prefix):
            return ours(message, value=state, remedy=remedy)
    if state is None and isinstance(error, psycopg.OperationalError):
        return Unavailable("the connection to PostgreSQL was lost", remedy="retry")
    logger.error("unexpected error of PostgreSQL: %s %s", type(error).__name__, state)
    return Internal("PostgreSQL failed in an unexpected way", value=state, remedy="see its log")


class PostgresSession:
    """A transaction on one connection; statements are sent together until a result is needed."""

    dialect = "postgres"
    __slots__ = ("_connection", "_role")

    def __init__(self, connection: Connection, role: str) -> None:
        self._connection = connection
        self._role = role

    def rows(self, query: Query, params: Params) -> Rows:
        return _fetch(self._execute(query, params))

    def later(self, query: Query, params: Params) -> Callable[[], Rows]:
        cursor = self._execute(query, params)
        return lambda: _fetch(cursor)

    def script(self, text: str) -> None:
        self._connection.execute(text.encode())

    def _execute(self, query: Query, params: Params) -> psycopg.RawCursor[tuple[Any, ...]]:
        if self._role and query.role != self._role:
            self._role = query.role
            _set_role(self._connection, query.role)
        cursor = psycopg.RawCursor(self._connection)
        return cursor.execute(query.numbered.encode(), [params[name] for name in query.names])


class PostgresEngine:
    """One database behind a connection pool."""

    dialect = "postgres"
    reads_inline = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_pooled = False
        self._watchers: list[Callable[[], None]] = []
        self._news = _News(url, self._connection, self.wake_all)
        self._threads: ThreadPoolExecutor | None = None
        _probe(url)
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
        for attempt in range(1, ATTEMPTS_MAX + 1):
            state = _State()
            try:
                with self._open(subject, state, lock=True) as session:
                    result = unit(session)
            except psycopg.Error as error:
                may_repeat = is_repeatable or not state.is_committing
                if attempt == ATTEMPTS_MAX or not _is_passing(error, may_repeat=may_repeat):
                    raise _outcome(error, state) from error
                self._replace_broken(error)
            else:
                self._committed()
                return result
        raise AssertionError("the loop returns or raises")

    async def write_async(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        import asyncio

        if self._threads is None:
            self._threads = ThreadPoolExecutor(POOL_CONNECTIONS_MAX, "perdure-postgres")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self.write(subject, unit, is_repeatable=is_repeatable)
        )

    def read(self, subject: str, unit: Unit[T]) -> T:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                with self._open(subject, _State(), lock=False) as session:
                    return unit(session)
            except psycopg.Error as error:
                if attempt == ATTEMPTS_MAX or not _is_passing(error, may_repeat=True):
                    raise translate(error) from error
                self._replace_broken(error)
        raise AssertionError("the loop returns or raises")

    @contextmanager
    def transaction(self, subject: str) -> Iterator[Session]:
        state = _State()
        try:
            with self._open(subject, state, lock=True) as session:
                yield session
        except psycopg.Error as error:
            raise _outcome(error, state) from error
        self._committed()

    def administer(self, unit: Unit[T]) -> T:
        try:
            with self._pool.connection() as connection, connection.transaction():
                connection.execute("select pg_advisory_xact_lock(%s)", [MIGRATING])
                return unit(PostgresSession(connection, ""))
        except (psycopg.Error, PoolTimeout) as error:
            raise translate(error) from error

    def databases(self) -> Iterable[tuple[str, Engine]]:
        return (("", self),)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._watchers.append(wake)
        if not self._is_pooled:
            self._news.listen()
        return lambda: self._watchers.remove(wake)

    def close(self) -> None:
        self._news.close()
        if self._threads is not None:
            self._threads.shutdown()
        self._pool.close()

    # -- transactions

    @contextmanager
    def _open(self, subject: str, state: _State, *, lock: bool) -> Iterator[Session]:
        try:
            pooled = self._pool.connection()
        except PoolTimeout as error:
            raise translate(error) from None
        with pooled as connection:
            try:
                with connection.pipeline():
                    connection.execute("begin" if lock else READ)
                    _set_role(connection, "app")
                    if subject:
                        _set_subject(connection, subject)
                    if lock:
                        connection.execute(LOCK, [_lock_key(subject)])
                    yield PostgresSession(connection, "app")
                    state.is_committing = lock
                    connection.execute("commit")
                state.is_committing = False
            except BaseException:
                _rollback(connection)
                raise

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
        ((backend,),) = connection.execute("select pg_backend_pid()").fetchall()
        if backend != connection.info.backend_pid:  # a pooler answers with a number of its own
            self._is_pooled = True
            connection.prepare_threshold = None

    def _replace_broken(self, error: psycopg.Error) -> None:
        if isinstance(error, psycopg.OperationalError):
            self._pool.check()


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
        while self._wanted.wait():
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


def _probe(url: str) -> None:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        raise Unavailable(
            "PostgreSQL does not answer", value=str(error), remedy="check the URL and the server"
        ) from None
    if version < SERVER_MIN:
        raise Unavailable(
            f"PostgreSQL {version // 10_000} is too old", value=version, remedy="use 15 or newer"
        )


def _set_role(connection: Connection, role: str) -> None:
    connection.execute(f"set local role {ROLES[role]}".encode())


def _set_subject(connection: Connection, subject: str) -> None:
    setting = sql.SQL("set local perdure.subject = {}").format(sql.Literal(subject))
    connection.execute(setting, prepare=False)


def _lock_key(subject: str) -> int:
    hashed = blake2b(subject.encode(), digest_size=8, person=b"perdure-lock").digest()
    return int.from_bytes(hashed, "big", signed=True)


def _fetch(cursor: psycopg.RawCursor[tuple[Any, ...]]) -> Rows:
    try:
        return cursor.fetchall()
    except psycopg.ProgrammingError:
        if cursor.pgresult is not None and cursor.description is None:
            return []
        raise


def _rollback(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error):  # a broken connection is replaced by the pool
        connection.rollback()


def _is_passing(error: psycopg.Error, *, may_repeat: bool) -> bool:
    if error.sqlstate in ("40001", "40P01"):
        return True
    lost = isinstance(error, psycopg.OperationalError) and (
        error.sqlstate is None or error.sqlstate in ("57P01", "57P02", "57P03")
        or error.sqlstate.startswith("08")
    )  # fmt: skip
    return lost and may_repeat


def _outcome(error: psycopg.Error, state: _State) -> Exception:
    translated = translate(error)
    if state.is_committing and isinstance(translated, Unavailable):
        return Unavailable(
            "the connection was lost during the commit, whose outcome is unknown",
            remedy="repeat it under an idempotency key: subject.once(key)",
        )
    return translated
