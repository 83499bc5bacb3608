"""Where a store under attack stands: how it is opened, edited without us, put away and put back."""

from __future__ import annotations

import atexit
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

import apsw
import psycopg

from tests.servers import PostgresServer, Servers

Params = Mapping[str, Any]


class Place(Protocol):
    """A database that nobody has open between two calls."""

    target: str

    def execute(self, statement: str, params: Params) -> Sequence[tuple[Any, ...]]:
        """Run a statement with the rights of whoever owns the disk."""
        ...

    def snapshot(self) -> None:
        """Put a complete copy away."""
        ...

    def restore(self) -> None:
        """Put that copy in the place of what is there now."""
        ...

    def remove(self) -> None:
        """Take everything away."""
        ...


class SqlitePlace:
    """A file."""

    def __init__(self) -> None:
        self._folder = Path(mkdtemp(prefix="perdure-agmi-"))
        self.target = str(self._folder / "store.db")
        self._copy = self._folder / "copy.db"

    def execute(self, statement: str, params: Params) -> Sequence[tuple[Any, ...]]:
        connection = apsw.Connection(self.target)
        try:
            connection.pragma("foreign_keys", 0)
            return connection.execute(statement, params).fetchall()
        finally:
            connection.close()

    def snapshot(self) -> None:
        shutil.copy(self.target, self._copy)

    def restore(self) -> None:
        shutil.copy(self._copy, self.target)

    def remove(self) -> None:
        shutil.rmtree(self._folder)


class PostgresPlace:
    """A database of a server that lives as long as this process."""

    def __init__(self) -> None:
        self._server = _server()
        self._name = self._server.create_database()
        self._copy = ""
        self.target = self._server.url(self._name)

    def execute(self, statement: str, params: Params) -> Sequence[tuple[Any, ...]]:
        named = re.sub(r":(\w+)", r"%(\1)s", statement)
        with psycopg.connect(self.target) as connection:
            connection.execute("set session_replication_role = replica")
            done = connection.execute(named.encode(), params)
            return done.fetchall() if done.description else []

    def snapshot(self) -> None:
        self._copy = self._server.create_database(template=self._name)

    def restore(self) -> None:
        self._server.drop_database(self._name)
        with self._server.admin() as admin:
            admin.execute(f"create database {self._name} template {self._copy}".encode())

    def remove(self) -> None:
        for name in filter(None, (self._name, self._copy)):
            self._server.drop_database(name)


@cache
def _server() -> PostgresServer:
    servers = Servers()
    atexit.register(servers.close)
    return servers.postgres()
