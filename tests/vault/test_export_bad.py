"""What is no export, or no longer one, is refused by name, and nothing of it is written."""

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure.kernel import Transaction, event, projects, values
from perdure.portable import archive
from perdure.testing import SettableClock
from tests.ops.damage import note
from tests.vault.export_format import relist
from tests.vault.lives import live

Edit = Callable[[list[dict[str, Any]]], object]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder with somebody's export."""
    with perdure.open(tmp_path / "source.db", clock=SettableClock()) as store:
        live(store)
        store.export("ada", tmp_path / "export")
    return tmp_path / "export"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[perdure.Store]:
    """An empty store, which is empty in the end as well."""
    with perdure.open(tmp_path / "target.db") as opened:
        yield opened
        assert opened.log.head() == {}


def edit(export: Path, member: str, change: Edit) -> None:
    """Change the lines of a member, and the manifest with it."""
    path = export / member
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    relist(export)


def packed(*members: tuple[str, bytes], end: bytes = bytes(1024), **more: object) -> io.BytesIO:
    """Make a tar file, whatever is in it."""
    file = io.BytesIO()
    for name, data in members:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for field, value in more.items():
            setattr(info, field, value)
        file.write(info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512))
    file.write(end)
    file.seek(0)
    return file


@pytest.mark.parametrize("member", ["log/000001.jsonl", "tables/soul_versions/000001.jsonl"])
def test_a_changed_member_is_refused(export: Path, store: perdure.Store, member: str) -> None:
    data = (export / member).read_bytes()
    (export / member).write_bytes(data.replace(b"Curious 1", b"Curious 9"))
    with pytest.raises(perdure.Tampered, match=f"{member} was changed"):
        store.import_subject(export)
    (export / member).unlink()
    with pytest.raises(perdure.Tampered):
        store.import_subject(export)
    (export / member).write_bytes(data)
    (export / "log/000002.jsonl").write_bytes(b"")
    with pytest.raises(perdure.Tampered, match=r"log/000002\.jsonl is not in"):
        store.import_subject(export)


def test_what_is_missing_is_named(export: Path, store: perdure.Store) -> None:
    (export / "outcomes/000001.jsonl").unlink()
    with pytest.raises(perdure.Tampered, match=r"outcomes/000001.jsonl is missing"):
        store.import_subject(export)
    (export / "manifest.json").unlink()
    with pytest.raises(perdure.Tampered, match=r"there is no manifest.json"):
        store.import_subject(export)
    (export / "about.json").unlink()
    with pytest.raises(perdure.Tampered, match=r"there is no about.json"):
        store.import_subject(export)
    with pytest.raises(perdure.NotFound, match="there is no file"):
        store.import_subject(export / "nowhere")


def drop_one(rows: list[dict[str, Any]]) -> None:
    del rows[1]


def swap(rows: list[dict[str, Any]]) -> None:
    rows[0], rows[1] = rows[1], rows[0]


def repeat(rows: list[dict[str, Any]]) -> None:
    rows.insert(1, rows[0])


@pytest.mark.parametrize("change", [drop_one, swap, repeat])
def test_a_stream_with_a_gap_is_refused(export: Path, store: perdure.Store, change: Edit) -> None:
    edit(export, "log/000001.jsonl", change)
    with pytest.raises(perdure.Tampered, match="stream 'soul-self' has a gap before version"):
        store.import_subject(export)


def test_a_log_that_was_cut_does_not_fit_its_manifest(export: Path, store: perdure.Store) -> None:
    edit(export, "log/000001.jsonl", lambda rows: rows.pop())
    with pytest.raises(perdure.Tampered, match="the manifest counts other events"):
        store.import_subject(export)


CHANGES: list[tuple[str, Edit]] = [
    ("soul_versions", lambda rows: rows[0].update(core_identity="Somebody else")),
    ("soul_versions", lambda rows: rows.pop()),
    ("soul_versions", lambda rows: rows.append(rows[0])),
    ("drift_hashes", lambda rows: rows[3].update(said_at="2026-01-01T00:00:01Z")),
    ("vera_qiv_states", lambda rows: rows[0].update(momentum=0.125)),
]


@pytest.mark.parametrize(("table", "change"), CHANGES)
def test_rows_that_the_events_do_not_give_are_refused(
    export: Path, store: perdure.Store, table: str, change: Edit
) -> None:
    edit(export, f"tables/{table}/000001.jsonl", change)
    with pytest.raises(perdure.Tampered, match=f"the rows of {table} are not what the events give"):
        store.import_subject(export)


def test_rows_that_are_gone_are_missed(export: Path, store: perdure.Store) -> None:
    (export / "tables/soul_versions/000001.jsonl").unlink()
    relist(export)
    with pytest.raises(perdure.Tampered, match="the rows of soul_versions are not what"):
        store.import_subject(export)


