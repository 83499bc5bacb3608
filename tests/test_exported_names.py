"""What each package offers, and that it is there."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

import perdure
from perdure import errors

PACKAGES = [
    "perdure",
    "perdure.kernel",
    "perdure.testing",
    "perdure.testing.conformance",
    "perdure.domains.souls",
    "perdure.domains.drift",
    "perdure.domains.tokens",
]
LATE = ("asyncio", "psycopg", "psycopg_pool", "pytest", "hypothesis", "sqlite3", "http", "email")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_of_a_package_exists_and_none_is_private(name: str) -> None:
    package = importlib.import_module(name)
    assert len(set(package.__all__)) == len(package.__all__)
    assert all(hasattr(package, one) and not one.startswith("_") for one in package.__all__)


def test_the_errors_are_one_tree_with_stable_codes() -> None:
    assert {one.code for one in errors.ALL} == {
        "conflict", "not_found", "invalid", "forbidden", "forgotten", "tampered", "locked_out",
        "unavailable", "too_large", "internal",
    }  # fmt: skip
    assert all(issubclass(one, perdure.PerdureError) for one in errors.ALL)
    assert all(getattr(perdure, one.__name__) is one for one in errors.ALL)
    assert issubclass(perdure.TooLarge, perdure.Invalid)


def test_an_error_says_what_is_and_what_to_do() -> None:
    told = perdure.Conflict("it is taken", value=7, remedy="take another")
    assert (str(told), told.message, told.value, told.remedy) == (
        "it is taken: take another", "it is taken", 7, "take another",
    )  # fmt: skip
    assert str(perdure.NotFound("there is none")) == "there is none"


def test_importing_perdure_imports_nothing_that_may_never_be_used() -> None:
    program = f"import sys, perdure; print([n for n in {LATE!r} if n in sys.modules])"
    bare = {k: v for k, v in os.environ.items() if not k.startswith("COV")}  # it loads sqlite3
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=bare
    )
    assert done.stdout.strip() == "[]"
