"""The scanner finds a text in every form and kind of file, and says so when it is blind to one."""

import base64
import gzip
import os
import zlib
from pathlib import Path

import pytest
import zstandard

from tests.canary import controls
from tests.canary.forms import CORE_LETTERS, ENCODINGS, FORM_BYTES_MAX, Marker, core_of
from tests.canary.scan import BlindScanner, Control, Findings, Scanner
from tests.canary.streams import KINDS


@pytest.fixture
def marker() -> Marker:
    """A new one for each test."""
    return Marker()


def cores(planted: list[Control]) -> list[str]:
    """Name the canaries of controls."""
    return [one.core for one in planted]


def found_in(data: bytes, marker: Marker, *known: str, block: int = 1 << 20) -> Findings:
    """Scan some bytes."""
    return Scanner({marker: known}, block=block).scan(data, controls=())


def test_every_way_of_writing_is_found_and_attributed(tmp_path: Path, marker: Marker) -> None:
    planted = controls.plant(tmp_path, marker)
    found = Scanner({marker: cores(planted)}).scan(tmp_path, controls=planted)
    assert {hit.core for hit in found.hits.values()} == set(cores(planted))
    assert found.files == len(planted) > 25


@pytest.mark.parametrize("encoding", [*ENCODINGS, *KINDS])
def test_a_scanner_blind_to_one_encoding_refuses_to_answer(
    tmp_path: Path, marker: Marker, encoding: str
) -> None:
    planted = controls.plant(tmp_path, marker)
    with pytest.raises(BlindScanner, match=r"planted texts were not found.*") as told:
        Scanner({marker: cores(planted)}, blind={encoding}).scan(tmp_path, controls=planted)
    assert encoding in str(told.value)


@pytest.mark.parametrize("kind", [".db", ".db-wal", ".log", ".dump", ""])
def test_a_scanner_blind_to_one_kind_of_file_refuses_to_answer(
    tmp_path: Path, marker: Marker, kind: str
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for suffix in (".db", ".db-wal", ".log", ".dump", ""):
        (inner / f"file{suffix}").write_bytes(b"\0" * 10)
    planted = controls.plant_kinds(tmp_path, marker)
    assert Scanner({marker: cores(planted)}).scan(tmp_path, controls=planted).files == 10
    pattern = f"*{kind}" if kind else "control-plain"
    with pytest.raises(BlindScanner):
        Scanner({marker: cores(planted)}, blind={pattern}).scan(tmp_path, controls=planted)


def test_a_scan_of_nothing_is_blind(tmp_path: Path, marker: Marker) -> None:
    with pytest.raises(BlindScanner):
        Scanner({marker: []}).scan(tmp_path, controls=[Control(marker.core(), "utf-8", "")])


def test_nothing_is_found_where_nothing_is(tmp_path: Path, marker: Marker) -> None:
    (tmp_path / "random").write_bytes(os.urandom(1 << 22))
    (tmp_path / "other").write_text(Marker().email())
    found = Scanner({marker: [marker.core()]}).scan(tmp_path, controls=())
    assert (found.hits, found.files) == ({}, 2)


@pytest.mark.parametrize("around", range(-CORE_LETTERS - 1, 2))
def test_the_border_of_a_window_hides_nothing(marker: Marker, around: int) -> None:
    core, block = marker.core(), 1024
    data = b"-" * (block + around) + core.encode() + b"-" * block
    backwards = b"-" * (block + around) + core.encode()[::-1] + b"-" * block
    for text in (data, backwards, b"-" * (block + around) + core.encode()):
        found = found_in(text, marker, core, block=block)
        assert [hit.core for hit in found.hits.values()] == [core]
    assert block > FORM_BYTES_MAX


def test_every_window_border_is_crossed_by_a_stream(marker: Marker) -> None:
    core = marker.core()
    text = controls.PADDING.encode() + core.encode()
    for data in (gzip.compress(text), zstandard.compress(text)):
        for before in (1023, 1020, 1000, 10):
            found = found_in(b"-" * before + data, marker, core, block=1024)
            (hit,) = found.hits.values()
            assert hit.core == core
            assert f"@{before}" in hit.place


def test_the_place_and_the_offset_are_told(tmp_path: Path, marker: Marker) -> None:
    core = marker.core()
    (tmp_path / "file").write_bytes(b"-" * 77 + core.encode())
    (hit,) = Scanner({marker: [core]}).scan(tmp_path, controls=()).hits.values()
    assert (hit.place, hit.offset, hit.encoding) == (str(tmp_path / "file"), 77, "utf-8")


def test_names_of_files_and_folders_are_scanned(tmp_path: Path, marker: Marker) -> None:
    first, second = marker.email(), marker.core()
    (tmp_path / first).mkdir()
    (tmp_path / first / base64.urlsafe_b64encode(second.encode()).decode()).touch()
    found = Scanner({marker: [core_of(first), second]}).scan(tmp_path, controls=())
    assert {hit.core for hit in found.hits.values()} == {core_of(first), second}


def test_a_canary_cut_behind_its_marker_is_a_hit_of_nobody(marker: Marker) -> None:
    core = marker.core()
    found = found_in(core[:-1].encode(), marker, core)
    assert [hit.core for hit in found.of(marker)] == [""]


def test_canaries_of_two_runs_are_told_apart(marker: Marker) -> None:
    other = Marker()
    core = other.core()
    scanner = Scanner({marker: [], other: [core]})
    found = scanner.scan(marker.core().encode() + core.encode(), controls=())
    assert [hit.core for hit in found.of(marker)] == [""]
    assert [hit.core for hit in found.of(other)] == [core]


def test_what_is_left_of_a_cut_stream_is_read(marker: Marker) -> None:
    core = marker.core()
    data = gzip.compress(core.encode() + controls.PADDING.encode())
    (hit,) = found_in(data[: len(data) // 2] + b"overwritten" * 100, marker, core).hits.values()
    assert hit.core == core


def test_streams_inside_streams_are_read(marker: Marker) -> None:
    core = marker.core()
    padded = controls.PADDING.encode() + core.encode()[::-1]
    data = gzip.compress(zlib.compress(zstandard.compress(padded)))
    hits = found_in(data, marker, core).hits.values()
    assert {(hit.core, hit.encoding) for hit in hits} == {(core, "reversed")}


def test_pieces_of_bytes_are_found_as_they_are(tmp_path: Path, marker: Marker) -> None:
    key, other = os.urandom(32), os.urandom(32)
    (tmp_path / "file").write_bytes(b"-" * 1000 + key + gzip.compress(b"-" * 1000))
    scanner = Scanner({marker: []}, pieces=[("key", key), ("other", other)], block=1024)
    (hit,) = scanner.scan(tmp_path, controls=()).pieces
    assert (hit.core, hit.offset) == ("key", 1000)
