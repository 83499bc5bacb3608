"""Tries every attack of `attacks` on a real PostgreSQL and looks what it read or changed of B.

What is B's is known from outside: every value of B's rows that nobody else has, and a fingerprint
of B's rows, of the policies and of the rights, taken by a superuser before and after. The mutants
make each policy `true` in turn, give set_config back to everybody, and let perdure_append look
for its tables where the caller says.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

import perdure
from perdure.kernel.transaction import slice_of
from tests.faults.attacks import ALONE, EACH_TABLE, FREE
from tests.faults.counters import Raise, prepare
from tests.faults.report import Report, program
from tests.servers import PostgresServer, Servers

A, B = "ada", "bob-7f3a"
DEAD, RECEIPT = "carla", "the receipt of somebody forgotten"
LOGIN = "app_login"
SOULS = {"threads", "bot_soul", "soul_versions", "soul_milestones"}
MARK_CHARACTERS_MIN = 12
BREACHES_MAX = 30
Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(slots=True)
class Field:
    """A database with rows of A and B, and what is known about B's."""

    server: PostgresServer
    name: str
    tables: dict[str, str] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)
    before: str = ""
    looks: tuple[str, ...] = ()
    sessions: dict[str, Connection] = field(default_factory=dict)
    reached: dict[str, int] = field(
        default_factory=lambda: {"statements": 0, "refused": 0, "harmless": 0}
    )

    def connect(self, user: str = "postgres") -> Connection:
        """Open a session of one's own."""
        return psycopg.connect(self.server.url(self.name, user=user), autocommit=True)

    def session(self, user: str = "postgres", *, purpose: str = "attack") -> Connection:
        """Lend one session for each login, without what the last attack left in it."""
        key = f"{purpose} {user}"
        if key not in self.sessions or self.sessions[key].closed:
            self.sessions[key] = self.connect(user)
        elif purpose == "attack":
            self.sessions[key].execute(b"discard temp; reset all; reset role")
        return self.sessions[key]

    def close(self) -> None:
        """Close the sessions."""
        for session in self.sessions.values():
            session.close()

    def fill(self, text: str, table: str = "") -> str:
        """Complete a statement."""
        return text.format(
            table=table, owner=self.tables.get(table, "subject"), a=A, b=B, schema="public",
            a_slice=slice_of(A), b_slice=slice_of(B),
        )  # fmt: skip


def run(
    folder: Path,
    *,
    rounds: int = 1,
    mutant: str = "",
    seed: int = 1,
    partitions: int = 0,
    is_quick: bool = False,
    servers: Servers | None = None,
) -> Report:
    """Attack and report; the mutant opens the policy of each table in turn."""
    report = Report("rls", mutant)
    own = servers or Servers()
    server = own.postgres()
    try:
        place = field_of(server, partitions)
        if mutant == "policy-true":
            caught = list(mutants_caught(place))
            report.figures = {"mutants": len(caught), "caught": sum(caught)}
            report.acked = len(caught)
            report.troubles = ["a policy was `true`"] * sum(caught)
        else:
            weaken(place, mutant)
            breaches = attack_all(place, is_quick=is_quick)
            report.troubles = list(islice(breaches, BREACHES_MAX))
            report.acked, report.figures = place.reached["statements"], dict(place.reached)
        report.rounds = 1
        place.close()
    finally:
        own.end(server)
        if servers is None:
            own.close()
    return report


