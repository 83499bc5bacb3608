"""What the audit shows: a deed. Nothing here stores anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perdure.kernel.privacy import Personal, Pseudonymous

SELF = "self"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done about a subject: an event, and who is behind it."""

    at: datetime
    actor: Personal[str]  # empty where the event was erased
    what: Pseudonymous[str]
    stream: Pseudonymous[str]
    version: int
