"""`agmi-check` edits the store's files in nine ways: each has to be refused, and by whom."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integrity.adapters import BY_VERIFY, ON_READ

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EDITS = [f"T{number}" for number in range(1, 10)]


@dataclass(frozen=True, slots=True)
class Checked:
    """What the suite printed, and its verdict and reason for each edit."""

    code: int
    table: str
    verdicts: dict[str, str]
    reasons: dict[str, str]

    def refused(self, where: str) -> list[str]:
        """Name the edits that were refused there."""
        return [edit for edit, reason in self.reasons.items() if where in reason]


def check(tmp_path: Path, adapter: str) -> Checked:
    """Run the suite as whoever installed it would, in a process of its own."""
    said = tmp_path / "said.json"
    command = [sys.executable, "-m", "agmi.check", "--json", str(said)]
    done = subprocess.run(
        [*command, "--adapter", f"tests.integrity.adapters:{adapter}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.exists(), done.stderr
    edits = json.loads(said.read_text())["edits"]
    return Checked(
        done.returncode,
        f"{done.stdout}{done.stderr}",
        {each["edit"][:2]: each["verdict"] for each in edits},
        {each["edit"][:2]: each["detail"] for each in edits},
    )


@pytest.mark.parametrize("adapter", ["Log", "Sealed", "SealedPostgres"])
def test_every_edit_of_the_log_is_rejected(tmp_path: Path, adapter: str) -> None:
    checked = check(tmp_path, adapter)
    assert checked.verdicts == dict.fromkeys(EDITS, "REJECTED"), checked.table
    assert checked.code == 0
    assert checked.refused(ON_READ) == EDITS[:8]
    assert "when the witness was written" in checked.reasons["T9"]


@pytest.mark.parametrize("adapter", ["Rows", "SealedRows"])
def test_every_edit_of_the_rows_is_reported_and_most_are_refused_on_read(
    tmp_path: Path, adapter: str
) -> None:
    checked = check(tmp_path, adapter)
    assert checked.verdicts == dict.fromkeys(EDITS, "REPORTED"), checked.table
    assert checked.code == 0
    assert checked.refused(BY_VERIFY) == ["T2", "T3", "T9"]  # no row is there to be looked at


def test_whoever_recomputes_the_chain_is_seen_by_the_witness_but_for_what_he_adds(
    tmp_path: Path,
) -> None:
    checked = check(tmp_path, "Recomputed")
    assert [edit for edit in EDITS if checked.verdicts[edit] != "REJECTED"] == ["T5"]
    assert checked.refused(ON_READ) == []


def test_whoever_recomputes_the_chain_of_a_sealed_log_can_add_nothing(tmp_path: Path) -> None:
    checked = check(tmp_path, "SealedRecomputed")
    assert checked.verdicts == dict.fromkeys(EDITS, "REJECTED"), checked.table
    assert checked.refused(ON_READ) == ["T1", "T4", "T5", "T6", "T7"]


def test_without_a_witness_an_older_copy_is_accepted(tmp_path: Path) -> None:
    checked = check(tmp_path, "Unwitnessed")
    assert checked.code == 1
    assert [edit for edit in EDITS if checked.verdicts[edit] == "ACCEPTED"] == ["T9"]


def test_a_reader_who_does_not_verify_accepts_almost_everything(tmp_path: Path) -> None:
    checked = check(tmp_path, "Unverified")
    assert checked.code == 1
    assert list(checked.verdicts.values()).count("ACCEPTED") == 8, checked.table
