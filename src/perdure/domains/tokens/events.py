"""What happens to tokens, and the row each event becomes."""

from __future__ import annotations

from perdure.kernel import Recorded, Transaction, event, load, projects

from .model import Entry, sameness

queries = load(__file__)


@event()
class TokenAssigned:
    """A value got a token, and is kept as it was first written."""

    kind: str
    number: int
    value: str


@event()
class TokenForgotten:
    """What a token stood for is gone; its number is never used again."""

    kind: str
    number: int


@projects(TokenAssigned)
def _(tx: Transaction, fact: TokenAssigned, at: Recorded) -> None:
    blind = tx.blind("token", sameness(fact.kind, fact.value))
    tx.save(queries.save, Entry(fact.kind, fact.number, at.at, at.version, fact.value, blind))


@projects(TokenForgotten)
def _(tx: Transaction, fact: TokenForgotten, at: Recorded) -> None:
    tx.save(queries.save, Entry(fact.kind, fact.number, at.at, at.version, None, None))
