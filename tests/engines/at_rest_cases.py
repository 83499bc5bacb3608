"""Encrypted files, looked at from outside: run by ``test_at_rest.py`` with the apsw that can."""

from __future__ import annotations

import asyncio
import base64
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

import perdure
from perdure.engines.sqlite import SqliteEngine
from perdure.engines.sqlite_atrest import FileKey
from perdure.errors import Conflict, Invalid, LockedOut, PerdureError, Tampered, Unavailable
from perdure.ops import copy
from perdure.testing.conformance.samples import note, notes

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
CANARY = "canary-3f9c1d"
DOCS = Path(__file__).parents[2] / "docs"
WRITER = """
import sys, perdure
from perdure.testing.conformance.samples import note
store = perdure.open(sys.argv[1], at_rest=bytes(range(32)))
for number in range(10_000):
    store.transact(note(f"{sys.argv[2]} {number}"))
    print(number, flush=True)
"""
Tree = dict[str, bytes]


def tree(folder: Path) -> Tree:
    """Every file below a folder, and what is in it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def hits(folder: Path) -> set[str]:
    """Name the files that the canary stands in."""
    return {name for name, content in tree(folder).items() if CANARY.encode() in content}


def filled(target: Path | str, key: bytes | None, *texts: str) -> None:
    with perdure.open(target, at_rest=key, subject="ada") as store:
        for text in texts:
            store.transact(note(text))


def read(target: Path | str, key: bytes | None) -> list[str]:
    with perdure.open(target, at_rest=key, subject="ada") as store:
        return store.transact(notes)


@pytest.mark.parametrize(("name", "file"), [("store.db", "store.db"), ("store/", "memory.sqlite")])
def test_no_byte_of_a_text_is_in_the_file_its_wal_or_a_copy(
    tmp_path: Path, name: str, file: str
) -> None:
    """The same store in clear is the control: there the text is found in all three."""
    texts = [f"{CANARY} {number}" for number in range(30)]

    def scanned(folder: Path, key: bytes | None) -> set[tuple[bool, str]]:
        (folder / "copy").mkdir(parents=True)
        with perdure.open(f"{folder}/{name}", at_rest=key, subject="ada") as store:
            for text in texts:
                store.transact(note(text))
            copy(store, folder / "copy" / name)
            found = hits(folder)
        return {(one.startswith("copy/"), Path(one).name) for one in found | hits(folder)}

    assert scanned(tmp_path / "clear", None) == {
        (False, file),
        (False, f"{file}-wal"),
        (True, file),
    }
    assert scanned(tmp_path / "sealed", KEY) == set()
    assert read(f"{tmp_path}/sealed/copy/{name}", KEY) == texts


def test_a_copy_has_the_key_of_its_store_or_its_own(tmp_path: Path) -> None:
    filled(tmp_path / "clear.db", None, "one")
    filled(tmp_path / "store.db", KEY, "one")
    with perdure.open(tmp_path / "store.db", at_rest=KEY) as store:
        copy(store, tmp_path / "same.db")
        copy(store, tmp_path / "other.db", at_rest=lambda: OTHER)
    with perdure.open(tmp_path / "clear.db") as store:
        copy(store, tmp_path / "first.db", at_rest=OTHER)
        with pytest.raises(Conflict):
            copy(store, tmp_path / "first.db", at_rest=OTHER)
    assert b"one" not in (tmp_path / "first.db").read_bytes()
    for name, key in (("same", KEY), ("other", OTHER), ("first", OTHER)):
        assert read(tmp_path / f"{name}.db", key) == ["one"]
        with pytest.raises(LockedOut):
            read(tmp_path / f"{name}.db", KEY if key is OTHER else OTHER)


@pytest.mark.parametrize("beside", [True, False], ids=["used before", "bare"])
@pytest.mark.parametrize(
    ("made_with", "opened_with", "told"),
    [
        (KEY, OTHER, (LockedOut, r"the at-rest key does not open .*store\.db: give the key")),
        (KEY, None, (LockedOut, r"store\.db is encrypted, or is no .*: give its key as at_rest")),
        (None, KEY, (Tampered, r"store\.db is not encrypted: open it without at_rest")),
    ],
    ids=["wrong key", "no key", "clear file"],
)
def test_what_the_key_does_not_open_is_left_as_it_is(
    tmp_path: Path,
    made_with: bytes | None,
    opened_with: bytes | None,
    told: tuple[type[PerdureError], str],
    beside: bool,
) -> None:
    path = tmp_path / "store.db"
    filled(path, made_with, "one")
    if not beside:
        Path(f"{path}-turn").unlink()
    before = tree(tmp_path)
    with pytest.raises(told[0], match=told[1]) as error:
        perdure.open(path, at_rest=opened_with)
    assert tree(tmp_path) == before
    assert len(before) == 1 + beside
    assert not leaks(traceback.format_exception(error.value))
    assert read(path, made_with) == ["one"]


def leaks(told: object) -> list[str]:
    """Every form of the two keys that stands in a text."""
    text = str(told).lower()
    forms = [
        form
        for key in (KEY, OTHER)
        for form in (key.hex(), base64.b64encode(key).decode(), repr(key)[2:-1])
    ]
    return [form for form in forms if form.lower() in text]


def test_a_key_is_never_written_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    key = FileKey(KEY)
    assert repr(key) == "<FileKey>"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with perdure.open(tmp_path / "store.db", at_rest=KEY) as store:
        assert isinstance(store.engine, SqliteEngine)
        with pytest.raises(PerdureError) as error:
            store.engine.read("", lambda session: session.script("nonsense"))
        told = [repr(vars(store)), repr(vars(store.engine)), store.engine._writer.cache_stats(True)]
        assert store.engine.pragma("temp_store") == 2
    assert not leaks([*told, *traceback.format_exception(error.value), caplog.text])
    assert leaks([KEY.hex(), repr(OTHER)])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (KEY[:31], "the at-rest key is 31 bytes, not 32 bytes: give what secrets.token_bytes"),
        (b"", "is 0 bytes"),
        ("x" * 32, "is str, not 32 bytes"),
        (KEY.hex, "is str, not 32 bytes"),
    ],
)
def test_what_is_no_key_is_refused_and_nothing_is_made(
    tmp_path: Path, source: bytes | Callable[[], bytes], told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        perdure.open(tmp_path / "store.db", at_rest=source)
    assert tree(tmp_path) == {}


def test_a_function_is_asked_once_and_its_error_is_told(tmp_path: Path) -> None:
    asked: list[int] = []

    def source() -> bytes:
        asked.append(1)
        return KEY

    async def main() -> None:
        async with perdure.connect(f"{tmp_path}/store/", at_rest=source) as store:
            for subject in ("ada", "bob"):
                await store.subject(subject).transact(note(subject))
                assert await store.subject(subject).transact(notes) == [subject]

    asyncio.run(main())
    assert asked == [1]

    def fails() -> bytes:
        raise OSError(KEY.hex())

    def locked() -> bytes:
        raise LockedOut("the key service has no such key")

    with pytest.raises(Unavailable, match=r"key failed \(OSError\): see its error") as error:
        perdure.open(tmp_path / "new.db", at_rest=fails)
    assert not leaks(error.value)
    with pytest.raises(LockedOut, match="no such key"):
        perdure.open(tmp_path / "new.db", at_rest=locked)
    assert not (tmp_path / "new.db").exists()


def test_a_changed_page_and_a_page_of_another_file_are_refused(tmp_path: Path) -> None:
    path, other = tmp_path / "store.db", tmp_path / "other.db"
    for one in (path, other):
        filled(one, KEY, *("x" * 3_000 for _ in range(20)))
    whole, foreign = path.read_bytes(), other.read_bytes()
    assert len(whole) == len(foreign)
    refused = 0
    for start in range(4096, len(whole), 4096):
        page = whole[start : start + 4096]
        for bad in (page[:99] + bytes([page[99] ^ 1]) + page[100:], foreign[start : start + 4096]):
            path.write_bytes(whole[:start] + bad + whole[start + 4096 :])
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            FileKey(KEY).unlock(connection)
            with pytest.raises(apsw.CorruptError):
                connection.pragma("integrity_check")
            connection.close()
            refused += 1
    assert refused > 40
    with pytest.raises(Tampered, match="the file is damaged"):
        read(path, KEY)


def test_killed_writers_lose_nothing_and_leave_nothing_readable(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    acknowledged = 0
    for _ in range(3):
        command = [sys.executable, "-c", WRITER, os.fspath(path), CANARY]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(40)]
            os.kill(writer.pid, signal.SIGKILL)
            lines += writer.stdout.readlines()
        acknowledged += sum(line.endswith("\n") for line in lines)
        assert hits(tmp_path) == set()
        with perdure.open(path, at_rest=KEY) as store:
            kept = store.transact(notes)
            assert acknowledged <= len(kept) <= acknowledged + 1
            acknowledged = len(kept)
            assert isinstance(store.engine, SqliteEngine)
            assert store.engine.pragma("integrity_check") == "ok"


def test_a_folder_has_one_key_and_every_file_a_salt_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with perdure.open(f"{root}/", at_rest=KEY) as store:
        for subject in ("ada", "bob"):
            store.subject(subject).transact(note(subject))
    files = [*root.glob("agents/*/memory.sqlite"), root / "core.db"]
    assert len({path.read_bytes()[:16] for path in files}) == len(files) == 3
    shutil.rmtree(files[0].parent)  # nobody's file in clear may take its place
    files[0].parent.mkdir()
    filled(files[0], None, "planted")
    with perdure.open(f"{root}/", at_rest=KEY) as store:
        told = []
        for subject in ("ada", "bob"):
            try:
                told += store.subject(subject).transact(notes)
            except Tampered as error:
                told.append(error.message.removeprefix(f"{files[0]} "))
        assert sorted(told) in (["ada", "is not encrypted"], ["bob", "is not encrypted"])


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"^```py\n(.*?)^```", (DOCS / "at-rest.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert blocks
    for number, block in enumerate(blocks):
        exec(compile(block, f"at-rest.md, block {number}", "exec"), {})
    assert b"Curious" not in b"".join(tree(tmp_path / "sealed").values())


def test_the_command_line_takes_the_key_from_a_file_or_the_environment(tmp_path: Path) -> None:
    path, file = tmp_path / "store.db", tmp_path / "key"
    filled(path, KEY, "one")
    file.write_bytes(KEY)

    def perdure_says(*arguments: str, source: str, **environment: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "perdure", *arguments, "--store", str(path)],
            env={**os.environ, "PERDURE_AT_REST": source, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    code, told = perdure_says("log", "verify", source=f"file:{file}")
    assert code == 0, told
    copied = perdure_says(
        "copy", f"{tmp_path}/copy.db", "--at-rest", "env:K",
        source="", K=base64.b64encode(KEY).decode(),
    )  # fmt: skip
    assert copied[0] == 0, copied
    assert read(tmp_path / "copy.db", KEY) == ["one"]
    for source, said in (
        ("", "give its key as at_rest"),
        (f"file:{tmp_path}/none", r"the at-rest key failed (FileNotFoundError)"),
        ("env:NOBODY", "the at-rest key failed (KeyError)"),
        (KEY.hex(), "names no source of a key: give file:PATH or env:NAME"),
    ):
        code, told = perdure_says("info", source=source)
        assert code
        assert said in told
        assert not leaks(told)
