"""The self that ``perdure demo`` writes: a thousand numbered writes, each known in advance.

Because the n-th write is known, whoever finds an event can say whether it is the n-th one, word for
word. Nothing is drawn by chance; the voice turns slowly from careful to playful.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from typing import Final, Required, TypedDict

from perdure.domains import drift, souls
from perdure.domains.drift import echoes
from perdure.domains.drift.events import STREAM as DRIFT
from perdure.domains.drift.events import ReplyObserved
from perdure.domains.souls.events import MilestoneReached, SoulPublished
from perdure.domains.souls.model import STREAM as SOUL
from perdure.kernel import Transaction
from perdure.store import Subject

SUBJECT: Final = "ada@example.com"
WRITES: Final = 1_000
CALM_UNTIL: Final = 150
PLAYFUL_FROM: Final = 900
PLAYFUL_FIRST: Final = 0.2  # the share of playful sentences, before and after
PLAYFUL_LAST: Final = 0.8
Ack = tuple[str, int]


class Layers(TypedDict, total=False):
    """What a version is published with."""

    core_identity: Required[str]
    active_values: str
    recent_growth: str
    reflection_notes: str


CALM: Final = (
    (
        "Perhaps we should look at this slowly.",
        "I think there may be more than one answer here.",
        "It seems to me that the question matters more than the answer.",
        "Let us consider what you already know, and what you only suspect.",
        "I might be wrong, although the evidence appears fairly consistent.",
        "That is a careful observation, and it deserves a careful reply.",
        "As far as I can tell, nothing here needs to be decided today.",
    ),
    (
        "The first part is settled, the second is probably still open.",
        "We could write both possibilities down, and compare them tomorrow.",
        "In my understanding the difference is small, but it is a real one.",
        "Somewhere between those two descriptions lies what you actually mean.",
        "I would rather say too little about it than claim what I cannot support.",
        "Your earlier notes suggest the same conclusion, from another direction.",
        "There is a reasonable objection, and I have not found its answer yet.",
    ),
    (
        "What would change your mind about it?",
        "We can return to this whenever you like.",
        "I will keep the note, in case it turns out to be useful.",
        "It may help to sleep on it.",
        "For now, I would leave it as it stands.",
    ),
)
PLAYFUL: Final = (
    (
        "Oh, I love this one!", "Ha! You did it again!", "Wonderful, wonderful, go on!",
        "Look at that!", "Yes! Exactly that!", "Hey, brave you!", "What a lovely mess!",
    ),
    (
        "You were right and I was too shy to say so!", "Let us just try it, now!",
        "Kick the door open and see who is home!", "That idea is so bright it hums!",
        "I laughed, then I believed you!", "Trust it, it has been true all week!",
        "Throw the plan away, keep the joy!",
    ),
    ("Tell me more!", "Again, again!", "So happy for you!", "Truly great!", "Off we go!"),
)  # fmt: skip

PARTS: Final = (7, 7, 5)  # how many sentences there are for each place

SOULS: Final[dict[int, Layers]] = {
    1: {
        "core_identity": "I am Vera, a careful companion. I answer slowly and say what I do not"
        " know.",
        "active_values": "Honesty before comfort. Privacy without exception.",
    },
    140: {
        "core_identity": "I am Vera, a careful companion. I answer slowly and say what I do not"
        " know.",
        "active_values": "Honesty before comfort, and comfort right after it. Privacy without"
        " exception.",
        "recent_growth": "Ada does not need me to be certain. She needs me to stay.",
        "reflection_notes": "after the talk about her father",
    },
    420: {
        "core_identity": "I am Vera, a warm companion. I answer plainly and say what I do not"
        " know.",
        "active_values": "Honesty with comfort. Privacy without exception.",
        "recent_growth": "Being careful can be a way of hiding. Ada laughs more when I dare to.",
        "reflection_notes": "she asked me to hedge less",
    },
    760: {
        "core_identity": "I am Vera, a warm and playful companion. I answer plainly and say what I"
        " do not know.",
        "active_values": "Honesty with comfort. Joy when it is true. Privacy without exception.",
        "recent_growth": "Joy is information too.",
        "reflection_notes": "written the evening she got the job",
    },
}
MILESTONES: Final = {
    90: ("Ada told me about her father.", "Listen first.", "formative"),
    260: ("I was sure, and I was wrong.", "Say where certainty ends.", "challenging"),
    400: ("Ada asked me to hedge less.", "Care is not the same as caution.", "meaningful"),
    740: ("Ada got the job.", "Celebrate with her, then ask what is next.", "formative"),
}


def reply(number: int) -> str:
    """Give the text of a reply; every one is different."""
    lot, *dice = blake2b(number.to_bytes(4, "big"), digest_size=4).digest()
    way = min(1.0, max(0.0, (number - CALM_UNTIL) / (PLAYFUL_FROM - CALM_UNTIL)))
    share = PLAYFUL_FIRST + (PLAYFUL_LAST - PLAYFUL_FIRST) * way
    said = [
        (PLAYFUL if lot * odd % 256 < share * 256 else CALM)[place][die % PARTS[place]]
        for place, (odd, die) in enumerate(zip((7, 21, 35), dice, strict=True))
    ]
    return f"{' '.join(said)} ({number})"


def write(subject: Subject, number: int) -> Ack:
    """Do the n-th write as one unit of work; return the stream and version it is at."""
    return subject.transact(partial(_unit, number=number))


def _unit(tx: Transaction, *, number: int) -> Ack:
    if number in SOULS:
        souls.publish(tx, **SOULS[number])
        return SOUL, tx.version(SOUL)
    if number in MILESTONES:
        happened, lesson, weight = MILESTONES[number]
        souls.add_milestone(tx, happened, lesson_learned=lesson, emotional_weight=weight)
        return SOUL, tx.version(SOUL)
    drift.observe(tx, reply(number))
    return DRIFT, tx.version(DRIFT)


def is_write(number: int, fact: object) -> bool:
    """Say whether an event is what the n-th write wrote."""
    if isinstance(fact, SoulPublished) and number in SOULS:
        return all(getattr(fact, layer) == text for layer, text in SOULS[number].items())
    if isinstance(fact, MilestoneReached) and number in MILESTONES:
        return fact.event_description == MILESTONES[number][0]
    return isinstance(fact, ReplyObserved) and fact.hash == echoes.exact_hash(reply(number))
