"""No test leaves a thread, a file, a socket or a child process behind.

There is no `gc.collect()` here on purpose: what only the collector closes was not closed.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker

import pytest

from tests.servers import Servers, children

SESSION_SERVERS = pytest.StashKey[Servers]()
# What was told to end may take this long to be gone; a leak costs it once, a clean test nothing.
GRACE_SECONDS_MAX = 2.0


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at one moment."""

    threads: frozenset[threading.Thread]
    descriptors: frozenset[tuple[int, str]]
    processes: frozenset[int]

    def beyond(self, *known: "Held") -> list[str]:
        """List what is held here and in none of the known."""
        threads = self.threads.difference(*(one.threads for one in known))
        descriptors = self.descriptors.difference(*(one.descriptors for one in known))
        processes = self.processes.difference(*(one.processes for one in known))
        return [
            *(f"thread {thread.name}" for thread in threads),
            *(f"file {number} -> {name}" for number, name in descriptors),
            *(f"process {pid}" for pid in processes),
        ]


def held() -> Held:
    """Look at this process."""
    descriptors = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names only
        with contextlib.suppress(OSError):  # the folder's own descriptor is closed by now
            descriptors.add((int(number), os.readlink(f"/proc/self/fd/{number}")))  # noqa: PTH115
    return Held(
        threads=frozenset(threading.enumerate()),
        descriptors=frozenset(descriptors),
        processes=frozenset(children(os.getpid())),
    )


def left_behind(
    before: Held, allowed: Held, *, seconds_max: float = GRACE_SECONDS_MAX
) -> list[str]:
    """List what is held and was neither before nor is allowed, once the grace is over."""
    deadline = time.monotonic() + seconds_max
    while (left := held().beyond(before, allowed)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def allowances(servers: Servers | None) -> Held:
    """Name what may appear in the middle of a test and stay, each with its reason."""
    numbers: set[int | None] = set()
    processes: set[int | None] = set()
    if servers is not None:  # the session's own, when a test asks for them by getfixturevalue
        numbers |= servers.own_descriptors()
        processes |= servers.own_processes()
    # multiprocessing starts one tracker at its first use and keeps it, by design, to the end.
    tracker = resource_tracker._resource_tracker  # type: ignore[attr-defined]
    numbers.add(tracker._fd)
    processes.add(tracker._pid)
    now = held()
    return Held(
        threads=frozenset(),
        descriptors=frozenset(one for one in now.descriptors if one[0] in numbers),
        processes=frozenset(pid for pid in now.processes if pid in processes),
    )


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a descriptor or a child process behind."""
    before = held()
    yield
    servers = request.config.stash.get(SESSION_SERVERS, None)
    left = left_behind(before, allowances(servers))
    assert not left, f"the test left behind: {', '.join(left)}; close, join or wait for it"
