"""Every field that may hold a person's text says how private it is, and the page says the same."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import pytest

import perdure
from perdure.kernel.privacy import Privacy, declared, privacy_of
from perdure.ops.tables import described, domains
from tests.conformance.test_statements import rows_of_models

DOCS = Path(__file__).parents[1] / "docs"
LAYOUT: dict[str, Any] = runpy.run_path(str(DOCS / "generate_layout.py"))


def models() -> list[type]:
    """List the dataclasses that operations read, and those that operators find for the tables."""
    with perdure.open("memory:") as store:
        tables = store.engine.administer(lambda session: described(session, domains()))
    found = {model for _, _, model in rows_of_models()}
    found |= {table.model for table in tables if table.model is not None}
    return sorted(found, key=lambda model: model.__name__)


MODELS = models()


def undeclared(model: type) -> Iterator[str]:
    """Name the fields about which nothing is said and which are not numbers, times or words of a
    fixed list.
    """
    for name, (plain, said) in declared(model).items():
        if said is None and privacy_of(model)[name] is Privacy.PERSONAL:
            yield f"{model.__name__}.{name}: {plain}"


def test_the_models_are_found() -> None:
    names = {model.__name__ for model in MODELS}
    assert names >= {"Soul", "Milestone", "QivState", "Reply", "Evidence", "Snapshot"}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_that_may_hold_text_is_declared(model: type) -> None:
    assert list(undeclared(model)) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_is_public_or_pseudonymous_is_no_free_text(model: type) -> None:
    """A text that is clear is one of these, each looked at by a person; add yours with a reason."""
    clear = {
        f"{model.__name__}.{name}"
        for name, (plain, _) in declared(model).items()
        if privacy_of(model)[name] is not Privacy.PERSONAL
        and (plain in (str, bytes) or get_origin(plain) in (list, tuple, dict))
    }
    assert clear <= REVIEWED


REVIEWED = {
    "Entry.blind",  # a token of a token's value
    "Entry.kind",  # person, email...: the detectors' own names
    "Milestone.id",  # UUIDs of the store's own
    "Milestone.source_thread_id",  # a UUID, checked; the app's
    "QivState.filter_digest",  # a token of a sealed text's digest
    "QivState.id",
    "Snapshot.stream",  # named by a domain
    "Soul.id",
}


def test_the_page_lists_every_column() -> None:
    text = (DOCS / "data-layout.md").read_text("utf-8")
    assert LAYOUT["page"](text) == text, "run: python docs/generate_layout.py"


def test_a_column_that_nobody_classed_is_noticed() -> None:
    assert LAYOUT["_class_of"]("threads", "id", None) == Privacy.PSEUDONYMOUS
    with pytest.raises(LookupError, match=r"threads\.name has no class: declare it"):
        LAYOUT["_class_of"]("threads", "name", None)
    with pytest.raises(LookupError, match=r"nowhere\.name has no class"):
        LAYOUT["_class_of"]("nowhere", "name", None)


def test_the_page_names_no_column_that_is_gone() -> None:
    classes = LAYOUT["classes"]()
    for table, kinds in LAYOUT["OTHERS"].items():
        said = {column for columns in kinds.values() for column in columns.split()}
        assert said <= set(classes[table]), table
