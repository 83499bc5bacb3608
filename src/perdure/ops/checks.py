"""The rules of the doctor: each turns something measured into a check. Nothing is measured here.

A rule is a function of plain values, so a test can show each of its answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from perdure.engines.sqlite_errors import require_safe_version
from perdure.errors import Unavailable

State = Literal["ok", "warn", "fail"]

FREE_BYTES_WARN = 1 << 30
FREE_BYTES_FAIL = 100 << 20
WAL_BYTES_WARN = 64 << 20
FSYNC_MS_WARN = 20.0
FSYNC_MS_SUSPICIOUS = 0.01
NETWORK = frozenset(
    "9p afs ceph cifs fuse.ceph fuse.glusterfs fuse.s3fs fuse.sshfs gfs2 glusterfs lustre ncpfs"
    " nfs nfs4 ocfs2 smb3 smbfs virtiofs".split()
)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the doctor looked at."""

    name: str
    state: State
    sentence: str
    remedy: str = ""


def ok(name: str, sentence: str) -> Check:
    """Say that all is well."""
    return Check(name, "ok", sentence)


# -- SQLite


def sqlite_version(version: str) -> Check:
    """Refuse a library with the WAL-reset bug."""
    try:
        require_safe_version(version)
    except Unavailable as error:
        return Check("sqlite-version", "fail", error.message, error.remedy)
    return ok("sqlite-version", f"SQLite {version} has no known bug that touches WAL")


def journal_mode(mode: str) -> Check:
    """Expect a write-ahead log; a database in memory has none."""
    if mode in ("wal", "memory"):
        return ok("journal-mode", f"the journal mode is {mode}")
    return Check(
        "journal-mode", "fail", f"the journal mode is {mode}, so readers wait for writers",
        "close every other program that has the file open, then open the store again",
    )  # fmt: skip


def synchronous(level: int) -> Check:
    """Expect an fsync with each commit."""
    if level >= 2:  # noqa: PLR2004 (SQLite's FULL; 3 is EXTRA)
        return ok("synchronous", "an acknowledged write survives a power cut")
    return Check(
        "synchronous", "warn", "the newest acknowledged writes may be lost in a power cut",
        "open the store with durability='full'",
    )  # fmt: skip


def wal_size(size: int) -> Check:
    """Expect a bounded write-ahead log."""
    if size < WAL_BYTES_WARN:
        return ok("wal-size", f"the write-ahead log has {size:,} bytes")
    return Check(
        "wal-size", "warn", f"the write-ahead log has grown to {size:,} bytes",
        "end readers that stay open for long; it shrinks with the next checkpoint",
    )  # fmt: skip


def oldest_reader(frames: int, moved: int) -> Check:
    """Say whether somebody reads an old state; since when, SQLite does not tell."""
    if moved >= frames:
        return ok("oldest-reader", "nobody reads an old state")
    return Check(
        "oldest-reader", "warn", f"a reader holds {frames - moved} pages of the write-ahead log",
        "end it if it stays: look for a process that has the file open",
    )  # fmt: skip


def one_library(modules: Collection[str]) -> Check:
    """Expect no second SQLite library in this process."""
    if "_sqlite3" not in modules:
        return ok("one-sqlite", "no second SQLite library is loaded here")
    return Check(
        "one-sqlite", "warn", "the standard module sqlite3 is loaded in this process",
        "never open the store's file with it: the two libraries cancel each other's locks",
    )  # fmt: skip


def file_system(path: Path, mounts: str) -> Check:
    """Refuse a network file system: its locks and its shared memory can not be trusted."""
    kind = _kind_of(path, mounts)
    if kind not in NETWORK:
        return ok("file-system", f"the file lies on {kind}")
    return Check(
        "file-system", "fail", f"{path} lies on a network file system ({kind})",
        "move it to a local disk, or use PostgreSQL",
    )  # fmt: skip


def _kind_of(path: Path, mounts: str) -> str:
    best, kind = -1, "an unknown file system"
    for line in mounts.splitlines():
        _, mounted, found, *_ = line.split(" ")
        point = Path(mounted.replace("\\040", " "))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), found
    return kind


def permissions(open_to_others: Sequence[Path]) -> Check:
    """Expect files that the owner alone may read."""
    if not open_to_others:
        return ok("permissions", "the owner alone may read the files")
    first = open_to_others[0]
    return Check(
        "permissions", "warn", f"{first} may be read by others, one of {len(open_to_others)}",
        f"chmod go= {first}",
    )  # fmt: skip


def free_space(free: int, needed: int) -> Check:
    """Expect room to grow, and for one copy."""
    if free < FREE_BYTES_FAIL:
        return Check("free-space", "fail", f"{free:,} bytes are free", "make space")
    if free < max(FREE_BYTES_WARN, needed):
        return Check(
            "free-space", "warn", f"{free:,} bytes are free, {needed:,} are in use",
            "make space: a copy would not fit, or writes will soon be refused",
        )  # fmt: skip
    return ok("free-space", f"{free:,} bytes are free")


def fsync_latency(milliseconds: float) -> Check:
    """Expect an fsync that takes its time, but not too much."""
    said = f"an fsync takes {milliseconds:.3g} ms (median of 20)"
    if milliseconds < FSYNC_MS_SUSPICIOUS:
        return Check(
            "fsync", "warn", f"{said}: this disk may not keep what it promises",
            "do not store selves in memory (tmpfs) or behind a cache without a battery",
        )  # fmt: skip
    if milliseconds > FSYNC_MS_WARN:
        return Check(
            "fsync", "warn", f"{said}: each write waits for it",
            "use a faster disk, or write from several callers at once: they share one",
        )  # fmt: skip
    return ok("fsync", said)


