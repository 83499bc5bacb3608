"""The pure rules of souls: counting, trimming, composing, comparing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domains.souls import model
from perdure.domains.souls.model import Budgets, Soul, count_tokens
from perdure.errors import Invalid, TooLarge

words = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=300)


def soul(version: int = 1, **layers: str) -> Soul:
    texts = {"core_identity": "", "active_values": "", "recent_growth": "", **layers}
    return Soul("id", datetime(2026, 1, 1, tzinfo=UTC), version, *texts.values(), "secret notes", 0)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("   \n", 0),
        ("warm", 1),
        ("honesty", 2),
        ("Be warm.", 3),
        ("自分らしく", 5),
        ("👍🏽", 2),
    ],
)
def test_tokens_are_counted_as_documented(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@given(words, st.integers(0, 60))
def test_a_trimmed_text_is_a_beginning_that_fits(text: str, budget: int) -> None:
    kept = model.trim(text, budget, count_tokens)
    assert text.startswith(kept)
    assert count_tokens(kept) <= budget
    assert kept == text or count_tokens(text) > budget


def test_over_budget_says_by_how_much() -> None:
    layers = {"core_identity": "one two three four five"}
    with pytest.raises(TooLarge, match="5 tokens, 2 over its budget of 3") as caught:
        model.fit(layers, Budgets(core_identity=3), count_tokens, may_trim=False)
    assert caught.value.value == 2
    assert "trim=True" in caught.value.remedy


def test_trimming_keeps_whole_words() -> None:
    layers = {"core_identity": "one two three four five"}
    fitted = model.fit(layers, Budgets(core_identity=3), count_tokens, may_trim=True)
    assert fitted == {"core_identity": "one two three"}


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(Invalid, match="the budget of core_identity is -1"):
        model.fit({"core_identity": "x"}, Budgets(core_identity=-1), count_tokens, may_trim=False)


@given(words, words, words, st.integers(1, 80))
def test_a_prompt_never_exceeds_its_budget_nor_shows_the_notes(
    core: str, active: str, recent: str, budget: int
) -> None:
    this = soul(core_identity=core, active_values=active, recent_growth=recent)
    composed = model.prompt(this, budget, count_tokens)
    assert count_tokens(composed) <= budget
    assert "secret notes" not in composed


def test_a_prompt_lists_the_layers_in_order_under_their_headings() -> None:
    this = soul(core_identity="Curious.", active_values="Honest.", recent_growth="Patience.")
    assert model.prompt(this, 100, count_tokens) == (
        "Who I am:\nCurious.\n\nWhat I care about now:\nHonest.\n\n"
        "What I learned recently:\nPatience."
    )


def test_a_prompt_too_small_for_a_layer_ends_before_it() -> None:
    this = soul(core_identity="Curious.", active_values="Honest.")
    assert model.prompt(this, 8, count_tokens) == "Who I am:\nCurious."


def test_the_apps_own_tokenizer_is_obeyed() -> None:
    this = soul(core_identity="a b c d e f")
    assert len(model.prompt(this, 14, len)) <= 14


def test_a_difference_names_the_words_that_changed() -> None:
    changed = model.compare(
        soul(1, core_identity="Curious, warm, direct."),
        soul(2, core_identity="Curious, warm, brave."),
    )
    assert [(c.kind, c.text) for c in changed.layers["core_identity"]] == [
        ("same", "Curious, warm, "),
        ("removed", "direct."),
        ("added", "brave."),
    ]
    assert changed.layers["active_values"] == ()


@given(words, words)
def test_a_difference_holds_both_texts(before: str, after: str) -> None:
    changes = model.compare(soul(1, core_identity=before), soul(2, core_identity=after)).layers[
        "core_identity"
    ]
    assert "".join(c.text for c in changes if c.kind != "added") == before
    assert "".join(c.text for c in changes if c.kind != "removed") == after


def test_an_unknown_weight_names_the_three() -> None:
    with pytest.raises(Invalid, match="formative, meaningful, challenging"):
        model.weight("huge")
