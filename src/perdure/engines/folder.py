"""One SQLite file per subject under ``agents/``, and ``core.db`` for what belongs to nobody in
particular.

A subject's name is never part of a path: the folder is named by its hash. Only so many files are
open at once; the one used longest ago is closed first, never one in use.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from perdure.errors import Tampered, Unavailable
from perdure.kernel import forgetting
from perdure.kernel.engine import Cleaned, Engine, Session, Unit

from .guards import Guard
from .shredding import settle, shred_all
from .sqlite import SqliteEngine
from .sqlite_background import POLL_SECONDS

if TYPE_CHECKING:
    import asyncio

    from .sqlite_atrest import FileKey

T = TypeVar("T")
FILES_OPEN_MAX = 64
CORE = "core"
FILE, GONE = "memory.sqlite", "memory.sqlite-gone"
USED_SECONDS_MAX = 10.0
Prepare = Callable[[Engine], None]


def folder_name(subject: str) -> str:
    """Name a subject's folder: 32 hexadecimal digits, whatever the subject is called."""
    return blake2b(subject.encode(), digest_size=16, person=b"perdure-folder").hexdigest()


class FolderEngine:
    """Routes each unit of work to the file of its subject."""

    dialect = "sqlite"
    reads_inline = True

    def __init__(
        self,
        root: Path,
        *,
        durability: str,
        prepare: Prepare | None,
        key: FileKey | None = None,
    ) -> None:
        self.root = root
        self._key = key
        self._durability = durability
        self._prepare = prepare
        self._lock = threading.RLock()
        self._open: OrderedDict[str, SqliteEngine] = OrderedDict()
        self._uses: dict[str, int] = {}
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
        self._gates = WeakKeyDictionary()
        self._watchers: list[Callable[[], None]] = []
        self._poller: threading.Thread | None = None
        self._is_closed = threading.Event()
        self._guard = Guard()
        with self._use(CORE):
            pass

    def write(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        with self._use(_key(subject), subject) as engine:
            return engine.write(subject, self._guard.around(unit))

    async def write_async(self, subject: str, unit: Unit[T], *, is_repeatable: bool = False) -> T:
        import asyncio

        loop = asyncio.get_running_loop()
        if loop not in self._gates:
            self._gates[loop] = asyncio.Semaphore(FILES_OPEN_MAX)
        async with self._gates[loop]:
            with self._use(_key(subject), subject) as engine:
                return await engine.write_async(subject, self._guard.around(unit))

    def read(self, subject: str, unit: Unit[T]) -> T:
        """Read a subject's file; where there is none, the empty core answers and none is made."""
        key = _key(subject)
        if not self._path(key).exists():
            key = CORE
        with self._use(key, subject) as engine:
            return engine.read(subject, unit)

    def administer(self, unit: Unit[T]) -> T:
        """Change the schema of every file; the last result is returned."""
        results = [engine.administer(unit) for _, engine in self.databases()]
        return results[-1]

    @contextmanager
    def transaction(self, subject: str) -> Iterator[Session]:
        with (
            self._use(_key(subject), subject) as engine,
            engine.transaction(subject) as session,
            self._guard.unit(),
        ):
            yield session

    def databases(self) -> Iterable[tuple[str, Engine]]:
        """Give every file of the folder with its name, one at a time."""
        agents = (path.parent.name for path in (self.root / "agents").glob(f"*/{FILE}"))
        for key in (CORE, *sorted(agents)):
            with self._use(key) as engine:
                yield key, engine

    @contextmanager
    def home(self, subject: str) -> Iterator[tuple[str, Engine | None]]:
        key = _key(subject)
        if not self._path(key).exists():
            yield key, None
            return
        try:
            with self._use(key) as engine:
                yield key, engine
        except Tampered:
            if self._path(key).exists():
                raise
            raise Unavailable(
                "another process is removing the file of this subject", remedy="retry"
            ) from None

    def clean(self, subject: str, tables: Sequence[str]) -> Cleaned:
        """Overwrite and remove the subject's file; who has it open sees that it is gone."""
        key = _key(subject)
        self._withdraw(key)
        folder = self._path(key).parent
        with suppress(FileNotFoundError):  # a run that was killed had renamed it
            self._path(key).rename(folder / GONE)
            settle(folder)
        if folder.exists():
            shred_all(folder)
        return Cleaned(removed=(key,))

    def _withdraw(self, key: str) -> None:
        """Close a file once nobody in this process is using it."""
        deadline = time.monotonic() + USED_SECONDS_MAX
        while True:
            with self._lock:
                if key not in self._uses:
                    if key in self._open:
                        self._open.pop(key).close()
                    return
            if time.monotonic() > deadline:
                raise Unavailable(
                    "a unit of work still uses the subject's file", remedy="end it, then retry"
                )
            time.sleep(POLL_SECONDS)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._watchers.append(wake)
            if self._poller is None:
                self._poller = threading.Thread(
                    target=self._poll, name="perdure-watch", daemon=True
                )
                self._poller.start()
        return lambda: self._watchers.remove(wake)

    def close(self) -> None:
        """Commit what is queued and close every file; a fork leaves them to the parent."""
        self._guard.refuse_nested()
        if self._guard.is_foreign:
            return
        self._guard.is_closed = True
        self._is_closed.set()
        if self._poller is not None:
            self._poller.join()
        with self._lock:
            engines = list(self._open.values())
            self._open.clear()
        for engine in engines:
            engine.close()

    @contextmanager
    def _use(self, key: str, subject: str = "") -> Iterator[SqliteEngine]:
        engine = self._take(key, subject)
        try:
            yield engine
        except (Tampered, Unavailable):
            self._refuse_forgotten(key, subject)
            raise
        finally:
            with self._lock:
                self._uses[key] -= 1
                if not self._uses[key]:
                    del self._uses[key]
                self._close_surplus()

    def _take(self, key: str, subject: str) -> SqliteEngine:
        self._guard.check()
        with self._lock:
            self._guard.refuse_closed()  # meanwhile
            if key not in self._open or not self._path(key).exists():
                self._refuse_forgotten(key, subject)
            if key not in self._open:
                self._open[key] = self._opened(key, subject)
            self._open.move_to_end(key)
            self._uses[key] = self._uses.get(key, 0) + 1
            return self._open[key]

    def _close_surplus(self) -> None:
        """Close the files used longest ago; while all are in use, more than the limit stay open."""
        unused = [key for key in self._open if key not in self._uses]
        for key in unused[: max(0, len(self._open) - FILES_OPEN_MAX)]:
            self._open.pop(key).close()

    def _refuse_forgotten(self, key: str, subject: str) -> None:
        """Ask the core whether a subject may have a file; an engine without a schema has none."""
        if subject and key != CORE and self._prepare is not None:
            forgetting.refuse(self, subject)

    def _path(self, key: str) -> Path:
        if key == CORE:
            return self.root / "core.db"
        return self.root / "agents" / key / FILE

    def _opened(self, key: str, subject: str) -> SqliteEngine:
        path = self._path(key)
        is_new = not path.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(
                f"{path.parent} can not be made ({error.strerror})", remedy="check the folder"
            ) from None
        engine = SqliteEngine(path, durability=self._durability, key=self._key)
        engine.watchers.append(self._wake)
        if self._prepare is not None:
            try:
                self._prepare(engine)
                if is_new:
                    self._refuse_forgotten(key, subject)  # meanwhile
            except BaseException:
                engine.close()
                raise
        return engine

    def _poll(self) -> None:
        """Notice the writes of other processes: their WAL files change."""
        seen: dict[str, tuple[int, int]] = {}
        has_changed = False
        while not self._is_closed.wait(POLL_SECONDS):
            found = dict(self._changes())
            if found != seen or has_changed:  # once more: a commit in the same tick shows nothing
                self._wake()
            seen, has_changed = found, found != seen

    def _changes(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for wal in (self.root / "core.db-wal", *(self.root / "agents").glob(f"*/{FILE}-wal")):
            with suppress(OSError):  # it was closed between the look and the stat
                state = wal.stat()
                yield str(wal), (state.st_mtime_ns, state.st_size)

    def _wake(self) -> None:
        for wake in list(self._watchers):
            wake()


def _key(subject: str) -> str:
    return folder_name(subject) if subject else CORE
