"""Sealed against clear: the same calls on a store with a vault and on one without, in one run.

The key store is a file of its own, the master key another. 64 subjects take turns, so that every
key is in memory, as it is for whoever is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from perdure.store import Store, Subject

from .budgets import Sooner
from .domain import agent, note, notes, open_store
from .harness import CALLERS, Bench, Contestant, one_caller
from .workloads import Workload

WRITE, READ = "durable write, sealed against clear", "read under a cached key, sealed against clear"
WRITE_AT_MOST, READ_AT_MOST = 1.15, 1.5
REPLY = "I would rather tell you the truth, gently: it took me {} tries, and each was a joy."

Call = Callable[[int], object]
Work = Callable[[Store, Sequence[Subject]], Call]
Targets = Callable[[Bench], Callable[[], str]]
Contest = Callable[[Bench], Iterator[Contestant]]


def _unit(_store: Store, subjects: Sequence[Subject]) -> Call:
    return lambda number: subjects[number % CALLERS].transact(note)


def _publish(_store: Store, subjects: Sequence[Subject]) -> Call:
    return lambda number: _grow(subjects[number % CALLERS])


def _observe(_store: Store, subjects: Sequence[Subject]) -> Call:
    return lambda number: subjects[number % CALLERS].drift.observe(REPLY.format(number))


def _latest(store: Store, _subjects: Sequence[Subject]) -> Call:
    faces = [notes(store, agent(number)) for number in range(CALLERS)]
    return lambda number: faces[number % CALLERS].latest()


def _soul(_store: Store, subjects: Sequence[Subject]) -> Call:
    return lambda number: subjects[number % CALLERS].souls.current()


def _voice(_store: Store, subjects: Sequence[Subject]) -> Call:
    return lambda number: subjects[number % CALLERS].drift.current()


WRITES: Mapping[str, Work] = {
    "event and state row": _unit,
    "souls.publish": _publish,
    "drift.observe": _observe,
}
READS: Mapping[str, Work] = {"state row": _latest, "souls.current": _soul, "drift.current": _voice}


def contestants(works: Mapping[str, Work], targets: Targets, bench: Bench) -> Iterator[Contestant]:
    """Give each work twice: clear, sealed."""
    try:
        from perdure.vault import KeyFile, Vault
    except ImportError as error:
        bench.skip("sealed stores", error)
        return
    target = targets(bench)
    for name, work in works.items():
        keys = bench.folder / f"keys of {name}.db"
        vault = Vault(keys, master=KeyFile(bench.folder / f"{name}.key"), create=True)
        for kind, sealed_by in (("clear", None), ("sealed", vault)):
            store = bench.closing.enter_context(open_store(target(), vault=sealed_by))
            subjects = [store.subject(agent(number)) for number in range(CALLERS)]
            for subject in subjects:
                _begin(subject)
            yield one_caller(f"{kind}, {name}", work(store, subjects))


def _grow(subject: Subject) -> object:
    return subject.souls.publish(
        core_identity="I am curious, warm and direct. " * 6,
        active_values="Honesty over comfort; patience before wit. " * 6,
        recent_growth="I learned to say that I do not know. " * 8,
    )


def _begin(subject: Subject) -> None:
    subject.transact(note)
    _grow(subject)
    subject.drift.observe(REPLY.format("many"))


def files(bench: Bench) -> Callable[[], str]:
    """Give new files."""
    count = iter(range(100))
    return lambda: str(bench.folder / f"sealed-{next(count)}.db")


def workloads(targets: Targets, *, name: str = "", of: str = "") -> tuple[Workload, ...]:
    """Give both contests over some kind of store."""
    return (
        Workload(
            f"{name}sealed",
            f"{WRITE}{of}",
            partial(contestants, WRITES, targets),
            _budgets(f"{WRITE}{of}", WRITES, WRITE_AT_MOST),
        ),
        Workload(
            f"{name}sealed-read",
            f"{READ}{of}",
            partial(contestants, READS, targets),
            _budgets(f"{READ}{of}", READS, READ_AT_MOST),
        ),
    )


def _budgets(line: str, works: Mapping[str, Work], at_most: float) -> Sequence[Sooner]:
    return tuple(
        Sooner(f"{line}, {name}", f"sealed, {name}", f"clear, {name}", at_most) for name in works
    )


WORKLOADS = workloads(files)
