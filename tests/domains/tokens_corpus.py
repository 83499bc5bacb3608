"""Texts with labelled personal values, and with what only looks like them, for the detectors.

Made from a seed, so that a figure can be measured again: it holds for the formats that stand here.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

Make = Callable[[random.Random], str]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and the places of what is personal in it."""

    text: str
    labels: frozenset[tuple[int, int, str]]


PEOPLE = (
    "Ada Lovelace;Ada;Bob;Jean-Luc Moreau;Siobhán O'Brien;María José García;Zoë;Łukasz Żak;"
    "Дмитрий Иванов;Αθηνά;Müller;van der Berg;李雷;田中花子;김철수;สมชาย;रवि;ליאור;Nguyễn Văn An;"
    "Ólafur"
).split(";")
WORDS = "ada bob mia leo kim noor ines ivan yuki omar lena rosa nils maja".split()
HOSTS = (
    "example.com mail.example.org x.io post.example.co.uk bücher.example uni-muenchen.example"
).split()


def some(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def shaped(rng: random.Random, shape: str) -> str:
    """Fill a shape: _ is any digit, ^ is one from 2 to 9, everything else stays."""
    fill = {"_": "0123456789", "^": "23456789"}
    return "".join(rng.choice(fill.get(sign, sign)) for sign in shape)


def email(rng: random.Random) -> str:
    word = rng.choice(WORDS)
    local = rng.choice(
        [word, f"{word}.{rng.choice(WORDS)}", f"{word}+news", f"{word}_{rng.randrange(99)}",
         f"{word[0]}.o'neil", f"{word}-{rng.choice(WORDS)}", f"Ünal.{word}", word.upper()]
    )  # fmt: skip
    return f"{local}@{rng.choice(HOSTS)}"


PHONES = """
+1 ^__ ^__ ____;+1 (^__) ^__-____;+1^__^______;1-^__-^__-____;(^__) ^__-____;^__-^__-____
^__.^__.____
^__ ^__ ____;+44 20 ^___ ____;+44 7___ ______;+44 (0)20 ^___ ____;020 ^___ ____;07___ ______
07_________
+49 17_ ^______;+49 (0)30 ^_____-__;0049 17_ ^______;017_ ^______;017_/^______;030 - ^______
017_^______
+33 6 __ __ __ __;06 __ __ __ __;06.__.__.__.__;06________;+39 06 ^___ ____;+34 6^_ __ __ __
+81 90-^___-____;090-^___-____;+86 138 ____ ____;138 ____ ____;+91 98___ _____;98___ _____
+55 (11) ^____-____;(11) ^____-____;+7 (^__) ^__-__-__;+972 50-^__-____;+82 10-^___-____
(030) ^______
+358 40 ^______;+27 82 ^__ ____;+61 4^_ ___ ___;04^_ ___ ___;+353 85 ^__ ____;+48 60_ ^__ ^__
+1 ^__ ^__ ____ ext. ^__;^__-^__-____ x^_;+41 79 ^__ __ __;+43 664 ^______;+351 91_ ___ ___
""".replace("\n", ";").split(";")
PHONES = [shape for shape in PHONES if shape]
CALLED = "^_________;^__-____;^__ __ __;^_ __ __ __;60_ ^__ ^__;138________;(^__)^______".split(";")
CALLING = (
    "call me at {};Tel. {};phone: {};text her on {};my number? Tel: {};Handy {};WhatsApp {};"
    "mobile is {};手机 {};電話：{};fax {}"
).split(";")


def handle(rng: random.Random) -> str:
    word, other = rng.choice(WORDS), rng.choice(WORDS)
    return rng.choice(
        [f"@{word}_{other}", f"@{word}{rng.randrange(99)}", f"@{word}.{other}", f"@{word}-{other}",
         f"@{word}@social.example", f"@{word}.bsky.example", f"@{word.upper()}",
         f"@3{word}s1{other}"]
    )  # fmt: skip


def iban(rng: random.Random) -> str:
    country, length = rng.choice(
        [("DE", 22), ("GB", 22), ("FR", 27), ("NL", 18), ("NO", 15), ("MT", 31)]
    )
    bank = some(rng, string.ascii_uppercase, 4) if country in ("GB", "NL", "MT") else ""
    body = bank + some(rng, string.digits, length - 4 - len(bank))
    check = 98 - int("".join(str(int(c, 36)) for c in f"{body}{country}00")) % 97
    code = f"{country}{check:02}{body}"
    spaced = " ".join(code[n : n + 4] for n in range(0, length, 4))
    return rng.choice([code, spaced, spaced.lower()])


def luhn(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - n % 2), 10)) for n, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def card(rng: random.Random) -> str:
    if rng.random() < 0.2:
        code = luhn("37" + some(rng, string.digits, 12))
        return rng.choice([code, f"{code[:4]} {code[4:10]} {code[10:]}"])
    code = luhn(
        rng.choice(["4", "51", "55", "2221", "6011"]).ljust(15, "0")[:6]
        + some(rng, string.digits, 9)
    )
    sign = rng.choice(["", " ", "-"])
    return sign.join(code[n : n + 4] for n in range(0, 16, 4))


