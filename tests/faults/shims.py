"""Small C libraries for LD_PRELOAD, compiled when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

LYING_FSYNC = """
int fsync(int fd) { return 0; }
int fdatasync(int fd) { return 0; }
"""


def lying_fsync(folder: Path) -> dict[str, str]:
    """Give the environment in which a process believes that its data are on the disk."""
    source, library = folder / "lying.c", folder / "lying.so"
    source.write_text(LYING_FSYNC)
    command = ["gcc", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return {"LD_PRELOAD": str(library)}


def missing_compiler() -> str:
    """Say why the shim can not be made here, if it can not."""
    return "" if shutil.which("gcc") else "gcc is not installed"