# -- both


def pending(labels: Sequence[str]) -> Check:
    """Expect a schema that is up to date."""
    if not labels:
        return ok("migrations", "the schema is up to date")
    return Check(
        "migrations", "fail", f"{len(labels)} migrations are missing, the first is {labels[0]}",
        "run 'perdure migrate up'",
    )  # fmt: skip


def leftovers(databases: Sequence[str]) -> Check:
    """Say where a rebuild was interrupted."""
    if not databases:
        return ok("rebuild", "no rebuild was interrupted")
    return Check(
        "rebuild", "warn", f"a rebuild was interrupted in {len(databases)} databases",
        "run 'perdure rebuild' to finish it",
    )  # fmt: skip


# -- the vault


def one_epoch(epoch: int, epochs: int, *, is_rotating: bool) -> Check:
    """Expect that every key is wrapped by the newest master key."""
    if not is_rotating and epochs <= 1:
        return ok("master-key", f"every key is wrapped by the master key of epoch {epoch}")
    return Check(
        "master-key", "warn", f"the move of all keys to epoch {epoch} was interrupted",
        "run 'perdure vault rotate' (or rewrap) again: it goes on",
    )  # fmt: skip


def nobody_half_forgotten(count: int) -> Check:
    """Expect that forgetting was finished."""
    if not count:
        return ok("forgetting", "nobody is half forgotten")
    return Check(
        "forgetting", "warn", f"forgetting {count} subjects has begun and is not finished",
        "run 'perdure forget' without a name: it goes on",
    )  # fmt: skip


def key_permissions(open_to_others: Sequence[Path]) -> Check:
    """Expect a key store that the owner alone may read."""
    found = permissions(open_to_others)
    return Check("key-permissions", found.state, found.sentence, found.remedy)


def keys_apart(keys: Path, places: Collection[Path]) -> Check:
    """Expect that a copy of the data's folder does not take the keys along."""
    if not any(keys.is_relative_to(place) for place in places):
        return ok("keys-apart", "the key store lies apart from the data")
    return Check(
        "keys-apart", "warn", f"the key store {keys} lies in the folder of the data",
        "move it to another place: a copy of the folder would hold both",
    )  # fmt: skip


# -- PostgreSQL


def durable_server(settings: Mapping[str, str]) -> Check:
    """Expect a server that keeps what it acknowledged."""
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if settings.get(name) == "off":
            return Check(
                "durability", "fail", f"the server runs with {name} = off: it may lose writes",
                f"set {name} = on",
            )  # fmt: skip
    return ok("durability", "the server keeps what it acknowledged")


def server_version(settings: Mapping[str, str]) -> Check:
    """Name the version; the engine refuses those that are too old."""
    return ok("postgres-version", f"PostgreSQL {settings.get('server_version')} answers")


def encoding(settings: Mapping[str, str]) -> Check:
    """Expect UTF-8: nothing else holds every text."""
    found = settings.get("server_encoding")
    if found == "UTF8":
        return ok("encoding", "the database is UTF-8")
    return Check("encoding", "fail", f"the database is {found}", "create it with encoding UTF8")


def roles(missing: Sequence[str], login: str) -> Check:
    """Expect a login that may take every role it needs."""
    if not missing:
        return ok("roles", f"the login {login} may take every role it needs")
    return Check(
        "roles", "fail", f"the login {login} is no member of {', '.join(missing)}",
        f"as the one who migrated: grant {', '.join(missing)} to {login}",
    )  # fmt: skip


def guarded(tables: Sequence[str]) -> Check:
    """Expect row-level security that binds the owner, too."""
    if not tables:
        return ok("row-security", "row-level security is forced on every owned table")
    return Check(
        "row-security", "fail", f"row-level security is not forced on {', '.join(tables)}",
        "alter each of them: enable and force row level security",
    )  # fmt: skip


def fixed_subject(*, can_set: bool) -> Check:
    """Expect that a statement of the application can not name another subject on its way."""
    if not can_set:
        return ok("set-config", "perdure_app may not call set_config")
    return Check(
        "set-config", "warn", "perdure_app may call set_config, so an injected statement could"
        " name another subject",
        "as a superuser: revoke execute on function set_config from public (docs/faults.md)",
    )  # fmt: skip


def login_rights(login: str, *, is_super: bool, is_exempt: bool) -> Check:
    """Warn of a login that the database does not hold back."""
    if not (is_super or is_exempt):
        return ok("login", f"the login {login} is an ordinary one")
    what = "a superuser" if is_super else "exempt from row-level security (BYPASSRLS)"
    return Check(
        "login", "warn", f"the login {login} is {what}",
        "run the application as an ordinary login that is a member of the perdure roles",
    )  # fmt: skip


def pooler(*, is_pooled: bool) -> Check:
    """Say whether a pooler stands between."""
    if is_pooled:
        return ok("pooler", "a pooler is in front; transaction mode works, followers look by time")
    return ok("pooler", "no pooler is in front")


def time_zone(zone: str | None, moment: datetime) -> Check:
    """Expect that the server's zone changes no time."""
    if moment == NOON:
        return ok("time-zone", f"the server's zone is {zone}, which changes no time")
    return Check(
        "time-zone", "fail", f"in the server's zone {zone} noon became {moment}",
        "report this: times are read wrongly",
    )  # fmt: skip