def ip(rng: random.Random) -> str:
    if rng.random() < 0.3:
        groups = [f"{rng.randrange(1, 65536):x}" for _ in range(6)]
        return rng.choice(
            [f"2001:db8:{':'.join(groups)}", f"fe80::{groups[0]}",
             f"2a02:{groups[0]}:{groups[1]}::1", f"fd00:{groups[0]}::{groups[2]}"]
        )  # fmt: skip
    return ".".join(str(rng.randrange(low, 256)) for low in (11, 0, 0, 1)).replace("127.", "12.", 1)


def secret(rng: random.Random) -> str:
    letters = string.ascii_letters + string.digits
    prefix, count = rng.choice(
        [("sk-", 48), ("sk-proj-", 64), ("sk-ant-api03-", 80), ("sk_live_", 24), ("ghp_", 36),
         ("github_pat_", 60), ("xoxb-", 40), ("glpat-", 20), ("AIza", 35),
         ("npm_", 36), ("pypi-", 80)]
    )  # fmt: skip
    if rng.random() < 0.1:
        return "AKIA" + some(rng, string.ascii_uppercase + "234567", 16)
    if rng.random() < 0.1:
        return f"eyJ{some(rng, letters, 20)}.eyJ{some(rng, letters, 60)}.{some(rng, letters, 43)}"
    return prefix + some(rng, letters, count)


def phone(rng: random.Random) -> str:
    return shaped(rng, rng.choice(PHONES))


def person(rng: random.Random) -> str:
    name = rng.choice(PEOPLE)
    return rng.choice([name, name, name.upper(), name.lower()])


POSITIVES: dict[str, Make] = {
    "email": email, "phone": phone, "handle": handle, "iban": iban, "card": card, "ip": ip,
    "secret": secret, "person": person,
}  # fmt: skip
AROUND = (
    'It is {}.;Please write to {} soon;({});"{}";Contact: {}, thanks;{};<{}>;see {}!;Ask {}?;'
    "- {}\n;Meine neue: {}.;c'est {};nuestro {};[{}];it was {} - really;yesterday {} and then;*{}*"
).split(";")
POSSESSIVES = ("{}'s book", "{}’s voice", "with {}'s help")


def wrong_card(rng: random.Random) -> str:
    code = card(rng)
    return code[:-1] + str((int(code[-1]) + rng.randrange(1, 10)) % 10)


def wrong_iban(rng: random.Random) -> str:
    code = iban(rng).upper()
    return code[:2] + f"{(int(code[2:4]) + 7) % 100:02}" + code[4:]


def moment(rng: random.Random) -> tuple[int, int, int, int, int, int]:
    r = rng.randrange
    return r(1950, 2040), r(1, 13), r(1, 29), r(24), r(60), r(60)


def date(rng: random.Random) -> str:
    y, m, d, h, n, s = moment(rng)
    return rng.choice(
        [f"{y}-{m:02}-{d:02}", f"{d:02}.{m:02}.{y}", f"{m:02}/{d:02}/{y}", f"{d}/{m}/{y % 100:02}",
         f"{y}-{m:02}-{d:02} {h:02}:{n:02}:{s:02}", f"{y}-{m:02}-{d:02}T{h:02}:{n:02}:{s:02}Z",
         f"{d:02}-{m:02}-{y}", f"{y}/{m:02}/{d:02}", f"{d}. {m}. {y}", f"{y}{m:02}{d:02}",
         f"{y}{m:02}{d:02}{h:02}{n:02}{s:02}", f"{d:02}.{m:02}.{y}, {h:02}:{n:02}", f"{y}-{y + 3}",
         f"{d:02}.{m:02}.{y} - {d:02}.{m:02}.{y + 1}", f"{h}:{n:02}", f"@ {h}:{n:02}",
         f"@{h % 12 + 1}pm",
         f"{h:02}:{n:02}:{s:02}.123456", f"{d:02}.{m:02}.{y % 100:02} {h:02}.{n:02}"]
    )  # fmt: skip


