"""What psycopg's errors are called here, and which of them pass by themselves.

Nothing here talks to a server.
"""

from __future__ import annotations

import logging

import psycopg
from psycopg_pool import PoolTimeout

from perdure.errors import (
    Conflict,
    Forbidden,
    Forgotten,
    Internal,
    Invalid,
    PerdureError,
    TooLarge,
    Unavailable,
)

logger = logging.getLogger("perdure")

_ERRORS: tuple[tuple[str, type[PerdureError], str, str], ...] = (
    ("PD002", Forgotten, "this subject was forgotten", "nothing can be written for it any more"),
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
    if isinstance(error, UnicodeEncodeError):
        return Invalid("a text is not UTF-8", value=error.start, remedy="remove lone surrogates")
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
    if state is None and isinstance(error, psycopg.DataError):
        return Invalid("PostgreSQL refuses a value", value=str(error), remedy="see the value")
    logger.error("unexpected error of PostgreSQL: %s %s", type(error).__name__, state)
    return Internal("PostgreSQL failed in an unexpected way", value=state, remedy="see its log")


def is_passing(error: BaseException | None, *, may_repeat: bool) -> bool:
    """Say whether the same unit may succeed in another attempt."""
    if not isinstance(error, psycopg.Error):
        return False
    return error.sqlstate in ("40001", "40P01") or (may_repeat and _is_lost(error))


def outcome(error: Exception, *, is_committing: bool) -> Exception:
    """Translate the error of a unit; a lost commit has an outcome that nobody knows."""
    if is_committing and _is_lost(error):
        return Unavailable(
            "the connection was lost during the commit, whose outcome is unknown",
            remedy="repeat it under an idempotency key: subject.once(key)",
        )
    return translate(error)


def _is_lost(error: Exception) -> bool:
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, PoolTimeout):
        return False
    state = error.sqlstate
    return state is None or state in ("57P01", "57P02", "57P03") or state.startswith("08")
