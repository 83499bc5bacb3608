"""Finding the names of a caller's list in a text.

A text becomes words, and a name is a row of words with what stands between them; so ten thousand
names cost one look into a dict for each word of the text, and no name becomes a pattern. Case,
width and composition of letters do not matter, whole words do; in scripts without spaces between
words (Chinese, Japanese, Thai, and Korean with its particles) each letter is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from perdure.errors import Invalid, TooLarge
from perdure.kernel import values

from .found import Detector, Found

NAMES_MAX = 10_000
NAME_CHARACTERS_MAX = 200

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff"
    "\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Signs that are no letters to Python and yet part of a word: accents, points, vowel signs.
_SIGNS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd"
    "\u0a01-\u0a51\u0a81-\u0acd\u0b01-\u0bcd\u0c00-\u0c4d\u0c81-\u0ccd\u0d00-\u0d4d\u200c\u200d"
)
_LETTER = rf"(?:(?![{_UNSPACED}])[^\W_])"
_WORD = rf"[{_UNSPACED}]|{_LETTER}(?:{_LETTER}|[{_SIGNS}])*+"  # compiled when it is used
_SPACES = re.compile(r"\s+")
_ALIKE = str.maketrans(
    {**dict.fromkeys("\u2019\u02bc\u2018`\u00b4", "'"), **dict.fromkeys("\u2010\u2011", "-")}
)

Words = tuple[str, ...]


def names_detector(names: Iterable[str]) -> Detector:
    """Make a detector of persons from a list of names; "Ada" is found in "ADA's" as well."""
    index = _Index(names)

    def named(text: str, /) -> Iterator[Found]:
        matches = list(re.finditer(_WORD, text)) if index.lengths else []
        words = [folded(match[0]) for match in matches]
        for at, first in enumerate(words):
            for length in index.lengths.get(first, ()):
                gaps = index.gaps.get(tuple(words[at : at + length]))
                here = matches[at : at + length]
                if gaps and _gaps(text, here) in gaps:
                    yield Found(here[0].start(), here[-1].end(), "person")
                    break

    return named


def folded(text: str) -> str:
    """Write a text so that what differs in case, width or composition alone is equal."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


class _Index:
    """Names by their words: which lengths begin with a word, and what stands between the words."""

    def __init__(self, names: Iterable[str]) -> None:
        self.lengths: dict[str, list[int]] = {}
        self.gaps: dict[Words, set[Words]] = {}
        if isinstance(names, str):
            raise Invalid("names is one text, not a list", remedy="give a list: names=['Ada']")
        for number, name in enumerate(names):
            if number == NAMES_MAX:
                raise TooLarge(
                    f"there are more than {NAMES_MAX} names",
                    value=NAMES_MAX,
                    remedy="give those that this text may hold",
                )
            self._add(f"names[{number}]", name)

    def _add(self, place: str, name: str) -> None:
        """Add a name. An error gives its place alone, since it is what has to stay private."""
        clear = values.text(place, name, characters_max=NAME_CHARACTERS_MAX)
        matches = list(re.finditer(_WORD, clear))
        if not matches:
            raise Invalid(
                f"{place} has no letter and no digit", remedy="leave it out, or name the person"
            )
        words = tuple(folded(match[0]) for match in matches)
        self.gaps.setdefault(words, set()).add(_gaps(clear, matches))
        lengths = self.lengths.setdefault(words[0], [])
        if len(words) not in lengths:
            lengths.append(len(words))
            lengths.sort(reverse=True)


def spaced(text: str) -> str:
    """Write a line break as a space, a quote or a hyphen of any kind as the usual one."""
    return _SPACES.sub(" ", text).translate(_ALIKE)


def _gaps(text: str, words: Sequence[re.Match[str]]) -> Words:
    """Give what stands between words."""
    return tuple(
        spaced(text[a.end() : min(b.start(), a.end() + NAME_CHARACTERS_MAX)])
        for a, b in pairwise(words)
    )
