"""The whole tree of commands, in the order in which help shows them."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from . import (
    audit,
    completion,
    demo,
    drift,
    info,
    log,
    migrate,
    people,
    souls,
    tokens,
    upkeep,
    vault,
)
from .exits import MEANINGS
from .opening import (
    ACTOR_ENV,
    AT_REST_ENV,
    MASTER_ENV,
    STORE_DEFAULT,
    STORE_ENV,
    SUBJECT_ENV,
    VAULT_ENV,
)
from .tree import SUBJECT, Parser, grow, share

ENVIRONMENT = (
    (STORE_ENV, f"the store when --store is left out; else {STORE_DEFAULT} in this folder"),
    (SUBJECT_ENV, "the subject when --subject is left out"),
    (VAULT_ENV, "the key store when --vault is left out"),
    (MASTER_ENV, "what opens it when --master is left out"),
    (AT_REST_ENV, "the key of encrypted files when --at-rest is left out"),
    (ACTOR_ENV, "who does it when --actor is left out"),
    ("NO_COLOR", "no colours, whatever it is set to"),
    ("COLUMNS", "the width of drawings; else the terminal's"),
)
CODES = tuple((str(code), meaning) for code, meaning in MEANINGS.items())


def parser() -> Parser:
    """Build the tree."""
    root = Parser(
        "perdure",
        description="Keeps an agent's self alive. Results go to standard output, everything about"
        " the run to standard error.",
        more=(("environment", ENVIRONMENT), ("exit codes", CODES)),
    )
    root.set_defaults(**dict.fromkeys(("store", "subject", "vault", "master", "at_rest", "actor")))
    root.set_defaults(json=False, debug=False)
    root.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    share(root, SUBJECT)
    group = grow(root)
    parts = (info, drift, souls, tokens, audit, people, log, vault, migrate, upkeep, demo)
    for part in parts:
        part.add_to(group)
    completion.add_to(group, root)
    return root


class _Version(argparse.Action):
    """Asks for the version only when somebody wants it: the answer takes 20 ms."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib import metadata

        try:
            number = metadata.version("perdure")
        except metadata.PackageNotFoundError:
            number = "from a source tree that is not installed"
        sys.stdout.write(f"perdure {number}\n")
        parser.exit()
