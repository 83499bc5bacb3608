"""No key and no canary is in anything the suite says: logs, warnings, errors, reports, output.

Keys are noted as they are made (the vault derives something from each of them); a test notes what
else may never be said: `quiet.never(marker)`. What the session said is searched at its end, in
clear, hex and base64, and a leak fails the session, in each worker of xdist too. Processes that a
test starts are not heard, nor are objects that nobody writes out.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import logging
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from _pytest.raises import RaisesExc

from perdure.errors import PerdureError
from tests.canary.forms import FORMS, Marker

KEY_BYTES = 32
LEAKS_TOLD_MAX = 20
HEX = re.compile(rf"[0-9a-fA-F]{{{2 * KEY_BYTES},}}")
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43,}")
BASE64_DIGITS = 42  # of the 43 that 32 bytes have: the last one may hold bits of a neighbour
LITERAL = re.compile(r"""b'(?:[^'\\]|\\.){32,}'|b"(?:[^"\\]|\\.){32,}\"""")


class Quiet:
    """What this session said, and what it may never say."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._texts: set[str] = set()
        self._keys: set[bytes] = set()
        self.test = "before the first test"
        self.leaks: list[str] = []

    def never(self, *secrets: Marker | str | bytes) -> None:
        """Note a canary's marker, a text or a key of 32 bytes."""
        for secret in secrets:
            if isinstance(secret, bytes):
                self._keys.add(secret)
            else:
                self._texts.add(secret.text if isinstance(secret, Marker) else secret)

    def hear(self, text: str) -> None:
        """Keep what was said, once, with the test that said it first."""
        self._said.setdefault(text, self.test)

    def hear_error(self, error: BaseException | None) -> None:
        """Keep an error, what caused it and what it was raised in the middle of."""
        seen = set[int]()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            self.hear("\n".join((str(error), repr(error), *getattr(error, "__notes__", ()))))
            if error.__cause__ is not None:
                self.hear_error(error.__context__ if error.__context__ is not error else None)
            error = error.__cause__ or error.__context__

    def search(self) -> list[str]:
        """Say which secret was heard where; never the secret itself."""
        searches = [
            (form.write(text).decode("latin-1"), form.encoding)
            for text in self._texts
            for form in FORMS
        ]
        found = dict.fromkeys(
            f"{test}: {what}"
            for said, test in self._said.items()
            for what in self._found(said, searches)
        )
        return list(found)

    def _found(self, said: str, searches: list[tuple[str, str]]) -> Iterator[str]:
        text = said.encode("utf-8", "replace").decode("latin-1")
        for needle, encoding in searches:
            if needle in text:
                yield f"a canary in {encoding}"
        for encoding in self._key_encodings(said):
            yield f"a key in {encoding}"

    def _key_encodings(self, said: str) -> Iterator[str]:
        if any(_windows(run.lower(), 2 * KEY_BYTES) & self._in_hex for run in HEX.findall(said)):
            yield "hex"
        for run in BASE64.findall(said):
            if _windows(run, BASE64_DIGITS) & self._in_base64:
                yield "base64"
        for literal in LITERAL.findall(said):
            with contextlib.suppress(ValueError, SyntaxError):  # it only looked like one
                if _windows(ast.literal_eval(literal), KEY_BYTES) & self._keys:
                    yield "clear"

    @functools.cached_property
    def _in_hex(self) -> set[str]:
        return {key.hex() for key in self._keys}

    @functools.cached_property
    def _in_base64(self) -> set[str]:
        alphabets = b64encode, urlsafe_b64encode
        return {
            alphabet(key).decode()[:BASE64_DIGITS] for key in self._keys for alphabet in alphabets
        }


def _windows(run: Any, size: int) -> set[Any]:
    return {run[start : start + size] for start in range(len(run) - size + 1)}


class Ear(logging.Handler):
    """Hears every record, whoever writes it and at whatever level."""

    def __init__(self, quiet: Quiet) -> None:
        super().__init__()
        self._quiet = quiet

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message as a log file would have it, and its arguments."""
        self._quiet.hear(f"{self.format(record)} {record.args!r}")


class Plugin:
    """Listens from the beginning of a session to its end."""

    def __init__(self, quiet: Quiet) -> None:
        self.quiet = quiet
        self._undo = contextlib.ExitStack()

    def pytest_sessionstart(self) -> None:
        """Begin to listen."""
        quiet, root, ear = self.quiet, logging.getLogger(), Ear(self.quiet)
        root.addHandler(ear)
        self._undo.callback(root.removeHandler, ear)
        self._undo.callback(root.setLevel, root.level)
        root.setLevel(logging.DEBUG)
        self._after(PerdureError, "__init__", lambda _, error, *__, **___: quiet.hear_error(error))
        self._after(RaisesExc, "__exit__", lambda _, __, ___, error, ____: quiet.hear_error(error))
        with contextlib.suppress(ImportError, PerdureError):  # the extra [vault] is not installed
            from perdure.vault import envelope

            self._after(envelope, "subkey", lambda made, key, _: quiet.never(key, made))

    def _after(self, owner: Any, name: str, hear: Callable[..., None]) -> None:
        """Have ``hear`` called with the result and the arguments of a function."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def heard(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            hear(result, *args, **kwargs)
            return result

        setattr(owner, name, heard)
        self._undo.callback(setattr, owner, name, original)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note whose turn it is."""
        self.quiet.test = nodeid

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        """Hear a warning."""
        self.quiet.hear(f"{warning_message.message} {warning_message.message!r}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear what a test printed, and how a failure is told."""
        self.quiet.hear(report.longreprtext)
        for _, text in report.sections:
            self.quiet.hear(text)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of xdist found."""
        self.quiet.leaks += getattr(node, "workeroutput", {}).get("leaks", [])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Stop listening, search, and fail if there is anything."""
        self._undo.close()
        self.quiet.leaks += self.quiet.search()
        if self.quiet.leaks:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["leaks"] = self.quiet.leaks

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what leaked, and in which test."""
        if self.quiet.leaks:
            terminalreporter.section("secrets in what the tests said", red=True, bold=True)
            for leak in self.quiet.leaks[:LEAKS_TOLD_MAX]:
                terminalreporter.line(leak)


QUIET = pytest.StashKey[Quiet]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the session its ears."""
    config.stash[QUIET] = Quiet()
    config.pluginmanager.register(Plugin(config.stash[QUIET]), "perdure-quiet")


@pytest.fixture
def quiet(request: pytest.FixtureRequest) -> Quiet:
    """Whom to tell what may never be said: `quiet.never(marker)`."""
    return request.config.stash[QUIET]
