"""Fills the disk under SQLite writers, looks that readers go on, and makes space again.

The writers stay the same processes with the same open stores. While the disk is full every
attempt has to end as `unavailable`; old and new readers have to work; with space again every lane
has to go on by itself, and at the end nothing may be lost, doubled or torn.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import perdure
from perdure.errors import PerdureError
from tests.faults.audit import audit
from tests.faults.counters import prepare
from tests.faults.crew import Crew, Journal
from tests.faults.disk import Disk, disk
from tests.faults.report import Report, program

LANES = {"0": ["0.0", "0.1"], "1": ["1.0", "1.1", "1.2", "1.3"]}
FULL_SECONDS = 0.4
RESUME_SECONDS_MAX = 20.0
FILLER_BYTES = 1 << 16


def run(folder: Path, *, rounds: int, mutant: str = "", seed: int = 1) -> Report:
    """Fill and empty the disk so many times and report."""
    report, chance, journal = Report("diskfull", mutant), random.Random(seed), Journal()
    reads, resume = 0, 0.0
    with disk(folder, mebibytes=32) as drive, Crew(journal) as crew:
        target = str(drive.path / "store.db")
        with prepare(target) as store:
            for index, face in enumerate(("sync", "async")):
                crew.start(target, f"writer-{index}", LANES[str(index)], face=face, mutant=mutant)
            crew.listen_until(20)
            for _ in range(rounds):
                fill(drive, chance.randrange(0, 400_000))
                refused = journal.unavailable
                crew.listen(FULL_SECONDS)
                reads += read_all(store, target, report)
                crew.listen(FULL_SECONDS)
                if journal.unavailable == refused and not mutant:
                    report.troubles.append("the disk was full and nobody was told")
                (drive.path / "filler").unlink()
                resume = max(resume, goes_on(crew))
                report.rounds += 1
            crew.kill_all()
            report.troubles += audit(store, journal).troubles
        with prepare(target) as store:
            report.add(audit(store, journal))
            if store.engine.pragma("integrity_check") != "ok":  # type: ignore[attr-defined]
                report.troubles.append("integrity_check is not ok")
    report.acked, report.troubles = journal.count, report.troubles + journal.troubles
    report.figures = {
        "unavailable": journal.unavailable, "reads_while_full": reads,
        "resume_ms_max": round(resume * 1000),
    }  # fmt: skip
    return report


def fill(drive: Disk, spare: int) -> None:
    """Use up all space but a little."""
    with (drive.path / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(FILLER_BYTES))
        except OSError:
            filler.truncate(max(0, filler.tell() - spare))
            os.fsync(filler.fileno())


def read_all(store: perdure.Store, target: str, report: Report) -> int:
    """Read with a store that was open before, and with one opened now."""
    count = 0
    try:
        count = sum(1 for _ in store.log.read())
        with perdure.open(target, subject="nobody", migrate=False) as late:
            count += sum(1 for _ in late.log.read())
    except PerdureError as error:
        report.troubles.append(f"a reader was refused while the disk was full: {error}")
    return count


def goes_on(crew: Crew) -> float:
    """Wait until every lane is acknowledged again, and say how long the slowest took."""
    acked = crew.journal.acked
    before = {lane: len(ids) for lane, ids in acked.items()}
    began = time.monotonic()
    while any(len(acked[lane]) == count for lane, count in before.items()):
        crew.listen(0.01)
        if time.monotonic() - began > RESUME_SECONDS_MAX:
            crew.journal.troubles.append("a lane did not go on with space again")
            break
    return time.monotonic() - began


if __name__ == "__main__":
    program(run, rounds=20, mutants=("", "swallow-errors"))
