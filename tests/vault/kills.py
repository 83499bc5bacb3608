"""Kill -9 at every step of rotate and rewrap: run as a program, it forks a child for each step.

A step is whatever may reach the disk: a unit of work of the key store, a checkpoint, a name, a
flush of the key file. Each child is killed before or after one; the next one has to find every
sealed text readable, and ends the work.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from perdure.engines.sqlite import SqliteEngine
from perdure.vault import Environment, KeyFile, Keyring, Master, rotation
from perdure.vault.rotation import rewrap, rotate
from perdure.vault.status import status
from tests.vault.rings import Place

ENV = "PERDURE_KILLS_KEY"
NAMES = [f"subject {n}" for n in range(5)]
AT = ("Kind", "id-1", "field")
STEPS_MIN = 20


def target_of(work: str, folder: Path) -> Master | None:
    """Say where the keys go: rotate stays with its master."""
    return {"rotate": None, "file": KeyFile(folder / "b.key"), "environment": Environment(ENV)}[
        work
    ]


def do(ring: Keyring, work: str, folder: Path) -> None:
    to = target_of(work, folder)
    rotate(ring) if to is None else rewrap(ring, to)


def place_in(folder: Path) -> Place:
    return Place(str(folder / "keys.db"), folder)


def sealed_in(ring: Keyring) -> dict[str, bytes]:
    sealed = {}
    for name in NAMES:
        seal = ring.owner(name, create=True).seal
        assert seal is not None
        sealed[name] = seal.seal(name.encode(), *AT)
    return sealed


def check(ring: Keyring, sealed: dict[str, bytes]) -> None:
    """Every text is read, and somebody new may come."""
    for name, closed in sealed.items():
        owner = ring.owner(name, create=False)
        assert owner.seal is not None
        assert owner.seal.open(closed, *AT) == name.encode()
    assert ring.owner("somebody new", create=True).seal is not None


def die_at(step: int) -> None:
    """Have this process killed at a step; before it where the number is even, else after."""
    passed = iter(range(sys.maxsize))

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            if next(passed) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if next(passed) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return run

    for owner, name in (
        (os, "fsync"), (os, "link"), (Path, "replace"), (Path, "rename"), (Path, "unlink"),
        (SqliteEngine, "write"), (SqliteEngine, "checkpoint"),
    ):  # fmt: skip
        setattr(owner, name, around(getattr(owner, name)))


def forked(body: Callable[[], None]) -> int:
    """Run in a child; return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def work_until(step: int, work: str, folder: Path) -> None:
    with place_in(folder).ring(also=also(work, folder)) as ring:
        die_at(step)
        do(ring, work, folder)


def also(work: str, folder: Path) -> tuple[Master, ...]:
    to = target_of(work, folder)
    return () if to is None else (to,)


def end(work: str, folder: Path, sealed: dict[str, bytes], old: bytes) -> None:
    with place_in(folder).ring(also=also(work, folder)) as ring:
        check(ring, sealed)
        do(ring, work, folder)
        ring._cache.close()
        found = status(ring)
        is_twice = work == "rotate" and found.epoch == 3  # it had ended, and began once more
        assert is_twice or found.epoch == 2
        assert not found.is_rotating
        assert found.keys_by_epoch == {found.epoch: len(NAMES) + 1}
    to = target_of(work, folder)
    with place_in(folder).ring(to) as again:
        check(again, sealed)
    keys = {"rotate": {"master.key"}, "file": {"b.key"}, "environment": set[str]()}[work]
    names = {path.name for path in folder.iterdir()}
    assert names == {"keys.db", "keys.db-turn", *keys}, names
    assert all(old not in path.read_bytes() for path in folder.iterdir())


def main(work: str, folder: Path) -> None:
    rotation.PAGE_ROWS = 2  # type: ignore[attr-defined]
    os.environ[ENV] = "2:" + "A" * 43 + "="
    before = folder / "before"
    before.mkdir()
    with place_in(before).ring(create=True) as ring:
        sealed = sealed_in(ring)
    old = (before / "master.key").read_bytes().split()[-1]
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        here = folder / str(step)
        shutil.copytree(before, here)
        code = forked(partial(work_until, step, work, here))
        assert code in (0, -signal.SIGKILL), f"step {step}: exit status {code}"
        ended = forked(partial(end, work, here, sealed, old))
        assert ended == 0, f"step {step}: not in the same state in the end"
        step += 1
    assert step > STEPS_MIN, step
    sys.stdout.write(f"{step} steps\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
