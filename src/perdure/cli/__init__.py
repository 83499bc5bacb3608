"""The command ``perdure``: ``main`` parses, runs one command and turns what happens into an exit
code.

A face formats; it contains no rule of its own. One file for each group of commands.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from perdure.errors import PerdureError

from . import exits
from .terminal import Out
from .tree import Run

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    out = Out(as_json="--json" in given)
    try:
        code = _run(given, out)
        out.flush()
    except (PerdureError, exits.Usage) as error:
        out.note(exits.told(error, as_json=out.as_json))
        return exits.code_of(error)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        _let_go()
        return exits.PIPE_CLOSED
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    return code


def _run(given: list[str], out: Out) -> int:
    try:
        args = _parsed(given)
        out.as_json = args.json
        run: Run = args.run
        return run(args, out) or exits.OK
    except (PerdureError, exits.Usage, BrokenPipeError):
        raise
    except Exception as error:
        _tell(error)
        raise exits.unexpected(error) from error


def _parsed(given: list[str]) -> Namespace:
    from .commands import parser

    args = parser().parse_args(given)
    _listen(args)
    return args


def _listen(args: Namespace) -> None:
    """Show the log with --debug; else keep Python's last resort from printing it."""
    import logging

    logger = logging.getLogger("perdure")
    if args.debug:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(name)s: %(message)s")
    elif not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _tell(error: Exception) -> None:
    import logging

    logging.getLogger("perdure").error("unexpected error of the command", exc_info=error)


def _let_go() -> None:
    """Point standard output to nowhere, so that Python's own last flush does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
