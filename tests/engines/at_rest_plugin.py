"""Every SQLite file that a test opens is encrypted: ``pytest -p tests.engines.at_rest_plugin``."""

from __future__ import annotations

from functools import wraps
from pathlib import Path

from perdure.engines.sqlite import SqliteEngine
from perdure.engines.sqlite_atrest import FileKey

KEY = FileKey(bytes(range(32)))
_open = SqliteEngine.__init__


@wraps(_open)
def _encrypted(
    self: SqliteEngine,
    path: Path | None,
    *,
    durability: str = "full",
    key: FileKey | None = None,
) -> None:
    _open(self, path, durability=durability, key=key if path is None else key or KEY)


SqliteEngine.__init__ = _encrypted  # type: ignore[method-assign]
