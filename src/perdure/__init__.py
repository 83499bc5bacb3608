"""Perdure keeps an agent's self alive: identity, memory, conversations and documents.

They survive restarts, devices and disasters, belong to exactly one person, and can be forgotten
for good.
"""

from perdure.errors import (
    Conflict,
    Forbidden,
    Forgotten,
    Internal,
    Invalid,
    LockedOut,
    NotFound,
    PerdureError,
    Tampered,
    TooLarge,
    Unavailable,
)
from perdure.store import AsyncStore, Store, connect, open

__all__ = [
    "AsyncStore",
    "Conflict",
    "Forbidden",
    "Forgotten",
    "Internal",
    "Invalid",
    "LockedOut",
    "NotFound",
    "PerdureError",
    "Store",
    "Tampered",
    "TooLarge",
    "Unavailable",
    "connect",
    "open",
]
