"""Imports an export and kills itself on the way: before an event, at the commit, or behind it."""

import os
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import perdure
from perdure.portable import importing
from perdure.vault import KeyFile, Vault
from tests.ops import damage

PAGE_EVENTS = 20


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(export: str, target: str, keys: str, point: str) -> None:
    vault = None
    if keys:
        vault = Vault(keys, master=KeyFile(Path(f"{keys}.master")), create=True)
    importing.TOLD_EVERY = 1  # type: ignore[attr-defined]
    importing.PAGE_EVENTS = PAGE_EVENTS

    def told(_what: str, done: int, _total: int) -> None:
        if str(done) == point:
            die()

    with perdure.open(target, vault=vault) as store:
        if point in ("commit", "committed"):
            _watch(store.engine, point)
        store.import_subject(export, progress=told)


def _watch(engine: Any, point: str) -> None:
    """Kill when the transaction ends."""
    transaction = engine.transaction

    class Deadly(AbstractContextManager[Any]):
        def __init__(self, subject: str) -> None:
            self.inner = transaction(subject)

        def __enter__(self) -> Any:
            return self.inner.__enter__()

        def __exit__(self, *how: Any) -> Any:
            if point == "committed":
                self.inner.__exit__(*how)
            die()

    engine.transaction = Deadly


if __name__ == "__main__":
    assert damage.__doc__  # its events are known from here on
    main(*sys.argv[1:])
