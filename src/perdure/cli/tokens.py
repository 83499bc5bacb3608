"""``perdure tokens``: what is personal in a text, hidden behind tokens and shown again."""

from __future__ import annotations

from typing import Final

from perdure.domains.tokens import Token

from .calls import Call, add
from .souls import plain
from .terminal import Out, moment
from .tree import Group, Parser, branch


def add_to(group: Group[Parser]) -> None:
    """Add the group."""
    tokens = branch(group, "tokens", about="Names, addresses and numbers in texts, hidden.")
    for call in CALLS:
        add(tokens, call)


def known(found: list[Token], out: Out) -> None:
    """Print a line for each token."""
    if found:
        out.table([str(token), token.value, moment(token.first_seen)] for token in found)
    else:
        out.say("nothing is hidden yet: 'perdure tokens hide TEXT'")


def _forgotten(_: None, out: Out) -> None:
    out.say("nobody can tell any more what it stood for")


_TEXT: Final = {"text": "the text; '-' reads standard input"}
CALLS: Final = (
    Call(
        "tokens.hide", "hide", plain, creates=True,
        texts={
            **_TEXT,
            "names": "names of people to hide as well, such as '[\"Ada Lovelace\"]'",
            "how": "tokens, dropped (only the kinds are left) or none",
        },
    ),
    Call("tokens.reveal", "reveal", plain, texts=_TEXT),
    Call("tokens.known", "known", known,
         texts={"most": "at most so many", "after": "go on behind this token"}),
    Call("tokens.forget", "forget", _forgotten, texts={"token": "the token, as in a text"}),
)  # fmt: skip
