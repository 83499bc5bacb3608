"""PostgreSQL and PgBouncer: one of each a session, a new database a test, private ones to kill.

Each xdist worker has servers of its own, so nothing here is shared between processes.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.fix.leaks import SESSION_SERVERS
from tests.servers import PgBouncer, PostgresServer, Servers, pgbouncer_program

# fresh_database() or fresh_database(template="name"): a new database, as a superuser's URL.
FreshDatabase = Callable[..., str]
# new_postgres() or new_postgres(fsync=True, settings=("wal_level=logical",)): a cluster to kill.
NewPostgres = Callable[..., PostgresServer]


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """The folder and the guard of all servers of this session."""
    made = Servers()
    request.config.stash[SESSION_SERVERS] = made
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def postgres(servers: Servers) -> PostgresServer:
    """The session's cluster, without fsync. Do not kill it: new_postgres() is for that."""
    return servers.postgres()


@pytest.fixture(scope="session")
def pgbouncer(servers: Servers, postgres: PostgresServer) -> PgBouncer:
    """PgBouncer in transaction mode in front of `postgres`: pgbouncer.through(url)."""
    program = pgbouncer_program()
    if program is None:
        reason = (
            "pgbouncer is not installed (`make programs` as root, or apt-get install pgbouncer)"
        )
        if os.environ.get("PERDURE_REQUIRE_PGBOUNCER"):
            pytest.fail(reason)
        pytest.skip(reason)
    return servers.pgbouncer(postgres, program)


@pytest.fixture
def fresh_database(postgres: PostgresServer) -> Iterator[FreshDatabase]:
    """A function that makes a new empty database; all are dropped after the test."""
    names: list[str] = []

    def make(*, template: str = "template0") -> str:
        names.append(postgres.create_database(template=template))
        return postgres.url(names[-1])

    yield make
    for name in names:
        postgres.drop_database(name)


@pytest.fixture
def new_postgres(servers: Servers) -> Iterator[NewPostgres]:
    """A function that starts a cluster for this test alone, to be killed and started again."""
    made: list[PostgresServer] = []

    def make(*, fsync: bool = False, settings: tuple[str, ...] = ()) -> PostgresServer:
        made.append(servers.postgres(fsync=fsync, settings=settings))
        return made[-1]

    yield make
    for server in made:
        servers.end(server)
