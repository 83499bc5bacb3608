"""Killed at any step, forgetting ends in the same state: the program is forgetting_kills.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fix.postgres import FreshDatabase
from tests.tidy import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(params=["file", "folder", "postgres"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may live."""
    if request.param == "postgres":
        fresh: FreshDatabase = request.getfixturevalue("fresh_database")
        return fresh()
    return str(tmp_path / "store.db") if request.param == "file" else f"{tmp_path}/store/"


@pytest.mark.parametrize("keys", [(), ("keys.db",)], ids=["clear", "sealed"])
def test_killed_at_any_step_it_ends_in_the_same_state(
    anywhere: str, keys: tuple[str, ...], tmp_path: Path
) -> None:
    named = [str(tmp_path / name) for name in keys]
    done = subprocess.run(
        [sys.executable, "-m", "tests.vault.forgetting_kills", anywhere, *named],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps" in done.stdout
