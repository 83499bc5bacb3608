"""Where master keys come from: a file, an environment variable, a passphrase, a key service.

Each knows epochs: ``begin`` gives the key of a first epoch, ``renew`` that of a following one,
``key`` one that is in use, ``keep`` destroys the others and says what it can not do itself.
"""

from __future__ import annotations

import os
import unicodedata
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from perdure.errors import Invalid, LockedOut, PerdureError, Tampered, Unavailable

from .envelope import KEY_BYTES

MEMORY_KIB, ITERATIONS, LANES, SALT_BYTES = 65_536, 3, 4, 16
MEMORY_KIB_MAX, ITERATIONS_MAX, LANES_MAX = 1_048_576, 64, 64


class Master(Protocol):
    """A source of master keys of 32 bytes. It keeps none of them."""

    @property
    def source(self) -> str:
        """Say what kind of source this is; the key store remembers it."""
        ...

    @property
    def wrong(self) -> str:
        """Say that this is not the source the key store was made with."""
        ...

    def key(self, vault: bytes, epoch: int, parameters: str, /) -> bytes:
        """Give the key of an epoch, or raise LockedOut."""
        ...

    def begin(self, vault: bytes, epoch: int, /) -> tuple[bytes, str]:
        """Give the first key of this source, and what the key store must remember for it."""
        ...

    def renew(self, vault: bytes, epoch: int, /) -> tuple[bytes, str]:
        """Do the same for the next epoch; repeated after a crash it must not lose a key in use."""
        ...

    def keep(self, vault: bytes, epoch: int | None, /) -> str:
        """Destroy all keys but one (or all); return what is left for the operator to do."""
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """Master keys in an environment variable: ``1:base64`` of 32 bytes, more behind commas."""

    name: str

    @property
    def source(self) -> str:
        return "environment"

    @property
    def wrong(self) -> str:
        return f"the environment variable {self.name} holds another key"

    def key(self, _vault: bytes, epoch: int, _parameters: str) -> bytes:
        keys = self._keys()
        if epoch not in keys:
            raise LockedOut(
                f"the environment variable {self.name} holds no key of epoch {epoch}",
                value=epoch,
                remedy=f"add '{epoch}:' and the base64 of the key",
            )
        return keys[epoch]

    def begin(self, _vault: bytes, epoch: int) -> tuple[bytes, str]:
        keys = self._keys()
        if epoch not in keys:
            raise Invalid(
                f"the environment variable {self.name} holds no key for epoch {epoch}",
                value=epoch,
                remedy=f"add '{epoch}:' and the base64 of {KEY_BYTES} new random bytes to it"
                " everywhere, then repeat",
            )
        return keys[epoch], ""

    renew = begin

    def keep(self, _vault: bytes, epoch: int | None) -> str:
        left = "every entry" if epoch is None else f"every entry but '{epoch}:'"
        return f"remove {left} from the environment variable {self.name}, and destroy it"

    def _keys(self) -> dict[int, bytes]:
        if not (text := os.environ.get(self.name, "")):
            raise LockedOut(
                f"the environment variable {self.name} is not set",
                value=self.name,
                remedy="set it; without it nothing that was sealed can be read",
            )
        try:
            pairs = [entry.strip().split(":", 1) for entry in text.split(",")]
            keys = {int(epoch): b64decode(key, validate=True) for epoch, key in pairs}
        except (ValueError, Error):
            keys = {}
        if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise LockedOut(
                f"the environment variable {self.name} holds no list of keys",
                value=self.name,
                remedy=f"write '1:' and the base64 of {KEY_BYTES} bytes",
            )
        return keys


