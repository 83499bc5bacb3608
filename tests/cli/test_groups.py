"""Each group of commands does its work on both engines, for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import perdure as library
from perdure.cli import calls
from perdure.domains import drift
from perdure.faces import FACES
from perdure.kernel.operations import operations
from tests.cli.conftest import Perdure

CALM = "Perhaps we should look at this slowly, and write both possibilities down."
LOUD = "Yes! Look at that! Wonderful! I love it!!"


@pytest.fixture
def soul(ada: Perdure) -> Perdure:
    """A soul of two versions."""
    ada("souls", "publish", "--core-identity", "Curious, warm.", "--active-values", "Honesty.")
    ada("souls", "publish", "--core-identity", "Curious, bold.", "--active-values", "Honesty.")
    return ada


@pytest.fixture
def voice(ada: Perdure, target: str) -> Perdure:
    """A voice that changed after its baseline."""
    with library.open(target, subject="ada@example.com") as store:
        store.transact(
            lambda tx: [
                drift.observe(tx, f"{LOUD if number > 34 else CALM} ({number})").coefficient
                for number in range(45)
            ]
        )
    return ada


# -- souls


def test_a_published_soul_is_shown(soul: Perdure) -> None:
    shown = soul("souls", "show")
    assert shown.code == 0
    assert "version 2" in shown.out
    assert "Who I am\nCurious, bold." in shown.out
    assert soul.json("souls", "show", "--at", "1")["core_identity"] == "Curious, warm."
    assert soul.json("souls", "show", "--at", "2999-01-01T00:00Z")["version"] == 2


def test_the_history_names_every_version(soul: Perdure) -> None:
    assert [row["version"] for row in soul.json("souls", "history")] == [2, 1]
    assert soul("souls", "history", "--most", "1").out.count("tokens") == 1


def test_a_diff_off_a_terminal_marks_the_words(soul: Perdure) -> None:
    shown = soul("souls", "diff", "1", "2").out
    assert "Curious, [-warm.-]{+bold.+}" in shown
    assert "What I care about now\nunchanged" in shown
    assert soul.json("souls", "diff", "1", "2")["before"] == 1


def test_a_restore_is_a_new_version(soul: Perdure) -> None:
    assert soul("souls", "restore", "1").out.startswith("version 3 is the current one")
    assert soul.json("souls", "show")["core_identity"] == "Curious, warm."


def test_a_prompt_keeps_its_budget(soul: Perdure) -> None:
    assert soul("souls", "prompt").out.startswith("Who I am:\nCurious, bold.")
    assert len(soul("souls", "prompt", "--budget", "8").out) < 30


def test_milestones_are_added_and_listed(soul: Perdure) -> None:
    add = ("souls", "milestones", "add", "-", "--lesson-learned", "Listen.")
    assert soul(*add, "--emotional-weight", "formative", stdin="She told me.\n").code == 0
    assert (
        "formative  She told me.\n    learned: Listen." in soul("souls", "milestones", "list").out
    )
    assert soul.json("souls", "milestones", "by-weight", "challenging") == []


def test_a_bot_soul_becomes_version_0(ada: Perdure) -> None:
    assert ada.json("souls", "import-bot-soul", "I was here before.")["version"] == 0


def test_a_soul_over_budget_is_refused_and_may_have_another_budget(ada: Perdure) -> None:
    long = "word " * 300
    code, error = ada.error("souls", "publish", "--core-identity", long)
    assert (code, error["code"]) == (18, "too_large")
    budgets = ("--budgets", '{"core_identity": 400}')
    assert ada.json("souls", "publish", "--core-identity", long, *budgets)["token_count"] == 300
    assert ada.json("souls", "publish", "--core-identity", long, "--trim")["token_count"] == 200


def test_a_retry_under_the_same_key_writes_nothing(ada: Perdure) -> None:
    publish = ("souls", "publish", "--core-identity", "Calm.", "--once", "message-17")
    assert ada.json(*publish)["id"] == ada.json(*publish)["id"]
    assert len(ada.json("souls", "history")) == 1


# -- drift


def test_a_voice_is_shown_and_drawn(voice: Perdure) -> None:
    shown = voice("drift", "show")
    assert shown.code == 0
    assert "interactions  45" in shown.out
    assert all(name in shown.out for name in ("coefficient", "lexical", "amplitude"))
    found = voice.json("drift", "show", "--most", "20")
    assert len(found["history"]) == 20
    assert found["history"][-1]["coefficient"] == found["state"]["coefficient"] > 0
    assert voice.json("drift", "show", "--at", "30")["state"]["coefficient"] == 0


def test_an_observed_reply_is_counted_and_remembered(voice: Perdure) -> None:
    observed = voice.json("drift", "observe", "-", stdin=f"{CALM}\n")
    assert observed["total_interactions"] == 46
    assert "home" not in observed["voice"]
    assert "said before, in these words" in voice("drift", "said", CALM).out
    assert voice.json("drift", "said", "Something else entirely.")["exact"] is False


def test_an_explanation_names_the_dimensions(voice: Perdure) -> None:
    assert "amplitude moved by +" in voice("drift", "explain").out
    assert voice.json("drift", "explain", "44")["since"] == 44


def test_the_apps_mutations_and_objects_go_in_and_out(ada: Perdure) -> None:
    names = ("lexical", "structural", "tonal", "creative", "thermal", "amplitude")
    mutation = json.dumps(dict.fromkeys(names, 0.7))
    assert ada.json("drift", "evolve", mutation)["total_interactions"] == 1
    exported = ada("drift", "export").out
    assert json.loads(exported)["totalInteractions"] == 1
    assert ada.json("drift", "import", "-", "--subject", "eve", stdin=exported)["momentum"] > 0
    assert ada("drift", "reset").out.startswith("interaction 0, coefficient 0.0000")


def test_a_drawing_is_sound_xml_and_names_its_parts(voice: Perdure, tmp_path: Path) -> None:
    assert voice("drift", "show", "--svg", "drift.svg").code == 0
    written = (tmp_path / "drift.svg").read_text("utf-8")
    assert voice("drift", "show", "--svg", "-").out == written
    tree = ET.fromstring(written)
    texts = {node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Drift of ada@example.com", "lexical", "amplitude", "version 1"} <= texts
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}polyline"))) == 7
    assert "prefers-color-scheme: dark" in written


# -- the log


def test_the_log_is_shown_in_order_and_decoded(soul: Perdure) -> None:
    soul("drift", "observe", CALM)
    events = soul.lines("log", "show")
    assert [event["position"] for event in events] == [1, 2, 3]
    assert [event["type"] for event in events] == ["SoulPublished"] * 2 + ["ReplyObserved"]
    assert events[1]["event"]["core_identity"] == "Curious, bold."
    assert 'SoulPublished  version=1 core_identity="Curious, warm."' in soul("log", "show").out


def test_the_log_is_narrowed_by_subject_stream_and_position(
    soul: Perdure, monkeypatch: pytest.MonkeyPatch
) -> None:
    soul("souls", "publish", "--core-identity", "Somebody else.", "--subject", "eve")
    soul("drift", "observe", CALM)
    assert len(soul.lines("log", "show")) == 3
    assert len(soul.lines("log", "show", "--subject", "eve")) == 1
    assert len(soul.lines("log", "show", "--stream", "drift-self")) == 1
    assert [event["position"] for event in soul.lines("log", "show", "--after", "1")] == [2, 3]
    place = f"{soul.lines('log', 'show')[0]['slice']}:2"
    assert [event["position"] for event in soul.lines("log", "show", "--after", place)] == [3]
    assert len(soul.lines("log", "show", "--most", "1")) == 1
    monkeypatch.delenv("PERDURE_SUBJECT")
    assert len(soul.lines("log", "show")) == 4


def test_a_sound_store_verifies_also_against_a_witness(soul: Perdure) -> None:
    witness = soul("log", "witness").out
    assert "sound: 2 events in 1 streams" in soul("log", "verify", "--deep").out
    assert soul.json("log", "verify", "--head", "-", stdin=witness)["findings"] == []


# -- the store


def test_info_says_what_is_there(soul: Perdure) -> None:
    found = soul.json("info")
    assert found["store"]["events"] == 2
    assert found["subject"]["soul_version"] == 2
    assert "soul version" in soul("info").out


def test_a_rebuild_changes_nothing_that_is_sound(voice: Perdure) -> None:
    before = voice.json("drift", "show")
    assert voice("rebuild").out.startswith("drift, souls, tokens: ")
    assert voice.json("rebuild", "drift", "--fresh")["domains"] == ["drift"]
    assert voice.json("drift", "show") == before


def test_the_doctor_says_what_it_looked_at(soul: Perdure) -> None:
    ran = soul("doctor", "--json")
    states = {check["name"]: check["state"] for check in json.loads(ran.out)}
    assert states["migrations"] == "ok"
    assert ran.code == (0 if set(states.values()) == {"ok"} else 1)
    assert "migrations" in soul("doctor").out


def test_migrations_are_listed_undone_and_applied(soul: Perdure) -> None:
    assert all(step["is_applied"] for step in soul.json("migrate", "status"))
    assert soul("migrate", "down").code == 2
    for name in ("tokens", "souls"):
        assert f"undone {name} 0001 {name}" in soul("migrate", "down", "--yes").out
    assert "missing" in soul("migrate", "status").out
    code, error = soul.error("souls", "show")
    assert (code, error["remedy"]) == (17, "run 'perdure migrate up'")
    assert [step["name"] for step in soul.json("migrate", "up")] == ["souls", "tokens"]
    assert soul("migrate", "up").out == "nothing to be applied\n"


def test_every_operation_has_a_command() -> None:
    from perdure.cli import audit, drift, souls, tokens  # the groups, not the domains

    groups = (audit.CALLS, drift.CALLS, souls.CALLS, souls.MILESTONES, tokens.CALLS)
    reached = {call.operation for group in groups for call in group}
    reached |= {"drift.current", "drift.at", "drift.history", "souls.current", "souls.at"}  # show
    offered = {f"{domain}.{name}" for domain, face in FACES.items() for name, _ in operations(face)}
    assert offered == reached
    assert all(calls.one_sentence(calls.operation(name)) for name in reached)
