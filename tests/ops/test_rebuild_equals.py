"""A rebuilt table equals the live one, byte for byte, whatever happened before; also when killed.

Each domain has a strategy for what may happen to it; a new domain adds one here.
"""

import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import perdure
from perdure import ops
from perdure.kernel.replay import SNAPSHOT_EVENTS
from perdure.ops.tables import domains
from perdure.vault import KeyFile, Vault
from tests.fix.postgres import FreshDatabase
from tests.ops.damage import OTHER, SUBJECT, raw
from tests.ops.opened import opened_rows

Act = Callable[[perdure.store.Subject], object]

THREADS = ["00000000-0000-0000-0000-00000000000" + digit for digit in "123"]
TEXTS = st.text("abc åЖ漢\n😀.!", max_size=40)
WORDS = st.sampled_from(["I would rather tell you the truth.", "No.", "漢字とかな", "😀", ""])
UNIT = st.floats(0, 1)

SOULS = st.one_of(
    st.tuples(st.just("publish"), TEXTS.map(lambda text: "I am " + text), TEXTS),
    st.tuples(st.just("restore"), st.integers(0, 4)),
    st.tuples(st.just("import"), TEXTS.map(lambda text: "I was " + text)),
    st.tuples(st.just("milestone"), TEXTS, st.sampled_from([None, *THREADS])),
    st.tuples(st.just("forget"), st.sampled_from(THREADS)),
    st.tuples(st.just("forget version"), st.integers(0, 4)),
    st.tuples(st.just("forget milestone"), st.integers(0, 3)),
)
DRIFT = st.one_of(
    st.tuples(st.just("observe"), st.one_of(WORDS, TEXTS)),
    st.tuples(st.just("evolve"), UNIT, UNIT),
    st.tuples(st.just("reset")),
    st.tuples(st.just("take over"), UNIT),
)
DIMENSIONS = "lexical structural tonal creative thermal amplitude".split()


def mutation(one: float, two: float = 0.5) -> dict[str, float]:
    """Write the app's own mutation vector."""
    return {name: one if n % 2 else two for n, name in enumerate(DIMENSIONS)}


ACTS: dict[str, Callable[..., object]] = {
    "publish": lambda me, core, growth: me.souls.publish(core_identity=core, recent_growth=growth),
    "restore": lambda me, version: me.souls.restore(version),
    "import": lambda me, text: me.souls.import_bot_soul(text),
    "milestone": lambda me, said, thread: me.souls.milestones.add(
        f"it was {said}", lesson_learned=said, source_thread_id=thread
    ),
    "forget": lambda me, thread: me.souls.milestones.forget_thread(thread),
    "forget version": lambda me, version: me.souls.forget_version(version),
    "forget milestone": lambda me, place: [
        me.souls.milestones.forget(one.id) for one in me.souls.milestones.list()[place : place + 1]
    ],
    "observe": lambda me, text: me.drift.observe(text),
    "evolve": lambda me, one, two: me.drift.evolve(mutation(one, two)),
    "reset": lambda me: me.drift.reset(),
    "take over": lambda me, drift: me.drift.import_state(
        {**me.drift.export_state(), "coefficient": drift}
    ),
}
STORY = st.lists(st.tuples(st.sampled_from([SUBJECT, OTHER]), st.one_of(SOULS, DRIFT)), max_size=25)
Story = list[tuple[str, tuple[Any, ...]]]


def tell(store: perdure.Store, story: Story, *, suffix: str = "") -> None:
    """Let it happen; what the rules refuse does not happen."""
    for name, (act, *details) in story:
        with suppress(perdure.NotFound, perdure.Conflict):
            ACTS[act](store.subject(name + suffix), *details)


def everything(target: str) -> dict[str, list[str]]:
    """Read every row of every read model, without us, ordered by all its columns."""
    names = ["perdure_snapshots", *(name for tables in domains().values() for name in tables)]
    with raw(target) as execute:
        return {name: sorted(map(repr, rows(execute(f"select * from {name}")))) for name in names}


def rows(found: object) -> list[object]:
    """Expect rows."""
    assert isinstance(found, list)
    return found


