"""``perdure demo``: a self whose writer is killed in the middle of a thousand writes, and what is
left of it.

What is written is in ``story.py``, the process that dies is ``writer.py``.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from time import monotonic
from typing import Final

import perdure
from perdure.errors import Conflict, Invalid, Unavailable

from . import chart, exits, souls, story
from .opening import safe
from .terminal import Out
from .tree import STORE, Group, Parser, leaf

KILL_AT: Final = 500
WRITER = ("-m", "perdure.cli.writer")
REASONS_MOST: Final = 3
Acks = dict[int, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the killed writer had acknowledged, and what was there afterwards."""

    acknowledged: int
    found: int
    lost: tuple[int, ...]
    unacknowledged: int
    is_sound: bool
    events: int


def add_to(group: Group[Parser]) -> None:
    """Add the command."""
    leaf(
        group, "demo", _demo, needs=STORE,
        about="Kill a writer with SIGKILL in the middle of 1,000 writes and show what is left: in a"
        " temporary folder, or in a new store given with --store (PERDURE_STORE is not used).",
    )  # fmt: skip


def _demo(args: argparse.Namespace, out: Out) -> int:
    began = monotonic()
    told = out.silenced() if out.as_json else out
    with _place(args.store) as target:
        _opening(target, told)
        acks = _killed(target, told)
        with perdure.open(target, subject=story.SUBJECT) as store:
            outcome = _compare(store, acks)
            _tell(outcome, told)
            if not out.as_json:
                _go_on(store, outcome, out)
                _self(store, out)
        _closing(args.store, monotonic() - began, told)
    if out.as_json:
        out.document(outcome)
    return exits.OK if outcome.is_sound and not outcome.lost else exits.FOUND


@contextmanager
def _place(given: str | None) -> Iterator[str]:
    """Give a target where nothing is, temporary unless the user named one."""
    if given is None:
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix="perdure-demo-") as folder:
            yield str(Path(folder, "self.db"))
        return
    if given == "memory:":
        raise Invalid(
            "a self in memory dies with its process",
            value=given,
            remedy="give --store a new file, or leave it out",
        )
    with perdure.open(given, subject=story.SUBJECT) as store:
        if store.souls.history(most=1) or store.drift.history(most=1):
            raise Conflict(
                f"{story.SUBJECT} has a self in {safe(given)!r} already",
                value=given,
                remedy="give --store a new file, or leave it out",
            )
    yield given


# -- the killed writer


def _killed(target: str, out: Out) -> Acks:
    """Run the writer, kill it in the middle, and return every write it acknowledged."""
    import subprocess

    command = [sys.executable, *WRITER, target]
    acks: Acks = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with out.progress("a process writes") as progress:
                for line in process.stdout:
                    if line.endswith("\n"):  # half a line is no acknowledgement
                        number, stream, version = line.split()
                        acks[int(number)] = (stream, int(version))
                        progress("", len(acks), story.WRITES)
                    if len(acks) == KILL_AT:
                        process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
    if process.returncode != -signal.SIGKILL or len(acks) < KILL_AT:
        raise Unavailable(
            f"the writer ended by itself after {len(acks)} writes (code {process.returncode})",
            remedy="see what it printed, and run the demo again",
        )
    out.say(
        f"   Killed with SIGKILL (kill -9) after acknowledgement {KILL_AT} of {story.WRITES}."
        f" {len(acks) - KILL_AT} more were in the pipe."
    )
    return acks


def _compare(store: perdure.Store, acks: Acks) -> Outcome:
    """Hold every acknowledged write against the event that is at its place, word for word."""
    from perdure.ops import verify

    there = {
        (recorded.stream, recorded.version): recorded.event
        for recorded in store.log.read()
        if recorded.subject == story.SUBJECT
    }
    lost = tuple(
        number for number, place in acks.items() if not story.is_write(number, there.get(place))
    )
    return Outcome(
        acknowledged=len(acks),
        found=len(acks) - len(lost),
        lost=lost,
        unacknowledged=len(there) - (len(acks) - len(lost)),
        is_sound=verify(store).is_sound,
        events=len(there),
    )


