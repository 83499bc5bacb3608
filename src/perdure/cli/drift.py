"""``perdure drift``: how far a voice has evolved, drawn, explained, moved and carried over."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import msgspec

from perdure.domains.drift.model import DIMENSIONS, DriftState
from perdure.domains.drift.operations import Echo, Explanation, Point
from perdure.domains.drift.voice import BASELINE_REPLIES
from perdure.errors import Unavailable

from . import chart
from .calls import Call, add, integer, when
from .opening import opened, subject_of
from .terminal import Out, moment
from .tree import Group, Parser, branch, leaf

Shape = dict[str, Any]
DRAWN_MOST: Final = 1_000


def add_to(group: Group[Parser]) -> None:
    """Add the group."""
    drift = branch(group, "drift", about="How far a voice has evolved, and why.")
    show = leaf(drift, "show", _show, about="Show the state and draw it over time.")
    show.add_argument("--at", type=when, metavar="VERSION|TIME", help="the state there, no drawing")
    show.add_argument(
        "--most", type=integer, default=DRAWN_MOST, metavar="NUMBER",
        help=f"draw the newest events, at most so many ({DRAWN_MOST})",
    )  # fmt: skip
    show.add_argument("--svg", metavar="FILE", help="draw into this file as well ('-': only that)")
    for call in CALLS:
        add(drift, call)


def _show(args: argparse.Namespace, out: Out) -> None:
    subject = subject_of(args)
    points: list[Point] = []
    with opened(args) as store:
        drift = store.subject(subject).drift
        state = drift.current() if args.at is None else drift.at(args.at)
        if args.at is None:
            points = drift.history(most=args.most)
    if args.svg and _draw(points, subject, args.svg, out):
        return
    if out.as_json:
        out.document({"subject": subject, "state": shape(state), "history": points})
        return
    numbers(state, out)
    if args.at is None:
        out.say()
        chart.draw(points, out)


def _draw(points: list[Point], subject: str, file: str, out: Out) -> bool:
    """Write the picture; say whether it took standard output."""
    from .svg import picture

    if not points:
        raise Unavailable("there is no drift to draw yet", remedy="observe a reply first")
    if file == "-":
        out.say(picture(points, subject).rstrip())
        return True
    try:
        Path(file).write_text(picture(points, subject), "utf-8")
    except OSError as error:
        raise Unavailable(
            f"{file!r} can not be written ({error.strerror})", remedy="give --svg another path"
        ) from None
    out.note(f"drawn into {file}")
    return False


def shape(state: DriftState) -> Shape:
    """Give a state without the voice's long profiles: those are for the next measurement."""
    fields: Shape = msgspec.to_builtins(state)
    fields["voice"] = {k: v for k, v in fields["voice"].items() if not isinstance(v, list | tuple)}
    return fields


def numbers(state: DriftState, out: Out) -> None:
    """Print a state."""
    at, voice = state.fitness_position, state.voice
    rows = [
        ("coefficient", f"{state.coefficient:.4f}", "how far from where it began, 0 to 1"),
        ("momentum", f"{state.momentum:.4f}", "how fast it moves"),
        ("speciation", f"{state.speciation_index:.4f}", "how much of a self of its own, 0 to 1"),
        ("position", f"{at.x:.4f} {at.y:.4f} {at.z:.4f}", "alignment, creativity, emotion"),
        ("interactions", str(state.total_interactions), _baseline(voice.replies)),
    ]
    out.table(rows)
    if voice.alarm:
        alarm = f"the voice has changed, since interaction {voice.alarm_since}"
        out.say(f"  {out.paint(alarm, 'yellow', 'bold')}")


def _baseline(replies: int) -> str:
    if 0 < replies < BASELINE_REPLIES:
        return f"learning the voice: {replies} of {BASELINE_REPLIES} replies"
    return f"the first {BASELINE_REPLIES} replies are the baseline" if replies else ""


def moved(state: DriftState, out: Out) -> None:
    """Print a state in two lines."""
    values = "  ".join(f"{name} {getattr(state.dimensions, name):+.4f}" for name in DIMENSIONS)
    out.say(f"interaction {state.total_interactions}, coefficient {state.coefficient:.4f}")
    out.say(out.paint(values, "dim"))


def explained(found: Explanation, out: Out) -> None:
    """Print why the voice moved."""
    out.say(out.paint(f"version {found.since} to version {found.version}", "bold"))
    if found.alarm:
        out.say(
            out.paint(f"the voice has changed, since interaction {found.alarm_since}", "yellow")
        )
    for reason in found.reasons:
        out.say(f"  {reason.text}")
    if not found.reasons:
        out.say("  nothing moved")


def echo(found: Echo, out: Out) -> None:
    """Say whether it was said before."""
    since = f", first at {moment(found.said_at)}" if found.said_at else ""
    if found.exact:
        source = " (as an import knows, probably)" if found.is_imported else ""
        out.say(f"said before, in these words{since}{source}")
    elif found.near:
        out.say(f"nearly said before: {found.near:.0%} alike{since}")
    else:
        out.say("not said before")


def carried(state: object, out: Out) -> None:
    """Print the app's object; it is JSON in any case."""
    out.document(state)


CALLS: Final = (
    Call("drift.observe", "observe", moved, creates=True, shape=shape,
         texts={"text": "the reply; '-' reads standard input"}),
    Call("drift.evolve", "evolve", moved, creates=True, shape=shape,
         texts={"mutation": "the app's vector as JSON, 0 to 1 each; '-' reads standard input"}),
    Call("drift.explain", "explain", explained, texts={"since": "since then; left out: ever"}),
    Call("drift.said_before", "said", echo,
         texts={"text": "the reply; '-' reads standard input"}),
    Call("drift.export_state", "export", carried),
    Call("drift.import_state", "import", moved, creates=True, shape=shape,
         texts={"state": "the app's object as JSON; '-' reads standard input"}),
    Call("drift.reset", "reset", moved, shape=shape),
)  # fmt: skip
