"""What can be asked of the audit. Every event is a deed, whichever domain it belongs to."""

from __future__ import annotations

from datetime import datetime
from heapq import nlargest

from perdure.errors import Invalid
from perdure.kernel import Recorded, Transaction, values

from .events import STREAM, AnswerGiven
from .model import SELF, Deed

DEEDS_MOST = 1_000


def deeds(tx: Transaction, *, since: datetime | None = None, most: int = DEEDS_MOST) -> list[Deed]:
    """List who changed or read what, newest first; an erased event still says when."""
    if values.integer("most", most) < 1:
        raise Invalid(f"most is {most}", value=most, remedy="give 1 or more")
    after = None if since is None else values.when("since", since)
    found = (_deed(recorded) for stream in tx.streams() for recorded in tx.events(stream))
    wanted = (deed for deed in found if after is None or deed.at >= after)
    return nlargest(most, wanted, key=lambda deed: (deed.at, deed.stream, deed.version))


def note(tx: Transaction, operation: str) -> None:
    """Keep that an answer is about to be given."""
    tx.append(STREAM, AnswerGiven(operation))


def _deed(recorded: Recorded) -> Deed:
    fact, actor = recorded.event, recorded.actor or SELF
    what = f"read {fact.operation}" if isinstance(fact, AnswerGiven) else type(fact).__name__
    if fact is None:  # who did it is erased with what was done
        actor, what = "", "an erased event"
    return Deed(recorded.at, actor, what, recorded.stream, recorded.version)