@settings(max_examples=40, deadline=None)
@given(STORY)
def test_on_sqlite(story: Story) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = f"{folder}/store.db"
        with perdure.open(target, durability="normal") as store:
            tell(store, story)
            before = everything(target)
            ops.rebuild(store)
            assert everything(target) == before
            assert ops.verify(store, deep=True).findings == ()


@settings(max_examples=12, deadline=None)
@given(STORY)
def test_on_sqlite_sealed(story: Story) -> None:
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(f"{folder}/keys.db", master=KeyFile(f"{folder}/master.key"), create=True)
        with perdure.open(f"{folder}/store.db", durability="normal", vault=vault) as store:
            tell(store, story)
            before = opened_rows(store)
            ops.rebuild(store)
            assert opened_rows(store) == before
            assert ops.verify(store, deep=True).findings == ()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=STORY)
def test_on_postgres(fresh_database: FreshDatabase, story: Story) -> None:
    target = fresh_database()
    with perdure.open(target, subject="x") as store:
        tell(store, story)
        before = everything(target)
        ops.rebuild(store)
        assert everything(target) == before
        assert ops.verify(store, deep=True).findings == ()


def test_in_a_folder(tmp_path: Path) -> None:
    random.seed(7)
    with perdure.open(f"{tmp_path}/store/") as store:
        for name in (SUBJECT, OTHER, "eve"):
            store.subject(name).souls.publish(core_identity=f"I am {name}")
            store.subject(name).drift.observe("I would rather tell you the truth.")
        files = sorted(map(str, tmp_path.glob("store/agents/*/memory.sqlite")))
        before = [everything(path) for path in files]
        assert ops.rebuild(store).subjects == len(files) == 3
        assert ops.rebuild(store, subject="eve").subjects == 1
        assert [everything(path) for path in files] == before
        assert ops.verify(store, deep=True).is_sound


def test_snapshots_are_rebuilt_with_their_domain(store: perdure.Store, target: str) -> None:
    ada = store.subject(SUBJECT)
    for count in range(SNAPSHOT_EVENTS + 5):
        ada.drift.evolve(mutation(count / 1000))
    ada.souls.publish(core_identity="Ada")
    before = everything(target)
    assert len(before["perdure_snapshots"]) == 1
    with raw(target) as execute:
        execute("update perdure_snapshots set state = '{}'")
    ops.rebuild(store, ["souls"])
    assert everything(target)["perdure_snapshots"] != before["perdure_snapshots"]
    assert [finding.kind for finding in ops.verify(store, deep=True).findings] == ["row_changed"]
    ops.rebuild(store, ["drift"])
    assert everything(target) == before


VICTIM = """
import os, signal, sys
import perdure
from perdure import ops

target, last, half = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with perdure.open(target, subject="x", migrate=False) as store:
    kind, step = type(store.engine), 0
    write = kind.write

    def die(when):
        if step == last and when == half:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, subject, unit, **options):
        def doomed(session):
            global step
            step += 1
            result = unit(session)
            die("before the commit")
            return result
        result = write(self, subject, doomed, **options)
        die("behind the commit")
        return result

    kind.write = counted
    ops.rebuild(store)
"""


@pytest.mark.slow
def test_a_rebuild_killed_at_any_step_leaves_the_tables_whole(target: str) -> None:
    with perdure.open(target, subject="x") as store:
        for name in (SUBJECT, OTHER):
            someone = store.subject(name)
            for count in range(3):
                someone.souls.publish(core_identity=f"{name} {count}")
                someone.drift.observe(f"I would rather tell you the truth, {count}.")
            someone.transact(many)
    before, step, is_done = everything(target), 0, False
    while not is_done:
        step += 1
        for half in ("before the commit", "behind the commit"):
            command = [sys.executable, "-c", VICTIM, target, str(step), half]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode in (0, -9), done.stderr
            assert everything(target) == before
            is_done = done.returncode == 0
    assert step > 1
    with perdure.open(target, subject="x") as store:
        assert ops.verify(store, deep=True).is_sound


def many(tx: perdure.kernel.Transaction) -> None:
    """Let the voice drift so often that a replay takes several pages."""
    from perdure.domains import drift

    for count in range(SNAPSHOT_EVENTS * 2 + 5):
        drift.evolve(tx, mutation(count / 1000))
