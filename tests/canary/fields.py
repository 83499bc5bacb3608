"""Which fields of events and rows may hold somebody's text, and which of them a canary went into.

The fields are read off the dataclasses of every domain, so a new one that the flock does not fill
is noticed.
"""

from __future__ import annotations

import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any
from unittest.mock import patch

import perdure.domains
from perdure.kernel import Transaction, events
from perdure.kernel.privacy import Privacy, privacy_of

Place = tuple[str, str]  # the name of a class and the dotted name of a field

# What is a text and can not be a person's: why.
NO_TEXT: dict[Place, str] = {
    ("AnswerGiven", "operation"): "the name of one of our operations",
    ("Deed", "actor"): "answered from the log, never stored; every actor is a canary",
    ("MilestoneForgotten", "id"): "the id of one of our events",
    ("MilestoneReached", "source_thread_id"): "a UUID, declared pseudonymous",
    ("ThreadForgotten", "thread_id"): "a UUID, declared pseudonymous",
    ("TokenAssigned", "kind"): "a word of the detector",
    ("TokenForgotten", "kind"): "a word of the detector",
}


def expected() -> set[Place]:
    """List every field a canary has to go into: texts of events, and personal texts of rows."""
    modules = list(_modules())
    found = set[Place]()
    for kind in events.registry.by_name.values():
        if kind.cls.__module__ in modules:
            found |= {(kind.cls.__name__, path) for path in _texts(kind.cls)}
    for model in _models(modules):
        privacy = privacy_of(model)  # type: ignore[arg-type]
        found |= {
            (model.__name__, path)
            for path in _texts(model)
            if privacy[path.partition(".")[0]] is Privacy.PERSONAL
        }
    return found


def _modules() -> Iterator[str]:
    """Import every module of every domain."""
    for each in pkgutil.walk_packages(perdure.domains.__path__, "perdure.domains."):
        yield import_module(each.name).__name__


def _models(modules: Sequence[str]) -> Iterator[type[Any]]:
    """Give the dataclasses of which a field says how private it is."""
    for name in modules:
        for each in vars(import_module(name)).values():
            if isinstance(each, type) and is_dataclass(each) and each.__module__ == name:
                hints = typing.get_type_hints(each, include_extras=True)
                if any(
                    isinstance(note, Privacy) for hint in hints.values() for note in _notes(hint)
                ):
                    yield each


def _notes(hint: Any) -> tuple[Any, ...]:
    inner = [note for each in typing.get_args(hint) for note in _notes(each)]
    return (*getattr(hint, "__metadata__", ()), *inner)


def _texts(cls: type[Any]) -> Iterator[str]:
    """Give the dotted names of the fields that can hold a text."""
    for name, hint in typing.get_type_hints(cls).items():
        yield from (f"{name}{rest}" for rest in _inside(hint))


def _inside(hint: Any) -> Iterator[str]:
    """Say where in a value of this type texts may stand."""
    if hint is str:
        yield ""
    elif isinstance(hint, type) and is_dataclass(hint):
        yield from (f".{path}" for path in _texts(hint))
    elif typing.get_origin(hint) is not typing.Literal and not isinstance(hint, types.EllipsisType):
        yield from dict.fromkeys(path for each in typing.get_args(hint) for path in _inside(each))


class Watch:
    """Notes which fields of what is appended and saved hold the marker."""

    def __init__(self, marker: str) -> None:
        self.filled: set[Place] = set()
        self._marker = marker

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        """Look at everything that every transaction writes meanwhile."""
        append, save = Transaction.append, Transaction.save

        def appended(tx: Transaction, stream: str, fact: Any, **how: Any) -> Any:
            self._look(fact)
            return append(tx, stream, fact, **how)

        def saved(tx: Transaction, query: Any, row: Any, **how: Any) -> None:
            self._look(row)
            save(tx, query, row, **how)

        with (
            patch.object(Transaction, "append", appended),
            patch.object(Transaction, "save", saved),
        ):
            yield self

    def _look(self, value: Any) -> None:
        for path in self._marked(value):
            self.filled.add((type(value).__name__, path))

    def _marked(self, value: Any) -> Iterator[str]:
        if isinstance(value, str) and self._marker in value:
            yield ""
        elif is_dataclass(value):
            for each in fields(value):
                inner = self._marked(getattr(value, each.name))
                yield from (
                    f"{each.name}{path}" if path[:1] in ("", ".") else path for path in inner
                )
        elif isinstance(value, Mapping):
            yield from (
                path for pair in value.items() for each in pair for path in self._marked(each)
            )
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            yield from (path for each in value for path in self._marked(each))

    def missing(self) -> set[Place]:
        """Name the fields that no canary went into."""
        return expected() - self.filled - set(NO_TEXT)
