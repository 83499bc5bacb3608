"""How results look: tables for people, JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import apsw

from .budgets import Verdict
from .harness import Figure, Scale

COLUMNS = ("ops/s", "p50 µs", "p99 µs", "CPU µs", "fsync/op", "trips/op", "÷ first")


@dataclass(slots=True)
class Result:
    """What one workload gave."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def show(result: Result) -> None:
    """Print one workload."""
    print(f"\n## {result.title}\n")
    if result.figures:
        _table(("", *COLUMNS), [_cells(one, result.figures[0]) for one in result.figures])
    if result.facts:
        _table(("", "measured"), [list(fact) for fact in result.facts])
    for verdict in result.verdicts:
        print(f"- {_word(verdict)}: {verdict.line}: {verdict.measured}, asked {verdict.wanted}")
    for line in result.skipped:
        print(f"- skipped: {line}")
    sys.stdout.flush()


def _word(verdict: Verdict) -> str:
    return "pass" if verdict.is_met else "FALLS SHORT"


def _cells(figure: Figure, first: Figure) -> list[str]:
    return [
        figure.name,
        f"{figure.per_second:,.0f}",
        f"{figure.p50_us:,.0f}",
        f"{figure.p99_us:,.0f}",
        f"{figure.cpu_us:,.0f}",
        "" if figure.fsyncs is None else f"{figure.fsyncs:.3f}",
        "" if not figure.round_trips else f"{figure.round_trips:.2f}",
        f"{figure.per_second / first.per_second:.2f}",
    ]


def _table(header: tuple[str, ...], lines: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    for line in (header, ["-" * width for width in widths], *lines):
        first, *rest = line
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("| " + " | ".join(cells) + " |")
    print()


def machine(counting: str) -> dict[str, object]:
    """Say where this was measured."""
    return {
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processors": os.cpu_count(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "fsyncs and round trips are counted by": counting,
    }


def write(path: Path, results: list[Result], scale: Scale, about: dict[str, object]) -> None:
    """Write everything as JSON."""
    body = {"machine": about, "scale": asdict(scale), "results": [asdict(one) for one in results]}
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", "utf-8")
