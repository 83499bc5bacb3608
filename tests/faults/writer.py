"""A writer process: it counts in lanes, and says on its output what the store acknowledged.

Lines are `ready`, `lane number id` after an acknowledgement, `~` when the store was unavailable
(the same number is tried again under the same key), `> slice position stream version` for what a
follower in this process saw, and `! what` for anything else. Lanes are threads of a sync store or
tasks of an async one. The journal of these lines is not here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import threading
import time
from dataclasses import dataclass

import perdure
from perdure.errors import PerdureError, Unavailable
from perdure.kernel import Recorded
from tests.faults import mutants
from tests.faults.counters import Raise

OUT = sys.stdout.fileno()
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """What a writer was told: where, for whom, which lanes, from which number, how many."""

    target: str
    subject: str
    starts: dict[str, int]
    most: int
    durability: str
    pause: float
    follows: bool
    after: dict[str, int]

    def numbers(self, lane: str) -> range:
        """Give the numbers that a lane counts."""
        first = self.starts[lane]
        return range(first, first + self.most)


def say(line: str) -> None:
    """Write one line at once; a pipe takes short ones whole."""
    os.write(OUT, f"{line}\n".encode())


def opened(plan: Plan) -> perdure.Store:
    """Open the store, however long its server takes to recover."""
    while True:
        try:
            return perdure.open(plan.target, durability=plan.durability, migrate=False)
        except Unavailable:
            say("~")
            time.sleep(PAUSE_SECONDS)


def count(subject: perdure.store.Subject, lane: str, plan: Plan) -> None:
    """Count in a thread, one durable number after the other."""
    for number in plan.numbers(lane):
        while True:
            try:
                id = subject.once(f"{lane}:{number}").transact(Raise(lane, number))
            except Unavailable:
                say("~")
                time.sleep(PAUSE_SECONDS)
            else:
                say(f"{lane} {number} {id}")
                break
        time.sleep(plan.pause)


def seen(recorded: Recorded) -> None:
    """Say what a follower saw."""
    say(f"> {recorded.lane} {recorded.position} {recorded.stream} {recorded.version}")


def follow(store: perdure.Store, plan: Plan) -> None:
    """Follow the log from a checkpoint, for ever."""
    for recorded in mutants.follow(store, plan.after):
        seen(recorded)


async def follow_async(store: perdure.AsyncStore, plan: Plan) -> None:
    """Follow the log from a checkpoint, for ever."""
    async for recorded in store.log.follow(plan.after):
        seen(recorded)


async def count_async(subject: perdure.store.AsyncSubject, lane: str, plan: Plan) -> None:
    """Count in a task."""
    for number in plan.numbers(lane):
        while True:
            try:
                id = await subject.once(f"{lane}:{number}").transact(Raise(lane, number))
            except Unavailable:
                say("~")
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                say(f"{lane} {number} {id}")
                break
        await asyncio.sleep(plan.pause)


def told(error: BaseException) -> None:
    """Report what no writer expects."""
    text = f"{type(error).__name__} {error}" if isinstance(error, PerdureError) else repr(error)
    say("! " + " ".join(text.split()))


def run_sync(plan: Plan) -> None:
    """Count in one thread for each lane."""
    with opened(plan) as store:
        say("ready")

        def lane_of(lane: str) -> None:
            try:
                count(store.subject(plan.subject), lane, plan)
            except BaseException as error:
                told(error)

        threads = [threading.Thread(target=lane_of, args=[lane]) for lane in plan.starts]
        if plan.follows:
            threads.append(threading.Thread(target=follow, args=[store, plan]))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


async def connected(plan: Plan) -> perdure.AsyncStore:
    """Connect, however long the server takes to recover."""
    while True:
        try:
            store: perdure.AsyncStore = await perdure.connect(
                plan.target, durability=plan.durability, migrate=False
            )
            return store
        except Unavailable:
            say("~")
            await asyncio.sleep(PAUSE_SECONDS)


async def run_async(plan: Plan) -> None:
    """Count in one task for each lane."""
    store = await connected(plan)
    say("ready")
    subject = store.subject(plan.subject)
    done = [count_async(subject, lane, plan) for lane in plan.starts]
    if plan.follows:
        done.append(follow_async(store, plan))
    for outcome in await asyncio.gather(*done, return_exceptions=True):
        if outcome is not None:
            told(outcome)
    await store.close()


def main() -> None:
    """Read the plan from the arguments and count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("plan")
    parser.add_argument("--face", choices=["sync", "async"], default="sync")
    parser.add_argument("--mutant", default="")
    told_to = parser.parse_args()
    plan = Plan(**json.loads(told_to.plan))
    mutants.become(told_to.mutant)
    for name in ("psycopg", "perdure"):  # lost connections are the point here
        logging.getLogger(name).addHandler(logging.NullHandler())
    try:
        if told_to.face == "sync":
            run_sync(plan)
        else:
            asyncio.run(run_async(plan))
    except Exception as error:
        told(error)


if __name__ == "__main__":
    main()
