"""Finding phone numbers: the kind with no check digit, whose neighbours are dates, prices and ids.

A number counts as a phone number if it is written like one (+49 …, 00 49 …, (415) 555-2671,
0170 1234567, 06 12 34 56 78, 138 1234 5678, 98765 43210), or if a word before it says so ("call",
"Tel.", "手机"). A word before it may also say that it is something else ("order", "ISBN").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .found import Found

_GAP = "[ \u00a0\u2009\u202f.\u2010-\u2015-]"
_LOOSE = "[ \u00a0\u2009\u202f./()\u2010-\u2015-]"
_BEFORE = r"(?<![\w#$€£¥+])(?<!\d[.,:/])(?<!\w-)"
# No other number before it, unless that one ends a date or a time.
_ALONE = _BEFORE + r"(?:(?<!\d[ \u00a0])|(?<=[./:-]\d\d[ \u00a0])|(?<=[./-]\d{4}[ \u00a0]))"
_AFTER = r"(?:\ ?(?:x|ext\.?)\ ?\d{1,6})?(?![\w%€£¥$]|[.,:/]\d|-\w)"
_LAST = _AFTER + r"(?![ \u00a0]\d)"

_WORLD = re.compile(
    rf"(?<![\w+])(?:\+|(?<!\w[ ])\+[ ])\(?[1-9]\)?(?:{_LOOSE}{{0,3}}\d){{6,14}}+{_AFTER}",
    re.VERBOSE | re.ASCII,
)
_DIALLED = re.compile(
    rf"{_ALONE}(?<!/)00\ ?[1-9](?:{_LOOSE}{{0,3}}\d){{7,14}}+{_LAST}", re.VERBOSE | re.ASCII
)
_WRITTEN = re.compile(
    rf"""
      {_BEFORE}(?:1[ .-])?(?:\([2-9]\d\d\)\ ?|[2-9]\d\d[.-])\d{{3}}[ .-]\d{{4}}{_AFTER}
    | {_ALONE}(?:1[ ])?[2-9]\d\d[ ]\d{{3}}[ -]\d{{4}}{_LAST}
    | {_BEFORE}\(0?[1-9]\d{{1,4}}\)[ -]?\d(?:{_GAP}?\d){{5,9}}+{_LAST}
    | {_ALONE}(?<!/)0[1-9](?:{_GAP}\d|/\ ?\d|\ [-\u2013/]\ \d|\d){{7,10}}+{_LAST}
    | {_ALONE}1[3-9]\d([ -])\d{{4}}\1\d{{4}}{_LAST}
    | {_ALONE}[6-9]\d{{4}}[ -]\d{{5}}{_LAST}
    """,
    re.VERBOSE | re.ASCII,
)  # fmt: skip
_CALLED = re.compile(rf"{_BEFORE}\(?\d(?:{_LOOSE}{{0,2}}\d){{5,14}}+{_AFTER}", re.ASCII)

_CALLING = re.compile(
    r"""(?:\b(?:tel|telephone|telefon|tel[eé]fono|t[eé]l[eé]phone|t[eé]l|phone|cell|cellphone
    |mobile|mobil|handy|m[oó]vil|fax|whats\s?app|call|calls|called|ring|dial
    |(?:text|sms)(?=\s(?:me|us|him|her|them)\b)|hotline|landline|phoned|rufnummer
    |telefoon|тел|телефон|мобильный)\b
    |电话|電話|手机|手機|携帯|전화|핸드폰)
    (?:\W{1,3}(?:me|us|him|her|them|number|numbers|no|nr|num[eé]ro|n[uú]mero|nummer|is|at|on|under
    |ist|est|es|my|the|number's|unter|au|al)\b){0,4}\W{0,3}\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_CALLING_CHARACTERS = 48
_COUNTED = re.compile(
    r"""\b(?:order|orders|invoice|ticket|ref|reference|id|ids|no|nr|number|sku|serial|isbn|issn|ean
    |case|account|tracking|parcel|part|item|batch|lot|version|build|commit|row|model|policy|code
    |rechnung|bestellung|auftrag|kunde|kundennummer|commande|facture|pedido|factura)
    (?:\W{1,3}(?:id|no|nr|number|code|is|nummer)\b){0,2}\W{0,3}\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_COUNTED_CHARACTERS = 32
_DATE = re.compile(
    r"\d{1,2}([./-])\d{1,2}\1(?:19|20)\d\d(?!\d)|(?:19|20)\d\d([./-])\d\d?\2\d\d?(?!\d)"
    r"|\d\d?([./-])\d\d?\3\d\d[ ,]"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[ \u00a0\u202f.]000)+|\d{1,3}(?:[\u202f.]\d{3})+")
_UNITS = re.compile(
    r"[ \u00a0]?(?:eur|usd|gbp|chf|euros?|dollars?|kg|g|km|m|mm|cm|bytes?|[kmgt]i?b|ms|rows|users"
    r"|people|items|times|points|tokens|lines|steps|years|units|votes|views)\b",
    re.IGNORECASE,
)
_DIGITS_MIN, _DIGITS_MAX = 7, 15
_NATIONAL_MIN = 9
_UNDIVIDED = (10, 11)
_NORTH_AMERICA = 11
_COUNTRY = re.compile(
    r"""1|7|2(?:0|7|1[12368]|[2-6]\d|9[01789])|3(?:[0-469]|5\d|7\d|8[0-35-79])|4(?:[013-9]|2[013])
    |5(?:[1-8]|0\d|9\d)|6(?:[0-6]|7\d|8\d|9[0-2])|8(?:[1246]|0[08]|5[02356]|7[08]|8[0-368])
    |9(?:[0-58]|6\d|7\d|9[2-68])""",
    re.VERBOSE,
)
_NO_DIGIT = re.compile(r"\D", re.ASCII)


def phones(text: str, /) -> Iterator[Found]:
    """Find phone numbers by how they are written, and by the words before them."""
    for pattern in (_WORLD, _DIALLED):
        for match in pattern.finditer(text):
            if _is_of_a_country(match[0]):
                yield Found(match.start(), match.end(), "phone")
    for match in _WRITTEN.finditer(text):
        if _is_national(text, match):
            yield Found(match.start(), match.end(), "phone")
    for match in _CALLED.finditer(text):
        if _is_plausible(text, match) and _says(text, match, _CALLING, _CALLING_CHARACTERS):
            yield Found(match.start(), match.end(), "phone")


def _is_of_a_country(number: str) -> bool:
    digits = _digits(number.replace("(0)", "")).removeprefix("00")
    country = _COUNTRY.match(digits)
    if country is None or not _DIGITS_MIN <= len(digits) <= _DIGITS_MAX:
        return False
    if country[0] == "1":
        return len(digits) == _NORTH_AMERICA and digits[1] > "1"
    return country[0] == "39" or digits[country.end()] != "0"


def _is_national(text: str, match: re.Match[str]) -> bool:
    digits, number = _digits(match[0]), match[0]
    if not _is_plausible(text, match) or _says(text, match, _COUNTED, _COUNTED_CHARACTERS):
        return _says(text, match, _CALLING, _CALLING_CHARACTERS) and _is_plausible(text, match)
    if number.isdigit():
        return len(digits) in _UNDIVIDED
    return len(digits) >= _NATIONAL_MIN


def _is_plausible(text: str, match: re.Match[str]) -> bool:
    """Say whether it is neither a date nor a count of something."""
    number = match[0]
    return not (
        number == "0123456789"
        or _DATE.match(number)
        or _THOUSANDS.fullmatch(number)
        or _UNITS.match(text, match.end())
        or len(_digits(number)) < _DIGITS_MIN
    )


def _says(text: str, match: re.Match[str], words: re.Pattern[str], most: int) -> bool:
    return words.search(text, max(0, match.start() - most), match.start()) is not None


def _digits(number: str) -> str:
    return _NO_DIGIT.sub("", re.split("x|ext", number)[0])
