"""The tree of commands on argparse: options every command has, help that is equal on every Python,
and errors in one line.

What a command does is in the file of its group.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

from .exits import Usage
from .terminal import WIDTH_DEFAULT, Out

Rows = Sequence[tuple[str, str]]
Run = Callable[[argparse.Namespace, Out], int | None]
LEFT: Final = 26
NONE: Final = "none"
VAULT: Final = "vault"
STORE: Final = "store"
SUBJECT: Final = "subject"
_NEEDS: Final = (NONE, VAULT, STORE, SUBJECT)  # each has the options of those before it
_GLOBAL: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    (STORE, "--store", {
        "metavar": "TARGET",
        "help": "file, folder/, memory: or postgresql:// URL (PERDURE_STORE, else perdure.db)",
    }),
    (SUBJECT, "--subject", {
        "metavar": "NAME",
        "help": "whose self (PERDURE_SUBJECT, else default_user on SQLite)",
    }),
    (VAULT, "--vault", {
        "metavar": "KEYS", "help": "the key store, a file or postgresql:// URL (PERDURE_VAULT)",
    }),
    (VAULT, "--master", {
        "metavar": "SOURCE",
        "help": "what opens it: file:PATH, env:NAME, or passphrase: which is asked for, or read as"
        " passphrase:env:NAME or passphrase:file:PATH (PERDURE_MASTER)",
    }),
    (STORE, "--at-rest", {
        "metavar": "SOURCE",
        "help": "the key of encrypted files: file:PATH (32 bytes), env:NAME (their base64)"
        " (PERDURE_AT_REST)",
    }),
    (STORE, "--actor", {
        "metavar": "NAME", "help": "who does this; every write carries it (PERDURE_ACTOR)",
    }),
    (NONE, "--json", {
        "action": "store_true", "help": "one JSON document, or one line for each item of a stream",
    }),
    (NONE, "--debug", {"action": "store_true", "help": "the log, on standard error"}),
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """A parser that writes its own help and raises what is wrong instead of leaving."""

    def __init__(
        self,
        prog: str,
        *,
        description: str,
        more: Sequence[tuple[str, Rows]] = (),
        **settings: Any,  # what argparse hands to the parsers of commands: `color` since 3.14
    ) -> None:
        super().__init__(
            prog, description=description, allow_abbrev=False, add_help=False, **settings
        )
        self.more = more
        self.add_argument("--help", action="help", help="show this and leave")

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{self.prog}: {message}", remedy=f"see '{self.prog} --help'")

    def format_help(self) -> str:
        return self.help_of(WIDTH_DEFAULT)

    def help_of(self, width: int) -> str:
        """Write the help for so many columns."""
        parts = [self._usage_of(width), textwrap.fill(self.description or "", width)]
        shared = [] if self.more else [a for a in self._actions if is_shared(a)]
        own = [a for a in actions(self) if a not in shared]
        sections = (
            ("commands", [(name, inner.description or "") for name, inner in children(self)]),
            ("arguments", [(_left(a), a.help or "") for a in own if not a.option_strings]),
            ("options", [(_left(a), a.help or "") for a in own if a.option_strings]),
            *self.more,
        )
        parts += [_section(title, rows, width) for title, rows in sections if rows]
        if shared:
            names = f"and, as for every command: {', '.join(map(_left, shared))}"
            parts.append(textwrap.fill(names, width, break_on_hyphens=False))
        return "\n\n".join(parts) + "\n"

    def _usage_of(self, width: int) -> str:
        shown = [self.prog]
        for action in self._actions:
            if _inner(action):
                shown.append("COMMAND")
            elif action.option_strings and action.required:
                shown.append(_left(action))
            elif not action.option_strings:
                shown.append(f"[{_left(action)}]" if action.nargs == "?" else _left(action))
        return textwrap.fill(f"usage: {' '.join(shown)} [options]", width, subsequent_indent="  ")


Group = argparse._SubParsersAction  # noqa: SLF001  (argparse has no public name for it)


def grow(parser: Parser) -> Group[Parser]:
    """Let a parser have commands."""
    return parser.add_subparsers(metavar="COMMAND", dest="command", required=True)


def leaf(group: Group[Parser], name: str, run: Run, *, about: str, needs: str = SUBJECT) -> Parser:
    """Add a command; it needs nothing, a vault, a store, or a store and a subject."""
    parser = group.add_parser(name, description=about)
    parser.set_defaults(run=run)
    share(parser, needs)
    return parser


def branch(group: Group[Parser], name: str, *, about: str) -> Group[Parser]:
    """Add a group of commands."""
    return grow(group.add_parser(name, description=about))


def share(parser: Parser, needs: str) -> None:
    """Add the options that commands have in common; they may stand before a command as well."""
    wanted = _NEEDS[: _NEEDS.index(needs) + 1]
    for need, flag, settings in _GLOBAL:
        if need in wanted:
            parser.add_argument(flag, default=argparse.SUPPRESS, **settings)


def children(parser: argparse.ArgumentParser) -> Iterator[tuple[str, Parser]]:
    """Give the commands of a parser, in their order."""
    for action in parser._actions:  # noqa: SLF001  (argparse has no public walk)
        if isinstance(action, Group):
            yield from action.choices.items()


def walk(parser: Parser) -> Iterator[Parser]:
    """Give a parser and every command below it."""
    yield parser
    for _, inner in children(parser):
        yield from walk(inner)


def is_group(parser: Parser) -> bool:
    """Say whether a parser only has commands, and does nothing itself."""
    return any(children(parser))


def actions(parser: Parser) -> list[argparse.Action]:
    """Give the options and arguments of a command, its commands left out."""
    return [action for action in parser._actions if not _inner(action)]  # noqa: SLF001


def is_shared(action: argparse.Action) -> bool:
    """Say whether an option is one that commands have in common."""
    return action.option_strings[:1] in [["--help"], *([flag] for _, flag, _ in _GLOBAL)]


def _inner(action: argparse.Action) -> bool:
    return isinstance(action, Group)


def _left(action: argparse.Action) -> str:
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    name = action.metavar if isinstance(action.metavar, str) else choices or action.dest.upper()
    if not action.option_strings:
        return name
    flag = action.option_strings[-1]
    return flag if action.nargs == 0 else f"{flag} {name}"


def _section(title: str, rows: Rows, width: int) -> str:
    lines = [f"{title}:"]
    for left, right in rows:
        wrapped = textwrap.wrap(right, width - LEFT) or [""]
        head = f"  {left}"
        if len(head) > LEFT - 2:
            lines.append(head)
            head = ""
        lines += [f"{head:<{LEFT}}{wrapped[0]}".rstrip()]
        lines += [" " * LEFT + more for more in wrapped[1:]]
    return "\n".join(lines)