NUMBERS = """
v^.__._;^._._-beta.^;version ^._._.__;release 10._.___._;v^._._._;Python 3.^._;1.^_._+build.____
10.0.1^___.1___
$^,___.__;^.___,__ €;EUR ^ ___ ___;£^__;¥^____;^ ___ ___ USD;CHF ^'___.__;^.__;^_ %;^_.__%
^ ___ ___
^ ___ 000 rows;^__ 000 000 people;^______ bytes;^_ ___ km;^,___,___;^.___.___;^____ kg;^___x^___
1^20x1080
order ^_________;Order #0^________;invoice 0^00 ______;INV-2024-00____;ticket ^__-^__-____
id 0^________
row ^_________;#^______;#0^________;case no. 0^___ _____;PO-^____-_____;commit ^______
SKU 0^0-^___-____
ISBN ^78-3-16-^_____-_;ISBN 0^________;EAN ^____________;ISSN ^___-____;tracking 0^00 ____ ____
1Z ^__ AA1 01 ^___ ____;^____-____;17_________;17________.______;17___________;^__________________
3.1415^265358^7^;-0._________;^.__e10;6-4 7-5 6-3;^_-^_;pp. ^__-^___;lines ^___-^___;^:^;16:^
^_/^_
48.______, 11.______;-^_.______;N 48 08.___;256.^__.1.1;10._._;1.^;300.1.1.1;section 4.^.1.^
chapter ^._._.1
0;42;1^^^;12345;123456;12345678^0;^____;^_____;0._________;127.0.0.1;0.0.0.0;255.255.255.0
00:^_:__:__:a^:0b;std::vector<int>;a::b;face::Book;Foo::Bar;10:__:__;^:__-^:__;12:__:__:__
icon@2x.png;react@18.^._;pkg@latest;@types/node;@angular/core;@media print;@Override;@property
@app.route("/")
@here;@everyone;@ ^.__;@60fps;@v^.0;foo@;@@identity;a @ b;user@localhost;^@^;@2x
sk-learn;sk-SK;sk-learn-based-pipeline-for-text;pk_customer_order_items;task-^___________
npm_config_registry
DE;GB^_;AB12-^___-____;DE^_ ^___;flight LH^___;gate B^_;A4;room ^__;CO2;B2B;H2O;RFC ^___;#ff^_0_
0x^_______
^__ ^__;^___ ^___;^ ^ ^ ^ ^ ^ ^ ^;^__ ___ ___ votes;1 000 000;5 x ^__ x ^__;^0210-____
^__-__-____;2_/7
""".replace("\n", ";").split(";")
NUMBERS = [shape for shape in NUMBERS if shape]


def uuid(rng: random.Random) -> str:
    code = some(rng, "0123456789abcdef", 32)
    return f"{code[:8]}-{code[8:12]}-{code[12:16]}-{code[16:20]}-{code[20:]}"


def digest(rng: random.Random) -> str:
    return some(rng, "0123456789abcdef", rng.choice([7, 12, 32, 40, 64]))


NEGATIVES: list[Make] = [
    date, date, wrong_card, wrong_iban, uuid, digest,
    *[lambda rng: shaped(rng, rng.choice(NUMBERS))] * 6,
    lambda rng: rng.choice("Adam bobbing Lovelaces Mueller Zoe maria Berg Jean".split()),
]  # fmt: skip
PROSE = (
    "I would rather tell you the truth, gently. ;We met and talked for a while. ;Das ist gut so. ;"
    "Пойдём домой. ;今日はいい天気ですね。;Rien de plus. ;ok ;\n"
).split(";")


def corpus(count: int, seed: int) -> list[Labelled]:
    """Make texts: half of what stands in them is personal, half only looks like it."""
    rng = random.Random(seed)
    return [one_text(rng) for _ in range(count)]


def one_text(rng: random.Random) -> Labelled:
    text, labels = rng.choice(PROSE), []
    for _ in range(rng.randrange(1, 4)):
        kind = rng.choice([*POSITIVES]) if rng.random() < 0.5 else ""
        value = POSITIVES[kind](rng) if kind else rng.choice(NEGATIVES)(rng)
        frame = rng.choice(AROUND)
        if kind == "person" and rng.random() < 0.3:
            frame = rng.choice(POSSESSIVES)
        if kind == "phone" and rng.random() < 0.3:
            value, frame = shaped(rng, rng.choice(CALLED)), rng.choice(CALLING)
        before, after = frame.split("{}")
        start = len(text) + len(before)
        if kind:
            labels.append((start, start + len(value), kind))
        text += f"{before}{value}{after}{rng.choice([' ', '. ', chr(10)])}{rng.choice(PROSE)}"
    return Labelled(text, frozenset(labels))
