"""Where a flock lives: a file, a folder or a PostgreSQL cluster, with its vault and all that is
made of it (copies, dumps, logs), so that a scan knows every place.
"""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import psycopg
from psycopg import sql

import perdure
from perdure import ops
from perdure.engines.choose import engine_for_keys
from perdure.vault import KeyFile, Keyring, Vault, copying
from tests.canary import controls
from tests.canary.forms import Marker
from tests.canary.scan import Control
from tests.servers import PostgresServer, Servers, postgres_bin

SQLITE_MAGIC = b"SQLite format 3\0"
COPIES = 6  # of a planted row: a page of PostgreSQL's WAL may end in the middle of one
PARTS = "data keys aside logs temp live".split()


class Nest:
    """A SQLite file in a folder of its own."""

    data = "data/store.db"

    def __init__(self, folder: Path, *, is_sealed: bool) -> None:
        self.folder = folder
        for part in PARTS:
            (folder / part).mkdir(parents=True)
        self.target = f"{folder}/{self.data}"
        self.copied = str(folder / "aside" / "copy")
        self.old_keys = folder / "aside" / "keys.db"
        self.vault: Vault | None = None
        if is_sealed:
            master = KeyFile(folder / "keys" / "master.key")
            self.vault = Vault(self.key_store(), master=master, create=True)

    def key_store(self) -> str:
        """Say where the keys go."""
        return str(self.folder / "keys" / "keys.db")

    @property
    def roots(self) -> list[Path]:
        """Name everything that is to be scanned."""
        return [self.folder]

    def open(self, target: str = "") -> perdure.Store:
        """Open the store, or a copy of it, with the vault as it is now."""
        return perdure.open(target or self.target, vault=self.vault)

    def put_aside(self, store: perdure.Store) -> None:
        """Make copies to be opened later, and look at the files as a running store has them.

        Another process copies them: closing a file here would drop the store's own locks.
        """
        ops.copy(store, self.copied)
        self.copy_keys(store)
        command = ["cp", "-a", *(str(self.folder / part) for part in ("data", "keys"))]
        subprocess.run([*command, str(self.folder / "live")], check=True)

    def copy_keys(self, store: perdure.Store) -> None:
        """Copy the key store as it is now."""
        if isinstance(store.keys, Keyring):
            copying.copy(store.keys, self.old_keys, engine_for_keys)

    def open_with_old_keys(self) -> perdure.Store:
        """Open the copy of the store with the copy of the keys, and the master key as it is now."""
        assert self.vault is not None
        return perdure.open(self.copied, vault=Vault(self.old_keys, master=self.vault.master))

    def wrapped_keys(self) -> list[bytes]:
        """Give every wrapped key of a key store in a file; a PostgreSQL keeps old rows in its WAL,
        where the master key they were wrapped by is what has to be gone.
        """
        if not (self.folder / "keys" / "keys.db").exists():
            return []
        connection = apsw.Connection(self.key_store())
        try:
            return [key for (key,) in connection.execute("select wrapped from perdure_vault_keys")]
        finally:
            connection.close()

    def begin_scan(self, marker: Marker) -> list[Control]:
        """Plant controls beside and inside everything; nothing has the files open."""
        files = controls.plant(self.folder, marker)
        for root in self.roots:
            files += controls.plant_kinds(root, marker)
        self._planted = [Path(one.under) for one in files]
        databases = [path for path in self.folder.rglob("*") if _is_database(path)]
        return files + [_plant_row(path, marker) for path in databases]

    def end_scan(self) -> None:
        """Take the planted files away and make the store usable again."""
        for path in self._planted:
            path.unlink()

    def close(self) -> None:
        """Let go of everything."""


class FolderNest(Nest):
    """A folder with a file for each subject."""

    data = "data/store/"


class PostgresNest(Nest):
    """A cluster of its own, which logs every statement; the keys have a database of their own."""

    def __init__(self, folder: Path, *, is_sealed: bool) -> None:
        self._servers = Servers()
        settings = "log_statement=all", "log_min_duration_statement=0", "log_min_messages=debug1"
        self._server: PostgresServer = self._servers.postgres(settings=settings)
        super().__init__(folder, is_sealed=is_sealed)
        self._database = self._server.create_database()
        self.target = self._server.url(self._database)

    def key_store(self) -> str:
        return self._server.url(self._server.create_database())

    @property
    def roots(self) -> list[Path]:
        return [self.folder, self._server.folder]

    def put_aside(self, store: perdure.Store) -> None:
        dump = str(postgres_bin() / "pg_dump")
        aside = self.folder / "aside"
        for kind, name in (("custom", "dump"), ("plain", "dump.sql")):
            command = [dump, f"--format={kind}", f"--file={aside / name}", self.target]
            subprocess.run(command, check=True)
        name = self._server.create_database()
        self.copied = self._server.url(name)
        restore = [str(postgres_bin() / "pg_restore"), "--dbname", self.copied]
        subprocess.run([*restore, str(aside / "dump")], check=True)
        self.copy_keys(store)

    def begin_scan(self, marker: Marker) -> list[Control]:
        """Plant rows as well, have them in the log of statements, and stop the server."""
        planted = self._plant_rows(marker)
        self._server.stop()
        return super().begin_scan(marker) + planted

    def end_scan(self) -> None:
        super().end_scan()
        self._server.start()

    def close(self) -> None:
        self._servers.close()

    def _plant_rows(self, marker: Marker) -> list[Control]:
        base, wal = (str(self._server.data / part) for part in ("base", "pg_wal"))
        with psycopg.connect(self.target, autocommit=True) as connection:
            run = partial(_run, connection)
            run("create table if not exists canary_controls (raw bytea, said text)")
            rows = list(controls.written(marker))
            for _, _, content in rows * COPIES:
                run("insert into canary_controls (raw) values (%s)", content)
            planted = [Control(row[1], row[0], place) for row in rows for place in (base, wal)]
            packed, said = marker.core(), marker.core()
            run("insert into canary_controls (said) values (%s)", f"{packed}{'so it is. ' * 900}")
            connection.execute(sql.SQL("select {}").format(sql.Literal(said)))
            run("checkpoint")
        planted.append(Control(packed, "pglz", base))
        return [*planted, Control(said, "utf-8", str(self._server.log))]


NESTS: dict[str, type[Nest]] = {"sqlite": Nest, "folder": FolderNest, "postgres": PostgresNest}


def _run(connection: psycopg.Connection[Any], statement: str, *params: object) -> None:
    connection.execute(statement.encode(), params)


def _is_database(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _plant_row(path: Path, marker: Marker) -> Control:
    """Put a row into a database that nobody has open."""
    core = marker.core()
    connection = apsw.Connection(str(path))
    try:
        connection.execute("create table if not exists canary_controls (said text)")
        connection.execute("insert into canary_controls values (?)", (core,))
    finally:
        connection.close()
    return Control(core, "utf-8", str(path))
