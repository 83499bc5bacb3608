"""Appending to streams and reading them back: order, expectations, positions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from perdure.errors import Conflict, Invalid
from perdure.kernel import ANY, EXISTS, NONE, Transaction
from perdure.store import Store, Subject
from perdure.testing import SettableClock

from .faces import Cases, at_once, stored
from .samples import NOTES, Broken, SampleNoted, fail, note, notes

REFUSED = [
    (2, NONE, "stream 'note-a' is at version 2, not new as expected"),
    (2, 1, "stream 'note-a' is at version 2, not 1"),
    (2, 3, "stream 'note-a' is at version 2, not 3"),
    (0, EXISTS, "stream 'note-a' is empty, not existing as expected"),
    (0, 5, "stream 'note-a' is empty, not 5"),
]
AS_EXPECTED = [(0, ANY), (0, NONE), (2, ANY), (2, EXISTS), (2, 2)]


def append(expected: int, text: str = "next") -> Callable[[Transaction], list[str]]:
    """Make a unit that appends one line under an expectation."""

    def unit(tx: Transaction) -> list[str]:
        tx.append(NOTES, SampleNoted(text), expected=expected)
        return notes(tx)

    return unit


class Appending(Cases):
    """A stream is what was appended to it, in order."""

    def test_events_come_back_in_their_order(self, ada: Subject) -> None:
        assert ada.transact(note("one", "two")) == [1, 2]
        assert ada.transact(note("three")) == [3]
        assert ada.transact(notes) == ["one", "two", "three"]

    def test_an_event_carries_its_place_its_time_and_its_id(
        self, store: Store, ada: Subject, clock: SettableClock
    ) -> None:
        clock.advance(1.5)

        def unit(tx: Transaction) -> tuple[object, ...]:
            one = tx.append(NOTES, SampleNoted("one"))
            return (one.subject, one.stream, one.version, one.position, one.at == tx.now, one.id)

        first = ada.transact(unit)
        assert first[:-1] == (stored(store, "ada"), NOTES, 1, 1, True)
        again = ada.transact(lambda tx: [(e.id, e.at) for e in tx.events(NOTES)])
        assert again == [(first[-1], clock.now())]

    def test_what_was_appended_is_read_in_the_same_unit(self, ada: Subject) -> None:
        assert ada.transact(lambda tx: (note("one")(tx), notes(tx))) == ([1], ["one"])

    def test_an_unknown_stream_is_empty(self, ada: Subject) -> None:
        assert ada.transact(lambda tx: (notes(tx), tx.version(NOTES))) == ([], 0)

    @pytest.mark.parametrize(("known", "expected"), AS_EXPECTED)
    def test_an_append_under_a_true_expectation_is_kept(
        self, ada: Subject, known: int, expected: int
    ) -> None:
        ada.transact(note(*["old"] * known))
        assert ada.transact(append(expected)) == ["old"] * known + ["next"]

    @pytest.mark.parametrize(("known", "expected", "message"), REFUSED)
    def test_a_stale_writer_is_told_the_current_version(
        self, ada: Subject, known: int, expected: int, message: str
    ) -> None:
        ada.transact(note(*["old"] * known))
        with pytest.raises(Conflict) as told:
            ada.transact(append(expected))
        assert str(told.value) == f"{message}: read it again and retry"
        assert (told.value.code, told.value.value) == ("conflict", known)
        assert ada.transact(notes) == ["old"] * known

    @pytest.mark.parametrize("expected", [-3, 2**63, "1", True, None])
    def test_an_expectation_that_is_none_of_the_four_is_refused(
        self, ada: Subject, expected: int
    ) -> None:
        with pytest.raises(Invalid, match="expected"):
            ada.transact(append(expected))

    def test_a_unit_learns_of_a_conflict_where_it_asks(self, ada: Subject) -> None:
        def unit(tx: Transaction) -> None:
            with pytest.raises(Conflict, match="is empty, not 7"):
                _ = tx.append(NOTES, SampleNoted("x"), expected=7).version
            with pytest.raises(Conflict, match="is empty, not 7"):  # and again, from now on
                tx.version(NOTES)
            raise Broken

        with pytest.raises(Broken):
            ada.transact(unit)

    def test_a_swallowed_conflict_undoes_the_unit_all_the_same(self, ada: Subject) -> None:
        def unit(tx: Transaction) -> str:
            tx.append(NOTES, SampleNoted("half"))
            try:
                _ = tx.append("note-b", SampleNoted("x"), expected=7).version
            except Conflict:
                return "as if nothing had happened"
            return "no conflict"

        with pytest.raises(Conflict, match="stream 'note-b' is empty, not 7"):
            ada.transact(unit)
        assert ada.transact(notes) == []

    def test_a_conflict_that_nobody_asked_about_undoes_the_unit(self, ada: Subject) -> None:
        def unit(tx: Transaction) -> str:
            tx.append(NOTES, SampleNoted("half"))
            if tx.subject:
                try:
                    tx.append("note-b", SampleNoted("x"), expected=7)
                except Conflict:
                    return "told at once"
            return "to be told later"

        with pytest.raises(Conflict, match="stream 'note-b' is empty, not 7"):
            ada.transact(unit)
        assert ada.transact(notes) == []

    def test_of_many_who_expect_the_same_version_one_wins(self, store: Store, ada: Subject) -> None:
        ada.transact(note("old"))
        told = at_once(store, [lambda s: s.subject("ada").transact(append(1))] * 8)
        assert sorted(type(one) is Conflict for one in told) == [False] + [True] * 7
        assert ada.transact(notes) == ["old", "next"]

    def test_a_part_of_a_stream_is_read(self, ada: Subject) -> None:
        ada.transact(note("a", "b", "c", "d"))

        def part(after: int, upto: int | None) -> str:
            return ada.transact(
                lambda tx: "".join(e.event.text for e in tx.events(NOTES, after=after, upto=upto))
            )

        parts = [(0, None), (1, None), (1, 3), (4, None), (9, None), (0, 0), (3, 2), (2, 9)]
        assert [part(*one) for one in parts] == ["abcd", "bcd", "bc", "", "", "", "", "cd"]

    def test_a_long_stream_is_read_page_by_page(self, ada: Subject) -> None:
        ada.transact(note(*map(str, range(1_201))))
        assert ada.transact(notes) == [str(number) for number in range(1_201)]

    def test_the_version_at_a_time_is_known(self, ada: Subject, clock: SettableClock) -> None:
        start = clock.now()
        for text in ("one", "two"):
            ada.transact(note(text))
            clock.advance(10)
        times = [start + timedelta(seconds=seconds) for seconds in (-1, 0, 9, 10, 99)]
        found = ada.transact(lambda tx: [tx.version_at(NOTES, moment) for moment in times])
        assert found == [0, 1, 1, 2, 2]

    def test_positions_are_gapless_and_in_commit_order(self, store: Store) -> None:
        names = [f"subject-{number}" for number in range(6)]

        def write(name: str, text: str) -> Callable[[Store], object]:
            return lambda s: s.subject(name).transact(note(text))

        at_once(store, [write(name, str(number)) for name in names for number in range(5)])
        with pytest.raises(Broken):
            store.subject(names[0]).transact(fail)
        store.subject(names[0]).transact(note("last"))
        seen: dict[str, list[int]] = {}
        for recorded in store.log.read():
            seen.setdefault(recorded.lane, []).append(recorded.position)
        assert sum(map(len, seen.values())) == 31
        assert all(found == list(range(1, len(found) + 1)) for found in seen.values())
        assert store.log.head() == {lane: found[-1] for lane, found in seen.items()}

    def test_what_is_no_event_is_refused(self, ada: Subject) -> None:
        with pytest.raises(Invalid, match="dict is not an event"):
            ada.transact(lambda tx: tx.append(NOTES, {"text": "x"}).version)
