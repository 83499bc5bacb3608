"""Rows of read models: digests with pinned vectors, and what comes back equal from both engines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any, Literal

import pytest

import perdure
from perdure.errors import Tampered
from perdure.kernel import Transaction, rows
from perdure.kernel.queries import Query

MOMENT = datetime(2026, 11, 21, 12, 34, 56, 789_012, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Inner:
    weight: float
    name: str


@dataclass(frozen=True, slots=True)
class Mixed:
    """One column of each kind."""

    text: str
    count: int
    share: float
    is_open: bool
    raw: bytes
    at: datetime
    kind: Literal["a", "b"]
    maybe: str | None
    later: datetime | None
    many: list[Inner]
    source: str | None = rows.loose()


ROW = Mixed("é", 2**63 - 1, 0.1, True, b"\x00\xff", MOMENT, "a", None, None, [Inner(0.5, "x")], "s")
CANONICAL = (
    '["Mixed",7,"ada",{"at":"2026-11-21T12:34:56.789012Z","count":9223372036854775807,'
    '"is_open":true,"kind":"a","later":null,"many":[{"name":"x","weight":0.5}],'
    '"maybe":null,"raw":"AP8=",'
    '"share":0.1,"source":null,"text":"é"}]'
)
KINDS = {
    "sqlite": "select :text, :count, :share, :is_open, :raw, :at, :kind, :maybe, :later, :many, "
    ":source, :digest",
    "postgres": "select cast(:text as text), cast(:count as bigint), cast(:share as double "
    "precision), cast(:is_open as boolean), cast(:raw as bytea), cast(:at as timestamptz), "
    "cast(:kind as text), cast(:maybe as text), cast(:later as timestamptz), "
    "cast(:many as text), cast(:source as text), "
    "cast(:digest as bytea)",
}
ECHO = Query("echo", KINDS["sqlite"], KINDS["postgres"])


def sealed(row: Mixed, **where: Any) -> bytes:
    return rows.digest(row, **{"slice": 7, "subject": "ada", **where})


def test_a_digest_is_that_of_the_canonical_text() -> None:
    assert sealed(ROW) == blake2b(CANONICAL.encode(), digest_size=16).digest()
    assert sealed(ROW, key=b"k") == blake2b(CANONICAL.encode(), digest_size=16, key=b"k").digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "e"}, {"count": 1}, {"share": 0.2}, {"is_open": False}, {"raw": b""},
        {"at": MOMENT + timedelta(microseconds=1)}, {"kind": "b"}, {"maybe": ""}, {"many": []},
    ],
)  # fmt: skip
def test_nothing_of_a_row_can_change_without_its_digest(changed: dict[str, Any]) -> None:
    assert sealed(replace(ROW, **changed)) != sealed(ROW)


def test_a_row_can_not_be_moved_and_a_loose_column_is_free() -> None:
    assert sealed(ROW, slice=8) != sealed(ROW) != sealed(ROW, subject="bob")
    assert sealed(replace(ROW, source=None)) == sealed(ROW)


def test_a_row_without_its_digest_is_refused() -> None:
    columns = list(rows.parameters(ROW).values())
    assert rows.read(Mixed, [*columns, sealed(ROW)], slice=7, subject="ada") == ROW
    for digest in (None, b"", sealed(ROW)[:-1] + b"?"):
        with pytest.raises(Tampered, match="a row of Mixed is not what was written"):
            rows.read(Mixed, [*columns, digest], slice=7, subject="ada")


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        replace(ROW, share=-0.0, many=[Inner(-0.0, "zero")]),
        replace(ROW, share=1, many=[Inner(2, "an int")]),  # mypy lets an int be a float
        replace(ROW, at=MOMENT.astimezone(timezone(timedelta(hours=-7)))),
        replace(ROW, share=5e-324, count=-(2**63), maybe="", many=[]),
    ],
    ids=["plain", "minus zero", "integers", "another zone", "edges"],
)
def test_a_row_is_read_as_it_was_written(store: perdure.Store, row: Mixed) -> None:
    """Save through a real session, which gives the columns back as its engine keeps them."""

    class Echo:
        """Stands where the session is, to catch what is written."""

        dialect = "sqlite"

        def later(self, query: Query, params: dict[str, object]) -> None:
            found.append(session.rows(query, params)[0])

    found: list[Any] = []

    def unit(tx: Transaction) -> Mixed:
        nonlocal session
        session, tx._session = tx._session, Echo()  # type: ignore[assignment]
        tx.save(ECHO, row)
        tx._session = session
        return tx._read(Mixed, found[0])

    session: Any = None
    assert store.transact(unit) == row
