"""Values: what goes in comes out equal, and what can not is refused, the same on every engine."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.errors import Invalid, TooLarge
from perdure.kernel import SystemClock, Transaction
from perdure.store import Store, Subject

from .faces import Cases
from .samples import NOTES, SampleKept, SampleNoted, SampleTyped, keeping, kept, notes

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(INT_MIN, INT_MAX)
    | st.sampled_from([INT_MIN, INT_MAX, 0, -1, 2**53 + 1])
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)
quick = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EDGES: list[Any] = [
    *(INT_MIN, INT_MAX, 0, -1, 5e-324, 1.7976931348623157e308, 0.1, 1e22, -0.0, 1.0, 2**53 + 1),
    *("", " ", "\t\n\r", "\x01\x1f\x7f", "\\u0000", "\u2028", "\U0010ffff", "é", "e\u0301"),
    *([], {}, [[]], {"": ""}, {"a": None}, [True, False, None], "9" * 40, "null"),
]
REFUSED: list[tuple[object, type[Invalid]]] = [
    (SampleKept(math.nan), Invalid),
    (SampleKept(math.inf), Invalid),
    (SampleKept(-math.inf), Invalid),
    (SampleKept([1.0, {"x": math.nan}]), Invalid),
    (SampleKept(2**63), Invalid),
    (SampleKept(-(2**63) - 1), Invalid),
    (SampleKept(2**64), Invalid),
    (SampleKept([{"x": 2**63}]), Invalid),
    (SampleKept("a\0b"), Invalid),
    (SampleKept({"a\0b": 1}), Invalid),
    (SampleKept("\ud800"), Invalid),
    (SampleKept({1: "a key that is no text"}), Invalid),
    (SampleKept((1, 2)), Invalid),
    (SampleKept(object()), Invalid),
    (SampleTyped(count=1.5, share=0.5), Invalid),  # type: ignore[arg-type]
    (SampleTyped(count=2**63, share=0.5), Invalid),
    (SampleTyped(count=1, share=math.inf), Invalid),
    (SampleNoted(7), Invalid),  # type: ignore[arg-type]
    (SampleNoted("x" * 4_194_304), TooLarge),
]


def appending(fact: object, tx: Transaction) -> int:
    """Append whatever it is."""
    return tx.append(NOTES, fact).version


class Bounds(Cases):
    """Strict at the edge."""

    @quick
    @given(values=st.lists(documents, max_size=5))
    def test_what_goes_in_comes_out_equal(self, store: Store, values: list[Any]) -> None:
        ada, fresh = store.subject("ada"), f"kept-{SystemClock().new_id()}"
        ada.transact(keeping(values, fresh))
        assert ada.transact(kept(fresh)) == values

    @quick
    @given(said=texts.filter(bool), lesson=texts)
    def test_text_comes_out_of_a_row_equal(self, store: Store, said: str, lesson: str) -> None:
        somebody = store.subject(SystemClock().new_id())
        made = somebody.souls.milestones.add(said, lesson_learned=lesson)
        (found,) = somebody.souls.milestones.list()
        assert (found, found.event_description, found.lesson_learned) == (made, said, lesson)

    def test_values_at_the_edges_come_out_equal(self, ada: Subject) -> None:
        ada.transact(keeping(EDGES, "kept-a"))
        found = ada.transact(kept("kept-a"))
        assert found == EDGES
        assert list(map(type, found)) == list(map(type, EDGES))

    def test_what_can_not_come_out_equal_never_goes_in(self, ada: Subject) -> None:
        for fact, error in REFUSED:
            with pytest.raises(Invalid) as told:
                ada.transact(partial(appending, fact))
            assert (told.type, bool(told.value.remedy)) == (error, True), repr(fact)[:80]
        assert ada.transact(lambda tx: tx.version(NOTES)) == 0

    def test_a_refused_value_does_not_spoil_the_unit(self, ada: Subject) -> None:
        def unit(tx: Transaction) -> None:
            with pytest.raises(Invalid):
                tx.append(NOTES, SampleKept(math.nan))
            tx.append(NOTES, SampleNoted("instead"))

        ada.transact(unit)
        assert ada.transact(notes) == ["instead"]

    @pytest.mark.parametrize(
        ("stream", "error"), [("", Invalid), ("s" * 256, TooLarge), ("a\0", Invalid)]
    )
    def test_a_stream_has_a_name_of_1_to_255_characters(
        self, ada: Subject, stream: str, error: type[Invalid]
    ) -> None:
        with pytest.raises(error, match="the stream's name"):
            ada.transact(lambda tx: tx.append(stream, SampleNoted("x")).version)

    def test_a_text_that_no_database_takes_is_invalid_where_it_is_read(self, ada: Subject) -> None:
        with pytest.raises(Invalid):
            ada.transact(lambda tx: notes(tx, "\ud800"))
