"""Run the canaries at full length: python -m tests.canary --subjects 100."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.canary.nests import NESTS
from tests.canary.run import MUTANTS, run

# Each engine with a vault, and the embedded ones without.
RUNS = [*((engine, True) for engine in NESTS), ("sqlite", False), ("folder", False)]


def main() -> None:
    """Run one engine or all; the exit code is 1 when a run is red."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=100)
    parser.add_argument("--engine", choices=[*NESTS, "all"], default="all")
    parser.add_argument("--mutant", choices=MUTANTS, default="")
    parser.add_argument("--seed", type=int)
    chosen = parser.parse_args()
    is_green = True
    for engine, is_sealed in RUNS:
        if chosen.engine in (engine, "all"):
            how = {"mutant": chosen.mutant, "seed": chosen.seed, "is_sealed": is_sealed}
            with tempfile.TemporaryDirectory(prefix="perdure-canary-") as folder:
                report = run(Path(folder) / "run", engine=engine, subjects=chosen.subjects, **how)
            sys.stdout.write(report.text() + "\n")
            is_green &= report.is_green
    sys.exit(not is_green)


main()
