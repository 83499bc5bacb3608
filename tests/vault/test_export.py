"""A subject leaves a store and comes into another one as the same."""

import asyncio
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

import perdure
from perdure.kernel import Transaction, log
from perdure.kernel.engine import Session, Unit
from perdure.kernel.progress import quiet
from perdure.kernel.queries import Query
from perdure.kernel.transaction import slice_of
from perdure.kernel.units import Context
from perdure.ops.verify import verify
from perdure.portable import archive, exporting, importing, stored
from perdure.testing import SettableClock
from tests.fix.postgres import FreshDatabase
from tests.servers import PostgresServer
from tests.vault.export_format import relist
from tests.vault.lives import KINDS, THREAD, Homes, answers, live, said

T = TypeVar("T")
KEY = bytes(range(32))
MOVES = [
    ("file -", "folder vault"),
    ("file vault", "file vault"),
    ("folder -", "postgres -"),
    ("folder vault", "file -"),
    ("postgres -", "postgres vault"),
    ("postgres vault", "folder -"),
]


@pytest.fixture
def homes(tmp_path: Path, request: pytest.FixtureRequest) -> Homes:
    def database() -> str:
        fresh: FreshDatabase = request.getfixturevalue("fresh_database")
        return fresh()

    return Homes(tmp_path, database)


@pytest.fixture
def lived(homes: Homes) -> Iterator[perdure.Store]:
    """A store in clear, in a file, with somebody in it."""
    with homes.open("file -", "lived") as store:
        live(store)
        yield store


@pytest.fixture
def empty(homes: Homes) -> Iterator[perdure.Store]:
    with homes.open("file -", "empty") as store:
        yield store


@pytest.mark.parametrize(("source", "target"), MOVES)
def test_a_subject_moves_between_stores(homes: Homes, source: str, target: str) -> None:
    folder = homes.folder
    with homes.open(source, "source") as old, homes.open(target, "target") as new:
        live(old)
        live(old, "bob")
        before = old.export("ada", folder / "before")
        old.export("ada", folder / "ada.perdure", key="a passphrase")
        done = new.import_subject(folder / "ada.perdure", key="a passphrase")
        assert done.is_new
        assert (done.events, done.rows) == (before.events, before.rows)
        after = new.export("ada", folder / "after")
        assert said(folder / "after") == said(folder / "before")
        assert (after.events, after.outcomes, after.rows) == (done.events, 1, before.rows)
        assert answers(new) == answers(old)
        assert verify(new, deep=True).is_sound
        again = new.subject("ada").once("the first time").souls.publish(core_identity="Twice")
        assert again.core_identity == "Once"


def test_the_same_life_is_exported_the_same_from_everywhere(homes: Homes) -> None:
    found = {}
    for kind in KINDS:
        with homes.open(kind, kind.replace(" ", "")) as store:
            live(store)
            store.export("ada", place := homes.folder / f"export {kind}")
            found[kind] = said(place)
    clear, sealed = found["file -"], found["file vault"]
    for kind in KINDS:
        assert found[kind] == (sealed if kind.endswith("vault") else clear), kind
    assert {*clear} < {*sealed} == {*clear, "tables/pii_tokens"}


def test_an_export_is_read_by_everybody(lived: perdure.Store, tmp_path: Path) -> None:
    done = lived.export("ada", tmp_path / "ada.tar")
    with tarfile.open(tmp_path / "ada.tar") as tar:
        tar.extractall(tmp_path / "out", filter="data")
        assert (tar.getnames()[0], tar.getnames()[-1]) == ("about.json", "manifest.json")
    out = tmp_path / "out"
    about = json.loads((out / "about.json").read_text())
    assert (about["format"], about["version"], about["subject"]) == ("perdure export", 1, "ada")
    manifest = json.loads((out / "manifest.json").read_text())
    for entry in manifest["members"]:
        data = (out / entry["name"]).read_bytes()
        assert sha256(data).hexdigest() == entry["sha256"]
        assert len(data) == entry["bytes"]
        assert entry["lines"] == (data.count(b"\n") if entry["name"].endswith("jsonl") else 0)
    first = json.loads((out / "log/000001.jsonl").read_text().splitlines()[0])
    assert first["actor"] == "editor"
    assert first["event"]["core_identity"] == "Curious 0 ☂"
    assert manifest["events"] == done.events == sum(1 for _ in lived.log.read())
    assert manifest["erased"] == 1
    (last,) = [
        event for event in lived.log.read() if event.position == manifest["head"]["position"]
    ]
    assert last.stream == "note-a"


