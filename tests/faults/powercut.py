"""Cuts the power under SQLite writers: the file system is stopped and loses what was not synced.

The disk is an image with ext4, the cut an ioctl that drops the journal in memory, the new start
an unmount and a mount. Only acknowledgements read before the cut count. With durability "normal"
the newest ones may be lost and are counted, but the file has to be sound. The mutant runs the
writers with an fsync that does nothing, so it has to lose writes.
"""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.faults.audit import Findings, audit
from tests.faults.counters import prepare
from tests.faults.crew import Crew, Journal
from tests.faults.disk import Disk, disk
from tests.faults.report import Report, program
from tests.faults.shims import lying_fsync

WRITERS = ("sync", "async")
LANES = {"sync": 1, "async": 8}


def run(
    folder: Path,
    *,
    rounds: int,
    mutant: str = "",
    seed: int = 1,
    durability: str = "full",
) -> Report:
    """Cut the power so many times and report."""
    report, chance = Report("powercut", mutant), random.Random(seed)
    report.may_lose = durability == "normal"
    environment = lying_fsync(folder) if mutant == "lying-fsync" else {}
    rounds_with_loss = loss_max = 0
    with disk(folder) as drive:
        for number in range(rounds):
            target = drive.path / f"{number}.db"
            journal = Journal()
            prepare(str(target)).close()
            acked = write_and_cut(drive, journal, chance, {
                "target": str(target), "durability": durability, "environment": environment,
            })  # fmt: skip
            found = look(str(target), acked, may_lose=report.may_lose)
            report.add(found)
            report.acked += acked.count
            report.rounds += 1
            rounds_with_loss += found.lost > 0
            loss_max = max(loss_max, found.lost)
            for left in drive.path.glob("*.db*"):
                left.unlink()
    report.figures = {
        "durability": durability, "rounds_with_loss": rounds_with_loss, "loss_max": loss_max,
    }  # fmt: skip
    return report


def write_and_cut(
    drive: Disk, journal: Journal, chance: random.Random, how: dict[str, Any]
) -> Journal:
    """Write, stop the disk at a random time, and give the journal as it was just before."""
    with Crew(journal) as crew:
        for index, face in enumerate(WRITERS):
            lanes = [f"{index}.{lane}" for lane in range(LANES[face])]
            crew.start(subject=f"writer-{index}", lanes=lanes, face=face, **how)
        crew.listen_until(1)
        crew.listen(chance.uniform(0, 0.5))
        acked = deepcopy(journal)
        drive.cut_power()
    drive.unmount()
    drive.mount()
    return acked


def look(target: str, acked: Journal, *, may_lose: bool) -> Findings:
    """Open the file after the cut and audit it."""
    with prepare(target) as store:
        if store.engine.pragma("integrity_check") != "ok":  # type: ignore[attr-defined]
            return Findings(troubles=["integrity_check is not ok"])
        return audit(store, acked, is_cut=True, may_lose=may_lose)


if __name__ == "__main__":
    program(run, rounds=100, mutants=("", "lying-fsync"), durability="full")
