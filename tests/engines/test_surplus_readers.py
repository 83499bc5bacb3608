"""A crowd of readers leaves only a few connections behind."""

from pathlib import Path

from perdure.engines.sqlite import IDLE_READERS_MAX, SqliteEngine


def test_surplus_readers_are_closed_when_they_come_back(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "store.db")
    borrowed = [engine._borrow() for _ in range(IDLE_READERS_MAX + 2)]
    for connection in borrowed:
        engine._give_back(connection)
    assert engine._idle == borrowed[:IDLE_READERS_MAX]
    engine.close()