def soul_of_old(session: Session) -> None:
    """Write what an operator writes."""
    text = (
        "insert into bot_soul (slice, subject, id, created_at, updated_at, content) values"
        " (:slice, :subject, :id, :at, :at, 'I was here before.')"
    )
    place = {"slice": slice_of("ada"), "subject": "ada", "id": THREAD, "at": "2026-01-01T00:00:00Z"}
    session.rows(Query("soul_of_old", text, text, "service"), place)


@pytest.mark.parametrize("kind", ["file -", "postgres -"])
def test_what_lies_beside_the_log_is_shown_and_not_taken_over(homes: Homes, kind: str) -> None:
    with homes.open(kind, "home") as store:
        live(store)
        store.engine.write("ada", soul_of_old)
        done = store.export("ada", homes.folder / "out")
        assert "bot_soul" not in done.rows
        assert store.import_subject(homes.folder / "out", subject="eva").is_new
    (old,) = said(homes.folder / "out")["beside/bot_soul"]
    assert old["content"] == "I was here before."
    assert {*said(homes.folder / "out")} > {"log", "tables/soul_versions"}


def test_a_folder_and_a_tar_file_hold_the_same(lived: perdure.Store, tmp_path: Path) -> None:
    lived.export("ada", tmp_path / "folder")
    lived.export("ada", tmp_path / "ada.tar")
    with tarfile.open(tmp_path / "ada.tar") as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            assert file.read() == (tmp_path / "folder" / member.name).read_bytes()
    modes = {oct(stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "folder").rglob("*.j*")}
    assert modes == {"0o600"}
    assert oct(stat.S_IMODE((tmp_path / "ada.tar").stat().st_mode)) == "0o600"


