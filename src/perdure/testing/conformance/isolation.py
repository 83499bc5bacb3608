"""Subjects: nobody sees anybody else, whatever they are called."""

from __future__ import annotations

import pytest

from perdure.errors import Invalid, NotFound, TooLarge
from perdure.kernel.transaction import SLICES, slice_of
from perdure.store import Store, Subject

from .faces import Cases, stored
from .samples import note, notes

HOSTILE = [
    "../../etc/passwd",
    "/absolute",
    "x?mode=memory&z=",
    "core",
    "core.db",
    ".",
    "..",
    "a/b\\c:d*e|f",
    "O'Brien",
    'say "hi"',
    "'; drop table perdure_events; --",
    "%s %(x)s $1 :name {0}",
    "line\nfeed\ttab",
    "ada@example.com",
    " ",
    "Ada",  # not ada
    "\U0001f9e0\u200d\U0001f525",
    "\u202eright to left",
    "e\u0301",  # not é
    "\u00e9",
    "x" * 255,
    "\U0001f600" * 255,
]


def shared_slice(name: str) -> str:
    """Find somebody else in the same slice."""
    numbered = (f"{name}-{number}" for number in range(100 * SLICES))
    return next(other for other in numbered if slice_of(other) == slice_of(name))


class Isolation(Cases):
    """The subject is the unit of everything."""

    @pytest.mark.parametrize("other", ["bob", shared_slice("ada"), "ADA", "ada "])
    def test_two_subjects_never_see_each_other(
        self, store: Store, ada: Subject, other: str
    ) -> None:
        ada.transact(note("mine"))
        ada.souls.publish(core_identity="Ada.")
        ada.once("k").transact(note("mine too"))
        bob = store.subject(other)
        assert bob.transact(notes) == []
        with pytest.raises(NotFound):
            bob.souls.current()
        assert bob.once("k").transact(note("theirs")) == [1]
        assert ada.transact(notes) == ["mine", "mine too"]
        assert len(ada.souls.history()) == 1

    def test_anybody_may_be_called_anything(self, store: Store) -> None:
        for name in HOSTILE:
            store.subject(name).transact(note(name))
            store.subject(name).souls.publish(core_identity="Curious.")
        for name in HOSTILE:
            assert store.subject(name).transact(notes) == [name]
            assert store.subject(name).souls.current().version == 1
        told = [one.subject for one in store.log.read() if one.stream.startswith("note")]
        assert sorted(told) == sorted(stored(store, name) for name in HOSTILE)

    @pytest.mark.parametrize(
        ("name", "error", "message"),
        [
            ("", Invalid, "the subject is empty"),
            ("x" * 256, TooLarge, "the subject has 256 characters, 255 are allowed"),
            ("a\0b", Invalid, "the subject has a NUL at character 1"),
            ("a\ud800", Invalid, "the subject has a lone surrogate at character 1"),
            (7, Invalid, "the subject is int, not text"),
        ],
    )
    def test_a_name_that_can_not_be_stored_is_refused(
        self, store: Store, name: str, error: type[Invalid], message: str
    ) -> None:
        with pytest.raises(error, match=message) as told:
            store.subject(name)
        assert told.type is error

    def test_a_store_speaks_for_its_own_subject_too(self, store: Store) -> None:
        store.transact(note("mine"))
        assert store.subject("nobody").transact(notes) == ["mine"]
