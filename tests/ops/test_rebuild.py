"""Rebuilding read models from the log, while life goes on."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest

import perdure
from perdure.domains import souls
from perdure.kernel import migrations
from perdure.kernel.transaction import slice_of
from perdure.ops import discard, rebuild, replaying, verify, witness
from perdure.ops.tables import domains
from perdure.store import PACKAGES
from tests.fix.postgres import FreshDatabase
from tests.ops.damage import OTHER, SUBJECT, THREAD, fill, raw


def tables() -> list[str]:
    """Name every table that a rebuild writes."""
    return ["perdure_snapshots", *(name for names in domains().values() for name in names)]


def everything(target: str) -> dict[str, list[str]]:
    """Read every row of every read model, without us."""
    with raw(target) as execute:
        return {
            name: sorted(map(repr, rows(execute, f"select * from {name}"))) for name in tables()
        }


def rows(execute: Callable[[str], object], text: str) -> list[object]:
    """Run a statement that returns rows."""
    found = execute(text)
    assert isinstance(found, list)
    return found


def left_over(target: str) -> list[object]:
    """Find what a rebuild should have dropped."""
    catalogue = (
        "select relname from pg_class where relname like '%rebuild%'"
        if target.startswith("postgresql:")
        else "select name from sqlite_schema where name like '%rebuild%'"
    )
    with raw(target) as execute:
        return rows(execute, catalogue)


def test_rebuilt_tables_equal_the_live_ones(store: perdure.Store, target: str) -> None:
    fill(store)
    store.subject(SUBJECT).souls.milestones.forget_thread(THREAD)
    before = everything(target)
    done = rebuild(store)
    assert everything(target) == before
    assert done.subjects == 2
    assert done.subjects_before == 0
    assert left_over(target) == []


def test_what_was_changed_or_removed_by_hand_is_back(store: perdure.Store, target: str) -> None:
    fill(store)
    before = everything(target)
    with raw(target) as execute:
        execute("update soul_versions set core_identity = 'Eve' where version = 2")
        execute("delete from soul_milestones")
        execute("delete from soul_versions where version = 1 and subject = 'ada'")
    assert everything(target) != before
    rebuild(store, ["souls"])
    assert everything(target) == before


def test_one_subject_is_rebuilt_and_the_others_stay(store: perdure.Store, target: str) -> None:
    fill(store)
    with raw(target) as execute:
        execute("update soul_versions set core_identity = 'Eve'")
    assert rebuild(store, subject=SUBJECT).subjects == 1
    assert store.subject(SUBJECT).souls.current().core_identity == "Ada 3"
    with pytest.raises(perdure.Tampered):
        store.subject(OTHER).souls.current()


def test_rows_that_did_not_come_from_events_stay(store: perdure.Store, target: str) -> None:
    fill(store)
    moment = datetime.now(UTC).isoformat()
    with raw(target) as execute:
        execute(
            "insert into bot_soul (slice, subject, id, created_at, updated_at, content) values"
            f" ({slice_of('ada')}, 'ada', '{THREAD}', '{moment}', '{moment}', 'I was here')"
        )
    rebuild(store)
    with raw(target) as execute:
        assert len(rows(execute, "select * from bot_soul")) == 1


def test_an_interrupted_rebuild_goes_on(store: perdure.Store, target: str) -> None:
    fill(store)
    before = everything(target)

    def stop(_what: str, done: int, _total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(store, progress=stop)
    assert everything(target) == before
    assert left_over(target) != []
    done = rebuild(store)
    assert (done.subjects, done.subjects_before) == (1, 1)
    assert everything(target) == before
    assert left_over(target) == []


def test_an_interrupted_rebuild_can_be_discarded(store: perdure.Store, target: str) -> None:
    fill(store)

    def fail(_what: str, _done: int, _total: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rebuild(store, progress=fail)
    assert left_over(target) != []
    discard(store)
    assert left_over(target) == []


def test_an_unknown_domain_is_named(store: perdure.Store) -> None:
    with pytest.raises(perdure.Invalid, match="there is no domain 'soul': choose of"):
        rebuild(store, ["soul"])


def test_nothing_is_rebuilt_from_a_log_that_was_tampered_with(
    store: perdure.Store, target: str
) -> None:
    fill(store)
    before = everything(target)
    with raw(target) as execute:
        execute("update perdure_events set at = at + 1 where version = 2 and stream = 'soul-self'")
    with pytest.raises(perdure.Tampered, match="the header of event 2 of stream 'soul-self'"):
        rebuild(store)
    assert everything(target) == before


def test_reads_see_a_whole_model_while_writers_write(store: perdure.Store, target: str) -> None:
    fill(store)
    stop, failures, reads = threading.Event(), [], 0

    def write() -> None:
        ada = store.subject(SUBJECT)
        while not stop.is_set():
            ada.souls.publish(core_identity="Ada again")

    def read() -> None:
        nonlocal reads
        known = 0
        while not stop.is_set():
            try:
                history = store.subject(SUBJECT).souls.history(most=1000)
                assert len(history) == history[0].version >= known
                assert store.subject(SUBJECT).souls.milestones.list()
                known, reads = len(history), reads + 1
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=work) for work in (write, read, read)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        rebuild(store)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert reads > 5
    before = everything(target)
    rebuild(store)
    assert everything(target) == before


def test_an_operator_needs_no_superuser(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    with perdure.open(url, subject="x") as store:
        fill(store)
    before = everything(url)
    with psycopg.connect(url, autocommit=True) as postgres:
        postgres.execute("drop role if exists operator")
        postgres.execute("create role operator login")
        postgres.execute(
            "grant perdure_owner, perdure_app, perdure_reader, service_role to operator"
        )
        own = url.replace("postgres@", "operator@")
        with perdure.open(own, subject="x", migrate=False) as store:
            assert rebuild(store).subjects == 2
            assert verify(store, deep=True, head=witness(store)).is_sound
        assert everything(url) == before
        postgres.execute("drop role operator")


def test_the_applications_login_is_refused(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    with perdure.open(url, subject="x") as store:
        fill(store)
    with psycopg.connect(url, autocommit=True) as postgres:
        postgres.execute("drop role if exists appone")
        postgres.execute("create role appone login in role perdure_app")
        own = url.replace("postgres@", "appone@")
        with (
            perdure.open(own, subject="x", migrate=False) as store,
            pytest.raises(perdure.Forbidden),
        ):
            rebuild(store)
        postgres.execute("drop role appone")


def test_partitioned_tables_are_rebuilt(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    with perdure.open(url, subject="x", migrate=False) as store:
        steps = migrations.discover(PACKAGES, "postgres")
        store.engine.administer(lambda s: migrations.up(s, steps, now=0, partitions=4))
        fill(store)
        before = everything(url)
        rebuild(store)
        assert everything(url) == before
        assert verify(store, deep=True).is_sound
    assert left_over(url) == []


def test_a_second_rebuild_at_the_same_time_is_told(store: perdure.Store, target: str) -> None:
    fill(store)
    before = everything(target)

    def meddle(_what: str, done: int, _total: int) -> None:
        assert rebuild(store).subjects_before == done

    with pytest.raises(perdure.Conflict, match="another rebuild has finished"):
        rebuild(store, progress=meddle)
    assert everything(target) == before
    assert left_over(target) == []


def test_a_table_that_no_domain_names_is_not_written(
    store: perdure.Store, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    before = everything(target)
    monkeypatch.setattr(souls, "TABLES", ("soul_milestones", "soul_versions"))
    with pytest.raises(perdure.Internal, match="note_thread of a projection writes to no table"):
        rebuild(store)
    discard(store)
    monkeypatch.undo()
    assert everything(target) == before


def test_a_subject_that_never_rests_is_given_up(
    store: perdure.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    monkeypatch.setattr(replaying, "LAG_EVENTS_MAX", -1)
    monkeypatch.setattr(replaying, "ROUNDS_MAX", 3)
    with pytest.raises(perdure.Unavailable, match="writes faster than its rebuild reads"):
        rebuild(store)