def test_an_export_of_an_older_perdure_may_know_fewer_columns(export: Path, tmp_path: Path) -> None:
    def older(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            del row["reflection_notes"]
            row["a_column_that_went"] = 1

    edit(export, "tables/soul_versions/000001.jsonl", older)
    with perdure.open(tmp_path / "target.db") as store:
        assert store.import_subject(export).is_new


WRONG: list[tuple[str, dict[str, Any], type[perdure.PerdureError], str]] = [
    ("version", {"version": 0}, perdure.Tampered, "can not be read"),
    ("no number", {"version": "1"}, perdure.Tampered, "can not be read"),
    ("schema", {"schema": 0}, perdure.Tampered, "can not be read"),
    ("time", {"at": "2026-01-01T00:00:00"}, perdure.Tampered, "can not be read"),
    ("actor", {"actor": "x" * 256}, perdure.Tampered, "can not be read"),
    ("id", {"id": "x"}, perdure.Invalid, "the event's id is 'x', not a UUID"),
    ("stream", {"stream": "a\x00b"}, perdure.Invalid, "the stream's name has a NUL"),
    ("long", {"stream": "a" * 256}, perdure.TooLarge, "the stream's name has 256 characters"),
    ("type", {"type": "NeverHeardOf"}, perdure.Invalid, "does not know the event 'NeverHeardOf'"),
    ("later", {"schema": 99}, perdure.Invalid, "does not know the event 'SoulPublished'"),
    ("payload", {"event": {"version": "x"}}, perdure.Tampered, "can not be read"),
    ("nul", {"event": {"version": 0, "core_identity": "a\x00b", "active_values": "",
      "recent_growth": "", "reflection_notes": None, "token_count": 1}},
     perdure.Invalid, "has a NUL"),
    ("deep", {"event": json.loads("[" * 900 + "]" * 900)}, perdure.Tampered, "can not be read"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "match"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG]
)
def test_an_event_that_can_not_be_is_refused(
    export: Path,
    store: perdure.Store,
    change: dict[str, Any],
    error: type[perdure.PerdureError],
    match: str,
) -> None:
    edit(export, "log/000001.jsonl", lambda rows: rows[0].update(change))
    with pytest.raises(error, match=match):
        store.import_subject(export)


def test_lines_that_are_no_lines_are_refused(export: Path, store: perdure.Store) -> None:
    log = export / "log/000001.jsonl"
    whole = log.read_bytes()
    for damage in (b"[" * 100_000, b"\xff\n", b"\n", b"{}\n", b"half a line"):
        log.write_bytes(whole + damage)
        relist(export)
        with pytest.raises(perdure.Tampered, match=r"can not be read|ends inside a line"):
            store.import_subject(export)


def test_other_formats_and_later_versions_are_refused_by_name(
    export: Path, store: perdure.Store
) -> None:
    about = json.loads((export / "about.json").read_text())
    for change in ({"version": 2}, {"format": "another export"}):
        (export / "about.json").write_text(json.dumps(about | change))
        relist(export)
        with pytest.raises(perdure.Invalid, match="not 'perdure export' in version 1: upgrade"):
            store.import_subject(export)
    (export / "about.json").write_text(json.dumps(about | {"subject": ""}))
    relist(export)
    with pytest.raises(perdure.Invalid, match="the subject is empty"):
        store.import_subject(export)


def test_a_table_nobody_knows_is_refused(export: Path, store: perdure.Store) -> None:
    (export / "tables/later_rows").mkdir()
    (export / "tables/later_rows/000001.jsonl").write_text("{}\n")
    relist(export)
    with pytest.raises(perdure.Invalid, match="this store has no table later_rows: upgrade"):
        store.import_subject(export)


NAMES = (
    "../about.json",
    "/etc/passwd",
    "log/../../x.jsonl",
    "log/1.jsonl",
    "about.json/",
    "files/x",
    "tables/A/000001.jsonl",
    "tables/a/b/000001.jsonl",
    "x",
)


@pytest.mark.parametrize("name", NAMES)
def test_strange_names_are_refused(store: perdure.Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(perdure.Invalid, match="nothing that belongs into an export"):
        store.import_subject(packed((name, b"{}")))


def test_strange_things_in_a_folder_are_refused(export: Path, store: perdure.Store) -> None:
    strange = pytest.raises(perdure.Invalid, match="nothing that belongs into an export")
    (export / "notes.txt").write_text("mine")
    with strange:
        store.import_subject(export)
    (export / "notes.txt").unlink()
    (export / "log/000001.jsonl").rename(export.parent / "elsewhere")
    (export / "log/000001.jsonl").symlink_to(export.parent / "elsewhere")
    with strange:
        store.import_subject(export)
    (export / "log/000001.jsonl").unlink()
    os.mkfifo(export / "log/000001.jsonl")
    with strange:
        store.import_subject(export)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, b"S", b"L"])
def test_only_plain_files_are_taken_from_a_tar_file(store: perdure.Store, kind: bytes) -> None:
    with pytest.raises(perdure.Invalid, match="nothing that belongs into an export"):
        store.import_subject(packed(("about.json", b""), type=kind, linkname="x"))


