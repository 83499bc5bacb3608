"""Verify names each kind of tampering by its own sentence, and raises no false alarm."""

import threading

import pytest

import perdure
from perdure.domains.souls.events import SoulPublished
from perdure.domains.souls.model import STREAM
from perdure.kernel.events import registry
from perdure.kernel.transaction import slice_of
from perdure.ops import places
from perdure.ops.report import Report, Witness
from perdure.ops.verify import verify, witness
from tests.ops.damage import (
    CUT,
    DAMAGES,
    OTHER,
    REWIND,
    SUBJECT,
    damage,
    fill,
    note,
)

STRANGER = "00000000-0000-0000-0000-0000000000bb"
COUNTERS = f"update perdure_slices set position = 11 where slice = {slice_of(SUBJECT)}"


@pytest.fixture
def filled(target: str) -> str:
    """A target with a history, closed."""
    with perdure.open(target, subject="default_user") as store:
        fill(store)
    return target


def kept(target: str) -> Witness:
    """Take a witness and bring it through its file."""
    with perdure.open(target, subject="default_user") as store:
        return Witness.from_json(witness(store).to_json())


def look(target: str, **options: object) -> Report:
    """Verify a closed target."""
    with perdure.open(target, subject="default_user") as store:
        return verify(store, **options)  # type: ignore[arg-type]


def told(report: Report) -> list[tuple[str, str]]:
    """List kinds and sentences."""
    return [(finding.kind, finding.sentence) for finding in report.findings]


def test_a_whole_store_is_sound(filled: str) -> None:
    seen: list[tuple[str, int, int]] = []
    report = look(filled, progress=lambda *heard: seen.append(heard), head=kept(filled), deep=True)
    assert told(report) == []
    assert report.is_sound
    assert (report.slices, report.streams, report.events, report.subjects) == (2, 5, 17, 2)
    assert report.rows == 5
    assert [done for _, done, _ in seen] == [1, 2]
    assert report.lane == seen[-1][0]


def test_an_empty_store_is_sound(target: str) -> None:
    report = look(target, deep=True)
    assert (report.is_sound, report.lane) == (True, None)


@pytest.mark.parametrize("name", DAMAGES)
def test_each_kind_of_tampering_has_its_own_sentence(filled: str, name: str) -> None:
    before, done = kept(filled), DAMAGES[name]
    damage(filled, done.statements)
    for report in (look(filled), look(filled, head=before)):
        ((kind, sentence),) = told(report)
        assert kind == done.kind
        assert sentence.startswith(done.sentence)
        assert repr(SUBJECT) in report.findings[0].place or kind.startswith("counter")


def test_a_tail_cut_with_head_and_counters_is_noticed_by_the_witness_alone(filled: str) -> None:
    before = kept(filled)
    damage(filled, [CUT, REWIND, COUNTERS])
    assert told(look(filled)) == []
    n = slice_of(SUBJECT)
    for head in (before, {str(n): 13}):
        ((kind, sentence),) = told(look(filled, head=head))
        assert kind == "tail_cut_with_counters"
        assert sentence == (
            f"slice {n} was at position 13 when the witness was written and is at 11 now: its tail"
            " was cut with heads and counters"
        )


def test_a_tail_cut_and_written_anew_is_noticed_by_the_witness_alone(filled: str) -> None:
    before = kept(filled)
    damage(filled, [CUT, REWIND, COUNTERS])
    with perdure.open(filled, subject="default_user") as store:
        store.subject(SUBJECT).transact(lambda tx: note(tx, "note-a", "5", "6", "7"))
    assert told(look(filled)) == []
    ((kind, sentence),) = told(look(filled, head=before))
    assert kind == "history_rewritten"
    assert "position 13" in sentence


def test_a_slice_that_vanished_is_noticed_by_the_witness_alone(filled: str) -> None:
    before, gone = kept(filled), f"where slice = {slice_of(OTHER)}"
    tables = ("perdure_events", "perdure_streams", "perdure_slices", "soul_versions")
    damage(filled, [f"delete from {table} {gone}" for table in tables])
    assert told(look(filled)) == []
    ((kind, sentence),) = told(look(filled, head=before))
    assert kind == "tail_cut_with_counters"
    assert "is empty now: all of it was removed" in sentence


def test_an_event_removed_with_its_head_leaves_a_hole(filled: str) -> None:
    damage(
        filled,
        [
            f"delete from {table} where stream = 'note-b'"
            for table in ("perdure_events", "perdure_streams")
        ],
    )
    ((kind, sentence),) = told(look(filled))
    assert kind == "position_missing"
    assert f"slice {slice_of(SUBJECT)} goes from position 4 to 8" in sentence


def test_the_first_events_of_a_slice_are_missed_too(filled: str) -> None:
    n = slice_of(OTHER)
    damage(
        filled,
        [
            f"delete from {table} where slice = {n} and stream = 'note-a'"
            for table in ("perdure_events", "perdure_streams")
        ],
    )
    ((kind, sentence),) = told(look(filled))
    assert kind == "position_missing"
    assert f"slice {n} goes from position 0 to 4" in sentence


