"""A soul is three layers of identity, versioned; milestones are the moments that formed it.

The pure rules: counting tokens, trimming to a budget, composing a prompt, comparing two
versions. Nothing here stores anything.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from perdure.errors import Invalid, TooLarge
from perdure.kernel.privacy import Id, Personal, Pseudonymous
from perdure.kernel.rows import loose

STREAM = "soul-self"
LAYERS = ("core_identity", "active_values", "recent_growth")
HEADINGS = {
    "core_identity": "Who I am",
    "active_values": "What I care about now",
    "recent_growth": "What I learned recently",
}
LAYER_CHARACTERS_MAX = 100_000
NOTES_CHARACTERS_MAX = 1_000_000
EVENT_CHARACTERS_MAX = 4_000
PROMPT_TOKENS = 800
HISTORY_MOST = 50
SEARCHED_MOST = 10_000  # texts that one search opens in memory

Weight = Literal["formative", "meaningful", "challenging"]
WEIGHTS: tuple[Weight, ...] = get_args(Weight)
Counter = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Soul:
    """One version of a soul: a row of soul_versions."""

    id: Id[str]
    created_at: datetime
    version: int
    core_identity: Personal[str]
    active_values: Personal[str]
    recent_growth: Personal[str]
    reflection_notes: Personal[str | None]
    token_count: int


@dataclass(frozen=True, slots=True)
class Milestone:
    """A moment that formed a soul: a row of soul_milestones."""

    id: Id[str]
    created_at: datetime
    event_description: Personal[str]
    emotional_weight: Weight
    lesson_learned: Personal[str]
    source_thread_id: Pseudonymous[str | None] = loose()


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many tokens each layer may have."""

    core_identity: int = 200
    active_values: int = 300
    recent_growth: int = 300


@dataclass(frozen=True, slots=True)
class Change:
    """A run of words that stayed, went or came."""

    kind: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed between two versions, by layer and by word."""

    before: int
    after: int
    layers: dict[str, tuple[Change, ...]]


_PIECE = re.compile(r"[A-Za-z0-9_]+|[^\W\d_]|[^\w\s]|\d", re.UNICODE)
_WORDS = re.compile(r"\S+\s*|\s+")
LETTERS_A_TOKEN = 6


def count_tokens(text: str) -> int:
    """Count tokens without a tokenizer: a word of ASCII letters counts one for each started six
    letters, every other letter, digit and sign counts one. For English this is a little over
    what GPT-style tokenizers count.
    """
    return sum(-(-len(piece) // LETTERS_A_TOKEN) for piece in _PIECE.findall(text))


def trim(text: str, budget: int, count: Counter) -> str:
    """Cut a text at a word so that it fits the budget; the longest such beginning is kept."""
    if count(text) <= budget:
        return text
    words = _WORDS.findall(text)
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if count("".join(words[:middle]).rstrip()) <= budget:
            low = middle
        else:
            high = middle - 1
    return "".join(words[:low]).rstrip()


def fit(
    layers: dict[str, str], budgets: Budgets, count: Counter, *, may_trim: bool
) -> dict[str, str]:
    """Return layers that keep their budgets, or say which one is over and by how much."""
    fitted = {}
    for name, text in layers.items():
        budget = getattr(budgets, name)
        if budget < 0:
            raise Invalid(
                f"the budget of {name} is {budget}", value=budget, remedy="give 0 or more"
            )
        over = count(text) - budget
        if over > 0 and not may_trim:
            raise TooLarge(
                f"{name} has {over + budget} tokens, {over} over its budget of {budget}",
                value=over,
                remedy="shorten it, raise the budget or pass trim=True",
            )
        fitted[name] = trim(text, budget, count)
    return fitted


def prompt(soul: Soul, budget: int, count: Counter) -> str:
    """Compose the layers in order under their headings; never over budget, never the notes.

    The first layer is the most stable, so what does not fit is cut from the end.
    """
    composed = ""
    for name in LAYERS:
        text = getattr(soul, name).strip()
        if not text:
            continue
        lead = f"{composed}\n\n" if composed else ""
        whole = f"{lead}{HEADINGS[name]}:\n"
        longest = _longest(whole, text, budget, count)
        if longest is None:
            break
        composed = longest
    return composed


def _longest(before: str, text: str, budget: int, count: Counter) -> str | None:
    """Append the longest beginning of a text that keeps the whole within the budget."""
    kept = trim(text, budget - count(before), count)
    while kept and count(before + kept) > budget:
        kept = kept.rpartition(" ")[0]
    return before + kept if kept else None


def compare(before: Soul, after: Soul) -> Diff:
    """Compare two versions layer by layer and word by word."""
    return Diff(
        before.version,
        after.version,
        {name: tuple(_changes(getattr(before, name), getattr(after, name))) for name in LAYERS},
    )


def _changes(before: str, after: str) -> Iterator[Change]:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Change("same", "".join(old[a:b]))
            continue
        if a < b:
            yield Change("removed", "".join(old[a:b]))
        if c < d:
            yield Change("added", "".join(new[c:d]))


def weight(value: str) -> Weight:
    """Return one of the three weights."""
    for known in WEIGHTS:
        if value == known:
            return known
    raise Invalid(
        f"the emotional weight {value!r} is unknown",
        value=value,
        remedy=f"use {', '.join(WEIGHTS)}",
    )
