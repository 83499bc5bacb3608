"""``perdure migrate``: which steps of the schema a store has, and applying or undoing them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import perdure
from perdure.errors import Invalid
from perdure.kernel import SystemClock, migrations
from perdure.kernel.clock import microseconds
from perdure.kernel.engine import Session
from perdure.kernel.log import statements
from perdure.kernel.migrations import Migration
from perdure.kernel.queries import Query
from perdure.store import PACKAGES

from .calls import integer
from .exits import Usage
from .opening import how, opened_as_it_is, require_existing, steps_of, target_of
from .terminal import Out
from .tree import NONE, STORE, Group, Parser, branch, leaf

Change = Callable[[Session, Sequence[Migration]], list[Migration]]
BY_HAND: Final = 0  # the time at which a step was applied, when nobody knows it
_PARAMETER: Final = re.compile(r":(\w+)")


def add_to(group: Group[Parser]) -> None:
    """Add the group."""
    migrate = branch(group, "migrate", about="The steps of the schema.")
    leaf(migrate, "status", _status, needs=STORE, about="Say which steps were applied.")
    up = leaf(migrate, "up", _up, needs=STORE, about="Apply what is missing.")
    up.add_argument(
        "--partitions", type=integer, metavar="NUMBER",
        help="split each new table of PostgreSQL by slice; left out: as the database is",
    )  # fmt: skip
    down = leaf(migrate, "down", _down, needs=STORE, about="Undo the newest steps, data included.")
    down.add_argument("--steps", type=integer, default=1, metavar="NUMBER", help="how many (1)")
    down.add_argument("--yes", action="store_true", help="I know that this deletes data")
    sql = leaf(
        migrate, "sql", _sql, needs=NONE,
        about="Print the statements, for people who apply them by a tool of their own.",
    )  # fmt: skip
    sql.add_argument(
        "--dialect", choices=["sqlite", "postgres"], default="postgres",
        help="whose statements (postgres)",
    )  # fmt: skip
    sql.add_argument("--down", action="store_true", help="those that undo, newest first")
    sql.add_argument(
        "--partitions", type=integer, default=0, metavar="NUMBER", help="split each table by slice"
    )
    sql.add_argument("--package", metavar="NAME", help="those of one package only")


def _status(args: argparse.Namespace, out: Out) -> None:
    with opened_as_it_is(args) as store:
        found = {name: steps_of(engine) for name, engine in store.engine.databases()}
    if out.as_json:
        out.document(
            [
                {"database": name, **_shape(step.migration), "is_applied": step.is_applied}
                for name, steps in found.items()
                for step in steps
            ]
        )
        return
    for name, steps in found.items():
        if name:
            out.say(out.paint(name, "bold"))
        out.table(
            (step.migration.label, "applied" if step.is_applied else "missing") for step in steps
        )


def _up(args: argparse.Namespace, out: Out) -> None:
    now = microseconds(SystemClock().now())
    _apply(args, out, lambda session, steps: migrations.up(
        session, steps, now=now, partitions=args.partitions
    ), done="applied")  # fmt: skip


def _down(args: argparse.Namespace, out: Out) -> None:
    if not args.yes:
        raise Usage("'perdure migrate down' deletes data", remedy="make a copy, then give --yes")
    require_existing(target_of(args))
    _apply(args, out, lambda session, steps: migrations.down(
        session, steps, steps=args.steps
    ), done="undone")  # fmt: skip


def _apply(args: argparse.Namespace, out: Out, change: Change, *, done: str) -> None:
    rows = []
    with perdure.open(target_of(args), migrate=False, **how(args)) as store:
        for name, engine in store.engine.databases():
            known = migrations.discover(PACKAGES, engine.dialect)
            changed = engine.administer(partial(_change, change, known))
            rows += [(name, migration) for migration in changed]
    if out.as_json:
        out.document([{"database": name, **_shape(step), done: True} for name, step in rows])
        return
    for name, step in rows:
        out.say(f"{done} {step.label}{f' in {name}' if name else ''}")
    if not rows:
        out.say(f"nothing to be {done}")


def _change(change: Change, known: list[Migration], session: Session) -> list[Migration]:
    return change(session, known)


def _sql(args: argparse.Namespace, out: Out) -> None:
    known = migrations.discover(PACKAGES, args.dialect)
    if args.package is not None:
        names = [name for name, _ in PACKAGES]
        if args.package not in names:
            raise Invalid(
                f"no package is named {args.package!r}",
                value=args.package,
                remedy=f"use one of {', '.join(names)}",
            )
        known = [step for step in known if step.package == args.package]
    shown = known[::-1] if args.down else known
    texts = [(step, "\n".join(_statements(step, args))) for step in shown]
    if out.as_json:
        out.document([{**_shape(step), "sql": text} for step, text in texts])
        return
    for step, text in texts:
        out.say(f"-- {step.label}\n{text}\n")


def _statements(step: Migration, args: argparse.Namespace) -> Iterator[str]:
    """Give a step's own statements, and those by which perdure knows that it was applied."""
    text = step.down if args.down else migrations.partitioned(step.up, args.partitions)
    yield text.strip()
    yield f"{_filled(statements.create_migrations, args.dialect)};"
    if args.down:
        yield f"{_filled(statements.forget_migration, args.dialect, **_shape(step))};"
    else:
        insert = _filled(
            statements.record_migration, args.dialect,
            **_shape(step), checksum=step.checksum, applied_at=BY_HAND,
        )  # fmt: skip
        yield f"{insert}\non conflict do nothing;"


def _filled(query: Query, dialect: str, **values: object) -> str:
    """Write the values into a statement, as literals."""
    text = query.sqlite if dialect == "sqlite" else query.postgres
    return _PARAMETER.sub(lambda match: _literal(values[match[1]]), text).strip()


def _literal(value: object) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def _shape(step: Migration) -> dict[str, object]:
    return {"package": step.package, "number": step.number, "name": step.name}
