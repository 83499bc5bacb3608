"""What the command's exit code means, and how an error is told: in one line, with its remedy.

No command is here. ``perdure --help`` and docs/cli.md print these tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from perdure.errors import Internal, PerdureError

OK: Final = 0
FOUND: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141

OF_ERROR: Final[Mapping[str, int]] = {
    "conflict": 10,
    "not_found": 11,
    "invalid": 12,
    "forbidden": 13,
    "forgotten": 14,
    "tampered": 15,
    "locked_out": 16,
    "unavailable": 17,
    "too_large": 18,
    "internal": 19,
}

MEANINGS: Final[Mapping[int, str]] = {
    OK: "done, and nothing was found wrong",
    FOUND: "done, and something was found: verify, doctor, demo",
    USAGE: "wrong usage: nothing was done",
    10: "conflict: somebody else was first",
    11: "not_found: there is no such thing for this subject, or no such store",
    12: "invalid: a value that can not be stored or understood",
    13: "forbidden: the database or the store refuses this caller",
    14: "forgotten: the subject was erased and stays erased",
    15: "tampered: what was read is not what was written",
    16: "locked_out: there is no key for this",
    17: "unavailable: the disk, the server or the lock is not there now",
    18: "too_large: over a limit that has a name",
    19: "internal: a defect of perdure",
    INTERRUPTED: "interrupted with Ctrl-C",
    PIPE_CLOSED: "the reader of the output went away",
}


class Usage(Exception):
    """The command line itself is wrong: exit code 2."""

    code = "usage"

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message}: {remedy}")
        self.message, self.remedy = message, remedy


def unexpected(error: Exception) -> PerdureError:
    """Turn what should not happen into the one error a caller may see."""
    return Internal(
        f"perdure failed in an unexpected way ({type(error).__name__})",
        remedy="run it again with --debug and report what it prints",
    )


def code_of(error: PerdureError | Usage) -> int:
    """Give the exit code of an error."""
    return OF_ERROR.get(error.code, USAGE)


def told(error: PerdureError | Usage, *, as_json: bool) -> str:
    """Say an error in one line."""
    if as_json:
        fields = {"code": error.code, "message": error.message, "remedy": error.remedy}
        return json.dumps({"error": fields}, ensure_ascii=False)
    line = " ".join(str(error).split())
    return line if line.startswith("perdure") else f"perdure: {line}"
