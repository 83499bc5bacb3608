"""Kills SQLite writers with SIGKILL at random times, opens the file again and audits it.

Half of the writers are synchronous (threads), half asynchronous (tasks). They die one shortly
after the other, so the last ones commit while others are dead already, and now and then before
they opened the file. A killed writer comes back and repeats its last number under the same key.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.faults.audit import audit
from tests.faults.counters import prepare
from tests.faults.crew import Crew, Journal
from tests.faults.report import Report, program

ROUNDS_PER_FILE = 10
LANES = {"sync": 2, "async": 8}


def run(folder: Path, *, rounds: int, writers: int = 4, mutant: str = "", seed: int = 1) -> Report:
    """Kill so many times and report."""
    report, chance = Report("kill9", mutant), random.Random(seed)
    journal, target, reopen = Journal(), "", 0.0
    for number in range(rounds):
        if number % ROUNDS_PER_FILE == 0:
            report.acked += journal.count
            journal, target = Journal(), str(folder / f"{number}.db")
            prepare(target).close()
        with Crew(journal) as crew:
            start(crew, target, writers, mutant)
            if chance.random() < 0.9:
                crew.listen_until(journal.count + 1)
            crew.listen(chance.uniform(0, 0.3))
            chance.shuffle(crew.writers)
            while crew.writers:
                crew.kill(crew.writers[0])
                crew.listen(chance.choice([0, 0, 0.01, 0.03]))
        began = time.monotonic()
        with prepare(target) as store:
            reopen = max(reopen, time.monotonic() - began)
            found = audit(store, journal)
            if store.engine.pragma("quick_check") != "ok":  # type: ignore[attr-defined]
                found.troubles.append("quick_check is not ok")
        report.add(found)
        report.rounds += 1
        if found.lost or found.troubles:
            break
    report.acked += journal.count
    report.troubles += journal.troubles
    report.figures = {"writers": writers, "reopen_ms_max": round(reopen * 1000)}
    return report


def start(crew: Crew, target: str, writers: int, mutant: str) -> None:
    """Start the writers, every other one asynchronous."""
    for index in range(writers):
        face = ("sync", "async")[index % 2]
        lanes = [f"{index}.{lane}" for lane in range(LANES[face])]
        crew.start(target, f"writer-{index}", lanes, face=face, mutant=mutant)


if __name__ == "__main__":
    program(run, rounds=200, mutants=("", "ack-before-commit"), writers=4)
