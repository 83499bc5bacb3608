"""Fixed word lists and classes of characters: what `features.py` counts.

A measurement holds counts over these lists, never a word of the text. The word lists are English,
with the commonest function words of a few other languages, so that a change of language shows.
Changing a list changes what a count means: raise `features.VERSION` with it.
"""

from bisect import bisect_right
from typing import Final

ENGLISH_FUNCTION_WORDS: Final = tuple(
    (
        "the of and to a in that is it for was on with as i you he she they we be at by this have"
        " from or had not but what all were when there can an your which their said if do will"
        " each about how up out them then so some her would make like him into has look more go"
        " see no way could my than been who its now did get come may me our us just only very"
        " here where why over because through too am are any these those also while"
    ).split()
)
OTHER_FUNCTION_WORDS: Final = tuple(
    "de la que el en et le les der die und das não и в не на 的 了 是 我 不 在 の は を に".split()
)
# Bin 0 of a profile is "any other word".
WORD_BINS: Final = {
    word: index for index, word in enumerate(ENGLISH_FUNCTION_WORDS + OTHER_FUNCTION_WORDS, 1)
}
WORD_BINS_COUNT: Final = len(WORD_BINS) + 1

POSITIVE, NEGATIVE, HEDGE, INTENSIFIER = 0, 1, 2, 3
_POSITIVE: Final = """
    good great love lovely happy glad thanks thank wonderful nice beautiful excellent warm hope
    enjoy joy proud perfect best better amazing delight kind pleased welcome brilliant fantastic
    fun sweet gentle trust 😀 😊 😍 🙂 🎉 ❤ 👍 ✨ 好 爱 喜 gut schön bien bueno gracias merci
"""
_NEGATIVE: Final = """
    bad sad hate angry sorry wrong fail failed failure terrible awful worst worse pain hurt afraid
    fear alone lost problem broken hard difficult tired unfortunately cruel bitter dead ugly stupid
    useless grim 😢 😭 😡 👎 💔 坏 恨 悲 schlecht leider malo mal triste
"""
_HEDGES: Final = """
    maybe perhaps possibly probably might seems seem seemed apparently guess suppose think somewhat
    roughly almost likely unlikely arguably sometimes usually generally tend may could appears
    vielleicht quizás peut
"""
_INTENSIFIERS: Final = """
    very really so extremely absolutely totally completely utterly incredibly truly deeply highly
    especially particularly quite always never definitely certainly indeed such too 很 太 sehr muy
    très
"""


def _tones() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for tone, words in enumerate((_POSITIVE, _NEGATIVE, _HEDGES, _INTENSIFIERS)):
        for word in words.split():
            found[word] = (*found.get(word, ()), tone)
    return found


TONES: Final = _tones()

LETTER, COMMA, STOP, QUESTION, EXCLAMATION, COLON, QUOTE, BRACKET, DASH, ELLIPSIS = range(10)
MARKUP, SYMBOL, DIGIT, NEWLINE, CAPITAL, ACCENT, GREEK, CYRILLIC, HEBREW, ARABIC = range(10, 20)
INDIC, SOUTH_EAST, HANGUL, KANA, HAN, EMOJI, OTHER, SPACE = range(20, 28)
MARK_BINS_COUNT: Final = 27  # a space counts for nothing

_BY_CHARACTER: Final = {
    character: mark
    for mark, characters in (
        (LETTER, "abcdefghijklmnopqrstuvwxyz"),
        (CAPITAL, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (DIGIT, "0123456789"),
        (SPACE, " \t\r\f\v\u00a0\u3000"),
        (NEWLINE, "\n\u2028\u2029\x85"),
        (COMMA, ",，、،"),
        (STOP, ".。।۔"),
        (QUESTION, "?？؟"),
        (EXCLAMATION, "!！¡"),
        (COLON, ":;：；؛"),
        (QUOTE, "\"'“”‘’«»「」『』"),
        (BRACKET, "()[]{}（）【】"),
        (DASH, "-–—"),
        (ELLIPSIS, "…"),
        (MARKUP, "*_#`~|<>•"),
    )
    for character in characters
}
# Where each class of code points begins.
_BLOCKS: Final = (
    (0x0, SYMBOL),
    (0xC0, ACCENT),
    (0x250, OTHER),
    (0x370, GREEK),
    (0x400, CYRILLIC),
    (0x530, OTHER),
    (0x590, HEBREW),
    (0x600, ARABIC),
    (0x780, OTHER),
    (0x900, INDIC),
    (0xE00, SOUTH_EAST),
    (0xF00, OTHER),
    (0x1000, SOUTH_EAST),
    (0x10A0, OTHER),
    (0x1100, HANGUL),
    (0x1200, OTHER),
    (0x1780, SOUTH_EAST),
    (0x1800, OTHER),
    (0x1E00, ACCENT),
    (0x1F00, GREEK),
    (0x2000, SYMBOL),
    (0x2600, EMOJI),
    (0x27C0, SYMBOL),
    (0x3040, KANA),
    (0x3100, OTHER),
    (0x3400, HAN),
    (0xA000, OTHER),
    (0xAC00, HANGUL),
    (0xD7B0, OTHER),
    (0xF900, HAN),
    (0xFB00, OTHER),
    (0xFB1D, HEBREW),
    (0xFB50, ARABIC),
    (0xFE00, OTHER),
    (0x1F000, EMOJI),
    (0x1FB00, OTHER),
    (0x20000, HAN),
    (0x32000, OTHER),
)
_STARTS: Final = [start for start, _ in _BLOCKS]


def mark_of(character: str) -> int:
    """Return the class of a character."""
    known = _BY_CHARACTER.get(character)
    if known is not None:
        return known
    return _BLOCKS[bisect_right(_STARTS, ord(character)) - 1][1]
