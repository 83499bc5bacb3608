"""The master key as a file: created on request only, mode 0600, replaced as a whole.

The first line names the vault it belongs to, every other one an epoch and its key. What a
replaced file held is overwritten before its space is given back.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from perdure.errors import Conflict, Forbidden, LockedOut, Unavailable

from .envelope import KEY_BYTES

_FIRST = "perdure key file 1 of vault "
_LINE = re.compile(r"(\d{1,18}) ([A-Za-z0-9+/]{43}=)")
Keys = dict[int, bytes]


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A master key in a file that only its owner may read."""

    path: str | Path

    @property
    def source(self) -> str:
        return "key file"

    @property
    def wrong(self) -> str:
        return f"the key file {self.path} holds another key"

    def key(self, vault: bytes, epoch: int, _parameters: str) -> bytes:
        """Give the key of an epoch."""
        owner, keys = self._read()
        if owner != vault or epoch not in keys:
            raise LockedOut(self.wrong, value=str(self.path), remedy="give the file that fits")
        return keys[epoch]

    def begin(self, vault: bytes, epoch: int) -> tuple[bytes, str]:
        """Make the file, which must not be there; what an interrupted attempt left is used."""
        if not self._path.exists():
            return self._added(vault, {}, epoch), ""
        owner, keys = self._read()
        if owner != vault or epoch not in keys:
            raise Conflict(
                f"the key file {self.path} exists",
                value=str(self.path),
                remedy="name a place where nothing is; never remove a key file that is in use",
            )
        return keys[epoch], ""

    def renew(self, vault: bytes, epoch: int) -> tuple[bytes, str]:
        """Add the key of the next epoch."""
        owner, keys = self._read()
        if owner != vault:
            raise LockedOut(self.wrong, value=str(self.path), remedy="give the file that fits")
        if epoch in keys:  # an interrupted attempt came so far
            return keys[epoch], ""
        return self._added(vault, keys, epoch), ""

    def keep(self, vault: bytes, epoch: int | None) -> str:
        """Destroy every key but that of one epoch; without one the file goes as a whole."""
        if epoch is None:
            self._destroy(vault)
        elif self._read()[1].keys() != {epoch} or self._old.exists():
            self._write(vault, {epoch: self.key(vault, epoch, "")})
        return ""

    # -- the file

    @property
    def _path(self) -> Path:
        return Path(self.path)

    @property
    def _old(self) -> Path:
        return self._path.with_name(f"{self._path.name}.old")

    def _read(self) -> tuple[bytes, Keys]:
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise LockedOut(
                f"the key file {self.path} is missing",
                value=str(self.path),
                remedy="put it back; without it nothing that was sealed can be read",
            ) from None
        except OSError as error:
            raise self._unavailable(error) from None
        with os.fdopen(handle, encoding="ascii", errors="replace") as file:
            mode = os.fstat(handle).st_mode & 0o777
            if mode & 0o077:
                raise Forbidden(
                    f"the key file {self.path} may be read by others (mode {mode:o})",
                    value=f"{mode:o}",
                    remedy=f"chmod 600 {self.path}",
                )
            return self._parsed(file.read())

    def _parsed(self, text: str) -> tuple[bytes, Keys]:
        first, *lines = text.splitlines() or [""]
        matches = [_LINE.fullmatch(line) for line in lines]
        with suppress(ValueError):
            owner = bytes.fromhex(first.removeprefix(_FIRST))
            if first.startswith(_FIRST) and matches:
                return owner, {int(m[1]): b64decode(m[2]) for m in matches if m}
        raise LockedOut(
            f"the file {self.path} is no key file",
            value=str(self.path),
            remedy="give the file that 'perdure vault init' has made",
        )

    def _added(self, vault: bytes, keys: Keys, epoch: int) -> bytes:
        key = os.urandom(KEY_BYTES)
        self._write(vault, {**keys, epoch: key})
        return key

    def _write(self, vault: bytes, keys: Keys) -> None:
        """Replace the file; the old one keeps a name until it is overwritten."""
        lines = [f"{epoch} {b64encode(key).decode()}\n" for epoch, key in sorted(keys.items())]
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            self._wipe(self._old)  # what interrupted attempts left
            self._wipe(draft)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(f"{_FIRST}{vault.hex()}\n{''.join(lines)}")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                os.link(self._path, self._old)
            draft.replace(self._path)
            self._settle()
            self._wipe(self._old)
        except OSError as error:
            raise self._unavailable(error) from error

    def _destroy(self, vault: bytes) -> None:
        try:
            if self._path.exists():
                if self._read()[0] != vault:
                    return
                self._path.rename(self._old)  # half overwritten it would be no key file any more
                self._settle()
            self._wipe(self._old)
        except OSError as error:
            raise self._unavailable(error) from error

    def _wipe(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            with path.open("r+b") as file:
                file.write(b"\0" * path.stat().st_size)
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            self._settle()

    def _settle(self) -> None:
        """Make the names durable."""
        folder = os.open(self._path.absolute().parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"the key file {self.path} can not be read or written ({error.strerror})",
            value=str(self.path),
            remedy="check path and permissions",
        )