def test_a_bomb_is_refused_before_it_is_read(export: Path, store: perdure.Store) -> None:
    for size in (archive.MEMBER_BYTES_MAX + 1, 2**60):
        bomb = packed(("about.json", b""), size=size)
        with pytest.raises(perdure.TooLarge, match=f"about.json has {size} bytes"):
            store.import_subject(bomb)
    with (export / "log/000002.jsonl").open("wb") as file:
        file.truncate(archive.MEMBER_BYTES_MAX + 1)
    with pytest.raises(perdure.TooLarge, match=r"log/000002.jsonl has"):
        store.import_subject(export)


def test_too_many_members_are_refused(
    store: perdure.Store, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MEMBERS_MAX", 4)
    for source in (export, packed(*whole(export))):
        with pytest.raises(perdure.TooLarge, match="more than 4 members"):
            store.import_subject(source)


def test_more_members_than_a_reader_takes_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MEMBERS_MAX", 1)
    with perdure.open(tmp_path / "a.db", subject="ada") as store:
        store.souls.publish(core_identity="Curious")
        with pytest.raises(perdure.TooLarge, match="more than 1 members"):
            store.export("ada", tmp_path / "out")


def test_a_line_over_the_limit_is_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MEMBER_BYTES_MAX", 500)
    with perdure.open(tmp_path / "a.db", subject="ada") as store:
        store.souls.publish(core_identity="x" * 700)
        with pytest.raises(perdure.TooLarge, match="a line of log has"):
            store.export("ada", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def whole(export: Path) -> list[tuple[str, bytes]]:
    order = ("about", "log", "outcomes", "tables", "manifest")
    names = sorted(p.relative_to(export).as_posix() for p in export.rglob("*.json*"))
    names.sort(key=lambda name: order.index(name.split("/")[0].split(".")[0]))
    return [(name, (export / name).read_bytes()) for name in names]


def test_a_tar_file_is_read_to_its_end_and_in_its_order(export: Path, store: perdure.Store) -> None:
    members = whole(export)
    wrong = {
        "there is something behind the end": packed(*members, end=bytes(1024) + b"x" * 512),
        "the file was cut off": packed(*members, end=b""),
        "is not at its place": packed(members[0], members[2], members[1], *members[3:]),
        "about.json is not at its place": packed(members[0], *members),
        "there is no about.json": packed(*members[1:]),
        "a tar header can not be read": packed(*members, end=b"x" * 512),
        "the end of the file was changed": packed(*members, end=bytes(512) + b"x" * 512),
    }
    for match, file in wrong.items():
        with pytest.raises(perdure.Tampered, match=match):
            store.import_subject(file)
    raw = packed(*members).getvalue()
    padding = 512 + len(members[0][1])
    dirty = raw[:padding] + b"x" + raw[padding + 1 :]
    with pytest.raises(perdure.Tampered, match=r"there is something behind about.json"):
        store.import_subject(io.BytesIO(dirty))
    for cut in range(0, len(raw), len(raw) // 40):
        with pytest.raises((perdure.Tampered, perdure.Invalid)):
            store.import_subject(io.BytesIO(raw[:cut]))


def test_a_tar_file_may_be_padded_as_tools_do(export: Path, tmp_path: Path) -> None:
    with perdure.open(tmp_path / "target.db") as store:
        assert store.import_subject(packed(*whole(export), end=bytes(10_240))).is_new


def test_a_damaged_tar_file_is_refused_wherever_the_damage_is(
    export: Path, store: perdure.Store
) -> None:
    """Bits flipped all over: refused, or in a field of the tar header that says nothing."""
    raw = packed(*whole(export)).getvalue()
    for place in range(0, len(raw), 211):
        damaged = bytearray(raw)
        damaged[place] ^= 1
        with pytest.raises(perdure.PerdureError):
            store.import_subject(io.BytesIO(damaged))


@event()
class Weighed:
    """An event of this test; its projection can be made to fail."""

    grams: int


def weigh(tx: Transaction) -> None:
    tx.append("scale-a", Weighed(1))


FAILING: list[BaseException] = []


@projects(Weighed)
def _(_tx: Transaction, _fact: Weighed, _at: object) -> None:
    if FAILING:
        raise FAILING[0]


@pytest.mark.parametrize("error", [perdure.Conflict("no"), RuntimeError("no")])
def test_an_import_that_fails_on_the_way_leaves_nothing(
    tmp_path: Path, store: perdure.Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with perdure.open(tmp_path / "a.db", subject="ada") as source:
        source.transact(lambda tx: note(tx, "note-a", *"abc"))
        source.transact(weigh)
        source.export("ada", tmp_path / "out")
    monkeypatch.setattr(f"{__name__}.FAILING", [error])
    with pytest.raises(type(error), match="no"):
        store.import_subject(tmp_path / "out")


def test_limits_of_values_hold_for_what_is_imported(
    export: Path, store: perdure.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.kernel.events.PAYLOAD_BYTES_MAX", 50)
    with pytest.raises(perdure.TooLarge, match="the event SoulPublished has"):
        store.import_subject(export)
    assert values.PAYLOAD_BYTES_MAX > 50
