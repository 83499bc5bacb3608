"""Made-up speakers for the separation test of drift: alike enough to be confused.

All share one grammar and one vocabulary. A speaker is a handful of habits, drawn near a common
mean; each reply also wanders (its mood, its topic, its length), as replies of one person do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

TOPICS = (
    "garden river kitchen letter mountain window friend evening journey market winter bridge",
    "system network deadline report meeting project question solution budget customer release",
    "dream memory silence courage patience kindness freedom attention forgiveness understanding",
    "guitar melody concert painting theatre novel chapter character photograph exhibition",
)
VERBS = "see find know remember want keep carry build learn change follow consider describe".split()
ADJECTIVES = "small old quiet bright simple strange careful important complicated ordinary".split()
OPENERS = ("I think", "We", "You", "So I", "Then you", "In a way I", "And we", "Well, I", "Now you")
LINKS = ("and", "but", "because", "so", "while", "though", "which", "or", "when", "if")
DETERMINERS = ("the", "a", "this", "that", "my", "your", "some", "our", "every", "its")
PREPOSITIONS = ("in", "on", "with", "about", "from", "through", "for", "by", "under", "after")
HEDGES = ("maybe", "perhaps", "probably", "I guess", "possibly")
WARM = ("good", "lovely", "happy", "glad", "beautiful", "kind", "warm")
DARK = ("sad", "hard", "wrong", "tired", "difficult", "bad")
STRONG = ("very", "really", "so", "truly", "deeply")


@dataclass(frozen=True, slots=True)
class Speaker:
    """The habits of one speaker; rates are chances per clause or per sentence."""

    openers: Sequence[float]
    links: Sequence[float]
    determiners: Sequence[float]
    prepositions: Sequence[float]
    clauses: float
    sentences: float
    comma: float
    question: float
    exclamation: float
    hedge: float
    warm: float
    dark: float
    strong: float
    adjective: float
    shout: float
    bullets: float


def speaker(seed: int, *, apart: float = 1.0) -> Speaker:
    """Draw a speaker; `apart` says how far habits may lie from the common mean."""
    random = Random(seed)

    def taste(count: int) -> list[float]:
        return [random.lognormvariate(0.0, 0.5 * apart) for _ in range(count)]

    def rate(usual: float) -> float:
        return min(0.9, usual * random.lognormvariate(0.0, 0.6 * apart))

    return Speaker(
        openers=taste(len(OPENERS)),
        links=taste(len(LINKS)),
        determiners=taste(len(DETERMINERS)),
        prepositions=taste(len(PREPOSITIONS)),
        clauses=1.8 * random.lognormvariate(0.0, 0.15 * apart),
        sentences=4.0 * random.lognormvariate(0.0, 0.2 * apart),
        comma=rate(0.3),
        question=rate(0.15),
        exclamation=rate(0.12),
        hedge=rate(0.12),
        warm=rate(0.15),
        dark=rate(0.1),
        strong=rate(0.12),
        adjective=rate(0.4),
        shout=rate(0.02),
        bullets=rate(0.05),
    )


def reply(who: Speaker, random: Random) -> str:
    """Say something: the speaker's habits, and a mood and a topic of the moment."""
    mood = random.lognormvariate(0.0, 0.3)
    topic = random.choice(TOPICS).split()
    count = max(1, round(random.gauss(who.sentences * mood, 1.2)))
    mark = "- " if random.random() < who.bullets else ""
    glue = "\n" if mark else " "
    return glue.join(mark + _sentence(who, random, topic, mood) for _ in range(count))


def _sentence(who: Speaker, random: Random, topic: Sequence[str], mood: float) -> str:
    text = random.choices(OPENERS, who.openers)[0]
    clauses = 1 + min(5, int(random.expovariate(1 / who.clauses)))
    for index in range(clauses):
        if index:
            comma = "," if random.random() < who.comma else ""
            text += f"{comma} {random.choices(LINKS, who.links)[0]} you"
        text += _clause(who, random, topic, mood)
    if random.random() < who.question:
        return text + "?"
    return text + ("!" if random.random() < who.exclamation * mood else ".")


def _clause(who: Speaker, random: Random, topic: Sequence[str], mood: float) -> str:
    words = []
    if random.random() < who.hedge:
        words.append(random.choice(HEDGES))
    words += [random.choice(VERBS), random.choices(DETERMINERS, who.determiners)[0]]
    if random.random() < who.strong * mood:
        words.append(random.choice(STRONG))
    for chance, list_ in ((who.warm * mood, WARM), (who.dark, DARK), (who.adjective, ADJECTIVES)):
        if random.random() < chance:
            words.append(random.choice(list_))
    noun = random.choice(topic)
    words.append(noun.upper() if random.random() < who.shout else noun)
    words += [random.choices(PREPOSITIONS, who.prepositions)[0], "the", random.choice(topic)]
    return " " + " ".join(words)


def auc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Return the chance that one of the first is above one of the second; a tie counts half."""
    wins = sum((a > b) + (a == b) / 2 for a in higher for b in lower)
    return wins / (len(higher) * len(lower))
