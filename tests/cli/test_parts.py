"""The parts that stand alone: the demo and its mutant, completion, printed SQL, drawings."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import apsw
import psycopg
import pytest

import perdure as library
from perdure.cli import chart, demo, plot, story, svg
from perdure.cli.terminal import Out
from perdure.domains.drift import Point
from perdure.domains.drift.model import DIMENSIONS, Dimensions
from tests.cli.conftest import Perdure
from tests.fix.postgres import FreshDatabase

Start = Callable[..., subprocess.Popen[bytes]]

# A writer that breaks its promise: it acknowledges inside a transaction, before the commit.
LIAR = """
import sys, perdure
from perdure.cli import story
with perdure.open(sys.argv[1], subject=story.SUBJECT) as store:
    for first in range(1, story.WRITES + 1, 64):
        with store.transaction() as tx:
            for number in range(first, first + 64):
                print(number, *story._unit(tx, number=number), flush=True)
"""


# -- the demo


@pytest.mark.slow  # 3 to 15 seconds: a thousand fsyncs
def test_the_demo_loses_nothing_and_shows_the_self(perdure: Perdure, tmp_path: Path) -> None:
    ran = perdure("demo", "--store", "demo.db")
    assert ran.code == 0, ran.out
    for said in ("acknowledged", "nothing acknowledged is gone", "sound", "coefficient", "{+warm"):
        assert said in ran.out
    assert "\x1b" not in ran.out
    with library.open("demo.db", subject=story.SUBJECT) as store:
        assert sum(store.log.head().values()) == story.WRITES
    assert perdure.error("demo", "--store", "demo.db")[0] == 10
    assert perdure.error("demo", "--store", "memory:")[0] == 12


@pytest.mark.slow  # 5 to 20 seconds
def test_the_demo_runs_on_a_folder_and_on_a_server(
    perdure: Perdure, fresh_database: FreshDatabase
) -> None:
    for target in ("selves/", fresh_database()):
        outcome = perdure.json("demo", "--store", target)
        assert (outcome["lost"], outcome["is_sound"]) == ([], True)
        assert outcome["acknowledged"] == outcome["found"] >= 500


@pytest.mark.slow  # 3 to 10 seconds
def test_the_demo_is_red_when_the_writer_lies(
    perdure: Perdure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = tmp_path / "liar.py"
    liar.write_text(LIAR)
    monkeypatch.setattr(demo, "WRITER", (str(liar),))
    ran = perdure("demo", "--json", "--store", "liar.db")
    outcome = json.loads(ran.out)
    assert ran.code == 1
    assert len(outcome["lost"]) >= 500 % 64
    assert outcome["is_sound"]


def test_the_demo_says_that_its_writer_could_not_write(
    perdure: Perdure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "WRITER", ("-c", "pass"))
    code, error = perdure.error("demo")
    assert (code, error["message"]) == (17, "the writer ended by itself after 0 writes (code 0)")


def test_each_write_of_the_story_is_told_from_every_other() -> None:
    texts = {story.reply(number) for number in range(1, story.WRITES + 1)}
    assert len(texts) == story.WRITES
    with library.open("memory:", subject=story.SUBJECT) as store:
        for number in (1, 2, 90, 140):
            story.write(store, number)
        facts = [recorded.event for recorded in store.log.read()]
    for number, fact in zip((1, 2, 90, 140), facts, strict=True):
        assert [n for n in range(1, story.WRITES + 1) if story.is_write(n, fact)] == [number]


# -- completion


def test_bash_completes_commands_options_and_choices(perdure: Perdure, tmp_path: Path) -> None:
    script = tmp_path / "perdure.bash"
    script.write_text(perdure("completion", "bash").out)

    def complete(*words: str) -> set[str]:
        quoted = " ".join(f"'{word}'" for word in ("perdure", *words))
        line = f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _perdure;"
        command = ["bash", "-c", f'{line} echo "${{COMPREPLY[@]}}"']
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ran.stderr == ""
        return set(ran.stdout.split())

    assert {"souls", "drift", "--store"} <= complete("")
    assert complete("so") == {"souls"}
    assert complete("--json", "souls", "mile") == {"milestones"}
    assert complete("souls", "milestones", "b") == {"by-weight"}
    assert complete("completion", "z") == {"zsh"}
    assert "--reflection-notes" in complete("souls", "publish", "--r")


def test_fish_completes_commands_and_options(perdure: Perdure, tmp_path: Path) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    script = tmp_path / "perdure.fish"
    script.write_text(perdure("completion", "fish").out)

    def complete(line: str) -> set[str]:
        command = ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        return {row.split("\t")[0] for row in ran.stdout.splitlines()}

    assert complete("perdure so") == {"souls"}
    assert complete("perdure souls milestones b") == {"by-weight"}
    assert "--reflection-notes" in complete("perdure souls publish --r")


def test_zsh_reads_its_script(perdure: Perdure, tmp_path: Path) -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    script = tmp_path / "_perdure"
    script.write_text(perdure("completion", "zsh").out)
    line = f"compdef() {{ }}; source {script}; _perdure_words 'perdure souls milestones'"
    ran = subprocess.run(["zsh", "-fc", line], capture_output=True, text=True, check=True)
    assert "by-weight" in ran.stdout.split()


def test_a_script_is_a_json_document_too(perdure: Perdure) -> None:
    assert perdure.json("completion", "zsh")["shell"] == "zsh"


# -- SQL for other tools


def test_the_printed_sql_makes_a_sqlite_store(perdure: Perdure) -> None:
    script = perdure("migrate", "sql", "--dialect", "sqlite").out
    connection = apsw.Connection("made.db")
    connection.execute(script)
    with pytest.raises(apsw.SQLError, match="duplicate column"):  # SQLite knows no "if not exists"
        connection.execute(script)  # for columns: a second time ends there, and harms nothing
    connection.close()
    store = ("--store", "made.db")
    assert all(step["is_applied"] for step in perdure.json("migrate", "status", *store))
    assert perdure.json("souls", "publish", "--core-identity", "x", *store)["version"] == 1
    connection = apsw.Connection("made.db")
    connection.execute(perdure("migrate", "sql", "--dialect", "sqlite", "--down").out)
    connection.close()
    assert not any(step["is_applied"] for step in perdure.json("migrate", "status", *store))


@pytest.mark.parametrize("partitions", ["0", "4"])
def test_the_printed_sql_makes_a_postgres_store(
    perdure: Perdure, fresh_database: FreshDatabase, partitions: str
) -> None:
    url = fresh_database()
    script = perdure("migrate", "sql", "--partitions", partitions).out
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script.encode())
        connection.execute(script.encode())
    store = ("--store", url, "--subject", "ada")
    assert all(step["is_applied"] for step in perdure.json("migrate", "status", "--store", url))
    assert perdure.json("souls", "publish", "--core-identity", "x", *store)["version"] == 1


def test_the_sql_of_one_package_is_printed_alone(perdure: Perdure) -> None:
    (step,) = perdure.json("migrate", "sql", "--package", "souls")
    assert step["package"] == "souls"
    assert "soul_versions" in step["sql"]
    assert perdure.error("migrate", "sql", "--package", "x")[0] == 12


# -- drawings


def points(count: int, value: Callable[[int], float]) -> list[Point]:
    """Make a history whose numbers follow a function."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Point(
            n + 1, began + timedelta(hours=n), abs(value(n)), 0.0, 0.0,
            Dimensions(**dict.fromkeys(DIMENSIONS, value(n))), "reply",
        )
        for n in range(count)
    ]  # fmt: skip


