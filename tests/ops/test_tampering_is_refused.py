"""What a reader is told when the log was tampered with: the API never hands out such an event."""

import pytest

import perdure
from perdure.kernel import tampering
from perdure.kernel.transaction import slice_of
from perdure.ops import verify
from tests.ops.damage import (
    DAMAGES,
    OTHER,
    SUBJECT,
    Damage,
    at,
    blob,
    damage,
    fill,
    last_read,
    note,
)


@pytest.fixture
def filled(target: str) -> str:
    """A target with a history, closed."""
    with perdure.open(target, subject="default_user") as store:
        fill(store)
    return target


def refused(pattern: str | None, said: str, read: object) -> None:
    """Expect the sentence, the usual one where none is named; None: nothing is noticed."""
    assert callable(read)
    if pattern is None:
        read()
        return
    with pytest.raises(perdure.Tampered) as caught:
        read()
    expected = pattern or said
    assert any(one in str(caught.value) for one in expected.split("|")), str(caught.value)
    assert "perdure log verify" in caught.value.remedy


@pytest.mark.parametrize("name", DAMAGES)
def test_reading_refuses_what_was_tampered_with(filled: str, name: str) -> None:
    done: Damage = DAMAGES[name]
    damage(filled, done.statements)
    with perdure.open(filled, subject="default_user") as store:
        refused(done.on_events, done.sentence, lambda: last_read(store))
        refused(done.on_log, done.sentence, lambda: list(store.log.read()))


def test_a_row_that_was_changed_or_moved_is_refused(filled: str) -> None:
    change = "update soul_versions set core_identity = 'Eve' where version = 2"
    move = f"update soul_milestones set subject = 'bob', slice = {slice_of(OTHER)}"
    damage(filled, [change, move])
    with perdure.open(filled, subject="default_user") as store:
        ada, bob = store.subject(SUBJECT), store.subject(OTHER)
        refused(None, "", ada.souls.current)
        refused("a row of Soul is not what was written", "", lambda: ada.souls.at(2))
        refused("a row of Milestone is not what was written", "", bob.souls.milestones.list)


def test_a_long_stream_is_searched(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with perdure.open(filled, subject="default_user") as store:
        store.subject(SUBJECT).transact(lambda tx: note(tx, "note-a", *map(str, range(1100))))
    damage(filled, _swapped(3, 1050))
    far = "events 3 and 1050 of stream 'note-a' were swapped"
    with perdure.open(filled, subject="default_user") as store:
        refused(far, "", lambda: last_read(store))
        monkeypatch.setattr(tampering, "SEARCH_EVENTS_MAX", 500)
        refused("event 3 of stream 'note-a' is not the one", "", lambda: last_read(store))
        with pytest.raises(perdure.Tampered):
            list(store.log.read())


def _swapped(a: int, b: int) -> list[str]:
    return [
        f"update perdure_events set version = {new} where {at('note-a', old)}"
        for old, new in ((a, -1), (b, a), (-1, b))
    ]


def test_a_long_slice_is_searched(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with perdure.open(filled, subject="default_user") as store:
        store.subject(SUBJECT).transact(lambda tx: note(tx, "note-b", *map(str, range(1100))))
    moved = f"update perdure_events set stream = 'note-c' where {at('note-b', 1000)}"
    damage(filled, [moved])
    with perdure.open(filled, subject="default_user") as store:
        refused("1000 of stream 'note-b' was moved to", "", lambda: last_read(store))
        monkeypatch.setattr(tampering, "SEARCH_EVENTS_MAX", 500)
        refused("goes from version 999 to 1001", "", lambda: last_read(store))


def test_behind_an_event_nobody_knows_the_payload_alone_is_judged(filled: str) -> None:
    damage(
        filled,
        [
            *DAMAGES["copied from another stream"].statements,
            f"update perdure_events set payload = {blob(b'{}')} where {at('note-a', 4)}",
        ],
    )
    with perdure.open(filled, subject="default_user") as store:
        report = verify(store)
        with pytest.raises(perdure.Tampered, match="was copied from event 2 of stream 'note-b'"):
            list(store.log.read())
    assert [finding.kind for finding in report.findings] == ["event_copied", "payload_changed"]