def field_of(server: PostgresServer, partitions: int = 0) -> Field:
    """Make a database in which both subjects have rows in every table."""
    name = server.create_database()
    with prepared(server.url(name), partitions) as store:
        for subject in (A, B):
            one = store.subject(subject)
            for number in range(1, 4):
                one.once(f"key-of-{subject}-{number}").transact(Raise(f"of-{subject}", number))
            one.souls.publish(core_identity=f"the innermost self of {subject}", active_values="x")
            one.souls.import_bot_soul(f"the old soul of {subject}")
            one.souls.milestones.add(
                f"a secret that {subject} keeps", lesson_learned=f"what {subject} learned",
                source_thread_id="0190a0a0-0000-7000-8000-00000000000" + str(len(subject)),
            )  # fmt: skip
            one.drift.observe(f"{subject} says something that nobody else has ever said, at length")
    place = Field(server, name)
    with place.connect() as admin:
        place.tables = dict(owned_tables(admin))
        for table in place.tables:
            fill_up(admin, table, place.tables[table])
        # The analyzer's statistics are an attack surface: there have to be some.
        admin.execute("analyze")
        if not admin.execute("select from pg_roles where rolname = %s", [LOGIN]).fetchall():
            admin.execute(f"create role {LOGIN} login in role perdure_app")
        place.looks = (looking_at(set(place.tables) - SOULS), looking_at(SOULS))
        place.marks = marks(admin, place)
        place.before = fingerprint(admin, place)
    return place


def looking_at(tables: set[str]) -> str:
    """Write a statement that reads some tables whole."""
    return " union all ".join(f"select t::text from public.{table} t" for table in sorted(tables))


def prepared(url: str, partitions: int) -> perdure.Store:
    """Migrate, with partitions or without."""
    if partitions:
        from perdure.kernel import migrations
        from perdure.store import PACKAGES

        with perdure.open(url, migrate=False) as store:
            steps = migrations.discover(PACKAGES, "postgres")
            store.engine.administer(
                lambda session: migrations.up(session, steps, now=0, partitions=partitions)
            )
    return prepare(url)


def owned_tables(admin: Connection) -> Iterator[tuple[str, str]]:
    """Find every table that belongs to subjects, with its subject column; partitions are below."""
    rows = admin.execute(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
        " and not c.relispartition and a.attname in ('subject', 'user_id') order by 1"
    ).fetchall()
    yield from ((str(table), str(owner)) for table, owner in rows)


def fill_up(admin: Connection, table: str, owner: str) -> None:
    """Give both subjects a row where the store wrote none."""
    name = sql.Identifier(table)
    if table == "perdure_tombstones":  # theirs would refuse the very writes that are tried
        row = [slice_of(DEAD), DEAD, 1, RECEIPT]
        admin.execute(
            "insert into perdure_tombstones (slice, subject, at, receipt) values (%s, %s, %s, %s)",
            row,
        )
        return
    for subject in (A, B):
        have = sql.SQL("select from {} where {} = %s").format(name, sql.Identifier(owner))
        if admin.execute(have, [subject]).fetchall():
            continue
        columns = admin.execute(
            "select attname, format_type(atttypid, null) from pg_attribute where attrelid ="
            " %s::regclass and attnum > 0 and not attisdropped and (attnotnull or attname = %s)"
            " order by attnum",
            [table, owner],
        ).fetchall()
        values = [made_up(str(column), str(kind), subject, owner) for column, kind in columns]
        insert = sql.SQL("insert into {} ({}) values ({})").format(
            name,
            sql.SQL(", ").join(sql.Identifier(str(column)) for column, _ in columns),
            sql.SQL(", ").join(sql.SQL("%s::text::") + sql.SQL(str(kind)) for _, kind in columns),
        )
        admin.execute(insert, values)


def made_up(column: str, kind: str, subject: str, owner: str) -> str:
    """Invent a value of a type."""
    if column == owner:
        return subject
    if column == "slice":
        return str(slice_of(subject))
    known = {
        "uuid": "0190a0a0-0000-7000-8000-0000000000" + f"{len(subject):02}",
        "boolean": "true", "json": "{}", "jsonb": "{}",
        "timestamp with time zone": "2026-01-01 00:00:00+00",
        "bytea": "made up for " + subject,
        "text": "made up for " + subject,
    }  # fmt: skip
    return known.get(kind, "1")


def marks(admin: Connection, place: Field) -> set[str]:
    """Collect the values that only B's rows hold, as they may appear in an answer."""
    held: dict[str, set[str]] = {A: set(), B: set()}
    for subject, found in held.items():
        for table, owner in place.tables.items():
            query = sql.SQL("select * from {} where {} = %s").format(
                sql.Identifier(table), sql.Identifier(owner)
            )
            for row in admin.execute(query, [subject]):
                for value in row:
                    found.update(forms(value))
    only = held[B] - held[A]
    return {RECEIPT, *(mark for mark in only if len(mark) >= MARK_CHARACTERS_MIN and mark != B)}