def test_a_curve_has_no_gaps_and_an_area_keeps_its_sign() -> None:
    canvas = plot.Canvas(3, 2)
    plot.curve([0.0, 1.0], canvas, low=0.0, high=1.0)
    assert all(line.strip() for line in canvas.lines(unicode=True))
    for value, filled in ((1.0, [True, False]), (-1.0, [False, True])):
        canvas = plot.Canvas(3, 2)
        plot.area([value], canvas, most=1.0)
        assert [bool(line.strip()) for line in canvas.lines(unicode=False)] == filled


def test_means_are_taken_where_there_are_too_many_values() -> None:
    assert plot.resampled([0.0, 1.0, 2.0, 3.0], 2) == [0.5, 2.5]
    assert plot.resampled([1.0, 2.0], 4) == [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("columns", ["20", "80", "200"])
@pytest.mark.parametrize("count", [1, 2, 1_000])
def test_a_chart_keeps_the_width_of_its_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, count: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    chart.draw(points(count, lambda n: (n % 7) / 7 - 0.4), Out())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 24
    assert max(map(len, lines[:9])) <= max(int(columns), 36)


def test_an_empty_history_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    chart.draw([], Out())
    assert "perdure drift observe TEXT" in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 2, 5_000])
def test_a_picture_stays_inside_its_frame(count: int) -> None:
    tree = ET.fromstring(svg.picture(points(count, lambda n: (n % 3) - 1), 'ada <&" \x1b'))
    for line in tree.iter("{http://www.w3.org/2000/svg}polyline"):
        pairs = [pair.split(",") for pair in line.attrib["points"].split()]
        assert 2 <= len(pairs) <= svg.POINTS_MAX
        assert all(0 <= float(x) <= svg.WIDTH and 0 <= float(y) <= svg.HEIGHT for x, y in pairs)


def test_the_names_in_a_picture_never_touch() -> None:
    panel = svg.Panel("", 100, 300, -1, 1)
    for ends in ([200.0] * 6, [100.0] * 6, [300.0] * 6, [100.0, 101, 299, 300, 300, 300]):
        placed = sorted(svg._apart(dict(zip(DIMENSIONS, ends, strict=True)), panel).values())
        gaps = [b - a for a, b in pairwise(placed)]
        assert min(gaps) >= svg.LABEL_PIXELS
        assert panel.top <= placed[0] <= placed[-1] <= panel.bottom
