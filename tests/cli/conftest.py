"""`perdure(...)` runs a command in this process; `perdure.json(...)` reads what it printed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from perdure.cli import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


class Perdure:
    """The command, for one store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str, stdin: str = "") -> Ran:
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
        self._monkeypatch.setattr(sys, "stdin", given)
        self._capsys.readouterr()
        code = main(arguments)
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)

    def json(self, *arguments: str, stdin: str = "") -> Any:
        ran = self(*arguments, "--json", stdin=stdin)
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    def lines(self, *arguments: str) -> list[Any]:
        ran = self(*arguments, "--json")
        assert ran.code == 0, ran.err
        return [json.loads(line) for line in ran.out.splitlines()]

    def error(self, *arguments: str) -> tuple[int, Any]:
        ran = self(*arguments, "--json")
        assert ran.out == ""
        return ran.code, json.loads(ran.err)["error"]


@pytest.fixture
def perdure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Perdure:
    """The command in an empty folder, with nothing set in the environment."""
    for name in ("STORE", "SUBJECT", "VAULT", "MASTER", "ACTOR"):
        monkeypatch.delenv(f"PERDURE_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return Perdure(monkeypatch, capsys)


@pytest.fixture
def ada(perdure: Perdure, target: str, monkeypatch: pytest.MonkeyPatch) -> Perdure:
    """The command for one subject, on each engine, with the store still to be made."""
    monkeypatch.setenv("PERDURE_STORE", target)
    monkeypatch.setenv("PERDURE_SUBJECT", "ada@example.com")
    return perdure


@pytest.fixture
def process() -> Callable[..., subprocess.Popen[bytes]]:
    """Start the command as a process of its own."""

    def start(*arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "perdure", *arguments]
        path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, "PYTHONPATH": path, **settings.pop("env", {})}
        return subprocess.Popen(command, env=env, **settings)

    return start
