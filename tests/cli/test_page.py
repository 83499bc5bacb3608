"""docs/cli.md names everything, help is the same on every machine, and it starts fast."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

from perdure import errors
from perdure.cli import exits
from perdure.cli.commands import ENVIRONMENT, parser
from perdure.cli.tree import actions, walk

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "cli.md").read_text("utf-8")
SLOW = ("psycopg", "psycopg_pool", "asyncio", "apsw", "logging", "subprocess", "tempfile")


def test_the_page_is_generated_from_the_tree() -> None:
    made = runpy.run_path(str(DOCS / "generate_cli.py"))["page"]()
    assert made == TEXT, "run: python docs/generate_cli.py"


def test_every_command_option_and_variable_stands_on_the_page() -> None:
    parsers = list(walk(parser()))
    assert [one.prog for one in parsers if one.prog not in TEXT] == []
    flags = {flag for one in parsers for action in actions(one) for flag in action.option_strings}
    assert [flag for flag in sorted(flags) if flag not in TEXT] == []
    assert [name for name, _ in ENVIRONMENT if f"  {name} " not in TEXT] == []
    assert [code for code in exits.MEANINGS if f"\n  {code} " not in TEXT] == []


def test_every_argument_says_what_it_is() -> None:
    silent = [
        f"{one.prog} {action.dest}"
        for one in walk(parser())
        for action in actions(one)
        if not action.help
    ]
    assert silent == []
    assert [one.prog for one in walk(parser()) if not one.description] == []


def test_every_environment_variable_of_ours_is_listed() -> None:
    import re

    sources = (DOCS.parent / "src" / "perdure" / "cli").glob("*.py")
    used = {name for path in sources for name in re.findall(r"PERDURE_\w+", path.read_text())}
    assert used <= {name for name, _ in ENVIRONMENT}


def test_every_error_has_an_exit_code_of_its_own() -> None:
    assert set(exits.OF_ERROR) == {error.code for error in errors.ALL}
    assert len(set(exits.OF_ERROR.values())) == len(exits.OF_ERROR)
    assert all(
        exits.MEANINGS[number].startswith(f"{code}: ") for code, number in exits.OF_ERROR.items()
    )


def test_help_fits_a_narrow_terminal() -> None:
    for one in walk(parser()):
        assert [line for line in one.help_of(80).splitlines() if len(line) > 80] == []


def test_help_imports_no_driver_and_nothing_else_that_is_slow() -> None:
    code = (
        "import sys; from perdure.cli import main; main(['--help']);"
        f"sys.exit(' '.join(m for m in {SLOW!r} if m in sys.modules) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
