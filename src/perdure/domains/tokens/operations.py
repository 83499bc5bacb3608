"""What can be done with tokens. Each function is one unit of work."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from perdure.errors import Invalid, LockedOut, NotFound
from perdure.kernel import Transaction, values

from .detect import look_through, structured
from .events import TokenAssigned, TokenForgotten, queries
from .found import Detector, Found, compose
from .model import (
    FOREIGN,
    KNOWN_MOST,
    MARK,
    STREAM,
    Entry,
    Key,
    Token,
    dropped,
    key_of,
    keys_in,
    mark,
    mode,
    rewritten,
    sameness,
)
from .names import names_detector


def hide(
    tx: Transaction,
    text: str,
    *,
    names: Sequence[str] = (),
    how: str = "tokens",
    detector: Detector = structured,
) -> str:
    """Write tokens instead of what is personal in a text, kinds if it is dropped, or nothing else.

    A hidden text stays as it is. Only "tokens" needs a vault; ``reveal`` undoes only that.
    """
    clear = values.text("text", text)
    chosen = mode(how)
    if chosen == "none":
        return clear
    found = look_through(clear, compose(detector, names_detector(names)))
    if chosen == "dropped":
        return dropped(clear, [(one.start, one.end, f"⟦{one.kind}⟧") for one in found])
    _require_vault(tx)
    found = sorted([*found, *_foreign(tx, clear)], key=lambda one: one.start)
    same = [sameness(one.kind, clear[one.start : one.end]) for one in found]
    tokens = _assigned(tx, clear, found, same)
    places = zip(found, same, strict=True)
    return rewritten(clear, ((one.start, one.end, mark(*tokens[key])) for one, key in places))


def reveal(tx: Transaction, text: str) -> str:
    """Write what a subject's tokens stand for, as it was first written; others stay."""
    _require_vault(tx)
    clear = values.text("text", text)
    entries = {(one.kind, one.number): one.value for one in _entries(tx, keys_in(clear))}
    places = (
        (*match.span(), value)
        for match in MARK.finditer(clear)
        if (value := entries.get((match[1], int(match[2])))) is not None
    )
    return rewritten(clear, places)


def known(tx: Transaction, *, most: int = KNOWN_MOST, after: str | None = None) -> list[Token]:
    """List a subject's tokens by kind and number; go on with ``after`` the last one seen."""
    _require_vault(tx)
    if values.integer("most", most) < 1:
        raise Invalid(f"most is {most}", value=most, remedy="give 1 or more")
    kind, number = ("", 0) if after is None else key_of(after)
    found = tx.all(queries.known, Entry, kind=kind, number=number, most=most)
    return [Token(e.kind, e.number, e.value, e.at) for e in found if e.value is not None]


def forget(tx: Transaction, token: str) -> None:
    """Erase what one token stands for; the same value gets a new number later."""
    _require_vault(tx)
    key = key_of(token)
    for entry in _entries(tx, [key]):
        if entry.value is not None:
            tx.erase(STREAM, after=entry.version - 1, upto=entry.version)
            tx.append(STREAM, TokenForgotten(*key))
        return
    raise NotFound(f"there is no token {mark(*key)}", value=mark(*key), remedy="see what is known")


def _foreign(tx: Transaction, text: str) -> list[Found]:
    """Find what looks like a token and was never assigned: somebody's text, to be kept as such."""
    own = {(one.kind, one.number) for one in _entries(tx, keys_in(text))}
    marks = MARK.finditer(text)
    return [Found(*m.span(), FOREIGN) for m in marks if (m[1], int(m[2])) not in own]


def _assigned(
    tx: Transaction, text: str, found: Sequence[Found], same: Sequence[str]
) -> dict[str, Key]:
    """Give each value its token: the one it has, or the next number of its kind."""
    blinds = {tx.blind("token", key): key for key in same}
    entries = tx.all(queries.of_blinds, Entry, blinds=json.dumps(list(blinds))) if blinds else []
    tokens = {blinds[one.blind]: (one.kind, one.number) for one in entries if one.blind}
    last: dict[str, int] = {}
    for one, key in zip(found, same, strict=True):
        if key not in tokens:
            before = last.get(one.kind)
            if before is None:
                before = int(tx.value(queries.last_number, kind=one.kind))
            last[one.kind] = before + 1
            tokens[key] = (one.kind, before + 1)
            tx.append(STREAM, TokenAssigned(*tokens[key], text[one.start : one.end]))
    return tokens


def _entries(tx: Transaction, keys: Iterable[Key]) -> list[Entry]:
    asked = list(keys)
    return tx.all(queries.of_keys, Entry, keys=json.dumps(asked)) if asked else []


def _require_vault(tx: Transaction) -> None:
    if not tx.is_sealed:
        raise LockedOut(
            "tokens need a vault: without, what they hide would stand in a clear table",
            remedy="open the store with vault=..., or hide with how='dropped'",
        )
