"""One encrypted file: what docs/export.md says of it, and that nothing in it can be changed."""

import io
import itertools
from hashlib import sha256
from pathlib import Path

import pytest

import perdure
from perdure.portable import importing
from perdure.vault import portable
from perdure.vault.portable import CHUNK_BYTES, HEADER_BYTES, Reader, Writer
from tests.vault import export_format
from tests.vault.lives import live

KEY = bytes(range(32))
SALT = bytes(range(100, 132))
SEALED_CHUNK = CHUNK_BYTES + 16
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES)
REFUSED = (perdure.Tampered, perdure.LockedOut)


def written(clear: bytes, key: str | bytes = KEY, *, piece: int = 10_000) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, key)
    for start in range(0, len(clear), piece):
        writer.write(clear[start : start + piece])
    writer.close()
    return file.getvalue()


def read(file: bytes, key: str | bytes = KEY, *, size: int = 12_345) -> bytes:
    reader = Reader(io.BytesIO(file), key)
    return b"".join(iter(lambda: reader.read(size), b""))


def text(size: int) -> bytes:
    return bytes(itertools.islice(itertools.cycle(b"everything about a person. "), size))


@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out(size: int) -> None:
    clear = text(size)
    file = written(clear)
    chunks = max(1, -(-size // CHUNK_BYTES))
    assert len(file) == HEADER_BYTES + size + 16 * chunks
    assert read(file) == clear
    assert export_format.opened(file, KEY) == clear
    assert read(export_format.made(clear, KEY, SALT)) == clear


def test_a_known_file_is_made_and_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.vault.portable.os.urandom", lambda size: SALT[:size])
    file = written(text(70_000))
    assert file[:70].hex() == (
        "d5706572647572650100000000000000000000000000"
        "6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283"
        "5b014d3b04e734a96e3c4b2086b88bad"
    )
    assert (
        sha256(file).hexdigest()
        == "ac22c81d88fff0beb6fc10be97db61ac426982dc8184fbef1a4f53aca5e17666"
    )
    assert export_format.made(text(70_000), KEY, SALT) == file


def test_a_passphrase_is_enough() -> None:
    file = written(b"clear", "ein Schlüssel")
    assert read(file, "ein Schlu\u0308ssel") == b"clear"  # as another keyboard writes it
    assert export_format.opened(file, "ein Schlüssel") == b"clear"
    with pytest.raises(perdure.LockedOut, match="does not open with this key"):
        read(file, "ein anderer")
    with pytest.raises(perdure.LockedOut, match="made with a passphrase as its key"):
        read(file, KEY)
    with pytest.raises(perdure.LockedOut, match="made with 32 bytes as its key"):
        read(written(b"clear"), "a passphrase")


def test_two_files_have_nothing_in_common() -> None:
    one, two = written(text(5_000)), written(text(5_000))
    assert one[HEADER_BYTES : HEADER_BYTES + 64] != two[HEADER_BYTES : HEADER_BYTES + 64]


def chunks_of(file: bytes) -> list[bytes]:
    body = file[HEADER_BYTES:]
    return [body[n : n + SEALED_CHUNK] for n in range(0, len(body), SEALED_CHUNK)]


def test_chunks_can_not_be_moved_cut_or_added() -> None:
    file, other = written(text(4 * CHUNK_BYTES)), written(text(4 * CHUNK_BYTES))
    head, chunks = file[:HEADER_BYTES], chunks_of(file)
    wrong = {
        "cut": chunks[:-1],
        "cut to nothing": [],
        "cut inside": [*chunks[:-1], chunks[-1][:-1]],
        "swapped": [chunks[1], chunks[0], *chunks[2:]],
        "twice": [chunks[0], chunks[0], *chunks[2:]],
        "left out": [chunks[0], *chunks[2:]],
        "longer": [*chunks, b"x"],
        "two ends": [*chunks, chunks[-1]],
        "from another file": [chunks_of(other)[0], *chunks[1:]],
    }
    for body in wrong.values():
        with pytest.raises(perdure.Tampered, match="changed, moved or cut off"):
            read(head + b"".join(body))
    with pytest.raises(perdure.Tampered, match="ends inside its header"):
        read(head[:-1])


def test_every_flipped_bit_is_refused() -> None:
    file = written(text(2 * CHUNK_BYTES))
    places = [*range(HEADER_BYTES + 20), *range(HEADER_BYTES, len(file), 1_997), len(file) - 1]
    for place in places:
        for bit in (1, 128):
            damaged = bytearray(file)
            damaged[place] ^= bit
            with pytest.raises((*REFUSED, perdure.Invalid)):
                read(bytes(damaged))


@pytest.mark.parametrize(
    ("place", "value"), [(9, 2), (10, 1), (14, 1), (18, 1)], ids=["kdf", "memory", "time", "lanes"]
)
def test_a_header_that_would_cost_too_much_is_refused(place: int, value: int) -> None:
    sealed = bytearray(written(b"clear", "pass") if place > 9 else written(b"clear"))
    sealed[place : place + 4] = bytes([value]) + b"\xff\xff\xff" if place > 9 else b"\x02\0\0\0"
    with pytest.raises(perdure.Tampered, match="the header of the file was changed"):
        read(bytes(sealed), "pass")


def test_a_later_format_is_refused_by_name() -> None:
    file = bytearray(written(b"clear"))
    file[8] = 2
    with pytest.raises(perdure.Invalid, match="the format 2, which is unknown: upgrade perdure"):
        read(bytes(file))


def test_numbers_of_chunks_do_not_run_out_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "CHUNKS_MAX", 2)
    with pytest.raises(perdure.TooLarge, match="the file is larger than"):
        written(text(3 * CHUNK_BYTES))


def test_nothing_that_holds_a_key_says_it() -> None:
    assert repr(Writer(io.BytesIO(), KEY)) == "<Writer>"
    assert repr(Reader(io.BytesIO(written(b"")), KEY)) == "<Reader>"


def test_the_importer_knows_an_encrypted_file_by_its_first_bytes() -> None:
    assert importing.SEALED == portable.MAGIC


def test_a_damaged_file_imports_nothing(tmp_path: Path) -> None:
    """Every kind of damage, through the front door."""
    with perdure.open(tmp_path / "a.db") as old, perdure.open(tmp_path / "b.db") as new:
        live(old)
        old.export("ada", tmp_path / "ada.perdure", key=KEY)
        file = (tmp_path / "ada.perdure").read_bytes()
        assert b"Curious" not in file
        for place in [*range(0, 80, 3), *range(80, len(file), len(file) // 60)]:
            damaged = bytearray(file)
            damaged[place] ^= 4
            with pytest.raises(perdure.PerdureError) as told:
                new.import_subject(io.BytesIO(damaged), key=KEY)
            assert isinstance(told.value, (*REFUSED, perdure.Invalid))
        with pytest.raises(perdure.LockedOut, match="is encrypted: give its passphrase or key"):
            new.import_subject(tmp_path / "ada.perdure")
        with pytest.raises(perdure.LockedOut):
            new.import_subject(tmp_path / "ada.perdure", key=bytes(32))
        old.export("ada", tmp_path / "clear.tar")
        for clear in ("clear.tar", "."):
            with pytest.raises(perdure.Tampered, match="clear text where an encrypted file is"):
                new.import_subject(tmp_path / clear, key=KEY)
        assert new.log.head() == {}
        assert new.import_subject(io.BytesIO(file), key=KEY).is_new
