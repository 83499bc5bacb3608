"""Said this before: exact, by Bloom filter, nearly; and the filter of seed A's app."""

from __future__ import annotations

import base64
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.domains.drift import echoes, seedbloom
from perdure.errors import Invalid, TooLarge
from tests.domains import voices

ANY_TEXT = st.text(st.characters(codec=None), max_size=80)
HASHES = st.integers(-(2**63), 2**63 - 1)

# Text, its folded form, SHA-256, the simple hash and the positions of both: computed by Node 20.
ORIGINAL: list[tuple[str, str, str, str, list[int], list[int]]] = [
    (
        "Hello,   World!\n",
        "hello, world!",
        "68e656b251e67e8358bef8483ab0d51c6619f3e7a1a9f0e75838d41ff368f728",
        "20a7d694c54c246b",
        [925938, 986101, 46264, 106427, 166590, 226753, 286916],
        [870356, 971967, 73578, 175189, 276800, 378411, 480022],
    ),
    (
        " \u00a0Ünï ÇÖDE\ufeff  Text ",
        "ünï çöde text",
        "ced2f83910d4eb26b75d4a34241958c751362429aad23b2bbf2686b20ba4d226",
        "e828f5eea7218695",
        [932601, 321887, 711173, 100459, 489745, 879031, 268317],
        [998510, 990723, 982936, 975149, 967362, 959575, 951788],
    ),
    (
        "😀 你好\u2003世界",
        "😀 你好 世界",
        "f3d070dd4133ec06b56cdfbd97c2eb06f2c2d2d470b1bae3c22496925d99020c",
        "a05de627c2db78da",
        [523869, 445667, 367465, 289263, 211061, 132859, 54657],
        [508327, 671553, 834779, 998005, 161231, 324457, 487683],
    ),
    (
        "ΣΑΣ İstanbul",
        "σας i̇stanbul",
        "0ce54aa5ebb74ae4b0919c94595d0ed4ff9e0cfcff203acaebad366b1cf473db",
        "9fc926a564506f32",
        [353445, 11465, 669485, 327505, 985525, 643545, 301565],
        [759973, 752919, 745865, 738811, 731757, 724703, 717649],
    ),
]


def said(seed: int, count: int = 1) -> list[str]:
    who, random = voices.speaker(seed), Random(seed)
    return [" ".join(voices.reply(who, random) for _ in range(3)) for _ in range(count)]


def test_case_and_spaces_do_not_make_a_text_new() -> None:
    assert echoes.exact_hash("Hello   World\n") == echoes.exact_hash("hello world")
    assert echoes.exact_hash("hello world") != echoes.exact_hash("hello, world")


def test_composed_and_decomposed_letters_are_the_same_text() -> None:
    assert echoes.exact_hash("Cafe\u0301") == echoes.exact_hash("caf\u00e9")


@settings(deadline=None)
@given(ANY_TEXT)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = echoes.normalise(text)
    assert echoes.normalise(once) == once


@settings(deadline=None)
@given(ANY_TEXT)
def test_every_text_has_a_hash_that_sql_can_store(text: str) -> None:
    assert -(2**63) <= echoes.exact_hash(text) < 2**63


def test_the_stored_formats_do_not_change() -> None:
    assert echoes.exact_hash("Hello,   World!") == 886995229299742019
    assert echoes.bands(echoes.minhash("The same words, again."))[:2] == (
        -5924512476577784801,
        3220383633581037849,
    )
    assert echoes.bands(echoes.minhash("你好"))[:1] == (-6693718141318940918,)


@settings(deadline=None)
@given(st.lists(HASHES, max_size=50))
def test_a_filter_never_misses_what_was_added(hashes: list[int]) -> None:
    bloom = echoes.Bloom.of(hashes, capacity=100)
    assert all(each in bloom for each in hashes)
    again = echoes.Bloom.from_base64(bloom.to_base64())
    assert all(each in again for each in hashes)
    assert (len(again), again.capacity) == (len(bloom), 100)
    assert again.to_base64() == bloom.to_base64()