ROWS = {
    "row_changed": (
        "update soul_versions set core_identity = 'Eve' where subject = 'ada' and version = 2",
        "of soul_versions of subject 'ada' was changed: its digest does not fit",
    ),
    "row_moved": (
        f"update soul_milestones set subject = 'bob', slice = {slice_of(OTHER)}",
        "of soul_milestones of subject 'bob' was moved here from subject 'ada'",
    ),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_that_does_not_fit_its_digest_is_named(filled: str, kind: str) -> None:
    statement, said = ROWS[kind]
    damage(filled, [statement])
    ((found, sentence),) = told(look(filled))
    assert found == kind
    assert sentence.startswith("the row id=")
    assert sentence.endswith(said)


def test_a_row_moved_to_nobody_is_traced_back(filled: str) -> None:
    damage(filled, ["update soul_versions set subject = 'nobody', slice = 5 where version = 2"])
    ((found, sentence),) = told(look(filled))
    assert found == "row_moved"
    assert sentence.endswith("of subject 'nobody' was moved here from subject 'ada'")


def test_what_only_a_replay_knows(filled: str) -> None:
    n = slice_of(SUBJECT)
    damage(
        filled,
        [
            "delete from soul_versions where subject = 'ada' and version = 1",
            f"update threads set created_at = '2020-01-01T00:00:00+00:00' where slice = {n}",
            f"insert into threads select slice, subject, '{STRANGER}', created_at from threads",
        ],
    )
    assert told(look(filled)) == []
    found = dict(told(look(filled, deep=True)))
    assert set(found) == {"row_removed", "row_differs", "row_added"}
    assert "soul_versions of subject 'ada' was removed" in found["row_removed"]
    assert "0000aa of threads" in found["row_differs"]
    assert "0000bb of threads of subject 'ada' was never written" in found["row_added"]


def test_a_replay_of_a_tampered_log_is_left_out_with_a_note(filled: str) -> None:
    damage(filled, DAMAGES["time changed"].statements)
    report = look(filled, deep=True)
    assert [kind for kind, _ in told(report)] == ["header_changed"]
    assert "'ada' can not be replayed: the header of event 3" in report.notes[0]


def test_a_log_that_contradicts_itself_is_told(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its chain fits: who can compute hashes has added a second version 1."""
    again = SoulPublished(1, "Not Ada.", "", "", None, 3)
    with perdure.open(filled, subject="default_user") as store, monkeypatch.context() as hidden:
        hidden.delitem(registry.projections, SoulPublished)
        store.subject(SUBJECT).transact(lambda tx: tx.append(STREAM, again))
    assert told(look(filled)) == []
    ((kind, sentence),) = told(look(filled, deep=True))
    assert kind == "does_not_replay"
    assert sentence.startswith("the log of subject 'ada' contradicts itself")


def test_it_goes_on_behind_the_last_lane(filled: str) -> None:
    lanes: list[str] = []

    def stop(lane: str, _done: int, _total: int) -> None:
        lanes.append(lane)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(filled, progress=stop)
    rest = look(filled, after=lanes[0])
    assert rest.slices == 1
    assert rest.events + look(filled, after=rest.lane).events < 17
    for wrong in ("nowhere", "other/1"):
        with pytest.raises(perdure.Invalid, match="lane"):
            look(filled, after=wrong)


def test_long_streams_are_walked_in_pages(filled: str) -> None:
    with perdure.open(filled, subject="default_user") as store:
        bob = store.subject(OTHER)
        bob.transact(lambda tx: note(tx, "note-a", *map(str, range(1200))))
    assert look(filled).events == 1217
    damage(
        filled,
        [f"delete from perdure_events where version = 700 and slice = {slice_of(OTHER)}"],
    )
    assert [kind for kind, _ in told(look(filled))] == ["event_removed"]


def test_many_rows_are_read_in_pages(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "ROWS_A_PAGE", 2)
    with perdure.open(filled, subject="default_user") as store:
        for count in range(5):
            store.subject(SUBJECT).souls.publish(core_identity=f"Ada again {count}")
            store.subject(SUBJECT).drift.observe(f"I would rather tell you the truth, {count}.")
    damage(filled, ["update soul_versions set core_identity = 'Eve' where version > 6"])
    report = look(filled)
    assert [kind for kind, _ in told(report)] == ["row_changed", "row_changed"]
    assert report.rows == 16


def test_writers_raise_no_false_alarm(store: perdure.Store) -> None:
    fill(store)
    stop, failures = threading.Event(), []

    def write(name: str) -> None:
        someone, count = store.subject(name), 0
        try:
            while not stop.is_set():
                count += 1
                stream = f"note-{count % 7}"
                someone.transact(lambda tx, stream=stream: note(tx, stream, "a", "b"))
                someone.souls.publish(core_identity=f"{name} {count}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in (SUBJECT, OTHER, "eve")]
    for thread in threads:
        thread.start()
    reports = [verify(store, head=witness(store), deep=bool(turn % 2)) for turn in range(6)]
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [finding for report in reports for finding in report.findings] == []
    assert reports[-1].events > reports[0].events


def test_a_witness_of_another_format_is_refused() -> None:
    with pytest.raises(perdure.Invalid, match="this is no witness"):
        Witness.from_json("[]")
    with pytest.raises(perdure.Invalid, match="has the format 'x'"):
        Witness.from_json('{"format": "x", "slices": {}}')
