"""What other processes do in a case; each function here runs in one that was started for it."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import perdure
from perdure.errors import PerdureError

from .faces import Opening
from .samples import count, note

_context = multiprocessing.get_context("spawn")
SECONDS_MAX = 60.0


class Pipe(Protocol):
    """One end of a pipe between two processes."""

    def send(self, obj: Any) -> None: ...

    def recv(self) -> Any: ...

    def poll(self, timeout: float | None = 0.0) -> bool: ...


@contextmanager
def elsewhere(work: Callable[..., None], *args: Any) -> Iterator[Pipe]:
    """Run a function in a process of its own, with one end of a pipe; the case has the other."""
    here, there = _context.Pipe()
    process = _context.Process(target=work, args=(there, *args))
    process.start()
    there.close()
    try:
        yield here
        process.join(SECONDS_MAX)
    finally:
        process.kill()
        process.join()
        process.close()
        here.close()


def told(pipe: Pipe) -> Any:
    """Wait for what the process has to say."""
    if not pipe.poll(SECONDS_MAX):
        raise TimeoutError("the other process says nothing")
    return pipe.recv()


def opens(pipe: Pipe, opening: Opening) -> None:
    """Open when told to, write, and say what came of it."""
    pipe.send("ready")
    pipe.recv()
    with opening() as store:
        pipe.send(store.subject("ada").transact(note("x")))


def counts(pipe: Pipe, opening: Opening, times: int) -> None:
    """Read, add one, write."""
    with opening() as store:
        pipe.send("ready")
        pipe.recv()
        for _ in range(times):
            store.subject("ada").transact(count)
    pipe.send("done")


def writes(pipe: Pipe, opening: Opening) -> None:
    """Write a line whenever told to, and say when; None ends it."""
    with opening() as store:
        store.subject("ada").transact(note("warm"))
        pipe.send("ready")
        while (text := pipe.recv()) is not None:
            store.subject("ada").transact(note(text))
            pipe.send(time.monotonic())  # one clock for all processes of a machine


def forks(pipe: Pipe, opening: Opening) -> None:
    """Open, fork, and say what the child was told."""
    store = opening()
    store.subject("ada").transact(note("parent"))
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, "\n".join(_tried(store)).encode())
        store.close()  # must not touch what belongs to the parent
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    pipe.send(os.read(read, 65_536).decode().split("\n"))
    os.close(read)
    store.subject("ada").transact(note("parent again"))
    store.close()
    sys.stdout.flush()


def _tried(store: perdure.Store) -> Iterator[str]:
    ada = store.subject("ada")
    for call in (
        lambda: ada.transact(note("child")),
        ada.souls.history,
        lambda: list(store.log.read()),
        lambda: ada.transaction().__enter__(),
    ):
        try:
            call()
        except PerdureError as error:
            yield f"{error.code}: {error}"
        else:
            yield "it was let through"
