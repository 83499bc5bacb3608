"""``perdure rebuild``, ``copy`` and ``doctor``: what an operator does with a whole store."""

from __future__ import annotations

import argparse
from typing import Final

import msgspec

from perdure.faces import DOMAINS

from . import exits
from .opening import opened, opened_as_it_is, stored_subject
from .terminal import Out, clean
from .tree import STORE, SUBJECT, Group, Parser, leaf

COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


def add_to(group: Group[Parser]) -> None:
    """Add the commands."""
    rebuild = leaf(
        group, "rebuild", _rebuild, needs=SUBJECT,
        about="Replay read models from the log while reads and writes go on; of everybody, or of"
        " the subject that is named.",
    )  # fmt: skip
    rebuild.add_argument(
        "domains", nargs="*", metavar="DOMAIN",
        help=f"{', '.join(DOMAINS)}; left out: all",
    )  # fmt: skip
    rebuild.add_argument("--fresh", action="store_true", help="do not go on with an older rebuild")
    copy = leaf(
        group, "copy", _copy, needs=STORE,
        about="Copy a file or a folder while it is in use, verified and durable. (The bare file is"
        " no copy: what is in its WAL would be missing.)",
    )  # fmt: skip
    copy.add_argument("target", metavar="TARGET", help="a path where nothing is")
    leaf(
        group, "doctor", _doctor, needs=STORE,
        about="Look at a store and its surroundings: library, disk, rights, schema.",
    )  # fmt: skip


def _rebuild(args: argparse.Namespace, out: Out) -> None:
    from perdure.ops import rebuild

    with opened(args) as store, out.progress("subject") as progress:
        done = rebuild(
            store, args.domains or None,
            subject=stored_subject(store, args), is_fresh=args.fresh, progress=progress,
        )  # fmt: skip
    if out.as_json:
        out.document(done)
        return
    out.say(f"{', '.join(done.domains)}: {done.rows} rows of {done.subjects} subjects")
    if done.subjects_before:
        out.say(f"{done.subjects_before} subjects were done by a rebuild that was interrupted")


def _copy(args: argparse.Namespace, out: Out) -> None:
    from perdure.ops import copy

    with opened_as_it_is(args) as store, out.progress("page") as progress:
        done = copy(store, args.target, progress=progress)
    if out.as_json:
        out.document({**msgspec.to_builtins(done, enc_hook=str), "target": str(done.target)})
        return
    events = sum(mark.position for mark in done.slices.values())
    out.say(f"{done.target}: {events} events, {done.bytes} bytes in {done.files} files, verified")


def _doctor(args: argparse.Namespace, out: Out) -> int:
    from perdure.ops import doctor

    with opened_as_it_is(args) as store:
        found = doctor(store)
    if out.as_json:
        out.document(found)
    else:
        for check in found:
            state = out.paint(f"{check.state:<4}", COLOURS[check.state], "bold")
            out.say(f"{state}  {check.name:<18}  {clean(check.sentence)}")
            if check.remedy:
                out.say(f"{'':26}{out.paint('->', 'dim')} {clean(check.remedy)}")
    return exits.OK if all(check.state == "ok" for check in found) else exits.FOUND
