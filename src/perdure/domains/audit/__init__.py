"""Audit: who changed what about a subject, and who looked, if the store notes that."""

from __future__ import annotations

from perdure.kernel import Face, M, reads

from . import operations
from .model import Deed
from .operations import deeds, note

__all__ = ["Audit", "Deed", "deeds", "note"]

TABLES = ()


class Audit(Face[M]):
    """``store.audit``."""

    deeds = reads(operations.deeds, is_long=True)
