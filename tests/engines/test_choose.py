"""Which engine serves a target, and what is no target."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import perdure
from perdure.engines.folder import FolderEngine
from perdure.engines.sqlite import SqliteEngine
from perdure.errors import Conflict, Invalid, Unavailable
from perdure.kernel import migrations
from perdure.kernel.migrations import Migration


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "the target is empty: give a path or a postgresql:// URL"),
        ("mysql://localhost/x", "no engine serves mysql://"),
        ("sqlite:///x.db", "no engine serves sqlite://"),
        (":memory:", "write 'memory:'"),
    ],
)
def test_what_is_no_target_is_refused(target: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        perdure.open(target)


def test_a_path_is_a_file_or_a_folder(tmp_path: Path) -> None:
    with perdure.open(tmp_path / "a.db") as store:
        assert isinstance(store.engine, SqliteEngine)
    for target in (str(tmp_path), f"{tmp_path}/new/"):
        with perdure.open(target) as store:
            assert isinstance(store.engine, FolderEngine)


def test_without_its_driver_postgres_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "perdure.engines.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Invalid, match=r"pip install 'perdure\[postgres\]'"):
        perdure.open("postgresql://localhost/x")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="PostgreSQL does not answer: check the URL and"):
        perdure.open("postgresql://127.0.0.1:1/x")


@pytest.mark.parametrize("name", ["store.db", "folder/"])
def test_a_target_whose_migration_is_refused_is_closed_again(tmp_path: Path, name: str) -> None:
    target = f"{tmp_path}/{name}"
    other = Migration("kernel", 1, "log", "select 1", "select 1")
    with perdure.open(target, migrate=False) as store:
        store.engine.administer(lambda s: migrations.up(s, [other], now=1))
    with pytest.raises(Conflict, match="was applied with another text"):
        perdure.open(target)  # the fixture that looks for open files is the assertion


def test_names_of_subjects_never_reach_a_path(tmp_path: Path) -> None:
    with perdure.open(f"{tmp_path}/store/") as store:
        for name in ("../../x", "x?mode=memory&z=", "/etc/passwd", "core", "é" * 255):
            store.subject(name).souls.publish(core_identity="Curious.")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    names = {path.name for path in (tmp_path / "store" / "agents").iterdir()}
    assert len(names) == 5
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)
