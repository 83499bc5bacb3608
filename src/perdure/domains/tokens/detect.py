"""The detector that Perdure brings along, and how a text is looked through with any detector."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from perdure.errors import TooLarge

from .found import Detector, Found, compose
from .model import MARK_OR_KIND

FINDS_A_TEXT_MAX = 10_000
LOOKS_MAX = 4
# No letter, no space and in no text: patterns see that something stands there, and nothing in it.
COVER = "\ufdd0"


def structured(text: str, /) -> list[Found]:
    """Find secret keys, IBANs, e-mail addresses, card numbers, IPs, phone numbers and handles."""
    return list(_structured()(text))


@cache
def _structured() -> Detector:
    """Load the patterns when they are used: to compile them takes longer than an import may."""
    from .patterns import cards, emails, handles, ibans, ips, secrets
    from .phones import phones

    return compose(secrets, ibans, emails, cards, ips, phones, handles)


def look_through(text: str, detector: Detector) -> list[Found]:
    """Find everything in a text, in its order; what is in a token already is not looked at.

    Two finds may have overlapped and the rest of the one that lost be a find of its own, so one
    looks again at what is left; else hiding a hidden text would find more.
    """
    covered = _cover(text, (match.span() for match in MARK_OR_KIND.finditer(text)))
    found: list[Found] = []
    for _ in range(LOOKS_MAX):
        seen = compose(detector)(covered)
        more = [one for one in seen if COVER not in covered[one.start : one.end]]
        found += more
        if len(found) > FINDS_A_TEXT_MAX:
            raise TooLarge(
                f"there are more than {FINDS_A_TEXT_MAX} values to hide in one text",
                value=len(found),
                remedy="split it",
            )
        if not more:
            break
        covered = _cover(covered, ((one.start, one.end) for one in more))
    return sorted(found, key=lambda one: one.start)


def _cover(text: str, places: Iterable[tuple[int, int]]) -> str:
    covered, at = [], 0
    for start, end in sorted(places):
        covered += [text[at:start], COVER * (end - start)]
        at = end
    return "".join([*covered, text[at:]])
