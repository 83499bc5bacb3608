"""What a deleted row leaves in a SQLite file, and how that is removed.

``secure_delete`` writes zeros over a row that is deleted, but a page that was split or merged
before may still hold an older copy of it in its free space (measured: one of a hundred texts), and
the write-ahead log holds whole pages.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from perdure.errors import Unavailable
from perdure.kernel.engine import Cleaned

VACUUM_BYTES_MAX = 1 << 30
SECONDS_MAX = 10.0
AGAIN_SECONDS = 0.01
LEFT = "free space on pages of the file, until 'vacuum' is run or the pages are written over"


class File(Protocol):
    """What is needed of the engine of a file."""

    def vacuum(self) -> None: ...

    def checkpoint(self) -> tuple[int, int]: ...


def clean(file: File, path: Path, *, is_deep: bool) -> Cleaned:
    """Empty the write-ahead log; a deep one writes the file anew before, if it is not too big."""
    is_small = path.stat().st_size <= VACUUM_BYTES_MAX
    if is_deep and is_small:
        file.vacuum()
    until = time.monotonic() + SECONDS_MAX
    while True:
        try:
            file.checkpoint()
            break
        except Unavailable:  # another checkpoint is running: SQLite does not wait for that
            if time.monotonic() > until:
                raise
        time.sleep(AGAIN_SECONDS)
    return Cleaned(not_reached=() if is_small or not is_deep else (LEFT,))
