"""Encrypting whole files. The apsw that can has the name of the other, so what needs it runs in a
process of its own, with ``.venv/at-rest`` in front; here is what the other one says.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import perdure
from perdure.errors import Invalid, LockedOut

ROOT = Path(__file__).parents[2]
AT_REST = ROOT / ".venv" / "at-rest"
KEY = bytes(range(32))
# What these ask of a file without a key, or of a process that has none, is asked in the cases;
# how a unit of work is called makes no difference to the pages it writes.
LEFT_OUT = (
    "async",
    "that_is_no_database",
    "that_another_program_holds",
    "of_another_process",
    "processes_lose",
    "a_fork_is",
)
MAKE = "import sys, perdure; perdure.open(sys.argv[1], at_rest=bytes(range(32))).close()"


def run(*arguments: str) -> str:
    """Run Python with the apsw that encrypts."""
    assert (AT_REST / "apsw").is_dir(), "make setup"
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(AT_REST)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]
    return done.stdout


def suite(*arguments: str) -> str:
    """Run tests there; none of them may skip."""
    told = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    assert " passed" in told
    assert "skipped" not in told
    return told


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_encrypted_files_keep_their_promises() -> None:
    suite("tests/engines/at_rest_cases.py")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_encrypted_file_is_an_engine_like_any_other() -> None:
    suite(
        *("-p", "tests.engines.at_rest_plugin"),
        "tests/conformance/test_engines.py",
        "tests/engines/test_sqlite.py",
        "tests/engines/test_folder_reads.py",
        "tests/engines/test_surplus_readers.py",
        "-k",
        f"(TestSqliteFile or engines and not conformance) and not {' and not '.join(LEFT_OUT)}",
    )


def test_the_usual_apsw_says_what_to_install_and_nothing_is_made(tmp_path: Path) -> None:
    for target in (tmp_path / "store.db", f"{tmp_path}/store/"):
        with pytest.raises(Invalid, match="can not encrypt files: pip uninstall apsw, then pip"):
            perdure.open(target, at_rest=KEY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["memory:", "postgresql://user:secret@localhost/x"])
def test_what_is_no_file_takes_no_key_of_files(target: str) -> None:
    with pytest.raises(Invalid, match="at_rest encrypts files, and this target is none: leave it"):
        perdure.open(target, at_rest=KEY)


def test_an_encrypted_file_without_its_key_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    run("-c", MAKE, str(path))
    content = path.read_bytes()
    assert len(content) % 4096 == 0
    for is_bare in (False, True):
        if is_bare:
            Path(f"{path}-turn").unlink()
        with pytest.raises(LockedOut, match="encrypted, or is no SQLite database: give its key"):
            perdure.open(path)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
