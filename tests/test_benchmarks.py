"""The benchmarks run, and say what they should; no time is looked at here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def run(folder: Path, *options: str) -> dict[str, Any]:
    """Run them as a user does, as small as they go; return the results by name."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--json", str(report), *options]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {one["name"]: one for one in json.loads(report.read_text())["results"]}


def test_each_workload_on_sqlite_measures_us_beside_the_raw_driver(tmp_path: Path) -> None:
    results = run(tmp_path, "--only", "unit", "unit-async", "crowd", "load", "storage")
    for name in ("unit", "unit-async", "crowd", "load"):
        names = [figure["name"] for figure in results[name]["figures"]]
        assert any(one.startswith("perdure") for one in names)
        assert any(one.startswith("raw") for one in names)
    assert [one["line"] for one in results["storage"]["verdicts"]] == ["storage", "storage"]


def test_sealed_is_measured_beside_clear(tmp_path: Path) -> None:
    results = run(tmp_path, "--only", "sealed", "sealed-read")
    for one in results.values():
        names = [figure["name"].split(", ") for figure in one["figures"]]
        assert [kind for kind, _ in names] == ["clear", "sealed"] * 3
        lines = [verdict["line"].split(", ")[-1] for verdict in one["verdicts"]]
        assert lines == [work for _, work in names[::2]]


def test_a_peer_that_is_not_installed_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, "--only", "unit")["unit"]
    peers = ("SqliteSaver", "eventsourcing", "SQLiteSession")
    for peer in peers:
        took_part = peer in str(result["figures"])
        assert took_part or peer in str(result["skipped"])


@pytest.mark.slow
def test_starts_and_postgres_are_measured_too(tmp_path: Path) -> None:
    results = run(tmp_path, "--only", "pg", "pg-crowd", "pg-sealed", "start", "slow-disk")
    assert "raw psycopg, same work, pipelined" in str(results["pg"]["figures"])
    assert "perdure, 64 threads" in str(results["pg-crowd"]["figures"])
    assert "dependencies of the core" in str(results["start"]["facts"])