def test_a_full_filter_is_wrong_about_one_in_a_thousand() -> None:
    random = Random(7)
    bloom = echoes.Bloom.of(random.getrandbits(63) for _ in range(10_000))
    wrong = sum(random.getrandbits(63) - 2**63 in bloom for _ in range(50_000)) / 50_000
    assert wrong <= 1.6 * echoes.FALSE_POSITIVE_RATE, f"false positive rate {wrong}"


def test_a_filter_knows_when_it_is_full() -> None:
    bloom = echoes.Bloom(3)
    assert [bloom.add(each) for each in (1, 1, 2)] == [True, False, True]
    assert not bloom.is_full
    bloom.add(3)
    assert (bloom.is_full, len(bloom)) == (True, 3)


@pytest.mark.parametrize("capacity", [1, 2, 3, 7, 10, 99, 10_000, 123_457])
def test_the_capacity_can_be_read_from_the_size(capacity: int) -> None:
    assert echoes.Bloom(capacity).capacity == capacity


@pytest.mark.parametrize("capacity", [0, -1, 10_000_001])
def test_a_filter_of_an_absurd_size_is_refused(capacity: int) -> None:
    with pytest.raises(Invalid, match="use a capacity from 1 to 10000000"):
        echoes.Bloom(capacity)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a Bloom filter"),
        (b"PBF2|blake2b-128|144|10|0|" + bytes(18), "not a Bloom filter"),
        (b"PBF1|md5|144|10|0|" + bytes(18), "not a Bloom filter"),
        (b"PBF1|blake2b-128|144|9|0|" + bytes(18), "a damaged Bloom filter"),
        (b"PBF1|blake2b-128|144|10|-1|" + bytes(18), "a damaged Bloom filter"),
        (b"PBF1|blake2b-128|144|10|0|" + bytes(17), "a damaged Bloom filter"),
        (b"PBF1|blake2b-128|143|10|0|" + bytes(18), "a damaged Bloom filter"),
        (b"PBF1|blake2b-128|99999999999999|10|0|", "a damaged Bloom filter"),
    ],
)
def test_a_damaged_filter_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        echoes.Bloom.from_base64(base64.b64encode(data).decode())


def test_a_filter_that_is_not_base64_or_endless_is_refused() -> None:
    with pytest.raises(Invalid, match="not base64"):
        echoes.Bloom.from_base64("*é*")
    with pytest.raises(TooLarge, match="a Bloom filter of 60000000 characters"):
        echoes.Bloom.from_base64("A" * 60_000_000)