# -- what is told


def _opening(target: str, out: Out) -> None:
    title = "A self, and the death of the process that writes it"
    out.say(out.paint(title, "bold"))
    out.say(out.paint(("─" if out.is_unicode else "-") * len(title), "dim"))
    out.say(f"""
{_step(1, out)} A process of its own writes a self into {safe(target)}:
   replies that are measured, milestones, versions of a soul. It acknowledges each
   write over a pipe, once perdure says that it is durable.""")
    out.flush()


def _step(number: int, out: Out) -> str:
    return out.paint(f"{number}.", "cyan", "bold")


def _tell(outcome: Outcome, out: Out) -> None:
    out.say(
        f"\n{_step(2, out)} Opened again. Each acknowledged write is compared with what is there:\n"
    )
    lost = len(outcome.lost)
    sound = f"{outcome.events} events verified" if outcome.is_sound else "see: perdure log verify"
    rows = [
        ("acknowledged", outcome.acknowledged, "blue", ""),
        ("found, word for word", outcome.found, "green", ""),
        ("lost", lost, "red" if lost else "green", "" if lost else "nothing acknowledged is gone"),
        ("durable, not acknowledged", outcome.unacknowledged, "blue", _unheard(outcome)),
        ("chain and row digests", *(("sound", "green") if outcome.is_sound else ("BROKEN", "red")),
         sound),
    ]  # fmt: skip
    for label, value, colour, meaning in rows:
        shown = out.paint(f"{value:>6}", str(colour), "bold")
        out.say(f"   {label:<26}{shown}   {out.paint(str(meaning), 'dim')}".rstrip())
    if lost:
        out.say(f"   lost numbers: {', '.join(map(str, outcome.lost[:10]))}")


def _unheard(outcome: Outcome) -> str:
    if outcome.unacknowledged:
        return "the kill came between the commit and its acknowledgement"
    return "what was not committed left no trace"


def _go_on(store: perdure.Store, outcome: Outcome, out: Out) -> None:
    """Write the rest in this process, where the dead one stopped."""
    if outcome.lost or not outcome.is_sound:
        return
    with out.progress("this process goes on") as progress:
        for number in range(outcome.events + 1, story.WRITES + 1):
            story.write(store, number)
            progress("", number, story.WRITES)
    left = story.WRITES - outcome.events
    out.say(
        f"\n{_step(3, out)} This process went on where the dead one stopped: {left} more writes."
    )


def _self(store: perdure.Store, out: Out) -> None:
    out.say(f"\n{_step(4, out)} How the voice drifted, over every reply since the first:\n")
    chart.draw(store.drift.history(most=story.WRITES), out)
    explained = store.drift.explain()
    if explained.reasons:
        out.say("\n   Most of all:")
        for reason in explained.reasons[:REASONS_MOST]:
            out.say(fill(reason.text, out.width, initial_indent="   ", subsequent_indent="     "))
    out.say(f"\n{_step(5, out)} The soul behind it, newest first:\n")
    versions = store.souls.history()
    souls.history(versions, out)
    out.say(f"\n{_step(6, out)} What changed between the first version and the newest, by word:\n")
    souls.diff(store.souls.diff(versions[-1].version, versions[0].version), out)


def _closing(given: str | None, seconds: float, out: Out) -> None:
    place = shlex.quote(safe(given)) if given else "demo.db"
    flags = f"--store {place} --subject {story.SUBJECT}"
    first = [] if given else [f"perdure demo --store {place}"]
    commands = [
        *first,
        f"perdure drift show {flags} --svg drift.svg",
        f"perdure souls prompt {flags}",
        f"perdure log show --store {place} --most 5",
        f"perdure log verify --store {place} --deep",
    ]
    out.say(f"""
A killed process is the smaller accident. Power cuts, full disks and failing fsyncs are
in the test suite, each beside a mutant that has to be caught: make test.
{out.paint(f"{seconds:.1f} seconds. Try next:", "bold")}
""")
    for command in commands:
        out.say(f"  $ {command}")
