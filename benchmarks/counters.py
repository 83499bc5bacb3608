"""What an operation costs besides time: processor time, fsyncs and round trips.

Fsyncs and round trips are counted by ``shim.c``, compiled by the machine's own C compiler and
preloaded by starting this process anew. Without a compiler those columns stay empty.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import process_time

SOURCE = Path(__file__).with_name("shim.c")
MARK = "PERDURE_BENCH_SHIM"


@dataclass(frozen=True, slots=True)
class Costs:
    """Totals of this process since it began; None where nothing counts."""

    cpu_seconds: float
    fsyncs: int | None
    round_trips: int | None


def preload() -> str:  # noqa: RET503  (execve does not return)
    """Start this process anew under the shim, once; return what counts from now on."""
    if os.environ.get(MARK):
        shutil.rmtree(os.environ[MARK], ignore_errors=True)
        return "LD_PRELOAD shim (benchmarks/shim.c)"
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        return "nothing: no C compiler here"
    folder = Path(tempfile.mkdtemp(prefix="perdure-shim-"))
    library = folder / "shim.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        shutil.rmtree(folder)
        return "nothing: shim.c does not compile here"
    environment = {**os.environ, "LD_PRELOAD": str(library), MARK: str(folder)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def costs() -> Costs:
    """Read all counters."""
    return Costs(process_time(), _read("bench_fsyncs"), _read("bench_round_trips"))


def slow_disk(microseconds: int) -> bool:
    """Sleep so long after every fsync from now on; say whether that is possible here."""
    counter = _counter("bench_delay_us")
    if counter is not None:
        counter.value = microseconds
    return counter is not None


def _counter(name: str) -> ctypes.c_long | None:
    try:
        return ctypes.c_long.in_dll(ctypes.CDLL(None), name)
    except ValueError:
        return None


def _read(name: str) -> int | None:
    counter = _counter(name)
    return None if counter is None else counter.value
