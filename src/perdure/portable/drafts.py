"""Files and folders that are there whole or not at all: made beside their place, flushed, named.

Nothing that exists is ever written over.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from perdure.errors import Conflict, Invalid, Unavailable


def refuse_existing(path: Path, beside: Sequence[str] = ()) -> None:
    """Refuse a place where something is, or where a file with one of these endings is."""
    for one in (path, *(Path(f"{path}{suffix}") for suffix in beside)):
        if one.exists() or one.is_symlink():
            raise Conflict(f"{one} exists", value=str(one), remedy="name a place where nothing is")
    if not path.absolute().parent.is_dir():
        raise Invalid(
            f"there is no folder {path.absolute().parent}", value=str(path), remedy="make it first"
        )


@contextmanager
def drafted(path: Path, work: str, beside: Sequence[str] = ()) -> Iterator[Path]:
    """Give a place for the draft, which is gone afterwards whatever happens."""
    draft = path.absolute().with_name(f".{path.name}.perdure-{work}")
    discard(draft, beside)  # what was killed left it
    try:
        yield draft
    except OSError as error:
        raise Unavailable(
            f"{error.filename or draft} can not be written ({error.strerror})",
            value=str(draft),
            remedy=f"make space or check permissions, then {work} again",
        ) from error
    finally:
        discard(draft, beside)


def discard(draft: Path, beside: Sequence[str] = ()) -> None:
    """Remove a draft, whatever it is."""
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft)
    for suffix in ("", *beside):
        Path(f"{draft}{suffix}").unlink(missing_ok=True)


def settle(draft: Path, path: Path) -> int:
    """Flush the draft and give it its name, never over something that came there meanwhile.

    Returns how many bytes the files have.
    """
    size = sum(_durable(one) for one in _files(draft))
    give: Callable[[Path, Path], None] = os.rename if draft.is_dir() else os.link
    try:
        give(draft, path)
    except FileExistsError:
        raise Conflict(f"{path} exists", value=str(path), remedy="name another place") from None
    except OSError:
        if draft.is_dir():
            raise
        draft.rename(path)  # a file system without hard links
    with suppress(FileNotFoundError):
        _durable(path.absolute().parent)
    return size


def _files(draft: Path) -> Iterator[Path]:
    """Give files before the folders that hold them."""
    if draft.is_dir():
        for one in sorted(draft.iterdir()):
            yield from _files(one)
    yield draft


def _durable(path: Path) -> int:
    """Flush a file or a folder; return a file's size."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return 0 if path.is_dir() else path.stat().st_size
