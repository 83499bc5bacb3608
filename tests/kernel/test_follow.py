"""Followers at rest: they look again by themselves, and a loop that is gone is no error."""

from __future__ import annotations

import asyncio
import threading

import pytest

import perdure
from perdure.kernel import follow
from perdure.testing.conformance.samples import note


def test_a_coroutine_that_waits_looks_again_by_itself(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "LOOK_AGAIN_SECONDS", 0.01)

    async def main() -> list[str]:
        async with perdure.connect(target, subject="ada") as store:
            events = store.log.follow()
            first = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0.1)
            await store.transact(note("at last"))
            found = (await first).event.text
            await events.aclose()  # type: ignore[attr-defined]
            return [found]

    assert asyncio.run(main()) == ["at last"]


def test_a_thread_that_waits_looks_again_by_itself(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "LOOK_AGAIN_SECONDS", 0.01)
    with perdure.open(target, subject="ada") as store:
        events = store.log.follow()
        timer = threading.Timer(0.1, store.transact, [note("at last")])
        timer.start()
        assert next(events).event.text == "at last"
        timer.join()
        events.close()  # type: ignore[attr-defined]


def test_waking_a_loop_that_is_gone_harms_nobody() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    follow._wake(loop, asyncio.Event())
