"""Tokens: what is personal in a text is hidden behind stable tokens, and only the vault can tell
what they stand for (seed E: "PII tokenization", "whisper anonymization").
"""

from __future__ import annotations

from perdure.kernel import Face, M, reads, writes

from . import operations
from .detect import structured
from .found import Detector, Found, compose
from .model import Mode, Token
from .names import names_detector
from .operations import forget, hide, known, reveal

__all__ = [
    "Detector",
    "Found",
    "Mode",
    "Token",
    "Tokens",
    "compose",
    "forget",
    "hide",
    "known",
    "names_detector",
    "reveal",
    "structured",
]

TABLES = ("pii_tokens",)


class Tokens(Face[M]):
    """``store.tokens``."""

    hide = writes(operations.hide)
    reveal = reads(operations.reveal)
    known = reads(operations.known)
    forget = writes(operations.forget)
