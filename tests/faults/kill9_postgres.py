"""Kills PostgreSQL's sessions, its postmaster and the clients with SIGKILL, with fsync on.

A killed session makes the server throw everybody out and recover by itself; a killed postmaster
is started again; clients that live on repeat what was unavailable under the same idempotency key,
and those that were killed do so when they come back. Every number has to be there exactly once.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.faults.audit import audit
from tests.faults.counters import prepare
from tests.faults.crew import Crew, Journal
from tests.faults.report import Report, program
from tests.servers import PostgresServer, Servers

FAULTS = ("session", "clients", "postmaster")
ROUNDS_PER_DATABASE = 10
LANES = {"sync": 2, "async": 4}
RESUME_SECONDS_MAX = 60.0


def run(
    folder: Path,
    *,
    rounds: int,
    writers: int = 4,
    mutant: str = "",
    seed: int = 1,
    servers: Servers | None = None,
) -> Report:
    """Kill so many times and report."""
    own = servers or Servers()
    server = own.postgres(fsync=True)
    try:
        return _run(server, rounds=rounds, writers=writers, mutant=mutant, seed=seed)
    finally:
        own.end(server)
        if servers is None:
            own.close()


def _run(server: PostgresServer, *, rounds: int, writers: int, mutant: str, seed: int) -> Report:
    report, chance = Report("kill9_postgres", mutant), random.Random(seed)
    journal, target = Journal(), ""
    faults = dict.fromkeys(FAULTS, 0)
    unavailable = 0
    for number in range(rounds):
        if number % ROUNDS_PER_DATABASE == 0:
            report.acked += journal.count
            unavailable += journal.unavailable
            journal, target = Journal(), server.url(server.create_database())
            prepare(target).close()
        fault = FAULTS[number % len(FAULTS)]
        faults[fault] += 1
        with Crew(journal) as crew:
            start(crew, target, writers, mutant)
            crew.listen_until(journal.count + 1)
            crew.listen(chance.uniform(0, 0.4))
            strike(fault, server, crew, chance)
        with prepare(target) as store:
            found = audit(store, journal)
        report.add(found)
        report.rounds += 1
        if found.lost or found.troubles or journal.troubles:
            break
    report.acked += journal.count
    report.troubles += journal.troubles
    unavailable += journal.unavailable
    report.figures = {"writers": writers, "faults": faults, "tried_again": unavailable}
    return report


def start(crew: Crew, target: str, writers: int, mutant: str) -> None:
    """Start the writers, every other one asynchronous."""
    for index in range(writers):
        face = ("sync", "async")[index % 2]
        lanes = [f"{index}.{lane}" for lane in range(LANES[face])]
        crew.start(target, f"writer-{index}", lanes, face=face, mutant=mutant)


def strike(fault: str, server: PostgresServer, crew: Crew, chance: random.Random) -> None:
    """Kill, and let those that live show that they go on by themselves."""
    if fault == "session":
        server.kill9_child()
        server.wait_ready()
    elif fault == "postmaster":
        server.kill9()
        server.start()
    if fault != "clients":
        crew.listen_until(crew.journal.count + len(crew.journal.acked), RESUME_SECONDS_MAX)
        crew.listen(chance.uniform(0, 0.2))
    crew.kill_all()


if __name__ == "__main__":
    program(run, rounds=50, mutants=("", "ack-before-commit"), writers=4)
