"""The chain, computed a second time by hand; PostgreSQL's and SQLite's hashes are the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

import perdure
from perdure.domains.souls.model import STREAM
from perdure.kernel import chain
from perdure.kernel.log import statements
from perdure.kernel.transaction import slice_of
from perdure.testing import SettableClock
from tests.fix.postgres import FreshDatabase

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
# Written by hand, in hexadecimal, from the definition in kernel/chain.py:
VECTOR = bytes.fromhex(
    "0000000000000000000000000000000000000000000000000000000000000000"  # no event before
    "0007"  # slice 7
    "0000000000000001"  # version 1
    "00000002"  # schema 2
    "00060a24181e4000"  # 1,700,000,000,000,000 microseconds
    "01890a5dac96774bbcceb302099a8057"  # id
    "00000004" "6164c3a1"  # adá
    "00000006" "736f756c2d61"  # soul-a
    "00000008" "48617070656e6564"  # Happened
    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # sha256 of {}
)  # fmt: skip


def test_the_hash_of_an_event_is_that_of_its_canonical_bytes() -> None:
    linked = chain.link(
        chain.GENESIS, slice=7, subject="adá", stream="soul-a", version=1, id=ID, type="Happened",
        schema=2, at=1_700_000_000_000_000, payload=chain.payload_hash(b"{}"),
    )  # fmt: skip
    assert linked == hashlib.sha256(VECTOR).digest()
    assert linked.hex() == "ec45bcdf8d3b518be12346abfdfb4c29498a7154d289b3d41593a722c737beff"


@pytest.mark.parametrize(
    "changed",
    [
        {"slice": 8}, {"subject": "ada"}, {"stream": "soul-b"}, {"version": 2}, {"schema": 3},
        {"id": ID.replace("0", "1")}, {"type": "Happening"}, {"at": 1}, {"payload": bytes(32)},
        {"subject": "adásoul", "stream": "-a"},  # the same letters, cut elsewhere
    ],
)  # fmt: skip
def test_nothing_of_an_event_can_change_without_its_hash(changed: dict[str, object]) -> None:
    facts: dict[str, object] = {
        "slice": 7, "subject": "adá", "stream": "soul-a", "version": 1, "id": ID,
        "type": "Happened", "schema": 2, "at": 1_700_000_000_000_000,
        "payload": chain.payload_hash(b"{}"),
    }  # fmt: skip
    facts |= changed
    linked = chain.link(chain.GENESIS, **facts)  # type: ignore[arg-type]
    assert linked != hashlib.sha256(VECTOR).digest()


def heads(target: str) -> list[tuple[object, ...]]:
    with perdure.open(target, clock=SettableClock(), subject="adá") as store:
        for text in ("one", "zwei é \U0001f9e0", "three"):
            store.souls.publish(core_identity=text)
        slice = slice_of("adá")
        place = {"slice": slice, "subject": "adá", "stream": STREAM, "after": 0, "most": 9}
        found = store.engine.read("adá", lambda s: s.rows(statements.stream_events, place))
        return [(row[2], str(row[3]), bytes(row[7]), bytes(row[9])) for row in found]


def test_both_engines_compute_the_same_chain(tmp_path: Path, fresh_database: FreshDatabase) -> None:
    here, there = heads(os.fspath(tmp_path / "a.db")), heads(fresh_database())
    assert len(here) == 3
    assert here == there
