"""Migrations: plain SQL per package, up and down, in both dialects, checksummed and recorded
with what they did.

``0001_souls.sql`` serves SQLite, ``0001_souls.postgres.sql`` PostgreSQL; ``.down.sql`` undoes. A
package's migrations run in the order of their numbers, packages in the order they are given (the
kernel first).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from perdure.errors import Conflict, Invalid, Unavailable

from .engine import Session
from .log import statements

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_TABLE = re.compile(
    r"create table if not exists (\w+) \((?:(?!\ncreate ).)*?\) /\* partition \*/", re.DOTALL
)
_SUFFIX = {"sqlite": "", "postgres": ".postgres"}
PARTITIONS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of one package in one dialect."""

    package: str
    number: int
    name: str
    up: str
    down: str

    @property
    def label(self) -> str:
        return f"{self.package} {self.number:04d} {self.name}"

    @property
    def checksum(self) -> str:
        return sha256(self.up.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Step:
    """A migration and whether it was applied."""

    migration: Migration
    is_applied: bool


def discover(packages: Iterable[tuple[str, Path]], dialect: str) -> list[Migration]:
    """Find the migrations of packages, each a name and the folder that holds ``migrations/``."""
    return [found for name, folder in packages for found in _of_package(name, folder, dialect)]


def _of_package(name: str, folder: Path, dialect: str) -> Iterator[Migration]:
    suffix = _SUFFIX[dialect]
    for path in sorted((folder / "migrations").glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            continue
        own = path.with_name(f"{path.stem}{suffix}.sql")
        down = path.with_name(f"{path.stem}.down{suffix}.sql")
        plain_down = path.with_name(f"{path.stem}.down.sql")
        yield Migration(
            name,
            int(match[1]),
            match[2],
            (own if own.exists() else path).read_text("utf-8"),
            (down if down.exists() else plain_down).read_text("utf-8"),
        )


def partitioned(text: str, partitions: int) -> str:
    """Turn each marked table into one partitioned by hash of its slice; 0 leaves it plain."""
    if not 0 <= partitions <= PARTITIONS_MAX:
        raise Invalid(
            f"{partitions} partitions are not possible",
            value=partitions,
            remedy=f"choose 0 to {PARTITIONS_MAX}, best a divisor of 1024",
        )
    if not partitions:
        return text

    def split(match: re.Match[str]) -> str:
        head = match[0].replace("/* partition */", "partition by hash (slice)")
        piece = statements.create_partition.postgres
        pieces = (
            piece.format(table=match[1], modulus=partitions, remainder=remainder)
            for remainder in range(partitions)
        )
        return ";\n".join([head, *pieces])

    return _TABLE.sub(split, text)


def status(session: Session, migrations: Sequence[Migration]) -> list[Step]:
    """Say which migrations were applied; refuse a database that a different file has changed."""
    ((is_known,),) = session.rows(statements.has_migrations, {})
    if not is_known:  # a login that may not create tables can still ask
        session.rows(statements.create_migrations, {})
    applied = {
        (package, number): checksum
        for package, number, _, checksum, _ in session.rows(statements.applied_migrations, {})
    }
    for migration in migrations:
        known = applied.get((migration.package, migration.number))
        if known not in (None, migration.checksum):
            raise Conflict(
                f"migration {migration.label} was applied with another text",
                value=migration.label,
                remedy="restore the file that was applied and add a new migration",
            )
    _refuse_newer(applied, migrations)
    return [Step(m, (m.package, m.number) in applied) for m in migrations]


def _refuse_newer(applied: Iterable[tuple[str, int]], migrations: Sequence[Migration]) -> None:
    """Refuse a database that a newer version has changed; a part of the packages may be asked."""
    newest: dict[str, int] = {}
    for migration in migrations:
        newest[migration.package] = max(migration.number, newest.get(migration.package, 0))
    for package, number in applied:
        if number > newest.get(package, number):
            raise Unavailable(
                f"the database has migration {package} {number:04d}, which this perdure does not"
                " know",
                value=f"{package} {number:04d}",
                remedy="upgrade perdure",
            )


def up(
    session: Session, migrations: Sequence[Migration], *, now: int, partitions: int | None = None
) -> list[Migration]:
    """Apply what is missing, in order, in the open transaction.

    ``partitions`` None goes on with as many as the database has.
    """
    pieces = _partitions(session) if partitions is None else partitions
    missing = [step.migration for step in status(session, migrations) if not step.is_applied]
    for migration in missing:
        session.script(partitioned(migration.up, pieces))
        session.rows(
            statements.record_migration,
            {
                "package": migration.package,
                "number": migration.number,
                "name": migration.name,
                "checksum": migration.checksum,
                "applied_at": now,
            },
        )
    return missing


def _partitions(session: Session) -> int:
    if session.dialect == "sqlite":
        return 0
    ((found,),) = session.rows(statements.partitions, {})
    return int(found)


def down(session: Session, migrations: Sequence[Migration], *, steps: int) -> list[Migration]:
    """Undo the newest migrations, newest first, in the open transaction."""
    applied = [step.migration for step in status(session, migrations) if step.is_applied]
    undone = applied[::-1][:steps]
    for migration in undone:
        session.script(migration.down)
        session.rows(
            statements.forget_migration,
            {"package": migration.package, "number": migration.number},
        )
    return undone
