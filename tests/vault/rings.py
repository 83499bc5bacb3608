"""Key stores for tests: opened again as the next process would, on either kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perdure.engines.postgres import PostgresEngine
from perdure.engines.sqlite import SqliteEngine
from perdure.kernel.engine import Engine
from perdure.testing import SettableClock
from perdure.vault import KeyFile, Keyring, Master, Vault


def engine_at(target: str) -> Engine:
    """Open an engine as a key store wants it."""
    if "://" in target:
        return PostgresEngine(target, role="login")
    return SqliteEngine(Path(target))


class Place:
    """Where a vault is: its key store, its key file, and a clock that stands still."""

    def __init__(self, target: str, folder: Path) -> None:
        self.target, self.folder, self.clock = target, folder, SettableClock()
        self.file = KeyFile(folder / "master.key")

    @contextmanager
    def ring(
        self, master: Master | None = None, *, create: bool = False, also: tuple[Master, ...] = ()
    ) -> Iterator[Keyring]:
        """Open the keyring; the first time with ``create``."""
        engine = engine_at(self.target)
        try:
            vault = Vault(self.target, master or self.file)
            keyring = Keyring.opened(engine, vault, self.clock, create=create, also=also)
        except BaseException:
            engine.close()
            raise
        try:
            yield keyring
        finally:
            keyring.close()

    def bytes(self) -> bytes:
        """Read every byte of the key store's files, and of the key file's folder."""
        each = (path for path in self.folder.iterdir() if path.is_file())
        return b"\n".join(path.read_bytes() for path in sorted(each))


def change(ring: Keyring, statement: str) -> None:
    """Change the key store behind its back."""
    ring.engine.administer(lambda session: session.script(statement))
