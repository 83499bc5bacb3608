"""What can be asked of the audit. Every event is a deed, whichever domain it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

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
    found = [deed for stream in tx.streams() for deed in _of_stream(tx, stream, after)]
    found.sort(key=lambda deed: (deed.at, deed.stream, deed.version), reverse=True)
    return found[:most]


def note(tx: Transaction, operation: str) -> None:
    """Keep that an answer is about to be given."""
    tx.append(STREAM, AnswerGiven(operation))


def _of_stream(tx: Transaction, stream: str, since: datetime | None) -> Iterator[Deed]:
    after = 0 if since is None else max(0, tx.version_at(stream, since) - 1)
    for recorded in tx.events(stream, after=after):
        if since is None or recorded.at >= since:
            yield _deed(recorded)


def _deed(recorded: Recorded) -> Deed:
    fact = recorded.event
    if isinstance(fact, AnswerGiven):
        what = f"read {fact.operation}"
    else:
        what = "an erased event" if fact is None else type(fact).__name__
    actor = recorded.actor or SELF
    return Deed(recorded.at, actor, what, recorded.stream, recorded.version)