@dataclass(frozen=True, slots=True)
class _Argon2id:
    """How a passphrase becomes a key, as the key store remembers it."""

    kdf: Literal["argon2id"]
    memory_kib: int
    iterations: int
    lanes: int
    salt: str

    @property
    def is_sane(self) -> bool:
        """Say whether these numbers are possible, and no attack on the memory of who opens it."""
        return (
            8 * self.lanes <= self.memory_kib <= MEMORY_KIB_MAX
            and 1 <= self.iterations <= ITERATIONS_MAX
            and 1 <= self.lanes <= LANES_MAX
        )


def _no_parameters(epoch: int) -> Tampered:
    return Tampered(
        f"the parameters of epoch {epoch} in the key store are none of argon2id",
        value=epoch,
        remedy="restore a copy of the key store",
    )


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A master key derived by argon2id from a text, or from what a function returns."""

    phrase: str | Callable[[], str] = field(repr=False)

    @property
    def source(self) -> str:
        return "passphrase"

    @property
    def wrong(self) -> str:
        return "the passphrase is another one"

    def key(self, _vault: bytes, epoch: int, parameters: str) -> bytes:
        try:
            how = msgspec.json.decode(parameters, type=_Argon2id)
            salt = bytes.fromhex(how.salt)
        except (msgspec.MsgspecError, ValueError):
            raise _no_parameters(epoch) from None
        if not how.is_sane or len(salt) < SALT_BYTES:
            raise _no_parameters(epoch)
        kdf = Argon2id(
            salt=salt,
            length=KEY_BYTES,
            iterations=how.iterations,
            lanes=how.lanes,
            memory_cost=how.memory_kib,
        )
        return kdf.derive(self._text().encode())

    def begin(self, vault: bytes, epoch: int) -> tuple[bytes, str]:
        how = _Argon2id("argon2id", MEMORY_KIB, ITERATIONS, LANES, os.urandom(SALT_BYTES).hex())
        parameters = msgspec.json.encode(how).decode()
        return self.key(vault, epoch, parameters), parameters

    def renew(self, _vault: bytes, _epoch: int) -> tuple[bytes, str]:
        raise Invalid(
            "the same passphrase would open old copies of the key store too",
            remedy="rewrap to a new passphrase instead",
        )

    def keep(self, _vault: bytes, epoch: int | None) -> str:
        return "" if epoch is not None else "forget the old passphrase: it opens old copies"

    def _text(self) -> str:
        text = self.phrase() if callable(self.phrase) else self.phrase
        if not text:
            raise LockedOut("the passphrase is empty", remedy="give the passphrase")
        return unicodedata.normalize("NFC", text)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """Random master keys, kept wrapped in the key store by a pair of functions (a KMS)."""

    wrap: Callable[[bytes], bytes] = field(repr=False)
    unwrap: Callable[[bytes], bytes] = field(repr=False)

    @property
    def source(self) -> str:
        return "key service"

    @property
    def wrong(self) -> str:
        return "the key service gave another key"

    def key(self, _vault: bytes, _epoch: int, parameters: str) -> bytes:
        return _asked(self.unwrap, b64decode(parameters), LockedOut)

    def begin(self, _vault: bytes, _epoch: int) -> tuple[bytes, str]:
        key = os.urandom(KEY_BYTES)
        wrapped = _asked(self.wrap, key, Unavailable)
        if _asked(self.unwrap, wrapped, Unavailable) != key:
            raise Unavailable(
                "the key service does not give back what it wrapped",
                remedy="check the two functions; nothing was changed",
            )
        return key, b64encode(wrapped).decode()

    renew = begin

    def keep(self, _vault: bytes, _epoch: int | None) -> str:
        return "destroy the key service's own key, or rotate it: it still unwraps old copies"


def _asked(function: Callable[[bytes], bytes], given: bytes, refusal: type[PerdureError]) -> bytes:
    try:
        return b"".join((function(given),))  # bytes(7) would be seven zeros
    except Exception as error:  # noqa: BLE001 - the caller's own function may raise anything
        raise refusal(
            f"the key service failed ({type(error).__name__})",
            remedy="see its own log, then repeat",
        ) from None  # its text may quote the key
