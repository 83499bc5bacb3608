"""Whole files encrypted: every page, in the file, its WAL and its journals, by the build of apsw
that carries SQLite3 Multiple Ciphers.

The format is SQLCipher's, version 4: AES-256-CBC with a random start for each page written, and
an HMAC-SHA512 of each page. The 32 bytes are the key itself: nothing is derived from a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import apsw

from perdure.errors import Invalid, LockedOut, PerdureError, Tampered, Unavailable

from .choose import KeySource

KEY_BYTES = 32
PAGE_BYTES = 4096


class FileKey:
    """The key of a store's files, fetched once and held in memory; it is never written out."""

    __slots__ = ("_text",)

    def __init__(self, source: KeySource) -> None:
        if not hasattr(apsw, "mc_version"):
            raise Invalid(
                "the apsw that is installed can not encrypt files",
                remedy="pip uninstall apsw,"
                " then pip install --no-deps --force-reinstall apsw-sqlite3mc",
            )
        key = _fetched(source)
        if not isinstance(key, bytes) or len(key) != KEY_BYTES:
            what = f"{len(key)} bytes" if isinstance(key, bytes) else type(key).__name__
            raise Invalid(
                f"the at-rest key is {what}, not {KEY_BYTES} bytes",
                value=what,
                remedy="give what secrets.token_bytes(32) made, or a function that returns it",
            )
        self._text = f"x'{key.hex()}'"

    def __repr__(self) -> str:
        return "<FileKey>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a FileKey is never pickled or copied")

    def unlock(self, connection: apsw.Connection) -> None:
        """Give the key to a new connection, before anything else is asked of it."""
        self._apply("key", connection)

    def encrypt(self, connection: apsw.Connection) -> None:
        """Encrypt a clear file that nobody else has open."""
        connection.pragma("journal_mode", "memory")  # a WAL has no room to change sizes
        self._apply("rekey", connection)

    def _apply(self, word: str, connection: apsw.Connection) -> None:
        connection.pragma("cipher", "sqlcipher")
        connection.pragma("legacy", 4)
        connection.pragma(word, self._text)
        connection.pragma("temp_store", "memory")  # what is sorted never lands on a disk


def _fetched(source: KeySource) -> object:
    if not callable(source):
        return source
    try:
        return source()
    except PerdureError:
        raise
    except Exception as error:
        raise Unavailable(
            f"the source of the at-rest key failed ({type(error).__name__})",
            remedy="see its error, then retry",
        ) from error


@contextmanager
def explained(path: Path | None, key: FileKey | None) -> Iterator[None]:
    """Tell a wrong key, a missing key, a clear file and a file of something else apart."""
    try:
        yield
    except apsw.NotADBError as error:
        assert path is not None
        raise _refusal(path, key) from error


def require_readable(path: Path, key: FileKey | None) -> None:
    """Refuse a file that can not be read, before anything is made beside it."""
    with explained(path, key):
        try:
            _look(path, key)
        except apsw.NotADBError:
            raise
        except apsw.Error:  # it is missing, or wrong otherwise: opening it says more
            pass


def _refusal(path: Path, key: FileKey | None) -> PerdureError:
    if key is not None and _is_clear(path):
        return Tampered(
            f"{path} is not encrypted",
            value=str(path),
            remedy="open it without at_rest; a copy of it can be encrypted",
        )
    if key is not None:
        return LockedOut(
            f"the at-rest key does not open {path}",
            value=str(path),
            remedy="give the key that the file was made with; nothing else opens it",
        )
    if path.stat().st_size % PAGE_BYTES == 0:
        return LockedOut(
            f"{path} is encrypted, or is no SQLite database",
            value=str(path),
            remedy="give its key as at_rest, or check the path",
        )
    return Tampered(f"{path} is no SQLite database", value=str(path), remedy="check the path")


def _is_clear(path: Path) -> bool:
    try:
        _look(path, None, "?immutable=1")  # without it a WAL and its index appear beside
    except apsw.Error:
        return False
    return True


def _look(path: Path, key: FileKey | None, options: str = "") -> None:
    """Read the first page."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(f"{path.absolute().as_uri()}{options}", flags=flags)
    try:
        if key is not None:
            key.unlock(connection)
        connection.pragma("schema_version")
    finally:
        connection.close()
