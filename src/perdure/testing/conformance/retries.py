"""Idempotency keys: a retry returns the first result and does nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from perdure.domains import souls
from perdure.errors import Conflict, Invalid, TooLarge
from perdure.kernel import Transaction
from perdure.store import Store, Subject

from .faces import Cases, at_once
from .samples import Broken, count, fail, note, notes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a unit may return under a key."""

    total: int
    words: tuple[str, ...]


def annotated(tx: Transaction) -> Outcome:
    """Return a dataclass and say so."""
    return Outcome(count(tx), ("a", "b"))


def secretive(tx):  # type: ignore[no-untyped-def]
    """Return a dataclass without saying so."""
    return Outcome(count(tx), ("a", "b"))


def unkeepable(tx: Transaction) -> object:
    """Return what JSON has no place for."""
    count(tx)
    return object()


class Retries(Cases):
    """``once(key)``: unique for each subject."""

    def test_a_retry_returns_the_first_result_and_does_nothing(self, ada: Subject) -> None:
        assert [ada.once("k").transact(count) for _ in range(3)] == [1, 1, 1]
        assert ada.transact(count) == 2

    def test_a_retry_returns_the_same_dataclass(self, ada: Subject) -> None:
        first = ada.once("k").transact(annotated)
        assert first == Outcome(1, ("a", "b"))
        assert ada.once("k").transact(annotated) == first

    def test_an_operation_is_retried_as_well(self, ada: Subject) -> None:
        first = ada.once("k").souls.publish(core_identity="Curious.")
        assert ada.once("k").souls.publish(core_identity="Curious.") == first
        assert len(ada.souls.history()) == 1

    def test_another_unit_under_the_same_key_is_a_conflict(self, ada: Subject) -> None:
        ada.once("k").transact(count)
        with pytest.raises(Conflict, match="this idempotency key was used for count") as told:
            ada.once("k").transact(annotated)
        assert told.value.value == "k"
        assert ada.transact(count) == 2

    def test_a_failed_unit_keeps_no_outcome(self, ada: Subject) -> None:
        for _ in range(2):
            with pytest.raises(Broken):
                ada.once("k").transact(fail)
        assert ada.once("k").transact(count) == 1

    def test_keys_belong_to_a_subject(self, store: Store, ada: Subject) -> None:
        assert ada.once("k").transact(count) == 1
        assert store.subject("bob").once("k").transact(count) == 1
        assert ada.once("l").transact(count) == 2

    def test_many_retries_at_once_do_the_work_once(self, store: Store, ada: Subject) -> None:
        told = at_once(store, [lambda s: s.subject("ada").once("k").transact(count)] * 16)
        assert told == [1] * 16
        assert ada.transact(count) == 2

    def test_reading_needs_no_key_and_takes_none(self, ada: Subject) -> None:
        ada.souls.publish(core_identity="One.")
        assert ada.once("k").souls.current().version == 1
        ada.souls.publish(core_identity="Two.")
        assert ada.once("k").souls.current().version == 2

    @pytest.mark.parametrize("unit", [secretive, unkeepable])
    def test_a_result_that_would_come_back_different_is_refused_at_once(
        self, ada: Subject, unit: object
    ) -> None:
        with pytest.raises(Invalid, match="can not be kept for a retry"):
            ada.once("k").transact(unit)  # type: ignore[arg-type]
        assert ada.transact(count) == 1

    def test_a_lambda_around_an_operation_is_told_to_say_its_type(self, ada: Subject) -> None:
        with pytest.raises(Invalid, match="annotate what it returns"):
            ada.once("k").transact(lambda tx: souls.publish(tx, core_identity="X"))

    @pytest.mark.parametrize(
        ("key", "error"), [("", Invalid), ("k" * 256, TooLarge), ("a\0b", Invalid)]
    )
    def test_a_key_has_1_to_255_characters(
        self, ada: Subject, key: str, error: type[Invalid]
    ) -> None:
        with pytest.raises(error, match="the idempotency key"):
            ada.once(key)

    def test_any_key_within_the_limits_works(self, ada: Subject) -> None:
        for key in ("é" * 255, "'; --", "\U0001f9e0", " "):
            ada.once(key).transact(note(key))
            ada.once(key).transact(note(key))
        assert len(ada.transact(notes)) == 4

    def test_a_with_block_takes_no_key(self, sync_store: Store) -> None:
        with pytest.raises(Invalid, match=r"use once\(key\).transact\(function\)"):
            sync_store.subject("ada").once("k").transaction().__enter__()
