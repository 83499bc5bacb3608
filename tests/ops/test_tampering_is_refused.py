"""What a reader is told when the log was tampered with: the API never hands out such an event."""

import pytest

import perdure
from tests.ops.damage import DAMAGES, Damage, damage, fill, last_read


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
def test_reading_a_stream_refuses_what_was_tampered_with(filled: str, name: str) -> None:
    done: Damage = DAMAGES[name]
    damage(filled, done.statements)
    with perdure.open(filled, subject="default_user") as store:
        refused(done.on_events, done.sentence, lambda: last_read(store))


@pytest.mark.parametrize("name", DAMAGES)
def test_reading_the_log_refuses_what_was_tampered_with(filled: str, name: str) -> None:
    done: Damage = DAMAGES[name]
    damage(filled, done.statements)
    with perdure.open(filled, subject="default_user") as store:
        refused(done.on_log, done.sentence, lambda: list(store.log.read()))
