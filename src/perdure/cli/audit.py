"""``perdure audit``: who changed what about a subject, and who looked."""

from __future__ import annotations

from typing import Final

from perdure.domains.audit import Deed

from .calls import Call, add
from .terminal import Out, moment
from .tree import Group, Parser, branch


def add_to(group: Group[Parser]) -> None:
    """Add the group."""
    audit = branch(group, "audit", about="Who changed what, and who looked.")
    for call in CALLS:
        add(audit, call)


def deeds(found: list[Deed], out: Out) -> None:
    """Print a line for each deed, newest first."""
    if found:
        out.table(
            [moment(deed.at), deed.actor, deed.what, f"{deed.stream} {deed.version}"]
            for deed in found
        )
    else:
        out.say("nothing was done yet")


CALLS: Final = (
    Call("audit.deeds", "deeds", deeds,
         texts={"since": "only what was done then or later", "most": "at most so many"}),
)  # fmt: skip
