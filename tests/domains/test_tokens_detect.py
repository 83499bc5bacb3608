"""The detectors of personal values: what they find, what they leave, and how long they take."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import perdure
from perdure.domains.tokens import Detector, Found, compose, names_detector, structured
from perdure.domains.tokens.detect import FINDS_A_TEXT_MAX, LOOKS_MAX, look_through
from perdure.domains.tokens.model import dropped, rewritten, sameness
from perdure.domains.tokens.names import NAMES_MAX
from tests.domains.tokens_corpus import PEOPLE, POSITIVES, corpus

TEXTS = 8_000
EVERYTHING = compose(structured, names_detector(PEOPLE))


def seen(text: str, detector: Detector = structured) -> list[tuple[str, str]]:
    """Give what was found, as people read it."""
    return [(one.kind, text[one.start : one.end]) for one in look_through(text, detector)]


def test_recall_and_precision_over_labelled_texts() -> None:
    hits: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for one in corpus(TEXTS, seed=3):
        found = {(f.start, f.end, f.kind) for f in look_through(one.text, EVERYTHING)}
        hits.update(kind for *_, kind in found & one.labels)
        missed.update(kind for *_, kind in one.labels - found)
        wrong.update(kind for *_, kind in found - one.labels)
    assert set(hits) == set(POSITIVES)
    for kind, right in hits.items():
        assert right > 700, kind
        assert right / (right + missed[kind]) >= 0.99, (kind, "recall", missed[kind])
        assert right / (right + wrong[kind]) >= 0.98, (kind, "precision", wrong[kind])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada@example.com请回复", [("email", "ada@example.com")]),
        ("_ada@example.com_", [("email", "ada@example.com")]),
        ("12.05.2024 030/1234567", [("phone", "030/1234567")]),
        ("at 10:30 06 12 34 56 78", [("phone", "06 12 34 56 78")]),
        ("see /@ada/about and @types/node", [("handle", "@ada")]),
        (".@ada_l (cc @bob@x.example)", [("handle", "@ada_l"), ("handle", "@bob@x.example")]),
        ("@李雷 ＠ada", [("handle", "@李雷"), ("handle", "＠ada")]),
        ("IBAN de89 3704 0044 0532 0130 00 BIC X", [("iban", "de89 3704 0044 0532 0130 00")]),
        ("4111 1111 1111 1111 12/27 123", [("card", "4111 1111 1111 1111")]),
        ("http://93.184.216.34:80/ and fe80::1:", [("ip", "93.184.216.34"), ("ip", "fe80::1")]),
        ("abc:12:30, fe80:1:2 and 2001:db8::1::2", []),
        ("text me on 900 12 34", [("phone", "900 12 34")]),
        ("the text 9001234 and 0123456789", []),
    ],
)  # fmt: skip
def test_hard_places(text: str, found: list[tuple[str, str]]) -> None:
    assert seen(text) == found


def test_a_private_key_is_one_secret_even_if_it_is_cut_off() -> None:
    head, tail = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    whole = f"{head}\nProc-Type: 4,ENCRYPTED\n\nMIIEow==\n{tail}"
    assert seen(f"a {whole} b") == [("secret", whole)]
    assert seen(f"a {head}\nMIIE") == [("secret", f"{head}\nMIIE")]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("Ada", "ADA's, ada’s, _Ada_, Adam, adage", ["ADA", "ada", "Ada"]),
        ("Ada Lovelace", "ada\n lovelace; Ada-Lovelace", ["ada\n lovelace"]),
        ("Jean-Luc O'Brien", "JEAN‐LUC O’BRIEN", ["JEAN‐LUC O’BRIEN"]),
        ("Zoë", "Zoe\u0308 Zoe ZOË", ["Zoe\u0308", "ZOË"]),
        ("Strauß", "STRAUSS Strauss Straus", ["STRAUSS", "Strauss"]),
        ("田中", "田中さんと田 中", ["田中"]),
        ("김철수", "김철수가 왔다", ["김철수"]),
        ("रवि", "रवि और रविवार", ["रवि"]),
        ("Ａｄａ", "Ada", ["Ada"]),
        ("J. R. Tolkien", "J. R. Tolkien, J.R. Tolkien", ["J. R. Tolkien"]),
    ],
)
def test_names_are_found_as_whole_words(name: str, text: str, found: list[str]) -> None:
    assert seen(text, names_detector([name])) == [("person", one) for one in found]


def test_the_longest_name_of_the_list_wins() -> None:
    listed = names_detector(["Ada", "Ada Lovelace", "Lovelace King", "Ada Lovelace King Jr"])
    assert seen("Ada Lovelace King and Ada", listed) == [
        ("person", "Ada"),
        ("person", "Lovelace King"),
        ("person", "Ada"),
    ]


def test_an_address_with_a_name_in_it_stays_whole() -> None:
    text = "Ada smith@example.com"
    found = seen(text, compose(structured, names_detector(["Ada Smith", "Ada"])))
    assert found == [("person", "Ada"), ("email", "smith@example.com")]


def test_the_earlier_detector_wins_and_the_rest_is_looked_at_again() -> None:
    def middle(text: str) -> Iterable[Found]:
        return [Found(2, 4, "mid")]

    def long_runs(text: str) -> Iterable[Found]:
        return [Found(*match.span(), "run") for match in re.finditer("[a-z]+", text)]

    assert seen("abcdef", compose(middle, long_runs)) == [
        ("run", "ab"),
        ("mid", "cd"),
        ("run", "ef"),
    ]
    assert seen("abcdef", compose(long_runs, middle)) == [("run", "abcdef")]


def test_a_detector_that_never_has_enough_is_asked_four_times() -> None:
    def next_letter(text: str) -> Iterable[Found]:
        return [Found(match.start(), match.end(), "one") for match in re.finditer("[a-z]", text)][
            :1
        ]

    assert len(seen("abcdefgh", next_letter)) == LOOKS_MAX == 4


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Found(0, 9, "x"), "from 0 to 9 in 3 characters"),
        (Found(-1, 1, "x"), "from -1 to 1"),
        (Found(1, 1, "x"), "from 1 to 1"),
        (Found(0, 1, "Ärger"), "calls its find 'Ärger'"),
    ],
)
def test_a_detector_that_is_wrong_is_told(found: Found, message: str) -> None:
    with pytest.raises(perdure.Invalid, match=message):
        look_through("abc", lambda _: [found])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("Ada", "names is one text"),
        (["Ada", "?!"], r"names\[1\] has no letter"),
        (["Ada", 7], r"names\[1\] is int"),
        (["A" * 201], r"names\[0\] has 201 characters"),
        (["a"] * (NAMES_MAX + 1), "more than 10000 names"),
    ],
)
def test_a_bad_list_of_names_is_told_without_a_name(names: list[str], message: str) -> None:
    with pytest.raises(perdure.Invalid, match=message):
        names_detector(names)


def test_a_text_with_too_much_to_hide_is_refused() -> None:
    with pytest.raises(perdure.TooLarge, match="more than 10000 values"):
        look_through("Ada " * (FINDS_A_TEXT_MAX + 1), names_detector(["Ada"]))


def test_what_is_in_a_token_is_not_looked_at() -> None:
    assert seen("⟦person:1⟧ ⟦email⟧ person", names_detector(["person", "email"])) == [
        ("person", "person")
    ]


@given(st.text("abc ", max_size=30), st.data())
def test_writing_again_changes_only_the_places(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    places = [(a, b, text[a:b].upper()) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    assert rewritten(text, places).lower() == text
    assert dropped(text, [(a, b, "") for a, b, _ in places]).count("⟦") == 0


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("email", "Ada@Example.com", "ada@example.COM"),
        ("phone", "+49 (0)170 1234567", "0049-170/1234567"),
        ("person", "Ada\nLovelace", "ADA  LOVELACE"),
        ("person", "O’Brien", "o'brien"),
        ("iban", "DE89 3704 0044", "de8937040044"),
        ("card", "4111-1111", "4111 1111"),
        ("ip", "2001:DB8::0:1", "2001:db8::1"),
        ("ip", "Some-Host", "some-host"),
        ("handle", "＠Ada", "@ada"),
    ],
)
def test_spellings_of_one_value_are_the_same(kind: str, one: str, other: str) -> None:
    assert sameness(kind, one) == sameness(kind, other)
    assert sameness("secret", one) != sameness("secret", other)


PIECES = """
a 0 1 4 + @ . - _ ' : / ( ) % é 李 ’ eyJ sk- ghp_ AKIA SG. ya29. a@ a. a@a. @a. DE89 +49 00 01
call tel: order fe80: :: 255. 4111 ⟦person:1⟧ ⟦ -----BEGIN -----BEGIN·PRIVATE·KEY-----
""".split()
SHORT, TIMES = 3_000, 8


def test_no_text_takes_longer_than_in_proportion_to_its_length() -> None:
    """Eight times the text takes eight times the CPU; what is quadratic takes sixty-four."""
    rng = random.Random(5)
    units = [" ", "\n", *(piece.replace("·", " ") for piece in PIECES)]
    units += ["".join(rng.choices(units, k=rng.randrange(2, 5))) for _ in range(30)]
    for unit in units:
        short = (unit * SHORT)[:SHORT]
        few, many = cpu(short), cpu(short * TIMES)
        assert many < 3 * TIMES * max(few, 0.002), (unit, few, many)


def cpu(text: str) -> float:
    """Measure the CPU seconds of one look; the better of two."""
    took = []
    for _ in range(2):
        start = time.process_time()
        list(EVERYTHING(text))
        took.append(time.process_time() - start)
    return min(took)
