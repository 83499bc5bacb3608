"""Which engine serves a target: a table of how the target looks. The engines themselves are
imported only when used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from perdure.errors import Invalid
from perdure.kernel.engine import Engine

if TYPE_CHECKING:
    from .sqlite_atrest import FileKey

Prepare = Callable[[Engine], None]
KeySource = bytes | Callable[[], bytes]
POSTGRES = ("postgresql://", "postgres://")


def is_missing(target: str) -> bool:
    """Say whether opening this file would make it."""
    return not target.startswith(POSTGRES) and not Path(target).exists()


def engine_for(
    target: str,
    *,
    durability: str,
    prepare: Prepare,
    at_rest: KeySource | None = None,
) -> Engine:
    """Open the engine for ``memory:``, a postgresql:// URL, a folder (ends in /, or exists) or a
    file; ``at_rest`` is the key that files are encrypted with.
    """
    if not target:
        raise Invalid(
            "the target is empty", value=target, remedy="give a path or a postgresql:// URL"
        )
    if at_rest is not None and (target == "memory:" or target.startswith(POSTGRES)):
        raise Invalid(
            "at_rest encrypts files, and this target is none",
            remedy="leave it away; a vault seals what is personal on every engine",
        )
    if target.startswith(POSTGRES):
        return _prepared(_postgres(target), prepare)
    if target == "memory:":
        return _prepared(_sqlite(None, durability, None), prepare)
    if "://" in target:
        raise Invalid(
            f"no engine serves {target.split('://', maxsplit=1)[0]}://",
            value=target,
            remedy="give a path or a postgresql:// URL",
        )
    if target == ":memory:":
        raise Invalid("':memory:' would be a file", value=target, remedy="write 'memory:'")
    path = Path(target).absolute()  # the process may change its folder later
    key = None if at_rest is None else _file_key(at_rest)
    if target.endswith("/") or path.is_dir():
        from .folder import FolderEngine

        return FolderEngine(path, durability=durability, prepare=prepare, key=key)
    return _prepared(_sqlite(path, durability, key), prepare)


def engine_for_keys(target: str) -> Engine:
    """Open the engine of a key store: a file, or a database as the login itself."""
    if target.startswith(POSTGRES):
        return _postgres(target, role="login")
    if "://" in target or target == "memory:" or target.endswith("/") or Path(target).is_dir():
        raise Invalid(
            "a key store is a file or a database", value=target, remedy="give a path or a URL"
        )
    return _sqlite(Path(target).absolute(), "full", None)


def _prepared(engine: Engine, prepare: Prepare) -> Engine:
    try:
        prepare(engine)
    except BaseException:
        engine.close()
        raise
    return engine


def _sqlite(path: Path | None, durability: str, key: FileKey | None) -> Engine:
    from .sqlite import SqliteEngine

    return SqliteEngine(path, durability=durability, key=key)


def _file_key(source: KeySource) -> FileKey:
    from .sqlite_atrest import FileKey

    return FileKey(source)


def _postgres(url: str, role: str = "app") -> Engine:
    try:
        from .postgres import PostgresEngine
    except ModuleNotFoundError as error:
        raise Invalid(
            f"the module {error.name} is missing", value=error.name,
            remedy="pip install 'perdure[postgres]'",
        ) from None  # fmt: skip
    return PostgresEngine(url, role=role)
