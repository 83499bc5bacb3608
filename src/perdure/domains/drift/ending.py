"""A buffer at the end of its process: written at exit, and on SIGTERM before the process ends.

The handler of the signal takes no lock and writes nothing, since it may interrupt somebody who
holds one: it starts a thread, and the thread sends the signal once more when all is durable. Only
a buffer made in the main thread listens; the handler that was there before is called after it.
SIGINT is an exception in Python and ends at exit. Nothing helps against SIGKILL.
"""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, Protocol

from perdure.errors import PerdureError

GRACE_SECONDS: Final = 10.0  # how long SIGTERM waits for a database that is away
AGAIN_SECONDS: Final = 0.1

Handler = Callable[[int, FrameType | None], Any] | int | None
logger = logging.getLogger("perdure")


class Writer(Protocol):
    """A buffer: how many pieces wait, and how they are written."""

    def __len__(self) -> int: ...

    def write(self) -> None: ...


class Ending:
    """Listens for the end of the process until it is told to forget."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.is_draining = False
        self._may_end = False
        self._previous: Handler = None
        atexit.register(self._at_exit)
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.getsignal(signal.SIGTERM)
            if self._previous is not None:  # None: a handler of C, which could not be called
                signal.signal(signal.SIGTERM, self._on_signal)

    def forget(self) -> None:
        """Stop listening; a handler that others have chained stays and passes the signal on."""
        atexit.unregister(self._at_exit)
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGTERM) == self._on_signal:
            signal.signal(signal.SIGTERM, self._previous)

    def _at_exit(self) -> None:
        try:
            self._writer.write()
        except PerdureError as error:
            self._lost(error)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._may_end or not len(self._writer):
            self._may_end = False
            self._pass_on(number, frame)
        elif not self.is_draining:
            self.is_draining = True
            _thread.start_new_thread(self._drain, (number,))  # threading's would take a lock

    def _drain(self, number: int) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        while True:
            try:
                self._writer.write()
                break
            except PerdureError as error:
                if time.monotonic() > deadline:
                    self._lost(error)
                    self._may_end = True
                    break
                time.sleep(AGAIN_SECONDS)
        self.is_draining = False
        os.kill(os.getpid(), number)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _lost(self, error: PerdureError) -> None:
        logger.error("%d pieces of a drift buffer are lost (%s)", len(self._writer), error.code)
