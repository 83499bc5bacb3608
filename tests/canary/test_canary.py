"""The canary run, with a small flock: nothing of anybody is found, nothing of the others is lost.

`python -m tests.canary` is the same at full length; `docs/faults.md` has the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure.faces import FACES
from perdure.kernel import events
from perdure.kernel.operations import operations
from tests.canary import fields, flock, run
from tests.canary.run import MUTANTS, Report
from tests.canary.scan import BlindScanner, Scanner
from tests.fix.quiet import Quiet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SUBJECTS = 4

# run(engine="folder", mutant=...): a run in a folder of its own.
Runs = Callable[..., Report]


@pytest.fixture
def runs(tmp_path: Path, quiet: Quiet, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Run, with a marker that nothing in the session may say either."""
    begin = run.Run.__init__

    def watched(self: run.Run, *args: Any, **how: Any) -> None:
        begin(self, *args, **how)
        if not self.report.mutant and self.report.is_sealed:
            quiet.never(self.marker)

    monkeypatch.setattr(run.Run, "__init__", watched)

    def make(engine: str = "sqlite", **how: Any) -> Report:
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        return run.run(folder, engine=engine, subjects=SUBJECTS, **how)

    return make


@pytest.mark.parametrize("engine", ["sqlite", "folder", "postgres"])
def test_with_a_vault_nothing_of_anybody_is_found(runs: Runs, engine: str) -> None:
    report = runs(engine)
    assert report.is_green, report.text()
    assert report.hits == {"alive": 0, "forgotten": 0}
    assert report.controls > 40


@pytest.mark.parametrize("engine", ["sqlite", "folder"])
def test_without_a_vault_the_forgotten_are_not_found(runs: Runs, engine: str) -> None:
    report = runs(engine, is_sealed=False)
    assert report.is_green, report.text()
    assert report.hits["alive"] > 0


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mutant_is_noticed(runs: Runs, mutant: str) -> None:
    report = runs(mutant=mutant)
    assert not report.is_green, report.text()


@pytest.mark.parametrize("kind", ["utf-8", "zstd", "*.log", "*.db", "*.key", "keys.db"])
def test_a_run_with_a_blind_scanner_gives_no_answer(
    runs: Runs, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "Scanner", lambda known, **how: Scanner(known, blind={kind}, **how))
    with pytest.raises(BlindScanner):
        runs()


def test_every_text_that_is_exempt_is_still_there() -> None:
    assert set(fields.NO_TEXT) <= fields.expected()
    assert all(len(reason.split()) > 2 for reason in fields.NO_TEXT.values())


def test_a_field_without_a_canary_is_named() -> None:
    watch = fields.Watch("marker")
    assert ("SoulPublished", "core_identity") in watch.missing()
    watch._look(events.registry.by_name["SoulPublished"].cls(1, "a marker", "", "", None, 0))
    assert ("SoulPublished", "core_identity") not in watch.missing()
    assert ("SoulPublished", "active_values") in watch.missing()


def test_every_operation_that_reads_is_asked() -> None:
    asked = set(flock.questions())
    assert set(flock.ASKED) < asked
    for domain, face in FACES.items():
        for name, operation in operations(face):
            if not operation.is_write and f"{domain}.{name}" not in flock.ASKED:
                needed = operation.signature.parameters.values()
                assert all(one.default is not one.empty for one in needed), f"{domain}.{name}"