def forms(value: object) -> Iterator[str]:
    """Write a value as text, and bytes as hexadecimal and base64."""
    if isinstance(value, bytes):
        yield value.hex()
        yield base64.b64encode(value).decode()[:40]
        yield value.decode("utf-8", "ignore")
    elif isinstance(value, str | int | UUID) and not isinstance(value, bool):
        yield str(value)


def fingerprint(admin: Connection, place: Field) -> str:
    """Hash B's rows, what protects them, and who may do what."""
    parts = [
        sql.SQL("(select md5(string_agg(t::text, '|' order by t::text)) from {} t where {} = {})")
        .format(sql.Identifier(table), sql.Identifier(owner), sql.Literal(B))
        for table, owner in place.tables.items()
    ]  # fmt: skip
    rows = admin.execute(sql.SQL("select {}").format(sql.SQL(", ").join(parts))).fetchall()
    rights = admin.execute(
        "select (select md5(string_agg(p::text, '|' order by p::text)) from pg_policies p),"
        " (select md5(string_agg(concat(relname, relacl, relowner, relrowsecurity,"
        " relforcerowsecurity), '|' order by relname)) from pg_class"
        " where relnamespace = 'public'::regnamespace),"
        " (select md5(string_agg(concat(proname, proacl, proowner), '|' order by oid)) from pg_proc"
        " where pronamespace = 'public'::regnamespace),"
        " (select count(*) from pg_roles), (select md5(string_agg(m::text, '|'"
        " order by m::text)) from pg_auth_members m)"
    ).fetchall()
    return repr((rows, rights))


def attack_all(place: Field, *, is_quick: bool = False) -> Iterator[str]:
    """Yield every breach, of every attack, as every role that could try it."""
    for name, steps in FREE.items():
        place.close()  # each begins in a new session, where no plan is cached
        yield from attack(place, LOGIN, name, [place.fill(step) for step in steps])
    yield from missing_setting(place)
    yield from souls_refused(place)
    yield from anon_reads(place)
    for user in ("postgres",) if is_quick else ("postgres", LOGIN):
        for name, statements in alone(place):
            yield from attack(place, user, f"{name}, logged in as {user}", statements)
    for role in () if is_quick else ("anon", "authenticated"):
        for name, statements in alone(place):
            yield from attack(place, "postgres", f"{name}, as {role}", statements, role=role)


def alone(place: Field) -> Iterator[tuple[str, list[str]]]:
    """Give the attacks of one statement, against each table and the database."""
    for table in place.tables:
        for name, text in EACH_TABLE.items():
            yield f"{name}: {table}", [place.fill(text, table)]
    for name, text in ALONE.items():
        yield name, [place.fill(text)]


def attack(
    place: Field, user: str, name: str, statements: Sequence[str], *, role: str = "perdure_app"
) -> Iterator[str]:
    """Run an attack as the engine would run A's statements, and say what it reached."""
    connection = place.session(user)
    enter(connection, role, A)
    told = play(connection, statements) + look_around(connection, place)
    connection.execute("commit")
    yield from judge(place, name, told)


def enter(connection: Connection, role: str, subject: str | None) -> None:
    """Begin a transaction as the engine does."""
    chosen = "" if subject is None else f"set local perdure.subject = '{subject}';"
    connection.execute(
        f"begin; set local statement_timeout = '5s'; set local role {role}; {chosen}"
        " savepoint attack".encode()
    )


def play(connection: Connection, statements: Sequence[str]) -> str:
    """Send statements, each alone; return everything that came back, errors and notices too."""
    told: list[str] = []

    def noticed(notice: psycopg.errors.Diagnostic) -> None:
        told.append(str(notice.message_primary))

    connection.add_notice_handler(noticed)
    for statement in statements:
        try:
            if statement.startswith("copy"):
                with connection.cursor().copy(statement.encode()) as copy:
                    told += [bytes(block).decode() for block in copy]
                continue
            cursor = connection.execute(statement.encode(), prepare=True)
            if cursor.description is not None:
                told += [str(row) + "".join(hexes(row)) for row in cursor.fetchall()]
        except psycopg.Error as error:
            told.append(f"REFUSED {error.sqlstate} {error} {error.diag.context or ''}")
            connection.execute("rollback to savepoint attack")
            break
    connection.remove_notice_handler(noticed)
    return "\n".join(told)


