"""Look at a store and its surroundings: what is well, what is not, and what to do about it.

Here everything is measured; ``checks`` holds the rules. Nothing is changed, but for a scratch
file beside a SQLite file that measures its disk.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar

from perdure import store as composition
from perdure.engines.folder import FolderEngine
from perdure.engines.sqlite import SqliteEngine
from perdure.errors import PerdureError
from perdure.kernel import log, migrations
from perdure.kernel.engine import Engine, Rows, Unit
from perdure.kernel.queries import Query
from perdure.store import Store

from . import checks
from .checks import Check
from .tables import statements

T = TypeVar("T")
FSYNCS = 20
SCRATCH_BYTES = 4096
PASSIVE = 0
MOUNTS = Path("/proc/self/mounts")
OTHERS = 0o077
ROLES = "perdure_app perdure_reader service_role"
SUFFIXES = ("", "-wal", "-shm", "-turn")

Measure = Callable[[], Iterator[Check]]


def doctor(store: Store) -> list[Check]:
    """Run every check that fits the engine; one that can not run is one that fails."""
    engine = store.engine
    if engine.dialect == "postgres":
        measures: list[Measure] = [lambda: _server(engine), lambda: _rights(engine)]
    else:
        measures = [lambda: _library(engine), lambda: _files(engine)]
    measures += [lambda: _schema(engine), lambda: _vault(store)]
    return [check for measure in measures for check in _run(measure)]


def _run(measure: Measure) -> Iterator[Check]:
    try:
        yield from measure()
    except PerdureError as error:
        yield Check(error.code, "fail", error.message, error.remedy)
    except OSError as error:
        yield Check("files", "fail", f"{error.filename}: {error.strerror}", "check permissions")


def _ask(engine: Engine, query: Query, **params: object) -> Rows:
    return _look(engine, lambda session: session.rows(query, params))


def _look(engine: Engine, unit: Unit[T]) -> T:
    """Look as the login itself: before the first migration there are no roles to take."""
    if engine.dialect == "postgres":
        return engine.administer(unit)
    return engine.read("", unit)


# -- SQLite


def _library(engine: Engine) -> Iterator[Check]:
    yield checks.one_library(sys.modules)
    for _, database in engine.databases():
        assert isinstance(database, SqliteEngine)
        ((version,),) = _ask(database, statements.sqlite_version)
        yield checks.sqlite_version(str(version))
        yield checks.journal_mode(str(database.pragma("journal_mode")))
        if database.path is not None:
            yield checks.synchronous(int(database.pragma("synchronous")))
            yield checks.oldest_reader(*database.checkpoint(PASSIVE))
        return  # all files of a folder are opened alike


def _files(engine: Engine) -> Iterator[Check]:
    paths = [path for path in _paths(engine) if path.exists()]
    if not paths:
        return
    place = paths[0].absolute().parent
    sizes = {path: path.stat().st_size for path in paths}
    yield checks.wal_size(max(size for path, size in sizes.items() if path.name.endswith("-wal")))
    yield checks.file_system(place.resolve(), MOUNTS.read_text() if MOUNTS.exists() else "")
    yield checks.permissions([path for path in paths if path.stat().st_mode & OTHERS])
    yield checks.free_space(shutil.disk_usage(place).free, sum(sizes.values()))
    yield checks.fsync_latency(_fsync_ms(place))


def _paths(engine: Engine) -> Iterator[Path]:
    if isinstance(engine, FolderEngine):
        bases = [engine.root / "core.db", *engine.root.glob("agents/*/memory.sqlite")]
    else:
        assert isinstance(engine, SqliteEngine)
        bases = [] if engine.path is None else [engine.path]
    for base in bases:
        yield from (Path(f"{base}{suffix}") for suffix in SUFFIXES)


def _fsync_ms(folder: Path) -> float:
    """Measure the disk on a scratch file beside the database."""
    scratch = folder / f".perdure-doctor-{os.getpid()}"
    handle = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        return median(_one_fsync_ms(handle) for _ in range(FSYNCS))
    finally:
        os.close(handle)
        scratch.unlink()


def _one_fsync_ms(handle: int) -> float:
    os.write(handle, bytes(SCRATCH_BYTES))
    begun = perf_counter()
    os.fsync(handle)
    return (perf_counter() - begun) * 1000


# -- both


def _schema(engine: Engine) -> Iterator[Check]:
    steps = migrations.discover(composition.PACKAGES, engine.dialect)
    labels: list[str] = []
    interrupted: list[str] = []
    for name, database in engine.databases():
        ((is_known,),) = _ask(database, log.statements.has_migrations)
        found = (
            _look(database, lambda session: migrations.status(session, steps))
            if is_known
            else [migrations.Step(step, is_applied=False) for step in steps]
        )
        labels += [step.migration.label for step in found if not step.is_applied]
        ((leftover,),) = _ask(database, statements.has_table, table="perdure_rebuild")
        interrupted += [name] if leftover else []
    yield checks.pending(list(dict.fromkeys(labels)))
    yield checks.leftovers(interrupted)


# -- the vault


def _vault(store: Store) -> Iterator[Check]:
    if store.keys is None:
        return
    from perdure.vault import Keyring
    from perdure.vault.status import status

    assert isinstance(store.keys, Keyring)
    found = status(store.keys)
    yield checks.one_epoch(found.epoch, len(found.keys_by_epoch), is_rotating=found.is_rotating)
    yield checks.nobody_half_forgotten(found.forgetting)
    if store.keys.engine.dialect == "sqlite":
        keys = [path for path in _paths(store.keys.engine) if path.exists()]
        yield checks.key_permissions([path for path in keys if path.stat().st_mode & OTHERS])
        yield checks.keys_apart(keys[0].resolve(), [path.resolve() for path in _places(store)])


def _places(store: Store) -> Iterator[Path]:
    """Give the folders that hold the data."""
    if isinstance(store.engine, FolderEngine):
        yield store.engine.root
    elif store.engine.dialect == "sqlite":
        yield from {path.absolute().parent for path in _paths(store.engine)}


# -- PostgreSQL


def _server(engine: Engine) -> Iterator[Check]:
    settings = {str(n): str(v) for n, v in _ask(engine, statements.server_settings)}
    yield checks.server_version(settings)
    yield checks.durable_server(settings)
    yield checks.encoding(settings)
    ((moment,),) = _ask(engine, statements.same_moment)
    yield checks.time_zone(settings.get("TimeZone"), moment)
    yield checks.pooler(is_pooled=bool(getattr(engine, "is_pooled", False)))


def _rights(engine: Engine) -> Iterator[Check]:
    ((login, is_super, is_exempt),) = _ask(engine, statements.login_rights)
    yield checks.login_rights(str(login), is_super=is_super, is_exempt=is_exempt)
    missing = [str(role) for (role,) in _ask(engine, statements.missing_roles, roles=ROLES)]
    yield checks.roles(missing, str(login))
    tables = [str(table) for (table,) in _ask(engine, statements.unguarded_tables)]
    yield checks.guarded(tables)
    ((can_set,),) = _ask(engine, statements.can_set_config)
    yield checks.fixed_subject(can_set=can_set)
