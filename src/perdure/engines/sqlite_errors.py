"""What apsw's errors are called here, and which SQLite is refused. Nothing here opens a file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from perdure.errors import (
    Conflict,
    Forbidden,
    Forgotten,
    Internal,
    Invalid,
    PerdureError,
    Tampered,
    TooLarge,
    Unavailable,
)

logger = logging.getLogger("perdure")

FORGOTTEN = "PD002"  # what the log's trigger raises, and the name of the same on PostgreSQL
_ERRORS: tuple[tuple[type[Exception], type[PerdureError], str, str], ...] = (
    (apsw.FullError, Unavailable, "the disk is full", "make space and retry"),
    (apsw.BusyError, Unavailable, "another process holds the file", "retry"),
    (apsw.IOError, Unavailable, "the disk refused a read or a write", "check it and retry"),
    (apsw.CantOpenError, Unavailable, "the file can not be opened", "check path and permissions"),
    (apsw.ReadOnlyError, Forbidden, "the file is read-only", "check its permissions"),
    (apsw.PermissionsError, Forbidden, "the file may not be read", "check its permissions"),
    (apsw.CorruptError, Tampered, "the file is damaged", "restore a copy"),
    (apsw.NotADBError, Tampered, "the file is no SQLite database", "check the path"),
    (apsw.TooBigError, TooLarge, "a value is too big for SQLite", "split it"),
    (apsw.ConstraintError, Conflict, "a rule of the schema was broken", "read again and retry"),
    (apsw.InterruptError, Unavailable, "the statement was interrupted", "retry"),
)


def translate(error: Exception) -> Exception:
    """Turn apsw's error into ours; an unknown one is told to the operator, not to the caller."""
    if isinstance(error, (OverflowError, UnicodeEncodeError)):
        return Invalid("SQLite can not keep a value", remedy="use UTF-8 and at most 64 bits")
    if not isinstance(error, apsw.Error):
        return error
    if isinstance(error, apsw.SQLError) and str(error).startswith("no such table"):
        return Unavailable("the schema is missing", remedy="run 'perdure migrate up'")
    if isinstance(error, apsw.ConstraintError) and FORGOTTEN in str(error):
        return Forgotten(
            "this subject was forgotten", remedy="nothing can be written for it any more"
        )
    for theirs, ours, message, remedy in _ERRORS:
        if isinstance(error, theirs):
            return ours(message, value=str(error), remedy=remedy)
    logger.error("unexpected error of SQLite: %s", type(error).__name__, exc_info=error)
    return Internal("SQLite failed in an unexpected way", remedy="see the log of 'perdure'")


def require_safe_version(version: str = apsw.sqlite_lib_version()) -> None:
    """Refuse a SQLite with the WAL-reset bug."""
    number = tuple(int(part) for part in version.split("."))
    if not (
        number >= (3, 51, 3) or (3, 50, 7) <= number < (3, 51) or (3, 44, 6) <= number < (3, 45)
    ):
        raise Unavailable(
            f"SQLite {version} can corrupt WAL databases", remedy="install apsw 3.51.3 or newer"
        )


@contextmanager
def translated() -> Iterator[None]:
    """Raise our errors instead of apsw's."""
    try:
        yield
    except apsw.Error as error:
        raise translate(error) from error
