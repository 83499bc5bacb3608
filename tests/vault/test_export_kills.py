"""Kill -9 in the middle of an import: the next one ends it, and it ends the same."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure.testing import SettableClock
from perdure.vault import KeyFile, Vault
from tests.tidy import ROOT
from tests.vault.export_kills import PAGE_EVENTS
from tests.vault.lives import KINDS, Homes, answers, live

POINTS = ["1", "40", "79", "commit", "committed"]


def killed(*arguments: str) -> None:
    """Run an import that does not end."""
    command = [sys.executable, "-m", "tests.vault.export_kills", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def left(kind: str, point: str, events: int) -> int:
    """Count what is there: on PostgreSQL whole pages of a long subject, else nothing or all."""
    pages = PAGE_EVENTS if kind.startswith("postgres") else events
    if point == "commit":
        return 0
    return pages if point == "committed" else (int(point) - 1) // pages * pages


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_import_is_done_again(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    def database() -> str:
        return str(request.getfixturevalue("fresh_database")())

    homes = Homes(tmp_path, database)
    with perdure.open(tmp_path / "source.db", clock=SettableClock()) as source:
        live(source)
        events = source.export("ada", tmp_path / "export").events
        wanted = answers(source)
    assert events == 80
    for point in POINTS:
        target = homes.target(kind, f"target-{point}")
        keys = str(tmp_path / f"keys-{point}") if kind.endswith("vault") else ""
        killed(str(tmp_path / "export"), target, keys, point)
        how: dict[str, Any] = {}
        if keys:
            how["vault"] = Vault(keys, master=KeyFile(Path(f"{keys}.master")))
        with perdure.open(target, **how) as store:
            known = sum(1 for _ in store.log.read())
            assert known == left(kind, point, events)
            assert store.import_subject(tmp_path / "export").is_new is (known < events)
            assert answers(store) == wanted
            assert sum(1 for _ in store.log.read()) == events
