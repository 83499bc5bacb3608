"""Commands made from the operation table: parameters become arguments, the result is printed.

A new operation needs a line in its group and no code. What is checked, is checked by the
operation; here a text only becomes the type that its parameter has.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec

from perdure.errors import Invalid
from perdure.faces import FACES
from perdure.kernel import values
from perdure.kernel.operations import Operation, operations
from perdure.store import Subject

from .opening import opened, subject_of
from .terminal import Out
from .tree import Group, Parser, leaf

Look = Callable[[Any, Out], None]
Convert = Callable[[str], object]
STDIN: Final = "-"
BYTES_MAX: Final = 4 * values.TEXT_CHARACTERS_MAX


@dataclass(frozen=True, slots=True)
class Call:
    """A command that is an operation: its name, how its result looks, what its parameters mean."""

    operation: str
    command: str
    look: Look
    texts: Mapping[str, str] = field(default_factory=dict)
    creates: bool = False
    shape: Callable[[Any], object] = lambda result: result


def operation(name: str) -> Operation[Any, Any]:
    """Find an operation by its domain and name, such as ``souls.milestones.add``."""
    domain, _, rest = name.partition(".")
    return dict(operations(FACES[domain]))[rest]


def add(group: Group[Parser], call: Call) -> None:
    """Add the command of an operation."""
    found = operation(call.operation)
    parser = leaf(group, call.command, partial(_run, call), about=one_sentence(found))
    for name, parameter in found.signature.parameters.items():
        convert = _converter(parameter.annotation)
        if convert is not None:
            _argument(parser, name, parameter, convert=convert, about=call.texts[name])
    if found.is_write:
        parser.add_argument("--once", metavar="KEY", help="a retry with the same key does nothing")


def one_sentence(found: Operation[Any, Any]) -> str:
    """Give an operation's docstring in one line."""
    text = " ".join((inspect.getdoc(found.function) or "").split())
    return text.replace("``", "'")


def _argument(
    parser: Parser, name: str, parameter: inspect.Parameter, *, convert: Convert, about: str
) -> None:
    shown = name.replace("_", "-")
    is_needed = parameter.default is parameter.empty
    if parameter.kind is not parameter.KEYWORD_ONLY:
        nargs = None if is_needed else "?"
        metavar = shown.upper()
        parser.add_argument(name, metavar=metavar, type=convert, nargs=nargs, help=about)
    elif convert is bool:
        parser.add_argument(f"--{shown}", action="store_true", help=about)
    else:
        metavar = _METAVARS.get(convert, "TEXT" if convert is text else "JSON")
        parser.add_argument(
            f"--{shown}", type=convert, metavar=metavar, required=is_needed, help=about
        )


def _run(call: Call, args: argparse.Namespace, out: Out) -> None:
    found = operation(call.operation)
    positional, named = [], {}
    for name, parameter in found.signature.parameters.items():
        given = getattr(args, name, None)
        if given is None:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = given
        else:
            positional.append(given)
    name_of_subject = subject_of(args)
    with opened(args, creates=call.creates) as store:
        subject: Subject = store.subject(name_of_subject)
        key = getattr(args, "once", None)
        face: Any = subject if key is None else subject.once(key)
        for part in call.operation.split("."):
            face = getattr(face, part)
        result = face(*positional, **named)
    if out.as_json:
        out.document(call.shape(result))
    else:
        call.look(result, out)


# -- texts into values


def text(given: str) -> str:
    """Take a text; ``-`` reads standard input, whose last line break is no part of it."""
    if given != STDIN:
        return given
    raw = sys.stdin.buffer.read(BYTES_MAX + 1)
    if len(raw) > BYTES_MAX:
        raise argparse.ArgumentTypeError(f"standard input has more than {BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise argparse.ArgumentTypeError(f"standard input is not UTF-8 ({error})") from None


def integer(given: str) -> int:
    """Take a whole number."""
    try:
        return int(given)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is not a whole number") from None


def when(given: str) -> int | datetime:
    """Take a version, or a time with its zone."""
    if given.isdigit():
        return int(given)
    if (found := _time(given)) is None:
        raise argparse.ArgumentTypeError(
            f"{given!r} is neither a version nor a time such as 2026-11-21T10:00Z"
        )
    return found


def time(given: str) -> datetime:
    """Take a time with its zone."""
    if (found := _time(given)) is None:
        raise argparse.ArgumentTypeError(f"{given!r} is no time such as 2026-11-21T10:00Z")
    return found


def _time(given: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return None
    return found if found.tzinfo else None


def document(given: str, *, into: Any = Any) -> object:
    """Take JSON, from standard input for ``-``."""
    try:
        return msgspec.convert(values.parse("the JSON", text(given)), into)
    except (Invalid, msgspec.ValidationError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


_METAVARS: Final[Mapping[Convert, str]] = {
    integer: "NUMBER",
    when: "VERSION|TIME",
    time: "TIME",
}


def _converter(hint: Any) -> Convert | None:
    """Choose how a text becomes a parameter of this type; None where it can not."""
    members = set(typing.get_args(hint)) if isinstance(hint, types.UnionType) else {hint}
    members -= {types.NoneType}
    simple: dict[frozenset[Any], Convert] = {
        frozenset([str]): text,
        frozenset([int]): integer,
        frozenset([bool]): bool,
        frozenset([int, datetime]): when,
        frozenset([datetime]): time,
    }
    if found := simple.get(frozenset(members)):
        return found
    (only,) = members
    if is_dataclass(only):
        return partial(document, into=only)
    if typing.get_origin(only) is Sequence:
        return partial(document, into=list[str])
    is_mapping = typing.get_origin(only) is Mapping
    return document if is_mapping else None
