"""Canaries, and every way in which the bytes of one may stand in a file.

All canaries of a run begin with one random marker, then their own random part. So a scan looks for
the marker in each form, whatever their number, and asks whose it was only where it is found: a
canary that was cut behind its marker counts too. A form is written so that what it makes of the
marker is how what it makes of the whole begins.
"""

from __future__ import annotations

import random
import string
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

LETTERS = string.ascii_letters + string.digits
MARKER_LETTERS = 12
OWN_LETTERS = 12
CORE_LETTERS = MARKER_LETTERS + OWN_LETTERS
# Behind the core: what URLs, JSON, tokenizers and e-mail patterns treat in their own ways.
MANNERS = "@example.org", ' "said" & more > é?', "\tnext\\line / ünïcode 🐤"


class Marker:
    """What all canaries of one run have in common; a seed gives the same ones again."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self.text = self._letters(MARKER_LETTERS)

    def core(self) -> str:
        """Make the plainest canary: letters and digits only, of both cases."""
        return self.text + self._letters(OWN_LETTERS)

    def email(self) -> str:
        """Make one that looks like an e-mail address."""
        return self.core() + MANNERS[0]

    def sentence(self) -> str:
        """Make one with signs that some encodings write differently."""
        return self.core() + self._random.choice(MANNERS[1:])

    def _letters(self, count: int) -> str:
        """Give random letters, of both cases for certain."""
        return "Qz" + "".join(self._random.choices(LETTERS, k=count - 2))


def core_of(canary: str) -> str:
    """Give the part of a canary that is searched for."""
    return canary[:CORE_LETTERS]


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write letters and digits; backwards ones end with the marker."""

    encoding: str
    write: Callable[[str], bytes]
    is_backwards: bool = False


def _utf_16(text: str) -> bytes:
    return text.encode("utf-16-le")[:-1]  # what both byte orders have in common


def _hex(text: str) -> bytes:
    return text.encode().hex().encode()


def _upper_hex(text: str) -> bytes:
    return _hex(text).upper()


def _base64(before: int, text: str) -> bytes:
    """Write what no neighbour touches, behind so many bytes of somebody else.

    No sextet of letters and digits is 62 or 63, so both alphabets write the same.
    """
    whole = b64encode(bytes(before) + text.encode())
    return whole[-(-before * 8 // 6) : (before + len(text)) * 8 // 6]


def _percent(pattern: str, text: str) -> bytes:
    return "".join(pattern % ord(letter) for letter in text).encode()


def _lower(text: str) -> bytes:
    return text.lower().encode()


def _reversed(text: str) -> bytes:
    return text[::-1].encode()


def _pglz(first: int, text: str) -> bytes:
    """Write it as PostgreSQL's own compression keeps a new text: a control byte every 8 letters."""
    starts = range(first, len(text), 8)
    pieces = [text[:first], *(text[start : start + 8] for start in starts)]
    return b"\0".join(piece.encode() for piece in pieces)


FORMS = (
    Form("utf-8", str.encode),
    Form("utf-16", _utf_16),
    Form("hex", _hex),
    Form("hex", _upper_hex),
    *(Form(f"base64+{before}", partial(_base64, before)) for before in range(3)),
    Form("url", partial(_percent, "%%%02x")),
    Form("url", partial(_percent, "%%%02X")),
    Form("json", partial(_percent, "\\u%04x")),
    Form("json", partial(_percent, "\\u%04X")),
    Form("lower", _lower),
    Form("reversed", _reversed, is_backwards=True),
    *(Form("pglz", partial(_pglz, first)) for first in range(1, 9)),
)
ENCODINGS = tuple(dict.fromkeys(form.encoding for form in FORMS))
FORM_BYTES_MAX = max(len(form.write("x" * CORE_LETTERS)) for form in FORMS)