def test_nearly_the_same_text_is_recognised() -> None:
    for text in said(1, 20):
        words = text.split()
        variants = {
            "case and punctuation": text.upper().replace(",", ""),
            "one word dropped": " ".join(words[: len(words) // 2] + words[len(words) // 2 + 1 :]),
            "a preamble": "As I said before: " + text,
        }
        for name, variant in variants.items():
            near = echoes.similarity(echoes.minhash(text), echoes.minhash(variant))
            assert near >= 0.5, f"{name}: {near}"


def test_other_texts_are_not_near() -> None:
    signatures = [echoes.minhash(text) for seed in range(8) for text in said(seed, 3)]
    pairs = [(a, b) for i, a in enumerate(signatures) for b in signatures[:i]]
    assert max(echoes.similarity(a, b) for a, b in pairs) < 0.5


def test_the_estimate_is_near_the_true_share_of_pieces() -> None:
    errors = []
    for seed in range(60):
        random = Random(seed)
        words = [str(random.randint(10_000, 99_999)) for _ in range(12 + 2 * seed)]
        cut = random.randint(0, len(words))
        other = words[:cut] + [str(random.randint(10_000, 99_999)) for _ in words[cut:]]
        one, two = " ".join(words), " ".join(other)
        a, b = ({t[i : i + 5] for i in range(len(t) - 4)} for t in (one, two))
        estimate = echoes.similarity(echoes.minhash(one), echoes.minhash(two))
        errors.append(estimate - len(a & b) / len(a | b))
    assert (sum(each * each for each in errors) / len(errors)) ** 0.5 < 0.0625  # 0.5 / sqrt(64)
    assert abs(sum(errors) / len(errors)) < 0.02


@settings(deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_similarity_is_symmetric_and_one_for_the_same(one: str, other: str) -> None:
    a, b = echoes.minhash(one), echoes.minhash(other)
    assert len(a) == 256
    assert echoes.similarity(a, a) == 1.0
    assert 0.0 <= echoes.similarity(a, b) == echoes.similarity(b, a) <= 1.0


@pytest.mark.parametrize("text", ["", "a", "abcd", "你", "😀", "  \n "])
def test_a_text_under_five_characters_is_one_piece(text: str) -> None:
    assert echoes.similarity(echoes.minhash(text), echoes.minhash(text + " ")) == 1.0
    assert echoes.similarity(echoes.minhash(text), echoes.minhash("something else")) < 0.5


def test_an_accent_elsewhere_does_not_change_the_other_pieces() -> None:
    text = said(2)[0]
    assert echoes.similarity(echoes.minhash(text), echoes.minhash(text + " é")) > 0.9


def test_a_long_text_is_represented_by_its_ends() -> None:
    text = " ".join(said(3, 400))
    assert len(text) > 100_000
    cut = text[:50_000] + text[60_000:]
    assert echoes.similarity(echoes.minhash(text), echoes.minhash(cut)) == 1.0
    assert echoes.similarity(echoes.minhash(text), echoes.minhash("So: " + text)) > 0.9


def test_near_texts_share_a_band_and_others_do_not() -> None:
    text, other = said(4, 2)
    bands = echoes.bands(echoes.minhash(text))
    near = echoes.bands(echoes.minhash("Well. " + text))
    far = echoes.bands(echoes.minhash(other))
    assert len(bands) == 16
    assert all(-(2**63) <= each < 2**63 for each in bands)
    assert any(a == b for a, b in zip(bands, near, strict=True))
    assert not any(a == b for a, b in zip(bands, far, strict=True))


def test_a_signature_of_another_size_is_refused() -> None:
    with pytest.raises(Invalid, match="a signature of 3 bytes: use the 256 bytes"):
        echoes.similarity(b"abc", echoes.minhash("abc"))
    with pytest.raises(Invalid, match="a signature of 3 bytes"):
        echoes.bands(b"abc")


@pytest.mark.parametrize("row", ORIGINAL, ids=range(len(ORIGINAL)))
def test_the_hashes_of_the_app_are_reproduced(
    row: tuple[str, str, str, str, list[int], list[int]],
) -> None:
    text, folded, strong, simple, strong_at, simple_at = row
    assert echoes.fold(text) == folded
    assert seedbloom.strong_hash(text) == strong
    assert seedbloom.simple_hash(text) == simple
    assert seedbloom.places(strong) == strong_at
    assert seedbloom.places(simple) == simple_at


def app_filter(places: list[int]) -> str:
    bits = bytearray(125_000)
    for place in places:
        bits[place // 8] |= 1 << (place % 8)
    return base64.b64encode(bits).decode()


@pytest.mark.parametrize("strong", [True, False])
def test_the_filter_of_the_app_answers_for_what_it_recorded(strong: bool) -> None:
    stored = app_filter([place for row in ORIGINAL for place in (row[4] if strong else row[5])])
    assert seedbloom.SeedBloom.recognises(stored)
    bloom = seedbloom.SeedBloom.from_base64(stored)
    assert all(bloom.has_said(row[0]) for row in ORIGINAL)
    assert not bloom.has_said("something new")
    assert bloom.estimate() == len(ORIGINAL)


def test_a_filter_of_ours_is_not_taken_for_the_apps() -> None:
    ours = echoes.Bloom(69_433).to_base64()
    assert not seedbloom.SeedBloom.recognises(ours)
    with pytest.raises(Invalid, match="an app's filter has 125000"):
        seedbloom.SeedBloom.from_base64("AAAA")
    with pytest.raises(Invalid, match="not base64"):
        seedbloom.SeedBloom.from_base64("*")


def test_a_hash_that_is_no_hash_is_refused() -> None:
    with pytest.raises(Invalid, match="use 16 or 64 lower-case hexadecimal digits"):
        seedbloom.places("xyz")


@settings(deadline=None)
@given(ANY_TEXT)
def test_every_text_has_both_hashes_of_the_app(text: str) -> None:
    assert len(seedbloom.places(seedbloom.strong_hash(text))) == 7
    assert len(seedbloom.places(seedbloom.simple_hash(text))) == 7
