"""Overwriting files before they are removed.

What a copy-on-write file system, a snapshot or the disk's own spare blocks still hold is beyond a
program's reach; docs/forgetting.md says so.
"""

from __future__ import annotations

import os
from pathlib import Path

from perdure.errors import Unavailable

ZEROS = bytes(1 << 20)


def shred(path: Path) -> None:
    """Write zeros over a file, make that durable, and remove it; one that is gone is fine."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            left = os.fstat(handle).st_size
            while left > 0:
                left -= os.write(handle, ZEROS[:left])
            os.fsync(handle)
        finally:
            os.close(handle)
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unavailable(
            f"{path} can not be overwritten ({error.strerror})",
            value=str(path),
            remedy="check its permissions, then forget again: it goes on there",
        ) from error


def shred_all(folder: Path) -> None:
    """Do so with every file of a folder, then remove it; another process may be doing the same."""
    try:
        for file in list(folder.iterdir()):
            shred(file)
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Unavailable(
            f"{folder} can not be removed ({error.strerror})",
            value=str(folder),
            remedy="see what is in it, then forget again: it goes on there",
        ) from error
    settle(folder.parent)


def settle(folder: Path) -> None:
    """Make what was renamed or removed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
