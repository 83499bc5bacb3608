"""``perdure log``: events decoded, followed as they come, and verified."""

from __future__ import annotations

import argparse
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

import perdure
from perdure.kernel import Recorded
from perdure.kernel.transaction import slice_of

from . import exits
from .calls import integer, text
from .exits import Usage
from .opening import opened, stored_subject
from .terminal import Out, clean, moment, shortened
from .tree import STORE, Group, Parser, branch, leaf

if TYPE_CHECKING:
    from perdure.ops import Report

FIELD_CHARACTERS: Final = 60
NESTED_CHARACTERS: Final = 24


def add_to(group: Group[Parser]) -> None:
    """Add the group."""
    log = branch(group, "log", about="The events of everybody, or of one subject.")
    show = leaf(log, "show", _show, about="Print the events, in the order of each slice.")
    follow = leaf(
        log, "follow", _follow,
        about="Print events as they are committed, from now on, until Ctrl-C.",
    )  # fmt: skip
    for parser in (show, follow):
        parser.add_argument(
            "--after", action="append", default=[], metavar="[SLICE:]POSITION",
            help="behind this position of a slice, or of every slice",
        )  # fmt: skip
        parser.add_argument("--stream", metavar="NAME", help="events of streams of this name only")
        parser.add_argument("--most", type=integer, metavar="NUMBER", help="end after so many")
    verify = leaf(
        log, "verify", _verify, needs=STORE,
        about="Verify everything that is stored: the chain, its heads and counters, every row.",
    )  # fmt: skip
    verify.add_argument(
        "--head", type=text, metavar="JSON",
        help="a witness kept elsewhere; '-' reads standard input ('perdure log witness' makes it)",
    )  # fmt: skip
    verify.add_argument("--deep", action="store_true", help="replay every subject and compare")
    verify.add_argument("--after", metavar="SLICE", help="go on behind this slice")
    leaf(
        log, "witness", _witness, needs=STORE,
        about="Print the end of every slice, to be kept elsewhere for 'log verify --head'.",
    )  # fmt: skip


def _show(args: argparse.Namespace, out: Out) -> None:
    with opened(args) as store:
        events = store.log.read(_start(store, args))
        _print(_wanted(events, stored_subject(store, args), args), out)


def _follow(args: argparse.Namespace, out: Out) -> None:
    with opened(args) as store:
        start = _start(store, args) if args.after else store.log.head()
        events = cast(Generator[Recorded, None, None], store.log.follow(start))
        with closing(events):
            _print(_wanted(events, stored_subject(store, args), args), out, is_live=True)


def _verify(args: argparse.Namespace, out: Out) -> int:
    from perdure.ops import Witness, verify

    head = None if args.head is None else Witness.from_json(args.head)
    with opened(args) as store, out.progress("slice") as progress:
        report = verify(store, head=head, deep=args.deep, after=args.after, progress=progress)
    if out.as_json:
        out.document(report)
    else:
        reported(report, out)
    return exits.OK if report.is_sound else exits.FOUND


def reported(report: Report, out: Out) -> None:
    """Print what verify says."""
    for finding in report.findings:
        out.say(f"{out.paint(finding.kind, 'red', 'bold')}  {clean(finding.sentence)}")
        out.say(f"    at {clean(finding.place)}")
    for note in report.notes:
        out.say(clean(note))
    looked = (
        f"{report.events} events in {report.streams} streams and {report.rows} rows of"
        f" {report.subjects} subjects"
    )
    if report.is_sound:
        out.say(f"{out.paint('sound', 'green', 'bold')}: {looked}")
    else:
        out.say(f"{len(report.findings)} findings in {looked}")


def _witness(args: argparse.Namespace, out: Out) -> None:
    from perdure.ops import witness

    with opened(args) as store:
        out.say(witness(store).to_json())


def _start(store: perdure.Store, args: argparse.Namespace) -> dict[str, int]:
    """Give the checkpoint to begin behind; slices of other subjects are passed over."""
    head = store.log.head()
    everywhere, named = _positions(args.after)
    start = {lane: min(everywhere, position) for lane, position in head.items()} | named
    subject = stored_subject(store, args)
    if subject is None:
        return start
    own = str(slice_of(subject))
    return {
        lane: start.get(lane, 0) if lane.rpartition("/")[2] == own else position
        for lane, position in head.items()
    }


def _positions(given: Iterable[str]) -> tuple[int, dict[str, int]]:
    everywhere, named = 0, {}
    for one in given:
        lane, _, position = one.rpartition(":")
        if not position.isdigit():
            raise Usage(f"--after {one!r} is no position", remedy="give a number, or SLICE:NUMBER")
        if lane:
            named[lane] = int(position)
        else:
            everywhere = int(position)
    return everywhere, named


def _wanted(
    events: Iterator[Recorded], subject: str | None, args: argparse.Namespace
) -> Iterator[Recorded]:
    found = (
        recorded
        for recorded in events
        if subject in (None, recorded.subject) and args.stream in (None, recorded.stream)
    )
    return islice(found, args.most)


def _print(events: Iterator[Recorded], out: Out, *, is_live: bool = False) -> None:
    for recorded in events:
        if out.as_json:
            out.record(shape(recorded))
        else:
            out.say(line(recorded, out))
        if is_live:
            out.flush()


def shape(recorded: Recorded) -> dict[str, Any]:
    """Give an event with its place, for JSON."""
    return {
        "slice": recorded.lane,
        "position": recorded.position,
        "subject": recorded.subject,
        "stream": recorded.stream,
        "version": recorded.version,
        "id": recorded.id,
        "actor": recorded.actor or None,
        "at": recorded.at,
        "type": None if recorded.event is None else type(recorded.event).__name__,
        "event": recorded.event,
    }


def line(recorded: Recorded, out: Out) -> str:
    """Give an event in one line; long values are shortened."""
    place = out.paint(f"{recorded.lane}:{recorded.position}", "dim")
    stream = f"{clean(recorded.stream)} {recorded.version}"
    who = out.paint(clean(recorded.subject), "cyan")
    start = f"{place}  {moment(recorded.at)}  {who}  {stream}"
    if recorded.event is None:
        return f"{start}  {out.paint('erased', 'red')}"
    name = out.paint(type(recorded.event).__name__, "bold")
    return f"{start}  {name}  {_fields(msgspec.to_builtins(recorded.event))}".rstrip()


def _fields(fields: Mapping[str, object]) -> str:
    shown = (
        f"{key}={_value(value)}" for key, value in fields.items() if value not in (None, "", [])
    )
    return clean(" ".join(shown))


def _value(value: object) -> str:
    most = FIELD_CHARACTERS if isinstance(value, str) else NESTED_CHARACTERS
    return shortened(msgspec.json.encode(value).decode(), most)
