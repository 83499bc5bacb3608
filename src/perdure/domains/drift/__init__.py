"""Drift: how far an agent's voice has evolved (seed A)."""

from __future__ import annotations

from perdure.kernel import Face, M


class Drift(Face[M]):
    """``store.drift``."""
