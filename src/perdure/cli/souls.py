"""``perdure souls``: versions, what changed between them, and the moments that formed a soul."""

from __future__ import annotations

import argparse
from functools import partial
from itertools import pairwise, starmap
from typing import Any, Final

from perdure.domains.souls.model import HEADINGS, LAYERS, Change, Diff, Milestone, Soul

from .calls import Call, add, when
from .opening import opened, subject_of
from .terminal import Out, clean, moment, shortened
from .tree import Group, Parser, branch, leaf

HISTORY_CELLS: Final = 44  # what stands before the summary
SUMMARY_CHARACTERS_MIN: Final = 20
_LAYERS: Final = {
    "core_identity": "who this is; '-' reads standard input",
    "active_values": "what it cares about now",
    "recent_growth": "what it learned recently",
}
_MOST: Final = {"most": "at most so many, newest first"}


def add_to(group: Group[Parser]) -> None:
    """Add the group."""
    souls = branch(group, "souls", about="A self in three layers: versions, milestones, prompts.")
    show = leaf(souls, "show", _show, about="Show the newest version, or the one at a time.")
    show.add_argument("--at", type=when, metavar="VERSION|TIME", help="this version instead")
    for call in CALLS:
        add(souls, call)
    inner = branch(souls, "milestones", about="The moments that formed the soul.")
    for call in MILESTONES:
        add(inner, call)


def _show(args: argparse.Namespace, out: Out) -> None:
    subject = subject_of(args)
    with opened(args) as store:
        souls = store.subject(subject).souls
        soul = souls.current() if args.at is None else souls.at(args.at)
    if out.as_json:
        out.document(soul)
    else:
        whole(soul, out)


def whole(soul: Soul, out: Out) -> None:
    """Print a version with its layers."""
    out.say(f"{out.paint(f'version {soul.version}', 'bold')}  {moment(soul.created_at)}"
            f"  {soul.token_count} tokens")  # fmt: skip
    for layer in LAYERS:
        if text := getattr(soul, layer):
            out.say(f"\n{out.paint(HEADINGS[layer], 'cyan')}")
            out.say(clean(text))
    if soul.reflection_notes:
        out.say(f"\n{out.paint('Notes (never part of a prompt)', 'dim')}")
        out.say(clean(soul.reflection_notes))


def published(soul: Soul, out: Out) -> None:
    """Say which version is there now."""
    out.say(f"version {soul.version} is the current one ({soul.token_count} tokens)")


def history(souls: list[Soul], out: Out) -> None:
    """Print a line for each version, newest first."""
    if not souls:
        out.say("no soul was published yet: 'perdure souls publish --core-identity TEXT'")
        return
    room = max(SUMMARY_CHARACTERS_MIN, out.width - HISTORY_CELLS)
    out.table(
        [
            str(soul.version),
            moment(soul.created_at),
            f"{soul.token_count} tokens",
            shortened(_summary(soul), room),
        ]
        for soul in souls
    )


def _summary(soul: Soul) -> str:
    """Give what tells a version from its neighbours: its notes, else its newest layer."""
    return soul.reflection_notes or soul.recent_growth or soul.active_values or soul.core_identity


def diff(found: Diff, out: Out) -> None:
    """Print what changed, by layer and by word."""
    out.say(out.paint(f"version {found.before} to version {found.after}", "bold"))
    for layer, changes in found.layers.items():
        out.say(f"\n{out.paint(HEADINGS[layer], 'cyan')}")
        is_changed = any(change.kind != "same" for change in changes)
        words = "".join(starmap(partial(_word, out), pairwise((*changes, None)))).rstrip()
        out.say(words if is_changed else out.paint("unchanged", "dim"))


def _word(out: Out, change: Change, after: Change | None) -> str:
    """Give a run of words with its marks, which leave the space behind it outside."""
    words = change.text.rstrip()
    gap = clean(change.text[len(words) :])
    words = clean(words)
    if change.kind == "removed" and after is not None and after.kind == "added":
        gap = " " if out.has_colour else ""
    if change.kind == "same" or not words:
        return words + gap
    if out.has_colour:
        styles = ("red", "struck") if change.kind == "removed" else ("green",)
        return out.paint(words, *styles) + gap
    return (f"[-{words}-]" if change.kind == "removed" else f"{{+{words}+}}") + gap


def milestone(found: Milestone, out: Out) -> None:
    """Print a moment and what was learned."""
    colour = {"formative": "magenta", "meaningful": "green", "challenging": "yellow"}
    weight = out.paint(found.emotional_weight, colour[found.emotional_weight])
    out.say(f"{moment(found.created_at)}  {weight}  {clean(found.event_description)}")
    if found.lesson_learned:
        out.say(f"    learned: {clean(found.lesson_learned)}")
    if found.source_thread_id:
        out.say(f"    thread:  {found.source_thread_id}")


def milestones(found: list[Milestone], out: Out) -> None:
    """Print every moment, newest first."""
    for one in found:
        milestone(one, out)
    if not found:
        out.say("no milestone yet: 'perdure souls milestones add TEXT --lesson-learned TEXT'")


def plain(text: Any, out: Out) -> None:
    """Print a text as it is."""
    out.say(clean(text))


def _forgotten(_: None, out: Out) -> None:
    out.say("the thread is forgotten; the milestones that came from it stay")


def _erased(_: None, out: Out) -> None:
    out.say("forgotten for good, in the log too")


CALLS: Final = (
    Call(
        "souls.publish", "publish", published, creates=True,
        texts={
            **_LAYERS,
            "reflection_notes": "why; never part of a prompt",
            "expected": "refuse unless this is the newest version (0: none yet)",
            "budgets": "tokens a layer may have, such as '{\"core_identity\": 400}'",
            "trim": "cut what is over budget instead of refusing it",
        },
    ),
    Call("souls.history", "history", history,
         texts={**_MOST, "before": "go on behind this version"}),
    Call("souls.diff", "diff", diff,
         texts={"before": "the older version", "after": "the newer version"}),
    Call("souls.restore", "restore", published, texts={"version": "the version to publish again"}),
    Call("souls.forget_version", "forget-version", _erased,
         texts={"version": "an older version; the newest is who this is now"}),
    Call("souls.prompt", "prompt", plain, texts={"budget": "tokens it may have"}),
    Call("souls.import_bot_soul", "import-bot-soul", published, creates=True,
         texts={"content": "the text; left out: the active row of bot_soul"}),
)  # fmt: skip
MILESTONES: Final = (
    Call(
        "souls.milestones.add", "add", milestone, creates=True,
        texts={
            "event_description": "what happened; '-' reads standard input",
            "lesson_learned": "what it taught",
            "emotional_weight": "formative, meaningful or challenging",
            "source_thread_id": "the thread it came from, a UUID",
        },
    ),
    Call("souls.milestones.list", "list", milestones, texts=_MOST),
    Call("souls.milestones.by_weight", "by-weight", milestones,
         texts={**_MOST, "emotional_weight": "formative, meaningful or challenging"}),
    Call("souls.milestones.search", "search", milestones,
         texts={**_MOST, "text": "words that stand in it"}),
    Call("souls.milestones.forget", "forget", _erased, texts={"id": "the milestone's id"}),
    Call("souls.milestones.forget_thread", "forget-thread", _forgotten,
         texts={"thread_id": "the thread, a UUID"}),
)  # fmt: skip
