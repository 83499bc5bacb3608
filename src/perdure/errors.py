"""The whole tree of errors, on one page.

PerdureError
├── Conflict      conflict      somebody else was first: read again and retry
├── NotFound      not_found     there is no such thing for this subject
├── Invalid       invalid       a value that can not be stored, named with its remedy
├── Forbidden     forbidden     the database or the store refuses this caller
├── Forgotten     forgotten     the subject was erased and stays erased
├── Tampered      tampered      what was read is not what was written
├── LockedOut     locked_out    there is no key for this
├── Unavailable   unavailable   the disk, the server or the lock is not there now: try again
├── Invalid ── TooLarge   too_large   over a limit that has a name
└── Internal      internal      a defect of ours: the operator finds the rest in the log

Every error carries its stable ``code``, the offending ``value`` and the ``remedy``. The text a
user sees is ``message: remedy``; the value is not repeated in it unless the message names it.
"""

from __future__ import annotations

from typing import ClassVar


class PerdureError(Exception):
    """What every error of this library is."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, value: object = None, remedy: str = "") -> None:
        super().__init__(f"{message}: {remedy}" if remedy else message)
        self.message = message
        self.value = value
        self.remedy = remedy


class Conflict(PerdureError):
    """Somebody else was first."""

    code = "conflict"


class NotFound(PerdureError):
    """There is no such thing for this subject."""

    code = "not_found"


class Invalid(PerdureError):
    """A value that can not be stored or understood."""

    code = "invalid"


class Forbidden(PerdureError):
    """This caller is refused."""

    code = "forbidden"


class Forgotten(PerdureError):
    """The subject was erased and stays erased."""

    code = "forgotten"


class Tampered(PerdureError):
    """What was read is not what was written."""

    code = "tampered"


class LockedOut(PerdureError):
    """There is no key for this."""

    code = "locked_out"


class Unavailable(PerdureError):
    """The disk, the server or the lock is not there now."""

    code = "unavailable"


class TooLarge(Invalid):
    """Over a limit that has a name."""

    code = "too_large"


class Internal(PerdureError):
    """A defect of ours; the cause is in the operator's log."""

    code = "internal"


ALL: tuple[type[PerdureError], ...] = (
    Conflict,
    NotFound,
    Invalid,
    Forbidden,
    Forgotten,
    Tampered,
    LockedOut,
    Unavailable,
    TooLarge,
    Internal,
)
