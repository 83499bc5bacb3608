"""Closing while a helper thread is about to work: it is not forgotten behind a cleared flag."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from perdure.engines import postgres
from perdure.engines import sqlite_background as background


class ClosedMeanwhile(threading.Event):
    """A flag that somebody else's close() sets in the moment before it is cleared."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop_event = stop

    def clear(self) -> None:
        self._stop_event.set()
        self.set()
        super().clear()


def nothing(*_: object) -> None:
    """Do nothing."""


def unavailable() -> AbstractContextManager[postgres.Connection]:
    raise postgres.PoolTimeout


def ends(target: Callable[[], None]) -> bool:
    """Say whether the loop of a thread comes to its end."""
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(2)
    return not thread.is_alive()


def test_the_notifier_ends_when_closed_between_two_looks() -> None:
    news = postgres._News("", unavailable, nothing)
    news._wanted = ClosedMeanwhile(news._stop)
    news._wanted.set()
    assert ends(news._notify)


def test_the_checkpointer_ends_when_closed_between_two_looks() -> None:
    helper = background.Background(lambda: pytest.fail("unused"), lambda: None, nothing)
    helper._full = ClosedMeanwhile(helper._stop)
    helper._full.set()
    assert ends(helper._checkpoints)
