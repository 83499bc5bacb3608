"""What is measured in a reply's text: nineteen numbers and two profiles of counts.

`measure` is the only function that sees the text. Its `Measurement` is stored in the event, so a
replay needs neither the text nor the same version of zlib. Not here: what the numbers mean for a
voice (`voice.py`).
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

from perdure.domains.drift import lexicon
from perdure.errors import Invalid

VERSION: Final = 1
SAMPLE_CHARACTERS_MAX: Final = 12_288
WORD_CHARACTERS_MAX: Final = 24  # a longer run is a link or a key; its length says nothing
LONG_WORD_CHARACTERS_MIN: Final = 8
COUNT_MAX: Final = 255
DENSITY_MAX: Final = 2.0
LETTERS_A_COUNT: Final = 8  # letters count an eighth, or punctuation would drown in them
DECIMALS: Final = 4

FEATURES: Final = (
    "word_length",
    "variety",
    "hapaxes",
    "length",
    "sentence_length",
    "sentence_spread",
    "commas",
    "lists",
    "positive",
    "negative",
    "hedges",
    "questions",
    "density",
    "long_words",
    "novelty",
    "entropy",
    "exclamations",
    "capitals",
    "intensifiers",
)

# Scripts written without spaces, and emoji: each character is a word.
_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2600-\u27bf\u3040-\u30ff\u3400-\u9fff"
    "\uf900-\ufaff\U0001f000-\U0001faff\U00020000-\U00031fff"
)
# A word may hold apostrophes and the combining marks of Hebrew, Arabic and Indic scripts.
_INNER = (
    "'\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0962-\u0dff\u200c\u200d"
)
_ENDS = ".!?\n…。！？؟।۔"
_PIECES = re.compile(f"[^\\W_{_ALONE}]+(?:[{_INNER}]+[^\\W_{_ALONE}]+)*|[{_ALONE}]|[{_ENDS}]+")
_ASCII_PIECES = re.compile(r"[A-Za-z0-9]+(?:'+[A-Za-z0-9]+)*|[.!?\n]+")
_END_CHARACTERS: Final = frozenset(_ENDS)
_LIST_MARK = re.compile(r"^[ \t]*(?:[-*•–]|\d{1,3}[.)])[ \t]", re.MULTILINE)
_APOSTROPHE = str.maketrans("’", "'")


@dataclass(frozen=True, slots=True)
class Measurement:
    """The features of one reply, and how often it used each class of word and of character.

    Counts over fixed lists: a text cannot be read back from it.
    """

    version: int
    tokens: int  # words in the sample; 0 means that nothing was said
    features: tuple[float, ...]  # in the order of `FEATURES`
    words: bytes  # per bin of `lexicon.WORD_BINS`, scaled to at most 255
    marks: bytes  # per class of characters, scaled likewise


def measure(text: str, *, echo: float = 0.0) -> Measurement:
    """Measure one reply; `echo` is its similarity to the nearest earlier one, when known.

    A text over 12,288 characters is measured by its first, middle and last 4,096.
    """
    if not isinstance(text, str):
        raise Invalid(
            f"a reply is {type(text).__name__}, not text", value=text, remedy="give a str"
        )
    if not 0.0 <= echo <= 1.0:
        raise Invalid(f"echo is {echo!r}", value=echo, remedy="use a number from 0 to 1")
    sample = _sample(text)
    tokens, sentences = _words(sample)
    counts = Counter(map(str.lower, tokens))
    marks = _marks(sample)
    size = len(tokens)
    if not size:
        return Measurement(VERSION, 0, (0.0,) * len(FEATURES), b"", b"")
    words, tones = _bins(counts, size)
    values = (
        *_lexical(tokens, counts),
        log(1 + len(text)),
        *_sentences(sentences),
        marks[lexicon.COMMA] / size,
        min(1.0, len(_LIST_MARK.findall(sample)) / len(sentences)),
        *(tones[kind] / size for kind in (lexicon.POSITIVE, lexicon.NEGATIVE, lexicon.HEDGE)),
        min(2.0, marks[lexicon.QUESTION] / len(sentences)),
        _density(sample),
        sum(len(word) >= LONG_WORD_CHARACTERS_MIN for word in tokens) / size,
        1.0 - echo,
        _entropy(counts, size),
        min(2.0, marks[lexicon.EXCLAMATION] / len(sentences)),
        sum(len(word) > 1 and word.isupper() for word in tokens) / size,
        tones[lexicon.INTENSIFIER] / size,
    )
    marks[lexicon.LETTER] //= LETTERS_A_COUNT
    features = tuple(round(value, DECIMALS) for value in values)
    return Measurement(VERSION, size, features, _scaled(words), _scaled(marks))


def _sample(text: str) -> str:
    if len(text) <= SAMPLE_CHARACTERS_MAX:
        return text.translate(_APOSTROPHE) if "’" in text else text
    part = SAMPLE_CHARACTERS_MAX // 3
    middle = (len(text) - part) // 2
    windows = (text[:part], text[middle : middle + part], text[-part:])
    return "\n".join(windows).translate(_APOSTROPHE)


def _words(sample: str) -> tuple[list[str], list[int]]:
    """Return the words and the number of words in each sentence."""
    pieces = (_ASCII_PIECES if sample.isascii() else _PIECES).findall(sample)
    words: list[str] = []
    sentences: list[int] = []
    before = 0
    for piece in pieces:
        if piece[0] not in _END_CHARACTERS:
            words.append(piece)
        elif len(words) > before:
            sentences.append(len(words) - before)
            before = len(words)
    if len(words) > before:
        sentences.append(len(words) - before)
    return words, sentences


def _marks(sample: str) -> list[int]:
    marks = [0] * (lexicon.MARK_BINS_COUNT + 1)
    for character, count in Counter(sample).items():
        marks[lexicon.mark_of(character)] += count
    return marks[: lexicon.MARK_BINS_COUNT]


def _bins(counts: Counter[str], size: int) -> tuple[list[int], list[int]]:
    words = [0] * lexicon.WORD_BINS_COUNT
    tones = [0, 0, 0, 0]
    for word, count in counts.items():
        place = lexicon.WORD_BINS.get(word)
        if place is not None:
            words[place] = count
        for tone in lexicon.TONES.get(word, ()):
            tones[tone] += count
    words[0] = size - sum(words)
    return words, tones


def _lexical(tokens: list[str], counts: Counter[str]) -> tuple[float, float, float]:
    size, kinds = len(tokens), len(counts)
    length = sum([min(len(word), WORD_CHARACTERS_MAX) for word in tokens]) / size
    once = sum([count == 1 for count in counts.values()])
    return length, kinds / sqrt(2 * size), once / size


def _sentences(sentences: list[int]) -> tuple[float, float]:
    """Return the logarithm of the mean length and the coefficient of variation."""
    mean = sum(sentences) / len(sentences)
    variance = sum([(each - mean) ** 2 for each in sentences]) / len(sentences)
    return log(1 + mean), sqrt(variance) / mean


def _density(sample: str) -> float:
    data = sample.encode("utf-8", "surrogatepass")
    return min(DENSITY_MAX, len(zlib.compress(data, 6)) / len(data))


def _entropy(counts: Counter[str], size: int) -> float:
    """Return the entropy of the words, 1 when no word comes twice."""
    if size == 1:
        return 1.0
    repeated = sum([count * log(count) for count in counts.values() if count > 1])
    return max(0.0, 1.0 - repeated / (size * log(size)))


def _scaled(counts: list[int]) -> bytes:
    top = max(counts)
    if top > COUNT_MAX:
        return bytes(count * COUNT_MAX // top for count in counts)
    return bytes(counts)
