"""Sizes and starts: bytes for each event, milliseconds of a fresh process, the wheel, the
dependencies.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from importlib.metadata import requires
from pathlib import Path
from statistics import median

from .budgets import Verdict
from .domain import FACT, PAYLOAD_BYTES, STREAM, agent, open_store
from .harness import Bench

AGENTS = 100
ROOT = Path(__file__).parent.parent
FRESH = "from time import perf_counter as now; t = now(); {code}; print((now() - t) * 1000)"
BARE = "import perdure without typing_extensions, as installed alone"
STARTS = {
    "an empty statement": "pass",
    "import perdure": "import perdure",
    # msgspec imports typing_extensions where there is one; `pip install perdure` brings none
    BARE: "import sys; sys.modules['typing_extensions'] = None; import perdure",
    "import perdure and open a file": "import perdure; perdure.open({path!r})",
    "import sqlalchemy": "import sqlalchemy",
    "import asyncio": "import asyncio",
    "import apsw": "import apsw",
    "import msgspec": "import msgspec",
}
LAZY = ("asyncio", "psycopg", "sqlite3", "starlette", "sqlalchemy")


def storage(bench: Bench) -> tuple[list[tuple[str, str]], list[Verdict]]:
    """Store short and long histories and look at the size of the file."""
    few = min(1_000, bench.scale.stored)
    short, long = (_bytes_per_event(bench, events) for events in (few, bench.scale.stored))
    table = [
        (
            f"{events:,} events of {PAYLOAD_BYTES} bytes, {AGENTS} subjects",
            f"{size:,.0f} bytes each",
        )
        for events, size in ((few, short), (bench.scale.stored, long))
    ]
    ratio = long / PAYLOAD_BYTES
    line = "storage"
    return table, [
        Verdict(line, "<= 3 x the payload", f"{ratio:.2f} x", ratio <= 3),
        Verdict(line, "constant per event", f"{long / short:.2f} x", long / short <= 1.1),
    ]


def _bytes_per_event(bench: Bench, events: int) -> float:
    path = bench.folder / f"storage-{events}.db"
    with open_store(str(path)) as store:
        empty = _size(store, path)
        for number in range(AGENTS):
            with store.subject(agent(number)).transaction() as tx:
                for _ in range(events // AGENTS):
                    tx.append(STREAM, FACT)
        return (_size(store, path) - empty) / (events // AGENTS * AGENTS)


def _size(store: object, path: Path) -> int:
    store.engine.checkpoint()  # type: ignore[attr-defined]
    return path.stat().st_size


def start(bench: Bench) -> tuple[list[tuple[str, str]], list[Verdict]]:
    """Start fresh processes by turns."""
    path = str(bench.folder / "start.db")
    open_store(path).close()
    codes = {name: code.format(path=path) for name, code in STARTS.items()}
    if importlib.util.find_spec("sqlalchemy") is None:
        bench.skip("import sqlalchemy", "not installed")
        del codes["import sqlalchemy"]
    times: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(bench.scale.starts):
        for name, code in codes.items():
            times[name].append(float(_fresh(FRESH.format(code=code))))
    table = [(name, f"{median(taken):.1f} ms") for name, taken in times.items()]
    table += _package(bench)
    return table, _start_verdicts(times)


def _start_verdicts(times: dict[str, list[float]]) -> list[Verdict]:
    loaded = _fresh(f"import sys, perdure; print(*[m for m in {LAZY} if m in sys.modules])").split()
    line = "import perdure"
    wanted = f"none of {', '.join(LAZY)} imported"
    verdicts = [Verdict(line, wanted, ", ".join(loaded) or "none", not loaded)]
    other = times.get("import sqlalchemy")
    if other is not None:
        for name in ("import perdure", BARE):
            ratio = median(a / b for a, b in zip(times[name], other, strict=True))
            verdicts.append(
                Verdict(name, "<= 0.25 x import sqlalchemy", f"{ratio:.2f} x", ratio <= 0.25)
            )
    return verdicts


def _fresh(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def _package(bench: Bench) -> list[tuple[str, str]]:
    core = [one for one in requires("perdure") or [] if "extra ==" not in one]
    lines = [("dependencies of the core", ", ".join(core))]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            bench.skip("wheel", done.stderr.strip().splitlines()[-1])
            return lines
        (wheel,) = Path(folder).glob("*.whl")
        return [*lines, ("wheel", f"{wheel.stat().st_size / 1024:.0f} KiB")]
