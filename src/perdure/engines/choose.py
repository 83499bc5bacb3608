"""Which engine serves a target: a table of how the target looks. The engines themselves are
imported only when used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from perdure.errors import Invalid
from perdure.kernel.engine import Engine

Prepare = Callable[[Engine], None]
POSTGRES = ("postgresql://", "postgres://")


def is_missing(target: str) -> bool:
    """Say whether opening this file would make it."""
    return not target.startswith(POSTGRES) and not Path(target).exists()


def engine_for(target: str, *, durability: str, prepare: Prepare | None) -> Engine:
    """Open the engine for ``memory:``, a postgresql:// URL, a folder (ends in /, or exists) or a
    file.
    """
    if not target:
        raise Invalid(
            "the target is empty", value=target, remedy="give a path or a postgresql:// URL"
        )
    if target.startswith(POSTGRES):
        return _prepared(_postgres(target), prepare)
    if target == "memory:":
        return _prepared(_sqlite(None, durability), prepare)
    if "://" in target:
        raise Invalid(
            f"no engine serves {target.split('://', maxsplit=1)[0]}://",
            value=target,
            remedy="give a path or a postgresql:// URL",
        )
    if target == ":memory:":
        raise Invalid("':memory:' would be a file", value=target, remedy="write 'memory:'")
    path = Path(target).absolute()  # the process may change its folder later
    if target.endswith("/") or path.is_dir():
        from .folder import FolderEngine

        return FolderEngine(path, durability=durability, prepare=prepare)
    return _prepared(_sqlite(path, durability), prepare)


def _prepared(engine: Engine, prepare: Prepare | None) -> Engine:
    if prepare is not None:
        try:
            prepare(engine)
        except BaseException:
            engine.close()
            raise
    return engine


def _sqlite(path: Path | None, durability: str) -> Engine:
    from .sqlite import SqliteEngine

    return SqliteEngine(path, durability=durability)


def _postgres(url: str) -> Engine:
    try:
        from .postgres import PostgresEngine
    except ModuleNotFoundError as error:
        raise Invalid(
            f"the module {error.name} is missing", value=error.name,
            remedy="pip install 'perdure[postgres]'",
        ) from None  # fmt: skip
    return PostgresEngine(url)
