"""Vacuuming the tables that rows were deleted from, as far as the login may."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

LEFT = (
    "dead rows on pages of PostgreSQL, until they are written over",
    "the write-ahead log of PostgreSQL, its archive and its replicas",
)


def vacuum(connection: psycopg.Connection[tuple[Any, ...]], tables: Sequence[str]) -> None:
    """Make dead rows unreachable; whose table it is not, PostgreSQL warns and skips it."""
    for table in tables:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("vacuum {}").format(sql.Identifier(table)))
