"""The key store: a database of its own that holds wrapped keys and no history.

Its rows, and how it is made and opened. Nothing here can unwrap a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perdure.errors import Invalid, LockedOut, Unavailable
from perdure.kernel import migrations, queries
from perdure.kernel.engine import Engine, Rows, Session

from .envelope import FORMAT

statements = queries.load(__file__, role="login")

PACKAGE = ("vault", Path(__file__).parent)
ACTIVE, FORGETTING, FORGOTTEN = "active", "forgetting", "forgotten"
PAGE_ROWS = 1_000
ERASED = ("perdure_vault_keys", "perdure_vault_subjects")  # the tables that rows go from


@dataclass(frozen=True, slots=True)
class EpochRow:
    """An epoch of the master key: how to find it, how to know it, and the root key under it."""

    epoch: int
    source: str
    parameters: str
    check: bytes
    root: bytes
    is_settled: bool


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A wrapped data key."""

    handle: str
    number: int
    generation: bytes
    epoch: int
    wrapped: bytes
    commitment: bytes
    created_at: int


@dataclass(frozen=True, slots=True)
class Found:
    """A subject's row with its keys, and whether they may be used."""

    handle: str
    state: str
    name: bytes  # sealed
    keys: tuple[KeyRow, ...]
    epochs: tuple[EpochRow, ...]


def make(engine: Engine, fill: Callable[[Session], None], *, now: int) -> bool:
    """Make the tables and fill them, in one transaction; False if somebody has already."""
    if [name for name, _ in engine.databases()] != [""]:
        raise Invalid("the key store is a folder", remedy="give it a file of its own")

    def unit(session: Session) -> bool:
        if _has(session, "perdure_vault"):
            return False
        if _has(session, "perdure_events"):
            raise Invalid(
                "this database holds a store, and keys never live with the data",
                remedy="give the key store a file, or a database and a login, of its own",
            )
        _migrate(session, now)
        fill(session)
        return True

    if engine.dialect == "sqlite":
        _erase_what_is_deleted(engine)
    return engine.administer(unit)


def is_there(engine: Engine) -> bool:
    """Say whether this database holds a key store."""
    return engine.read("", partial(_has, table="perdure_vault"))


def prepare(engine: Engine, *, now: int) -> bytes:
    """Bring the tables up to date and return the vault's id; where none are, make none."""
    if not is_there(engine):
        raise LockedOut(
            "there is no key store here",
            remedy="check the place; 'perdure vault init' makes a new one",
        )
    if engine.dialect == "sqlite":
        _erase_what_is_deleted(engine)
    engine.administer(partial(_migrate, now=now))
    ((vault, version, _),) = engine.read("", lambda session: session.rows(statements.vault, {}))
    if version != FORMAT:
        raise Unavailable(
            f"the key store has format {version}, this perdure knows {FORMAT}",
            value=version,
            remedy="upgrade perdure",
        )
    return bytes(vault)


class Standing:
    """The file a key store was opened as. Once another one stands in its place, nothing may be
    written: it would go to a file that nobody will find again.
    """

    def __init__(self, engine: Engine) -> None:
        self._path: Path | None = getattr(engine, "path", None)
        self._was = self._look()

    def check(self) -> None:
        """Refuse to go on beside a file that was replaced or removed."""
        if self._look() != self._was:
            raise Unavailable(
                "the key store was replaced or removed while it was open",
                remedy="open the store again",
            )

    def _look(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0)
        return found.st_dev, found.st_ino


def settle(engine: Engine, *, is_deep: bool = False) -> None:
    """Leave nothing of what was destroyed in a file beside the database.

    A deep one writes the file anew: a page that was split before keeps older copies of its rows.
    """
    engine.clean("", ERASED if is_deep else ())


def epochs(session: Session) -> tuple[EpochRow, ...]:
    """Give the epochs, newest first."""
    return tuple(
        EpochRow(epoch, source, parameters, bytes(check), bytes(root), bool(is_settled))
        for epoch, source, parameters, check, root, is_settled in session.rows(
            statements.epochs, {}
        )
    )


def by_token(session: Session, token: bytes) -> Found | None:
    """Find a subject by the token of its name."""
    return _found(session, session.rows(statements.keys_of_token, {"token": token}))


def by_handle(session: Session, handle: str) -> Found | None:
    """Find a subject by its handle."""
    return _found(session, session.rows(statements.keys_of_handle, {"handle": handle}))


def _found(session: Session, rows: Rows) -> Found | None:
    if not rows:
        return None
    handle, state, name = rows[0][:3]
    keys = tuple(
        KeyRow(handle, number, bytes(generation), epoch, bytes(wrapped), bytes(commits), at)
        for _, _, _, number, generation, epoch, wrapped, commits, at in rows
        if number is not None
    )
    return Found(handle or "", state, bytes(name or b""), keys, epochs(session))


def _has(session: Session, table: str) -> bool:
    ((count,),) = session.rows(statements.has_table, {"name": table})
    return bool(count)


def _migrate(session: Session, now: int) -> None:
    migrations.up(session, migrations.discover((PACKAGE,), session.dialect), now=now)


def _erase_what_is_deleted(engine: Engine) -> None:
    """Have SQLite write zeros over what is deleted, for as long as the file is open."""
    engine.write("", lambda session: session.rows(statements.secure_delete, {}))