def hexes(row: Sequence[object]) -> Iterator[str]:
    """Write the bytes of a row as the marks are written."""
    for value in row:
        if isinstance(value, bytes):
            yield from forms(value)


def look_around(connection: Connection, place: Field) -> str:
    """Read every table after the attack, in the same transaction: was the subject changed?"""
    told = ""
    for look in place.looks:
        connection.execute("savepoint look")
        try:
            told += str(connection.execute(look.encode()).fetchall() or "")
        except psycopg.Error:
            connection.execute("rollback to savepoint look")
    return told


def judge(place: Field, name: str, told: str) -> Iterator[str]:
    """Say whether an answer holds something of B's, or something of B's has changed."""
    place.reached["statements"] += 1
    place.reached["refused" if "REFUSED" in told else "harmless"] += 1
    seen = sorted(mark for mark in place.marks if mark in told)
    if seen:
        yield f"{name}: read {seen[0]!r} of B"
    now = fingerprint(place.session(purpose="judge"), place)
    if now != place.before:
        place.before = now
        yield f"{name}: changed B's rows or who may do what"


def anon_reads(place: Field) -> Iterator[str]:
    """Nothing at all is what anon reads."""
    connection = place.session()
    for subject in (None, B):
        enter(connection, "anon", subject)
        if look_around(connection, place):
            yield "anon reads a table"
        connection.execute("rollback")


def missing_setting(place: Field) -> Iterator[str]:
    """Without a subject nobody has rows: not even A."""
    for subject in (None, ""):
        connection = place.session()
        enter(connection, "perdure_app", subject)
        if look_around(connection, place):
            yield f"with the subject {subject!r} somebody's rows are read"
        connection.execute("rollback")
        place.reached["statements"] += 1


def souls_refused(place: Field) -> Iterator[str]:
    """The souls' tables are the service role's alone."""
    rights = ("select", "insert", "update", "delete", "truncate", "references", "trigger")
    with place.connect() as admin:
        for table in SOULS:
            for right in rights:
                query = "select has_table_privilege('perdure_app', %s, %s)"
                if admin.execute(query, [table, right]).fetchall() != [(False,)]:
                    yield f"perdure_app has the right to {right} {table}"


WEAKER = {
    "": b"",
    "open-set-config": b"grant execute on function set_config to public",
    "loose-search-path": b"alter function perdure_append reset search_path",
}


def weaken(place: Field, mutant: str) -> None:
    """Take one defence away."""
    with place.connect() as admin:
        admin.execute(WEAKER[mutant])
        place.before = fingerprint(admin, place)


def mutants_caught(place: Field) -> Iterator[bool]:
    """Make each policy `true`, one at a time, and see whether the list notices."""
    with place.connect() as admin:
        policies = admin.execute(
            "select tablename, policyname, qual, with_check from pg_policies"
            " where 'perdure_app' = any(roles) or roles = '{public}' order by 1"
        ).fetchall()
        for table, policy, qual, check in policies:
            change = sql.SQL("alter policy {} on {} using ({}) with check ({})")
            where = (sql.Identifier(str(policy)), sql.Identifier(str(table)))
            admin.execute(change.format(*where, sql.SQL("true"), sql.SQL("true")))
            place.before = fingerprint(admin, place)
            probe = place.fill(EACH_TABLE["select all"], str(table))
            yield any(attack(place, LOGIN, "select all", [probe]))
            admin.execute(change.format(*where, sql.SQL(str(qual)), sql.SQL(str(check or qual))))
        place.before = fingerprint(admin, place)


if __name__ == "__main__":
    program(run, rounds=1, mutants=(*WEAKER, "policy-true"), partitions=0)
