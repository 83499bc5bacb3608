"""Detectors of what has a written form: secret keys, IBANs, e-mail addresses, card numbers, IP
addresses and handles. Phone numbers are in ``phones.py``.

Every pattern takes linear time on every text: what repeats has a bound or can not be split in two
ways, and nothing begins inside a run that it could have begun with. What a pattern finds is
checked (mod 97, Luhn, lengths) where its form has a check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .found import Found

# Letters of scripts that put spaces between words; in the others an address may touch a word.
LETTERS = (
    "A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0370-\u058f\u05d0-\u05ea\u0620-\u064a"
    "\u0900-\u0dff\u10a0-\u10ff\u1e00-\u1fff"
)
AT = "[@\uff20]"


def _found(match: re.Match[str], kind: str, *, end: int | None = None) -> Found:
    return Found(match.start(), match.end() if end is None else end, kind)


# -- secret keys

_SECRET = re.compile(
    r"""(?<![\w-])(?:
      (?P<sure>(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16} | hf_[A-Za-z]{34}) (?![\w-])
    | (?:sk|pk|rk|xai|gsk|pplx|npm|shpat|shpss|figd|lin_api|dop_v1|dckr_pat)[-_][\w-]{16,}+
    | gh[pousr]_\w{20,}+ | github_pat_\w{20,}+ | glpat-[\w-]{16,}+
    | xox[abeoprs]-[\w-]{16,}+ | xapp-[\w-]{16,}+ | pypi-[\w-]{32,}+
    | AIza[\w-]{30,}+ | ya29\.[\w-]{16,}+ | SG\.[\w-]{16,}+\.[\w-]{16,}+
    | eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]{8,}+
    )""",
    re.VERBOSE | re.ASCII,
)
# Ten letters and digits, or sixteen letters of both cases: what nobody writes by hand.
_RANDOM = re.compile(
    r"(?=[A-Za-z]{0,9}\d)(?=\d{0,9}[A-Za-z])[A-Za-z0-9]{10}"
    r"|(?=[a-z]{0,15}[A-Z])(?=[A-Z]{0,15}[a-z])[A-Za-z]{16}"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----))*+(?:-----END [A-Z ]{0,40}-----)?"
)


def secrets(text: str, /) -> Iterator[Found]:
    """Find keys by the prefixes of their makers, JSON web tokens and private keys in PEM."""
    for match in _SECRET.finditer(text):
        if match["sure"] or _RANDOM.search(match[0]):
            yield _found(match, "secret")
    for match in _PRIVATE_KEY.finditer(text):
        yield _found(match, "secret")


# -- IBAN

# From every place, since what only looks like a beginning may stand before one.
_IBAN = re.compile(
    r"(?<![A-Z0-9])(?=(?P<all>[A-Z]{2}\d{2}(?:[ \u00a0-]?[A-Z0-9]){11,30}))",
    re.IGNORECASE | re.ASCII,
)
_IBAN_COUNTRIES = {
    15: "NO", 16: "BE", 18: "DK FO FI FK GL NL SD", 19: "MK SI", 20: "AT BA EE KZ XK LT LU MN",
    21: "HR LV LI CH", 22: "BH BG CR GE DE IE ME RS GB VA", 23: "AE GI IL TL IQ OM SO",
    24: "AD CZ MD PK RO SA SK ES SE TN VG", 25: "LY PT ST", 26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
_IBAN_LENGTHS = {c: length for length, cs in _IBAN_COUNTRIES.items() for c in cs.split()}


def ibans(text: str, /) -> Iterator[Found]:
    """Find account numbers of a known country's length whose check digits fit (mod 97)."""
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match["all"][:2].upper(), 0)
        places = [n for n, sign in enumerate(match["all"]) if sign.isalnum()][:length]
        if length and len(places) == length:
            end = match.start() + places[-1] + 1
            code = "".join(match["all"][n] for n in places)
            if not text[end : end + 1].isalnum() and _is_mod_97(code.upper()):
                yield _found(match, "iban", end=end)


def _is_mod_97(code: str) -> bool:
    return int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4])) % 97 == 1


# -- e-mail addresses

_EMAIL = re.compile(
    rf"""(?<![{LETTERS}@])(?<![{LETTERS}][._%+'-])
    [{LETTERS}][{LETTERS}._%+'-]{{0,63}}+{AT}
    (?!\d{{1,2}}x\.)                                        # icon@2x.png
    (?:[{LETTERS}](?:-{{0,3}}+[{LETTERS}]){{0,62}}+\.){{1,8}}
    (?:xn--[a-z0-9-]{{2,59}} | (?:(?![0-9])[{LETTERS}]){{2,24}})
    (?![{LETTERS}]|-[{LETTERS}])""",
    re.VERBOSE,
)


def emails(text: str, /) -> Iterator[Found]:
    """Find e-mail addresses, also with letters of other scripts, with a domain of two labels."""
    for match in _EMAIL.finditer(text):
        yield _found(match, "email")


# -- card numbers

