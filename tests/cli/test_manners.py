"""How the command behaves: wrong usage, exit codes, what reading leaves alone, terminals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

import perdure as library
from perdure.cli import info, opening
from perdure.cli.terminal import Out, cells, clean
from tests.cli.conftest import Perdure

Start = Callable[..., subprocess.Popen[bytes]]
READING = [
    ("info",), ("drift", "show"), ("drift", "export"), ("drift", "explain"), ("drift", "reset"),
    ("drift", "said", "x"), ("souls", "show"), ("souls", "history"), ("souls", "diff", "1", "2"),
    ("souls", "restore", "1"), ("souls", "prompt"), ("souls", "milestones", "list"),
    ("log", "show"), ("log", "follow"), ("log", "verify"), ("log", "witness"), ("rebuild",),
    ("copy", "other.db"), ("doctor",), ("migrate", "status"), ("migrate", "down", "--yes"),
]  # fmt: skip


@pytest.fixture
def soul(perdure: Perdure) -> Perdure:
    """A soul of two versions in perdure.db, for the default user."""
    perdure("souls", "publish", "--core-identity", "Curious, warm.")
    perdure("souls", "publish", "--core-identity", "Curious, bold.")
    return perdure


# -- usage and errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "perdure: the following arguments are required: COMMAND: see 'perdure --help'"),
        (("nonsense",), "invalid choice: 'nonsense'"),
        (("souls", "publish"), "required: --core-identity: see 'perdure souls publish --help'"),
        (("souls", "diff", "1", "x"), "argument AFTER: 'x' is not a whole number"),
        (("souls", "show", "--at", "2026-11-21"), "neither a version nor a time such as"),
        (("souls", "show", "--a", "1"), "unrecognized arguments: --a"),
        (("drift", "evolve", "{"), "argument MUTATION: the JSON is not JSON"),
        (("drift", "evolve", '{"a": 1, "a": 2}'), "a key stands twice in one object"),
        (("log", "show", "--after", "x"), "--after 'x' is no position"),
        (("migrate", "down"), "'perdure migrate down' deletes data: make a copy"),
        (("souls", "show", "--store", "postgresql://nowhere"), "no subject was named"),
    ],
)
def test_wrong_usage_is_one_line_with_a_remedy(
    soul: Perdure, arguments: tuple[str, ...], told: str
) -> None:
    ran = soul(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("perdure")
    assert told in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_command_that_does_not_begin_a_self_makes_no_file(
    perdure: Perdure, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    code, error = perdure.error(*arguments)
    assert (code, error["code"]) == (11, "not_found")
    assert "give --store PATH or set PERDURE_STORE" in error["remedy"]
    assert list(tmp_path.iterdir()) == []


def test_a_reading_command_migrates_nothing(perdure: Perdure) -> None:
    library.open("perdure.db", migrate=False).close()
    assert perdure.error("souls", "show")[0] == 17
    assert not any(step["is_applied"] for step in perdure.json("migrate", "status"))


def test_every_kind_of_error_has_its_exit_code(soul: Perdure) -> None:
    publish = ("souls", "publish", "--core-identity", "x", "--expected", "7")
    assert soul.error(*publish)[0] == 10
    assert soul.error("souls", "show", "--at", "9")[0] == 11
    assert soul.error("souls", "show", "--subject", "x" * 256)[0] == 18
    assert soul.error("souls", "milestones", "by-weight", "heavy")[0] == 12
    assert soul.error("copy", "perdure.db")[0] == 10
    assert soul.error("rebuild", "nothing")[0] == 12


def test_what_should_never_happen_is_one_line_and_the_log_with_debug(
    soul: Perdure, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(opening, "require_existing", broken)
    ran = soul("souls", "show")
    assert ran.code == 19
    assert ran.err == (
        "perdure failed in an unexpected way (KeyError):"
        " run it again with --debug and report what it prints\n"
    )
    assert "unexpected error of the command" in caplog.text


def test_a_password_is_never_printed(perdure: Perdure) -> None:
    url = "postgresql://ada:secret@localhost:1/db?password=secret"
    assert opening.safe(url) == "postgresql://ada@localhost:1/db"
    assert "secret" not in perdure("info", "--store", url).err


# -- where and whose


def test_options_stand_before_or_behind_the_command(soul: Perdure) -> None:
    soul("souls", "publish", "--core-identity", "Other.", "--store", "b.db", "--subject", "eve")
    before = soul("--store", "b.db", "--subject", "eve", "--json", "souls", "show")
    assert json.loads(before.out) == soul.json("souls", "show", "--store=b.db", "--subject=eve")


def test_a_folder_is_a_store_as_well(soul: Perdure, tmp_path: Path) -> None:
    folder = ("--store", "selves/")
    soul("souls", "publish", "--core-identity", "One.", *folder, "--subject", "ada")
    soul("souls", "publish", "--core-identity", "Two.", *folder, "--subject", "eve")
    assert soul.json("info", *folder)["store"]["databases"] == 3
    assert len(soul.lines("log", "show", *folder)) == 2
    assert len(soul.lines("log", "show", *folder, "--subject", "eve")) == 1
    assert soul("souls", "show", *folder, "--subject", "nobody").code == 11
    assert len(list((tmp_path / "selves" / "agents").iterdir())) == 2
    assert soul.json("copy", "copied", *folder)["files"] == 3
    assert "in core" in soul("migrate", "down", "--yes", *folder).out
    assert soul.json("copy", "older", *folder)["files"] == 3  # before the steps are applied again
    assert soul.json("info", "--store", "copied")["store"]["events"] == 2


def test_a_copy_is_a_store(soul: Perdure) -> None:
    assert soul("copy", "copy.db").out.startswith("copy.db: 2 events, ")
    assert soul.json("souls", "show", "--store", "copy.db")["version"] == 2
    assert soul.json("copy", "again.db")["target"] == "again.db"


def test_a_changed_payload_is_found_and_refused(soul: Perdure) -> None:
    connection = apsw.Connection("perdure.db")
    connection.execute(
        "update perdure_events set payload = cast(replace("
        "cast(payload as text), 'warm', 'cold') as blob) where position = 1"
    )
    connection.close()
    ran = soul("log", "verify")
    assert ran.code == 1
    assert "payload_changed  the payload of event 1 of stream 'soul-self' was changed" in ran.out
    assert soul("log", "show").code == 15


# -- text


def test_stdin_loses_its_last_line_break_and_nothing_else(perdure: Perdure) -> None:
    perdure("souls", "publish", "--core-identity", "-", stdin="Zwei\nZeilen ü\n\n")
    assert perdure.json("souls", "show")["core_identity"] == "Zwei\nZeilen ü\n"


def test_stored_text_gives_no_commands_to_the_terminal(perdure: Perdure) -> None:
    perdure("souls", "publish", "--core-identity", "I \x1b[31mam\x07 red.")
    assert "I \\x1b[31mam\\x07 red." in perdure("souls", "show").out
    assert "\x1b" not in perdure("log", "show").out
    assert perdure.json("souls", "show")["core_identity"] == "I \x1b[31mam\x07 red."
    assert clean("\x9b1m\ttab\n") == "\\x9b1m\ttab\n"


def test_a_table_counts_the_columns_of_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Out().table([("名", "x"), ("ab", "y"), ("e\u0301", "z")])
    assert capsys.readouterr().out == "  名  x\n  ab  y\n  e\u0301   z\n"
    assert cells("名e\u0301") == 3


def test_sizes_are_readable() -> None:
    assert [info._readable(size) for size in (999, 1500, 2_000_000)] == [
        "999 bytes",
        "1.5 KB",
        "2.0 MB",
    ]


# -- terminals, pipes, signals


def read_all(descriptor: int) -> bytes:
    """Read what was written to a pseudo-terminal."""
    found = b""
    try:
        while piece := os.read(descriptor, 4096):
            found += piece
    except OSError:  # Linux's way to say that the other end was closed
        pass
    os.close(descriptor)
    return found


@pytest.mark.parametrize(("setting", "is_coloured"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_it_wants_none(
    soul: Perdure, process: Start, setting: str, is_coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    env = {"NO_COLOR": setting, "TERM": "xterm"}
    with process("souls", "diff", "1", "2", stdout=theirs, env=env) as running:
        os.close(theirs)
        shown = read_all(ours).decode()
    assert running.returncode == 0
    assert ("\x1b[31;9mwarm.\x1b[0m \x1b[32mbold." in shown) == is_coloured
    assert ("[-warm.-]{+bold.+}" in shown) == (not is_coloured)


def test_progress_is_for_terminals_and_goes_to_standard_error(
    soul: Perdure, process: Start
) -> None:
    ours, theirs = pty.openpty()
    with process("log", "verify", stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        assert b"\r" in read_all(ours)
        assert running.stdout is not None
        assert running.stdout.read().startswith(b"sound: 2 events")


def test_a_terminal_without_utf_8_gets_ascii(soul: Perdure, process: Start) -> None:
    for number in range(3):
        soul("drift", "observe", f"Good morning, dear friend {number}.")
    soul("souls", "publish", "--core-identity", "名")
    env = {"PYTHONIOENCODING": "ascii"}
    for command in (("drift", "show"), ("souls", "show"), ("souls", "show", "--json")):
        with process(*command, stdout=subprocess.PIPE, env=env) as running:
            shown = running.communicate()[0]
        assert (running.returncode, shown.isascii()) == (0, True)


def test_a_reader_that_goes_away_ends_the_command_quietly(soul: Perdure, process: Start) -> None:
    with library.open("perdure.db") as store:
        store.transact(lambda tx: [tx.append("s", _fact()) for _ in range(2_000)] and None)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with process("log", "show", "--json", **pipes) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 141


def _fact() -> object:
    from perdure.domains.souls.events import ThreadForgotten

    return ThreadForgotten("00000000-0000-7000-8000-000000000000")


def test_following_goes_on_until_ctrl_c(soul: Perdure, process: Start) -> None:
    with process("log", "follow", "--json", "--after", "0", stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        positions = [json.loads(running.stdout.readline())["position"] for _ in range(2)]
        soul("souls", "publish", "--core-identity", "Newest.")
        newest = json.loads(running.stdout.readline())
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 130
    assert positions == [1, 2]
    assert (newest["position"], newest["event"]["core_identity"]) == (3, "Newest.")


def test_following_ends_after_so_many(soul: Perdure) -> None:
    assert len(soul.lines("log", "follow", "--after", "0", "--most", "2")) == 2


def test_the_module_is_the_command(perdure: Perdure, process: Start) -> None:
    with process("--version", stdout=subprocess.PIPE) as running:
        assert running.communicate()[0].startswith(b"perdure ")
    assert running.returncode == 0
    assert sys.executable
