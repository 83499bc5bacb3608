"""Kill -9 at every step of forgetting: run as a program, it forks a child for each step.

A step is whatever may reach a disk or a server: a unit of work, a checkpoint, a vacuum, a write
into a file, a name. Each child forgets a subject of its own and is killed before or after one;
the next one has to end the work, in the state that a run without a kill gives.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import perdure
from perdure import ops
from perdure.engines import postgres
from perdure.engines.sqlite import SqliteEngine
from perdure.kernel import forgetting
from perdure.kernel.receipts import Receipt
from perdure.vault import KeyFile, Vault
from perdure.vault.receipt import check_receipt
from tests.vault.kills import forked

STEPS_MIN = 15
EVENTS = 7
THREAD = "00000000-0000-0000-0000-000000000001"


def opened(target: str, keys: Path | None) -> perdure.Store:
    if keys is None:
        return perdure.open(target)
    return perdure.open(target, vault=Vault(keys, KeyFile(keys.with_suffix(".key")), create=True))


def fill(store: perdure.Store, name: str) -> None:
    """Let a subject have a few rows in every table, more than a batch of events."""
    me = store.subject(name)
    me.once("k").souls.publish(core_identity=f"I am {name}.")
    for number in range(EVENTS):
        me.souls.milestones.add(f"met {number}", lesson_learned="x", source_thread_id=THREAD)
    me.drift.observe(f"Hello, I am {name}.")


def settled(receipt: Receipt) -> Receipt:
    """Take away what differs from one subject to another."""
    return replace(
        receipt, handle="", begun_at="", done_at="", heads="", lanes={}, signature="",
        removed=tuple("own file" for _ in receipt.removed),
    )  # fmt: skip


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
        (os, "fsync"), (os, "write"), (Path, "rename"), (Path, "unlink"), (Path, "rmdir"),
        (SqliteEngine, "write"), (SqliteEngine, "checkpoint"), (SqliteEngine, "vacuum"),
        (postgres.PostgresEngine, "write"), (postgres, "vacuum"),
    ):  # fmt: skip
        setattr(owner, name, around(getattr(owner, name)))


def forget_until(step: int, target: str, keys: Path | None, name: str) -> None:
    with opened(target, keys) as store:
        die_at(step)
        store.forget(name)


def end(step: int, target: str, keys: Path | None, names: tuple[str, Receipt]) -> None:
    """Go on, by the name or without knowing it; expect what an undisturbed run gives."""
    name, like = names
    with opened(target, keys) as store:
        if step % 4 < 2:
            store.finish_forgetting()
        try:
            store.forget(name)
        except perdure.Forgotten:
            assert store.is_forgotten(name)
        else:
            assert step % 4 >= 2 or step < 4, "finish_forgetting left something"
        *_, receipt = sorted(store.receipts(), key=lambda each: each.done_at)
        assert settled(receipt) == settled(like), (receipt, like)
        if store.keys is not None:
            check_receipt(receipt, store.keys.public_key)
        assert len(store.receipts()) == step + 2
        for call in (
            store.subject(name).souls.current,
            store.subject(name).drift.current,
            partial(store.subject(name).souls.publish, core_identity="back"),
        ):
            try:
                call()
            except perdure.Forgotten:
                continue
            raise AssertionError("not forgotten")


def check(target: str, keys: Path | None, witness: str) -> None:
    with opened(target, keys) as store:
        report = ops.verify(store, deep=True, head=ops.Witness.from_json(witness))
        assert report.is_sound, report.findings
        assert store.subject("stays").souls.current().core_identity == "I am stays."
        assert not store.finish_forgetting()


def main(target: str, keys: Path | None) -> None:
    forgetting.BATCH_ROWS = 3
    with opened(target, keys) as store:
        for name in ("undisturbed", "stays"):
            fill(store, name)
        like = store.forget("undisturbed")
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        name = f"subject {step}"
        with opened(target, keys) as store:
            fill(store, name)
            witness = ops.witness(store).to_json()
        code = forked(partial(forget_until, step, target, keys, name))
        assert code in (0, -signal.SIGKILL), f"step {step}: exit status {code}"
        ended = forked(partial(end, step, target, keys, (name, like)))
        assert ended == 0, f"step {step}: not in the same state in the end"
        step += 1
    assert forked(partial(check, target, keys, witness)) == 0
    assert step > STEPS_MIN, step
    sys.stdout.write(f"{step} steps\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
