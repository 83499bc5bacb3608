"""Three processes read a counter of one subject and write one more, 200 times each: 600 of 600.

The mutant reads in one unit of work and writes in another, as an application without transactions
does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import perdure
from perdure.kernel import Transaction
from tests.faults.counters import counted, increment, prepare, set_to
from tests.faults.crew import ROOT
from tests.faults.report import Report, program
from tests.servers import Servers

PROCESSES, INCREMENTS = 3, 200
BE_A_WRITER = "from tests.faults import lostupdates as one; one.write()"


def run(
    folder: Path,
    *,
    rounds: int,
    engine: str = "sqlite",
    mutant: str = "",
    seed: int = 1,
    servers: Servers | None = None,
) -> Report:
    """Count so many times and report."""
    report = Report(f"lostupdates {engine}", mutant)
    own = servers or (Servers() if engine == "postgres" else None)
    server = own.postgres() if own else None
    try:
        for number in range(rounds):
            name = str(folder / f"{seed}-{number}.db")
            counted_to = race(server.url(server.create_database()) if server else name, mutant)
            report.acked += PROCESSES * INCREMENTS
            report.lost += PROCESSES * INCREMENTS - counted_to
            report.rounds += 1
    finally:
        if own and server:
            own.end(server)
        if own and servers is None:
            own.close()
    report.figures = {"counted": report.acked - report.lost, "of": report.acked}
    return report


def race(target: str, mutant: str) -> int:
    """Let the processes count, and say what the counter says."""
    with prepare(target) as store:
        command = [sys.executable, "-c", BE_A_WRITER, target, mutant]
        running = [subprocess.Popen(command, cwd=ROOT) for _ in range(PROCESSES)]
        ends = [process.wait() for process in running]
        assert not any(ends), f"a process ended with {ends}"
        return store.subject("ada").transact(shared)


def shared(tx: Transaction) -> int:
    """Read the counter that everybody raises."""
    return counted(tx, "shared")


def write() -> None:
    """Be one of the processes."""
    target, mutant = sys.argv[1:]
    with perdure.open(target, migrate=False) as store:
        ada = store.subject("ada")
        for _ in range(INCREMENTS):
            if mutant:
                known = ada.transact(shared)
                os.sched_yield()
                ada.transact(lambda tx, known=known: set_to(tx, known + 1))  # type: ignore[misc]
            else:
                ada.transact(increment)


if __name__ == "__main__":
    program(run, rounds=3, mutants=("", "two-units-of-work"), engine="sqlite")