def test_a_long_history_is_cut_into_members(
    lived: perdure.Store, empty: perdure.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MEMBER_BYTES", 4_000)
    lived.export("ada", tmp_path / "out")
    assert len(list((tmp_path / "out/log").iterdir())) > 3
    assert empty.import_subject(tmp_path / "out").is_new
    assert answers(empty) == answers(lived)


@pytest.mark.parametrize("kind", ["file vault", "postgres -"])
def test_pages_are_joined(homes: Homes, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with homes.open(kind, "home") as store:
        live(store)
        for number in range(5):
            store.subject("ada").once(f"key {number}").souls.publish(core_identity=f"{number}")
        store.export("ada", homes.folder / "long")
        monkeypatch.setattr(stored, "ROWS_A_PAGE", 3)
        monkeypatch.setattr(log, "PAGE_EVENTS", 7)
        store.export("ada", homes.folder / "short")
    assert said(homes.folder / "short") == said(homes.folder / "long")


def test_a_result_that_was_erased_is_not_exported(homes: Homes) -> None:
    with homes.open("file -", "home") as store:
        live(store)
        store.engine.write("ada", blank)
        done = store.export("ada", homes.folder / "out")
    assert done.outcomes == 0
    assert "outcomes" not in said(homes.folder / "out")


def blank(session: Session) -> None:
    text = "update perdure_outcomes set result = '' where slice = :slice and subject = 'ada'"
    session.rows(Query("blank", text, text), {"slice": slice_of("ada")})


DAMAGES = {
    "the log is not whole, stream 'note-a'": (
        "update perdure_streams set version = version + 1 where stream = 'note-a'"
    ),
    "stream 'drift-self' goes from version 6 to 8: an event was removed": (
        "delete from perdure_events where stream = 'drift-self' and version = 7"
    ),
    "the header of event 2 of stream 'soul-self' was changed": (
        "update perdure_events set at = at + 1 where version = 2"
    ),
    "a row of Soul is not what was written": "update soul_versions set core_identity = 'x'",
}


@pytest.mark.parametrize("match", DAMAGES)
def test_what_was_tampered_with_is_not_exported(
    lived: perdure.Store, tmp_path: Path, match: str
) -> None:
    damage = Query("damage", DAMAGES[match], "")
    lived.engine.write("", lambda session: session.rows(damage, {}))
    with pytest.raises(perdure.Tampered, match=match):
        lived.export("ada", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_stream_is_not_begun_twice(lived: perdure.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL repeats a read whose connection was lost."""
    read = lived.engine.read

    def twice(subject: str, unit: Unit[T]) -> T:
        read(subject, unit)
        return read(subject, unit)

    export = exporting.Export(lived.engine, Context("ada", SettableClock()), {}, None, quiet)
    monkeypatch.setattr(lived.engine, "read", twice)
    with pytest.raises(perdure.Unavailable, match="a part was written already: export again"):
        export.run(io.BytesIO(), note=print)


def test_streams_take_and_give(lived: perdure.Store, empty: perdure.Store) -> None:
    clear, sealed = io.BytesIO(), io.BytesIO(b"in front")
    sealed.seek(0, io.SEEK_END)
    lived.export("ada", clear)
    lived.export("ada", sealed, key=KEY)
    clear.seek(0)
    assert empty.import_subject(clear).is_new
    sealed.seek(len(b"in front"))
    assert empty.import_subject(sealed, key=KEY, subject="bob").subject == "bob"
    assert answers(empty, "bob") == answers(lived)


def test_a_stream_that_is_read_once_is_refused(empty: perdure.Store) -> None:
    read, write = os.pipe()
    os.close(write)
    twice = pytest.raises(perdure.Invalid, match="can not be read twice")
    with os.fdopen(read, "rb") as pipe, twice:
        empty.import_subject(pipe)


def test_a_second_import_finds_everything_there(
    lived: perdure.Store, empty: perdure.Store, tmp_path: Path
) -> None:
    lived.export("ada", tmp_path / "out")
    first = empty.import_subject(tmp_path / "out")
    before = empty.log.head()
    second = empty.import_subject(tmp_path / "out")
    assert (first.is_new, second.is_new) == (True, False)
    assert empty.log.head() == before
    assert lived.import_subject(tmp_path / "out").is_new is False


def test_an_import_goes_on_where_an_older_one_ended(homes: Homes) -> None:
    with homes.open("file -", "old") as old, homes.open("postgres vault", "new") as new:
        live(old)
        old.export("ada", homes.folder / "first")
        new.import_subject(homes.folder / "first")
        old.subject("ada").once("later").souls.publish(core_identity="Went on")
        old.export("ada", homes.folder / "second.perdure", key=KEY)
        assert new.import_subject(homes.folder / "second.perdure", key=KEY).is_new
        assert answers(new) == answers(old)
        again = new.subject("ada").once("later").souls.publish(core_identity="Twice")
        assert again.core_identity == "Went on"
        with pytest.raises(perdure.Conflict, match="has other events already"):
            new.import_subject(homes.folder / "first")


@pytest.mark.parametrize("kind", ["file -", "postgres -"])
def test_a_long_import_whose_rows_do_not_fit_is_never_finished(
    homes: Homes, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(importing, "PAGE_EVENTS", 30)
    with homes.open(kind, "home") as store:
        live(store)
        events = store.export("ada", homes.folder / "out").events
        older = store.subject("ada")
        older.souls.publish(core_identity="Went on")
        store.export("ada", homes.folder / "later")
        (homes.folder / "later/tables/soul_versions").rename(homes.folder / "rows")
        relist(homes.folder / "later")
        with pytest.raises(perdure.Tampered, match=r"rows of soul_versions .* was not finished"):
            store.import_subject(homes.folder / "later", subject="eva")
        known = sum(store.subject("eva").transact(versions))
        assert known == (60 if kind.startswith("postgres") else 0)
        assert store.import_subject(homes.folder / "out", subject="eva").events == events


def versions(tx: Transaction) -> list[int]:
    return [tx.version(stream) for stream in tx.streams()]


def test_a_subject_with_other_events_is_left_alone(
    lived: perdure.Store, empty: perdure.Store, tmp_path: Path
) -> None:
    lived.export("ada", tmp_path / "out")
    ada = empty.subject("ada")
    ada.souls.publish(core_identity="Another Ada")
    before = (ada.souls.history(), empty.log.head())
    other = pytest.raises(perdure.Conflict, match="has other events already: nothing was imported")
    with other:
        empty.import_subject(tmp_path / "out")
    assert (ada.souls.history(), empty.log.head()) == before
    assert empty.import_subject(tmp_path / "out", subject="ada the second").is_new
    lived.subject("ada").souls.publish(core_identity="went on")
    with other:
        lived.import_subject(tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_and_the_forgotten_are_not_exported(homes: Homes, kind: str) -> None:
    with homes.open(kind, "home") as store:
        live(store)
        with pytest.raises(perdure.NotFound, match="nothing is stored about the subject"):
            store.export("nobody", homes.folder / "out")
        store.forget("ada")
        with pytest.raises(perdure.Forgotten):
            store.export("ada", homes.folder / "out")
    assert not (homes.folder / "out").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_forgotten_do_not_come_back(homes: Homes, kind: str) -> None:
    with homes.open(kind, "home") as store:
        live(store)
        store.export("ada", homes.folder / "out")
        store.forget("ada")
        head = store.log.head()
        for name in (None, "somebody else"):
            with pytest.raises(perdure.Forgotten):
                store.import_subject(homes.folder / "out", subject=name)
        assert store.log.head() == head


def test_who_was_forgotten_here_is_refused_from_elsewhere(
    lived: perdure.Store, empty: perdure.Store, tmp_path: Path
) -> None:
    lived.export("ada", tmp_path / "out")
    for name in ("ada", "ada the second"):
        empty.subject(name).souls.publish(core_identity="x")
        empty.forget(name)
        with pytest.raises(perdure.Forgotten, match="an import does not bring it back"):
            empty.import_subject(tmp_path / "out", subject=name)


def test_nothing_is_written_over(lived: perdure.Store, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(perdure.Conflict, match="there exists: name a place where nothing is"):
        lived.export("ada", tmp_path / "there")
    with pytest.raises(perdure.Invalid, match="there is no folder"):
        lived.export("ada", tmp_path / "nowhere" / "out")
    assert (tmp_path / "there").read_text() == "mine"


def test_a_name_for_an_encrypted_file_wants_a_key(lived: perdure.Store, tmp_path: Path) -> None:
    with pytest.raises(perdure.Invalid, match="is a name for an encrypted file: give a key"):
        lived.export("ada", tmp_path / "ada.perdure")
    for wrong, match in ((b"short", "the key has 5 bytes"), ("", "the passphrase is empty")):
        with pytest.raises(perdure.Invalid, match=match):
            lived.export("ada", tmp_path / "ada.perdure", key=wrong)
    assert not list(tmp_path.glob("*ada*"))


class Stop(Exception):
    """Somebody has had enough."""


@pytest.mark.parametrize("name", ["out", "out.tar"])
def test_an_interrupted_export_leaves_nothing(
    lived: perdure.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(exporting, "TOLD_EVERY", 10)

    def stop(what: str, done: int, total: int) -> None:
        if done == 50:
            raise Stop

    before = sorted(tmp_path.iterdir())
    with pytest.raises(Stop):
        lived.export("ada", tmp_path / name, progress=stop)
    assert sorted(tmp_path.iterdir()) == before


def test_progress_is_told(
    lived: perdure.Store, empty: perdure.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "TOLD_EVERY", 10)
    heard: list[tuple[str, int, int]] = []
    done = lived.export("ada", tmp_path / "out", progress=lambda *each: heard.append(each))
    assert ("log", done.events, done.events) in heard
    assert ("log", 10, done.events) in heard
    assert ("tables/drift_hashes", 70, 0) in heard
    heard.clear()
    empty.import_subject(tmp_path / "out", progress=lambda *each: heard.append(each))
    assert heard[-1] == ("log", done.events, done.events)


def test_an_interrupted_import_leaves_nothing(
    lived: perdure.Store, empty: perdure.Store, tmp_path: Path
) -> None:
    lived.export("ada", tmp_path / "out")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        empty.import_subject(tmp_path / "out", progress=stop)
    assert empty.log.head() == {}
    assert empty.import_subject(tmp_path / "out").is_new


@pytest.mark.parametrize("kind", ["file vault", "postgres -"])
def test_coroutines_do_the_same(homes: Homes, kind: str) -> None:
    folder = homes.folder

    async def move() -> object:
        target = homes.target(kind, "async")
        vault = homes.vault("async") if kind.endswith("vault") else None
        async with perdure.connect(target, clock=SettableClock(), vault=vault) as store:
            done = await store.import_subject(folder / "out", subject="eva")
            assert (await store.export("eva", folder / "again.tar")).events == done.events
            return await store.subject("eva").souls.history()

    with homes.open("file -", "lived") as lived:
        live(lived)
        lived.export("ada", folder / "out")
        assert asyncio.run(move()) == lived.subject("ada").souls.history()


def test_a_look_is_noted_before_it_is_exported(homes: Homes) -> None:
    with homes.open("file -", "home", actor="clerk", audit_reads=True) as store:
        live(store)
        store.export("ada", homes.folder / "out")
    (last,) = said(homes.folder / "out")["log"][-1:]
    assert (last["actor"], last["event"]) == ("clerk", {"operation": "export"})


def test_an_application_moves_its_subjects(
    fresh_database: FreshDatabase, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = fresh_database()
    perdure.open(url).close()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "do $$ begin create role moving_login login;"
            " exception when duplicate_object then null; end $$"
        )
        admin.execute("grant perdure_app, perdure_reader, service_role to moving_login")
    with perdure.open(url.replace("postgres@", "moving_login@")) as store:
        live(store)
        store.export("ada", tmp_path / "out")
        store.import_subject(tmp_path / "out", subject="eva")
        assert answers(store, "eva") == answers(store)
