"""Lets fsync fail under SQLite writers: strace answers every so many calls with EIO.

The caller has to get `unavailable`, the same process has to go on, and when the writers are
killed (or, where a disk can be made, the power is cut) nothing acknowledged may be missing.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from copy import deepcopy
from pathlib import Path

from tests.faults.audit import audit
from tests.faults.counters import prepare
from tests.faults.crew import Crew, Journal
from tests.faults.disk import disk, missing_disk
from tests.faults.report import Report, program

CALLS = "fdatasync,fsync"
WRITE_SECONDS = 1.0


def run(folder: Path, *, rounds: int, mutant: str = "", seed: int = 1) -> Report:
    """Let fsync fail in so many runs and report."""
    report, chance = Report("fsyncerror", mutant), random.Random(seed)
    injected = unavailable = 0
    with contextlib.ExitStack() as stack:
        drive = None if missing_disk() else stack.enter_context(disk(folder))
        for number in range(rounds):
            target = str((drive.path if drive else folder) / f"{number}.db")
            trace, journal = folder / f"{number}.strace", Journal()
            prepare(target).close()
            when = f"when={chance.randrange(1, 12)}+{chance.randrange(2, 9)}"
            failing = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={CALLS}"]
            failing += ["-e", f"inject={CALLS}:error=EIO:{when}"]
            with Crew(journal) as crew:
                face = ("sync", "async")[number % 2]
                lanes = [f"0.{lane}" for lane in range(4)]
                crew.start(target, "writer-0", lanes, face=face, mutant=mutant, prefix=failing)
                crew.listen_until(8)
                crew.listen(WRITE_SECONDS)
                acked = deepcopy(journal)
                if drive:
                    drive.cut_power()
            if drive:
                drive.unmount()
                drive.mount()
            with prepare(target) as store:
                report.add(audit(store, acked, is_cut=True))
            report.acked += acked.count
            report.troubles += acked.troubles
            report.rounds += 1
            unavailable += acked.unavailable
            injected += trace.read_text().count("(INJECTED)")
    if not (injected and (unavailable or mutant)):
        report.troubles.append("no fsync failed, or nobody was told")
    report.figures = {
        "fsyncs_failed": injected, "unavailable": unavailable, "power_was_cut": drive is not None,
    }  # fmt: skip
    return report


def missing_strace() -> str:
    """Say why no call can be made to fail here, if none can."""
    return "" if shutil.which("strace") else "strace is not installed"


if __name__ == "__main__":
    program(run, rounds=20, mutants=("", "swallow-errors"))
