"""Drift observed in replies: separates speakers, stays in range, explains itself, is replayable."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace
from functools import cache
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.domains.drift import features, lexicon, model, voice
from perdure.errors import Invalid
from tests.domains import voices

SPEAKERS = 24
APART = 0.7  # habits overlap: about as hard as the public conversations of the research
AFTER_REPLIES = 60
AUC_LEAST = 0.88
ANY_TEXT = st.text(st.characters(codec=None), max_size=300)
MEASUREMENT_BYTES_MAX = 600
STATE_BYTES_MAX = 3_500

ODD_TEXTS = {
    "empty": "",
    "spaces": " \n\t ",
    "dots": "...!?",
    "emoji": "😀🎉👍🏽👨‍👩‍👧",
    "right to left": "שלום, איך אתה היום? אני בסדר גמור. مرحبا، كيف حالك اليوم؟ أنا بخير.",
    "Chinese": "今天天气很好，我们去公园走走吧。你觉得怎么样？",
    "Japanese": "今日はとても良い天気ですね。公園へ行きましょうか？",
    "Thai": "วันนี้อากาศดีมาก เราไปเดินเล่นกันเถอะ",
    "Hindi": "आज मौसम बहुत अच्छा है। चलो पार्क चलते हैं।",
    "one letter": "a",
    "one run": "a" * 5000,
    "lone surrogate": "good \ud800 evening",
    "a list": "- one\n- two\n3) three\n",
}


@cache
def measured(speaker: int, stream: int, count: int) -> tuple[voice.Measurement, ...]:
    who, random = voices.speaker(speaker, apart=APART), Random(1000 * speaker + stream)
    return tuple(voice.measure(voices.reply(who, random)) for _ in range(count))


@cache
def settled(speaker: int) -> model.DriftState:
    return heard(model.initial(), measured(speaker, 0, voice.BASELINE_REPLIES))[-1]


def heard(
    state: model.DriftState, measurements: tuple[voice.Measurement, ...]
) -> list[model.DriftState]:
    states = []
    for each in measurements:
        state = voice.observe(state, each)
        states.append(state)
    return states


def continued(speaker: int, other: int, stream: int) -> list[model.DriftState]:
    return heard(settled(speaker), measured(other, stream, AFTER_REPLIES))


@cache
def separation() -> tuple[list[model.DriftState], list[model.DriftState]]:
    """Return the last states after a switch of speaker and after the same speaker went on."""
    people = range(SPEAKERS)
    switched = [continued(a, (a + k) % SPEAKERS, 1)[-1] for a in people for k in (1, 5, 11)]
    same = [continued(a, a, stream)[-1] for a in people for stream in (1, 2)]
    return switched, same


def test_another_speaker_is_told_from_the_same_one() -> None:
    switched, same = ([each.coefficient for each in side] for side in separation())
    value = voices.auc(switched, same)
    assert value >= AUC_LEAST, f"AUC {value:.3f}"
    assert statistics.mean(switched) > 2 * statistics.mean(same)


def test_the_separation_vanishes_when_the_labels_are_shuffled() -> None:
    both = [each.coefficient for side in separation() for each in side]
    values = []
    for seed in range(20):
        Random(seed).shuffle(both)
        values.append(voices.auc(both[:72], both[72:]))
    assert 0.45 < statistics.mean(values) < 0.55, f"AUC {statistics.mean(values):.3f}"
    assert max(values) < AUC_LEAST


def test_the_same_speaker_is_not_told_from_himself() -> None:
    first = [continued(a, a, 1)[-1].coefficient for a in range(SPEAKERS)]
    second = [continued(a, a, 2)[-1].coefficient for a in range(SPEAKERS)]
    assert voices.auc(first, second) < AUC_LEAST


def test_the_alarm_is_for_the_other_speaker() -> None:
    switched, same = separation()
    rung = statistics.mean(each.voice.alarm for each in switched)
    false = statistics.mean(each.voice.alarm for each in same)
    assert rung > 0.4, f"{rung:.2f} of the switches rang"
    assert false < rung / 2, f"{false:.2f} of the others rang"


def test_the_alarm_says_since_when_and_ends_with_a_new_baseline() -> None:
    far = voices.speaker(1, apart=2.0)
    random = Random(5)
    replies = tuple(voice.measure(voices.reply(far, random).upper()) for _ in range(40))
    states = heard(settled(0), replies)
    first = next(each for each in states if each.voice.alarm)
    assert first.voice.alarm_since == first.total_interactions
    assert states[-1].voice.alarm_since == first.voice.alarm_since
    accepted = voice.rebase(states[-1]).voice
    assert (accepted.alarm, accepted.alarm_since, accepted.baseline) == (False, 0, 2)
    assert accepted.replies == 0


def test_the_alarm_ends_when_the_voice_comes_home() -> None:
    shout = voice.measure("STOP! NOW! VERY, VERY BAD! AWFUL! TERRIBLE!")
    away = heard(settled(0), (shout,) * 40)[-1]
    assert away.voice.alarm
    assert away.momentum >= 0
    home = heard(away, measured(0, 3, 120))[-1]
    assert not home.voice.alarm
    assert home.coefficient < away.coefficient / 2


def test_the_first_thirty_replies_move_nothing_but_the_baseline() -> None:
    states = heard(model.initial(), measured(2, 0, 30))
    assert {each.coefficient for each in states} == {0.0}
    assert {each.dimensions for each in states} == {model.Dimensions()}
    assert [each.voice.replies for each in states] == list(range(1, 31))
    assert states[-1].total_interactions == 30


def test_the_baseline_is_frozen_after_thirty_replies() -> None:
    after = continued(3, 4, 1)[-1].voice
    before = settled(3).voice
    assert (after.mean, after.spread, after.home) == (before.mean, before.spread, before.home)


def test_the_baseline_is_the_mean_and_the_spread_of_the_thirty() -> None:
    replies = measured(5, 0, 30)
    state = settled(5)
    for index in range(len(features.FEATURES)):
        column = [each.features[index] for each in replies]
        assert state.voice.mean[index] == pytest.approx(statistics.mean(column), abs=1e-9)
        variance = state.voice.spread[index] / 29
        assert variance == pytest.approx(statistics.variance(column), abs=1e-9)


def test_the_same_sentence_a_thousand_times_is_no_drift() -> None:
    same = voice.measure("I would rather tell you the truth, gently.")
    state = heard(model.initial(), (same,) * 1000)[-1]
    assert state.coefficient == pytest.approx(0.0, abs=1e-9)
    assert state.fitness_position.x == pytest.approx(1.0)
    assert not state.voice.alarm


def test_a_reply_without_words_counts_and_is_not_measured() -> None:
    before = settled(6)
    after = heard(before, (voice.measure(""), voice.measure(" ... !")))[-1]
    assert after == replace(before, total_interactions=before.total_interactions + 2)


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_texts_have_defined_numbers(name: str) -> None:
    measurement = voice.measure(ODD_TEXTS[name])
    assert_measured(measurement)
    state = voice.observe(voice.observe(model.initial(), measurement), measurement)
    assert_in_range(state)
    assert_in_range(heard(settled(7), (measurement,) * 40)[-1])


def test_scripts_without_spaces_are_counted_by_character() -> None:
    assert voice.measure("你好世界").tokens == 4
    assert voice.measure("hello 世界").tokens == 3
    assert voice.measure("😀😀").tokens == 2
    assert voice.measure("don’t stop").tokens == voice.measure("don't stop").tokens == 2


def test_a_megabyte_is_measured_by_its_first_middle_and_last_part() -> None:
    text = "".join(f"Word{number} and another, really! " for number in range(35_000))
    assert len(text) > 1_000_000
    measurement = voice.measure(text)
    assert measurement.tokens < features.SAMPLE_CHARACTERS_MAX
    assert_measured(measurement)
    middle = "x" * 3000
    assert voice.measure(text[:200_000] + middle + text[203_000:]) == measurement


def assert_measured(measurement: voice.Measurement) -> None:
    assert all(math.isfinite(each) for each in measurement.features)
    data = msgspec.json.encode(measurement)
    assert len(data) <= MEASUREMENT_BYTES_MAX
    assert msgspec.json.decode(data, type=voice.Measurement) == measurement


def assert_in_range(state: model.DriftState) -> None:
    assert 0 <= state.coefficient <= 1
    assert all(-1 <= each <= 1 for each in state.dimensions.values())
    position = state.fitness_position
    assert all(0 <= each <= 1 for each in (position.x, position.y, position.z))
    assert 0 <= state.speciation_index <= 1
    assert 0 <= state.momentum <= 1
    data = msgspec.json.encode(state)
    assert b"null" not in data
    assert len(data) <= STATE_BYTES_MAX
    assert msgspec.json.decode(data, type=model.DriftState) == state


@settings(deadline=None)
@given(ANY_TEXT)
def test_every_text_is_measured_in_range(text: str) -> None:
    assert_measured(voice.measure(text))
    assert voice.measure(text) == voice.measure(text)


@settings(max_examples=25, deadline=None)
@given(st.lists(ANY_TEXT, min_size=1, max_size=6), st.integers(0, SPEAKERS - 1))
def test_every_conversation_stays_in_range(texts: list[str], speaker: int) -> None:
    measurements = tuple(map(voice.measure, texts))
    for start in (model.initial(), settled(speaker)):
        for state in heard(start, measurements * 7):
            assert_in_range(state)


def test_a_replay_of_the_stored_measurements_gives_the_same_state() -> None:
    live = continued(8, 9, 1)[-1]
    stored = json.dumps([msgspec.to_builtins(each) for each in measured(9, 1, AFTER_REPLIES)])
    read = msgspec.json.decode(stored, type=list[voice.Measurement])
    start = msgspec.json.decode(msgspec.json.encode(settled(8)), type=model.DriftState)
    assert heard(start, tuple(read))[-1] == live


def test_no_word_of_the_text_is_stored() -> None:
    measurement = voice.measure("Zanzibar marzipan: Theodora whispered perhaps wonderful secrets.")
    assert (measurement.words[0], sum(measurement.words)) == (7, 7)
    state = voice.observe(model.initial(), measurement)
    stored = msgspec.json.encode((measurement, state)).decode().lower()
    assert not any(word in stored for word in ("zanzibar", "marzipan", "theodora", "perhaps"))


def test_explain_names_the_dimension_the_feature_and_the_amount() -> None:
    before = settled(10)
    loud = voice.measure("Yes! Yes! It is there! I see it! Look at that! We did it! Go on! Now!")
    after = heard(before, (loud,) * 8)[-1]
    reasons = voice.explain(before, after)
    assert [abs(each.change) for each in reasons] == sorted(
        (abs(each.change) for each in reasons), reverse=True
    )
    amplitude = next(each for each in reasons if each.dimension == "amplitude")
    assert amplitude.feature == "exclamations"
    assert amplitude.after > amplitude.before
    assert amplitude.text.startswith("amplitude moved by +0.")
    assert "more exclamations than the baseline (+" in amplitude.text


def test_a_dimension_has_the_sign_of_its_leading_feature() -> None:
    calm = heard(settled(11), (voice.measure("Yes."),) * 40)[-1]
    assert calm.dimensions.structural < 0
    reason = next(r for r in voice.explain(settled(11), calm) if r.dimension == "structural")
    assert reason.z < 0


def test_explain_says_nothing_when_nothing_moved() -> None:
    assert voice.explain(settled(12), settled(12)) == ()


def test_explain_knows_the_apps_mutations() -> None:
    before = settled(13)
    reasons = voice.explain(before, model.evolve(before, model.Mutation(*[0.9] * 6)))
    assert {each.feature for each in reasons} == {"mutation"}
    assert "the app's mutations or feedback" in reasons[0].text


def test_repetition_shows_when_the_caller_knows_it() -> None:
    text = voices.reply(voices.speaker(0), Random(1))
    fresh, stale = voice.measure(text), voice.measure(text, echo=0.9)
    place = features.FEATURES.index("novelty")
    assert (fresh.features[place], stale.features[place]) == (1.0, 0.1)


def test_the_formulas_of_the_state_hold() -> None:
    state = continued(14, 15, 1)[-1]
    dimensions, position = state.dimensions, state.fitness_position
    squares = sum(each**2 for each in dimensions.values())
    assert state.coefficient == pytest.approx(math.sqrt(squares / 6))
    assert position.y == pytest.approx(0.5 + dimensions.creative / 2)
    assert position.z == pytest.approx(0.5 + (dimensions.tonal + dimensions.amplitude) / 4)
    assert 0.5 < position.x < 1


def test_the_divergence_of_profiles_is_a_distance() -> None:
    half = voice.PROFILE_TOTAL // 2
    one, other = (half, half, 0, 0), (0, 0, half, half)
    assert voice._distance(one, one) == 0.0
    assert voice._distance(one, other) == pytest.approx(1.0)
    assert voice._distance(one, (half, 0, half, 0)) == pytest.approx(math.sqrt(0.5))


def test_a_measurement_of_another_version_is_refused() -> None:
    good = voice.measure("Good evening.")
    with pytest.raises(Invalid, match="a measurement of version 2, not 1"):
        voice.observe(model.initial(), replace(good, version=2))
    with pytest.raises(Invalid, match="a measurement of sizes"):
        voice.observe(model.initial(), replace(good, features=(1.0,)))


@pytest.mark.parametrize("echo", [-0.1, 1.1, math.nan])
def test_a_bad_echo_is_refused(echo: float) -> None:
    with pytest.raises(Invalid, match="echo is"):
        voice.measure("again", echo=echo)


def test_a_reply_that_is_not_text_is_refused() -> None:
    with pytest.raises(Invalid, match="a reply is bytes, not text"):
        voice.measure(b"bytes")  # type: ignore[arg-type]


def test_every_character_has_a_class() -> None:
    marks = {lexicon.mark_of(chr(point)) for point in range(0x110000)}
    assert marks == set(range(lexicon.SPACE + 1))
