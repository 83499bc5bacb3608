"""Encrypted files beside the same in clear, both under the apsw that encrypts (docs/at-rest.md).

``PYTHONPATH=.venv/at-rest python -m benchmarks --only at-rest at-rest-crowd at-rest-load``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import apsw

import perdure

from .domain import agent, note, notes, open_store
from .harness import CALLERS, Bench, Contestant, one_caller, threads
from .workloads import Workload

KEY = bytes(range(32))
CLEAR, ENCRYPTED = "clear file", "encrypted file"
Act = Callable[[Bench, perdure.Store], Callable[[int], object]]


def _unit(_: Bench, store: perdure.Store) -> Callable[[int], object]:
    subjects = [store.subject(agent(number)) for number in range(CALLERS)]
    return lambda number: subjects[number % CALLERS].transact(note)


def _load(bench: Bench, store: perdure.Store) -> Callable[[int], object]:
    """Read states in a random order: more of them than the page cache of a connection holds."""
    agents = max(1, min(20_000, bench.scale.events // 20))
    for number in range(agents):
        store.subject(agent(number)).transact(note)
    order = random.Random(1)
    return lambda _: notes(store, agent(order.randrange(agents))).latest()


def _both(
    act: Act, by: Callable[[str, Callable[[int], object]], Contestant], bench: Bench
) -> Iterator[Contestant]:
    if not hasattr(apsw, "mc_version"):
        bench.skip(ENCRYPTED, "the apsw that is installed can not encrypt")
        return
    for name, key in ((CLEAR, None), (ENCRYPTED, KEY)):
        target = str(bench.folder / f"{name}.db")
        store = bench.closing.enter_context(open_store(target, at_rest=key))
        yield by(name, act(bench, store))


WORKLOADS = (
    Workload("at-rest", "at rest: durable unit, one caller", partial(_both, _unit, one_caller)),
    Workload("at-rest-crowd", "at rest: 64 threads", partial(_both, _unit, threads)),
    Workload("at-rest-load", "at rest: a state out of many", partial(_both, _load, one_caller)),
)