_CARD = re.compile(
    r"""(?<![\w-])(?<!\d[.,:/])(?:
      \d{14,19}
    | \d{4}([ \u00a0-])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?
    | \d{4}([ \u00a0-])\d{6}\2\d{4,5}
    )(?![\w%]|[.,:/]\d|-\w|[ \u00a0]\d{4})""",
    re.VERBOSE | re.ASCII,
)
_BRANDS = re.compile(
    r"""4\d{15} | 5[1-5]\d{14} | 2[2-7]\d{14} | 3[47]\d{13}
    | 3(?:0[0-59]|[689]\d)\d{11} | 35(?:2[89]|[3-8]\d)\d{12} | 62\d{14,17}
    | 6(?:011|4[4-9]\d|5\d\d)\d{12} | (?:50|5[6-8]|6[37])\d{14}""",
    re.VERBOSE | re.ASCII,
)
_NO_DIGIT = re.compile(r"\D", re.ASCII)


def cards(text: str, /) -> Iterator[Found]:
    """Find card numbers of a known brand and length whose last digit fits (Luhn)."""
    for match in _CARD.finditer(text):
        digits = _NO_DIGIT.sub("", match[0])
        if _BRANDS.fullmatch(digits) and _is_luhn(digits):
            yield _found(match, "card")


def _is_luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


# -- IP addresses

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IP4 = re.compile(rf"(?<![\w.-])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w-]|\.\d)", re.ASCII)
_IP6 = re.compile(
    r"(?<![\w:.])[0-9a-f]{3,4}:[0-9a-f:]{0,34}(?:[0-9a-f]|::)(?!\w|:\w)", re.IGNORECASE | re.ASCII
)
_NUMBERED = re.compile(
    r"(?:version|release|build|ver|rev|firmware|section|chapter|clause|v|\u00a7)[.:= ]{0,2}\Z",
    re.IGNORECASE,
)
_NUMBERED_CHARACTERS = 12
_EVERYBODYS = re.compile(r"0\.|127\.|255\.255\.")
_GROUPS, _GROUP_DIGITS = 8, 4


def ips(text: str, /) -> Iterator[Found]:
    """Find IP addresses, but not those that are everybody's, and not numbered versions."""
    for match in _IP4.finditer(text):
        before = text[max(0, match.start() - _NUMBERED_CHARACTERS) : match.start()]
        if not _EVERYBODYS.match(match[0]) and not _NUMBERED.search(before):
            yield _found(match, "ip")
    for match in _IP6.finditer(text):
        if _is_ip6(match[0]):
            yield _found(match, "ip")


def _is_ip6(code: str) -> bool:
    """Say whether it is eight groups, or fewer with one gap; a digit tells it from words."""
    groups = code.split(":")
    is_short = code.count("::") == 1 and ":::" not in code and len(groups) <= _GROUPS
    is_whole = "::" not in code and len(groups) == _GROUPS and "" not in groups
    fits = all(len(group) <= _GROUP_DIGITS for group in groups)
    return (is_short or is_whole) and fits and any(sign.isdigit() for sign in code)


# -- handles

_HANDLE = re.compile(
    rf"""(?<![{LETTERS}_@\uff20]){AT}
    (?P<name>[{LETTERS}_](?:[.-]?[{LETTERS}_]){{0,63}}+ | (?![{LETTERS}_])[^\W_][^\W_]{{0,29}}+)
    (?:{AT}(?:[{LETTERS}](?:-?[{LETTERS}]){{0,62}}+\.){{1,8}}(?:(?![0-9])[{LETTERS}]){{2,24}})?
    (?![{LETTERS}_(])""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"v?\d+(?:\.\d+)*", re.IGNORECASE | re.ASCII)
_FOUR_LETTERS = re.compile(r"[^\W\d_]{4}")
# Groups, decorators, annotations and rules of style sheets: none of them is a person.
_NO_HANDLES = frozenset(
    """
    all channel everyone here group team media import charset keyframes layer supports property
    apply param params return returns throws see since deprecated override author todo example
    interface nullable notnull test before after autowired bean component service entity id
    dataclass staticmethod classmethod abstractmethod overload final cached cache contextmanager
    """.split()
)


def handles(text: str, /) -> Iterator[Found]:
    """Find @names, @names@of.a.server too, but neither numbers nor decorators nor packages."""
    for match in _HANDLE.finditer(text):
        if not (_is_no_handle(match["name"]) or _is_package(text, match)):
            yield _found(match, "handle")


def _is_no_handle(name: str) -> bool:
    is_amount = name[0].isdigit() and not _FOUR_LETTERS.search(name)  # @7pm, but @3blue1brown
    return is_amount or bool(_NUMBER.fullmatch(name)) or name.lower() in _NO_HANDLES


def _is_package(text: str, match: re.Match[str]) -> bool:
    """Say whether it is the scope of a package, @types/node; in a path, /@ada/about, it is not."""
    after = text[match.end() : match.end() + 2]
    return (
        after[:1] == "/" and after[1:].isalnum() and text[match.start() - 1 : match.start()] != "/"
    )
