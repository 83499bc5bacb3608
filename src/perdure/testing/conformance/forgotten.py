"""Whoever was forgotten is gone and refused, and nobody else has noticed."""

from __future__ import annotations

import pytest

from perdure.errors import Forgotten, NotFound
from perdure.store import Store, Subject

from .faces import Cases
from .samples import note, notes


class Forgets(Cases):
    """An engine erases in small transactions and cleans up behind them."""

    def test_nothing_is_left_of_the_forgotten(self, store: Store, ada: Subject) -> None:
        bob = store.subject("bob")
        for me in (ada, bob):
            me.souls.publish(core_identity="Curious.")
            me.once("k").transact(note("mine"))
        receipt = store.forget("ada")
        assert receipt.events == 2
        assert receipt.rows["soul_versions"] == receipt.rows["perdure_outcomes"] == 1
        assert store.receipts() == [receipt]
        for call in (
            ada.souls.current,
            lambda: ada.transact(note("back")),
            lambda: ada.transact(notes),
            lambda: ada.once("k").transact(note("mine")),
        ):
            with pytest.raises(Forgotten):
                call()
        assert bob.transact(notes) == ["mine"]
        assert bob.souls.current().version == 1

    def test_nobody_is_forgotten_by_mistake(self, store: Store) -> None:
        with pytest.raises(NotFound):
            store.forget("nobody")
