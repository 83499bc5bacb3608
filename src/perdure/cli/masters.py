"""How a command line names the master key: ``file:PATH``, ``env:NAME``, ``passphrase:``; and the
key of encrypted files.

A key or a passphrase never stands on the command line itself: other users could read it there.
"""

from __future__ import annotations

import os
import sys
from base64 import b64decode
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .exits import Usage

if TYPE_CHECKING:
    from perdure.vault import Master

PASSPHRASE_CHARACTERS_MIN: Final = 12


def master_of(source: str, *, is_new: bool = False) -> Master:
    """Read the name of a master key's source; a new passphrase is asked for twice."""
    from perdure.vault import Environment, KeyFile, Passphrase

    kind, _, rest = source.partition(":")
    if kind == "file" and rest:
        return KeyFile(rest)
    if kind == "env" and rest:
        return Environment(rest)
    if kind == "passphrase":
        return Passphrase(_passphrase(rest, is_new=is_new))
    raise Usage("--master names no source", remedy="give file:PATH, env:NAME or passphrase:")


def phrase_of(source: str, *, is_new: bool = False) -> str:
    """Fetch the passphrase of an export."""
    kind, _, rest = source.partition(":")
    if kind != "passphrase":
        raise Usage(
            "--key names no passphrase",
            remedy="give passphrase:, passphrase:env:NAME or passphrase:file:PATH",
        )
    return _passphrase(rest, is_new=is_new)()


def file_key_of(source: str) -> Callable[[], bytes]:
    """Read the name of the source of the key that files are encrypted with."""
    kind, _, rest = source.partition(":")
    if kind == "file" and rest:
        return Path(rest).read_bytes
    if kind == "env" and rest:
        return lambda: b64decode(os.environ[rest], validate=True)
    raise Usage("--at-rest names no source of a key", remedy="give file:PATH or env:NAME")


def _passphrase(where: str, *, is_new: bool) -> Callable[[], str]:
    """Give the function that fetches a passphrase when it is needed."""
    kind, _, rest = where.partition(":")
    ask = _ask_twice if is_new else _ask
    fetch = {"": ask, "env": _from_environment, "file": _from_file}.get(kind)
    if fetch is None or bool(kind) != bool(rest):
        raise Usage(
            "this is no source of a passphrase",
            remedy="give passphrase:, passphrase:env:NAME or passphrase:file:PATH",
        )
    return lambda: _long_enough(fetch(rest))


def _ask(_: str) -> str:
    if not sys.stdin.isatty():
        raise Usage(
            "there is no terminal to ask for the passphrase",
            remedy="give passphrase:env:NAME or passphrase:file:PATH",
        )
    return getpass("passphrase: ")


def _ask_twice(_: str) -> str:
    first = _ask(_)
    if getpass("the same again: ") != first:
        raise Usage("the two passphrases differ", remedy="begin again")
    return first


def _from_environment(name: str) -> str:
    return os.environ.get(name, "")


def _from_file(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(
            f"the passphrase can not be read from {path!r} ({type(error).__name__})",
            remedy="check the path",
        ) from None


def _long_enough(phrase: str) -> str:
    if len(phrase) < PASSPHRASE_CHARACTERS_MIN:
        raise Usage(
            f"the passphrase has {len(phrase)} characters",
            remedy=f"use {PASSPHRASE_CHARACTERS_MIN} or more",
        )
    return phrase
