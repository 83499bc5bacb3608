"""What a harness reports, and how its program is called."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.audit import Findings

TROUBLES_TOLD_MAX = 10


@dataclass(slots=True)
class Report:
    """The figures of a run."""

    harness: str
    mutant: str = ""
    rounds: int = 0
    acked: int = 0
    lost: int = 0
    unacked_but_there: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    may_lose: bool = False
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def is_green(self) -> bool:
        """Nothing lost and nothing wrong, in a run that wrote something."""
        lost = self.lost and not self.may_lose
        return not lost and not self.troubles and self.acked > 0

    def add(self, found: Findings) -> None:
        """Take over what an audit found."""
        self.lost += found.lost
        self.unacked_but_there += found.unacked
        self.troubles += found.troubles

    def text(self) -> str:
        """Write the report as JSON, the colour first."""
        self.seconds = round(time.monotonic() - self.began, 1)
        told = asdict(self)
        del told["began"]
        told["troubles"] = self.troubles[:TROUBLES_TOLD_MAX]
        return json.dumps({"is_green": self.is_green, **told}, indent=1)


Harness = Callable[..., Report]


def program(harness: Harness, *, rounds: int, mutants: tuple[str, ...], **options: Any) -> None:
    """Run a harness from the command line; the exit code is 1 when it is red."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--mutant", choices=mutants, default="")
    parser.add_argument("--seed", type=int, default=1)
    for name, default in options.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    chosen = vars(parser.parse_args())
    with tempfile.TemporaryDirectory(prefix="perdure-fault-") as folder:
        report = harness(Path(folder), **chosen)
    sys.stdout.write(report.text() + "\n")
    sys.exit(not report.is_green)
