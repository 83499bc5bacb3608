"""Writer processes, and the journal of what they were acknowledged, kept outside the store."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.writer import Plan
from tests.servers import children, is_alive, wait_until

ROOT = Path(__file__).parents[2]
START_SECONDS_MAX = 60.0
FOR_EVER = 1_000_000_000


@dataclass(slots=True)
class Journal:
    """Every acknowledgement, in the order a lane got them, and whatever went wrong."""

    acked: dict[str, list[str]] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    unavailable: int = 0
    troubles: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many writes were acknowledged."""
        return sum(map(len, self.acked.values()))

    def starts(self, subject: str, lanes: Sequence[str]) -> dict[str, int]:
        """Say where each lane goes on: behind its last acknowledgement."""
        self.subjects.update(dict.fromkeys(lanes, subject))
        return {lane: len(self.acked.setdefault(lane, [])) + 1 for lane in lanes}

    def hear(self, line: str) -> None:
        """Note one line of a writer."""
        lane, _, rest = line.partition(" ")
        if line == "~":
            self.unavailable += 1
        elif lane in self.acked and int(rest.split()[0]) == len(self.acked[lane]) + 1:
            self.acked[lane].append(rest.split()[1])
        elif line != "ready":
            self.troubles.append(f"a writer said {line!r}")


@dataclass(slots=True)
class Writer:
    """A process that counts."""

    process: subprocess.Popen[bytes]
    rest: bytes = b""
    followed: list[str] = field(default_factory=list)


class Crew:
    """Starts writers, listens to them, kills them."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.writers: list[Writer] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()
        self._selector.close()

    def start(
        self,
        target: str,
        subject: str,
        lanes: Sequence[str],
        *,
        face: str = "sync",
        mutant: str = "",
        most: int = FOR_EVER,
        durability: str = "full",
        pause: float = 0.0,
        follows: bool = False,
        after: Mapping[str, int] | None = None,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Writer:
        """Start a process that counts in these lanes for one subject."""
        starts = self.journal.starts(subject, lanes)
        plan = Plan(target, subject, starts, most, durability, pause, follows, dict(after or {}))
        program = [sys.executable, "-m", "tests.faults.writer", json.dumps(asdict(plan))]
        process = subprocess.Popen(
            [*prefix, *program, "--face", face, "--mutant", mutant],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        writer = Writer(process)
        self.writers.append(writer)
        self._selector.register(process.stdout, selectors.EVENT_READ, writer)
        return writer

    def listen(self, seconds: float) -> None:
        """Note what is said in this time, or until everybody ended."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self._selector.get_map():
            self._hear(left)

    def listen_until(self, acked: int, seconds_max: float = START_SECONDS_MAX) -> None:
        """Note what is said until so many writes are acknowledged."""
        deadline = time.monotonic() + seconds_max
        while self.journal.count < acked and self._selector.get_map():
            if time.monotonic() > deadline:
                self.journal.troubles.append(f"no {acked} writes within {seconds_max:g} s")
                return
            self._hear(0.05)

    def kill(self, writer: Writer) -> None:
        """SIGKILL one process (and the one it wraps); what it said before still counts."""
        wrapped = children(writer.process.pid)
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(writer.process.pid, signal.SIGKILL)
        writer.process.wait()
        wait_until(lambda: not any(map(is_alive, wrapped)), "it is gone", START_SECONDS_MAX)
        self._finish(writer)

    def kill_all(self) -> None:
        """SIGKILL everybody, one after the other."""
        for writer in list(self.writers):
            self.kill(writer)

    def join(self, seconds_max: float) -> None:
        """Listen until every writer came to its own end."""
        self.listen(seconds_max)
        for writer in list(self.writers):
            if writer.process.poll() is None:
                self.journal.troubles.append("a writer did not come to an end")
            self.kill(writer)

    def _finish(self, writer: Writer) -> None:
        pipe = writer.process.stdout
        assert pipe is not None
        if pipe in (key.fileobj for key in self._selector.get_map().values()):
            while self._read(writer):
                pass
        pipe.close()
        self.writers.remove(writer)

    def _hear(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            self._read(key.data)

    def _read(self, writer: Writer) -> bool:
        pipe = writer.process.stdout
        assert pipe is not None
        try:
            data = os.read(pipe.fileno(), 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(pipe)
            return False
        *lines, writer.rest = (writer.rest + data).split(b"\n")
        for line in map(bytes.decode, lines):
            if line.startswith("> "):
                writer.followed.append(line[2:])
            else:
                self.journal.hear(line)
        return True
