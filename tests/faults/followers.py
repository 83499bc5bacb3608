"""Sixteen writers, six followers: what each follower saw is compared with the log, event by event.

Writers are threads and tasks of four processes, two of which are killed in the middle and come
back. Followers are synchronous and asynchronous, inside the writers' processes and outside. Then
the database is dumped and restored (a SQLite file is copied) while it is open, and a follower
goes on in the copy from an old checkpoint while writers go on there.
"""

from __future__ import annotations

import itertools
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import perdure
from perdure.kernel.transaction import slice_of
from tests.faults.audit import audit
from tests.faults.counters import prepare
from tests.faults.crew import Crew, Journal, Writer
from tests.faults.report import Report, program
from tests.servers import PostgresServer, Servers, postgres_bin

NUMBERS = 60
LANES = [[f"{process}.{lane}" for lane in range(4)] for process in range(4)]
CATCH_UP_SECONDS_MAX = 20.0
Truth = dict[str, list[str]]


@dataclass(slots=True)
class Place:
    """Where a round happens, and how its database is copied."""

    folder: Path
    server: PostgresServer | None

    def target(self, name: str) -> str:
        """Name a new database."""
        if self.server is None:
            return str(self.folder / f"{name}.db")
        return self.server.url(self.server.create_database())

    def copy(self, store: perdure.Store, target: str, copy: str) -> None:
        """Copy a database while it is open: the backup of SQLite, or dump and restore."""
        if self.server is None:
            store.engine.copy_to(Path(copy), lambda _done, _all: None)  # type: ignore[attr-defined]
            return
        dump = subprocess.run([postgres_bin() / "pg_dump", target], check=True, capture_output=True)
        restore = [str(postgres_bin() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", copy]
        subprocess.run(restore, input=dump.stdout, check=True, capture_output=True)


def run(
    folder: Path,
    *,
    rounds: int,
    engine: str = "sqlite",
    mutant: str = "",
    seed: int = 1,
    servers: Servers | None = None,
) -> Report:
    """Do it so many times and report."""
    report = Report(f"followers {engine}", mutant)
    totals: Counter[str] = Counter(missed=0, repeated=0, out_of_order=0, seen=0)
    own = servers or (Servers() if engine == "postgres" else None)
    server = own.postgres() if own else None
    try:
        for number in range(rounds):
            one_round(Place(folder, server), f"{seed}-{number}", mutant, report, totals)
            report.rounds += 1
    finally:
        if own and server:
            own.end(server)
        if own and servers is None:
            own.close()
    report.figures = dict(totals)
    for name in ("missed", "repeated", "out_of_order"):
        if totals[name]:
            report.troubles.append(f"{totals[name]} events {name.replace('_', ' ')}")
    return report


def one_round(place: Place, name: str, mutant: str, report: Report, totals: Counter[str]) -> None:
    """Write and follow, kill and come back, copy and go on."""
    journal, target = Journal(), place.target(name)
    with prepare(target) as store, Crew(journal) as crew:
        followers = start(crew, target, mutant)
        crew.listen_until(16 * NUMBERS // 4)
        crew.kill(crew.writers[2])
        crew.kill(crew.writers[2])
        for process in (2, 3):
            crew.start(
                target, subjects()[process], LANES[process], face=face(process), most=NUMBERS
            )
        crew.listen_until(sum(NUMBERS for _ in itertools.chain(*LANES)))
        # The killed came back behind their last acknowledgement and count as far from there.
        crew.listen(0.2)
        for writer in crew.writers[-2:]:
            crew.kill(writer)
        truth = truth_of(store)
        catch_up(crew, followers, sum(map(len, truth.values())))
        for follower in followers:
            totals.update(compare(follower.followed, truth))
        copy = place.target(f"{name}-copy")
        half = list(followers[-1].followed[: len(followers[-1].followed) // 2])
        place.copy(store, target, copy)
    if not mutant:
        totals.update(in_the_copy(copy, journal, half))
    with prepare(target if mutant else copy) as store:
        report.add(audit(store, journal))
    report.acked += journal.count
    report.troubles += journal.troubles


def start(crew: Crew, target: str, mutant: str) -> list[Writer]:
    """Start four writing processes, two of which follow as well, and four that only follow."""
    for process in range(4):
        crew.start(
            target, subjects()[process], LANES[process],
            face=face(process), most=NUMBERS, follows=process < 2, mutant=mutant,
        )  # fmt: skip
    for process in range(4):
        crew.start(target, "nobody", [], face=face(process), follows=True, mutant=mutant)
    return [crew.writers[one] for one in (0, 1, 4, 5, 6, 7)]


def face(process: int) -> str:
    """Every other process is asynchronous."""
    return ("sync", "async")[process % 2]


def subjects() -> list[str]:
    """Name four subjects of two slices: two each share the positions of one."""
    first, second = "writer-0", "writer-1"
    names = (f"writer-{number}" for number in itertools.count(2))
    third = next(name for name in names if slice_of(name) == slice_of(first))
    fourth = next(name for name in names if slice_of(name) == slice_of(second))
    return [first, second, third, fourth]


def truth_of(store: perdure.Store) -> Truth:
    """Read what is in the log now, slice by slice."""
    truth: Truth = defaultdict(list)
    for recorded in store.log.read():
        line = f"{recorded.lane} {recorded.position} {recorded.stream} {recorded.version}"
        truth[recorded.lane].append(line)
    return truth


def catch_up(crew: Crew, followers: list[Writer], wanted: int) -> None:
    """Listen until each follower saw so much, or they no longer move."""
    before = -1
    for _ in range(int(CATCH_UP_SECONDS_MAX)):
        crew.listen(1.0 if before >= 0 else 0.3)
        count = sum(len(follower.followed) for follower in followers)
        if count == before or all(len(f.followed) >= wanted for f in followers):
            return
        before = count


def compare(followed: list[str], truth: Truth) -> Counter[str]:
    """Count what a follower missed, saw twice or saw in the wrong order."""
    wanted = {line for lines in truth.values() for line in lines}
    last: dict[str, int] = defaultdict(int)
    disorder = 0
    for line in followed:
        slice, position, stream, version = line.split()
        for key, number in ((f"slice {slice}", int(position)), (stream, int(version))):
            disorder += number <= last[key]
            last[key] = max(last[key], number)
    return Counter(
        missed=len(wanted - set(followed)),
        repeated=len(followed) - len(set(followed)),
        out_of_order=disorder,
        seen=len(followed),
    )


def in_the_copy(copy: str, journal: Journal, half: list[str]) -> Counter[str]:
    """Go on in the copy: a follower from its old checkpoint, and writers behind their acks."""
    checkpoint: dict[str, int] = {}
    for line in half:
        lane, position, *_ = line.split()
        checkpoint[lane] = int(position)
    with prepare(copy) as store, Crew(journal) as crew:
        follower = crew.start(copy, "nobody", [], follows=True, after=checkpoint)
        crew.start(copy, subjects()[0], LANES[0], most=NUMBERS // 4)
        crew.start(copy, subjects()[3], LANES[3], face="async", most=NUMBERS // 4)
        crew.listen_until(journal.count + 8 * NUMBERS // 4)
        truth = truth_of(store)
        catch_up(crew, [follower], sum(map(len, truth.values())) - len(half))
        return compare([*half, *follower.followed], truth)


if __name__ == "__main__":
    program(run, rounds=10, mutants=("", "read-by-sequence"), engine="sqlite")
