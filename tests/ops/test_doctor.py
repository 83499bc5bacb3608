"""The doctor says what is well, what is not, and what to do about it."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import apsw
import psycopg
import pytest

import perdure
from perdure.ops import checks, rebuild
from perdure.ops.checks import Check
from perdure.ops.doctor import doctor
from perdure.vault import KeyFile, Vault
from tests.fix.postgres import FreshDatabase
from tests.ops.damage import fill
from tests.servers import PgBouncer


def look(target: str | Path, *, migrate: bool = True, durability: str = "full") -> dict[str, Check]:
    """Run every check on a target."""
    with perdure.open(target, subject="x", migrate=migrate, durability=durability) as store:
        return {check.name: check for check in doctor(store)}


def states(found: dict[str, Check], *leave: str) -> set[str]:
    """Collect the states, without some checks that depend on the machine."""
    return {check.state for name, check in found.items() if name not in leave}


MACHINE = ("fsync", "free-space", "file-system", "one-sqlite")


@pytest.mark.parametrize("name", ["store.db", "store/"])
def test_a_new_file_is_well(tmp_path: Path, name: str) -> None:
    found = look(f"{tmp_path}/{name}")
    assert states(found, *MACHINE) == {"ok"}, found
    assert len(found) == 12
    assert "median of 20" in found["fsync"].sentence
    assert list(tmp_path.rglob("*doctor*")) == []


def test_memory_has_no_files() -> None:
    found = look("memory:")
    assert states(found, "one-sqlite") == {"ok"}
    assert "fsync" not in found


def test_every_finding_has_a_remedy_and_a_sentence(tmp_path: Path) -> None:
    for check in look(tmp_path / "store.db").values():
        assert check.sentence
        assert bool(check.remedy) == (check.state != "ok")


def test_less_durability_is_a_warning(tmp_path: Path) -> None:
    found = look(tmp_path / "store.db", durability="normal")["synchronous"]
    assert (found.state, found.remedy) == ("warn", "open the store with durability='full'")


def test_a_file_open_to_others_is_a_warning(tmp_path: Path) -> None:
    with perdure.open(tmp_path / "store.db") as store:
        (tmp_path / "store.db").chmod(0o644)
        found = {check.name: check for check in doctor(store)}["permissions"]
    assert found.state == "warn"
    assert found.remedy == f"chmod go= {tmp_path}/store.db"


def test_a_reader_of_an_old_state_is_a_warning(tmp_path: Path) -> None:
    with perdure.open(tmp_path / "store.db") as store:
        fill(store)
        reader = apsw.Connection(str(tmp_path / "store.db"))
        reader.execute("begin; select * from perdure_slices").fetchall()
        fill(store)
        found = {check.name: check for check in doctor(store)}["oldest-reader"]
        reader.close()
    assert found.state == "warn"
    assert "a reader holds" in found.sentence


def test_missing_migrations_fail(target: str) -> None:
    found = look(target, migrate=False)["migrations"]
    assert found.state == "fail"
    assert "the first is kernel 0001 log" in found.sentence
    assert found.remedy == "run 'perdure migrate up'"


def test_a_migration_with_another_text_fails(target: str, store: perdure.Store) -> None:
    change = "update perdure_migrations set checksum = 'x' where package = 'souls'"
    if target.startswith("postgresql:"):
        with psycopg.connect(target) as postgres:
            postgres.execute(change)
    else:
        sqlite = apsw.Connection(target)
        sqlite.execute(change)
        sqlite.close()
    found = {check.name: check for check in doctor(store)}["conflict"]
    assert found.sentence.endswith("was applied with another text")


def test_an_interrupted_rebuild_is_a_warning(store: perdure.Store) -> None:
    fill(store)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(store, progress=stop)
    found = {check.name: check for check in doctor(store)}["rebuild"]
    assert (found.state, found.remedy) == ("warn", "run 'perdure rebuild' to finish it")


SQLITE3 = """
import sys, perdure
from perdure.ops import doctor
if len(sys.argv) > 1:
    import sqlite3
with perdure.open("memory:") as store:
    print({check.name: check.state for check in doctor(store)}["one-sqlite"])
"""


@pytest.mark.parametrize(("arguments", "state"), [([], "ok"), (["too"], "warn")])
def test_a_second_library_in_the_process_is_a_warning(arguments: list[str], state: str) -> None:
    command = [sys.executable, "-c", SQLITE3, *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == state


MOUNTS = "\n".join(
    [
        "/dev/sda1 / ext4 rw 0 0",
        "server:/home /home nfs4 rw 0 0",
        "/dev/sdb1 /home/ada\\040b ext4 rw 0 0",
    ]
)


@pytest.mark.parametrize(
    ("path", "state"),
    [("/var/store.db", "ok"), ("/home/eve/store.db", "fail"), ("/home/ada b/store.db", "ok")],
)
def test_a_network_file_system_fails(path: str, state: str) -> None:
    assert checks.file_system(Path(path), MOUNTS).state == state


def test_an_unknown_file_system_is_let_pass() -> None:
    assert checks.file_system(Path("/x"), "").state == "ok"


@pytest.mark.parametrize(
    ("check", "state", "said"),
    [
        (checks.one_epoch(2, 2, is_rotating=False), "warn", "all keys to epoch 2 was interrupted"),
        (checks.one_epoch(2, 1, is_rotating=True), "warn", "was interrupted"),
        (checks.nobody_half_forgotten(3), "warn", "forgetting 3 subjects has begun"),
        (checks.sqlite_version("3.40.1"), "fail", "can corrupt WAL databases"),
        (checks.journal_mode("delete"), "fail", "readers wait for writers"),
        (checks.wal_size(1 << 30), "warn", "has grown to 1,073,741,824 bytes"),
        (checks.free_space(5, 0), "fail", "5 bytes are free"),
        (checks.free_space(2 << 30, 3 << 30), "warn", "are in use"),
        (checks.free_space(2 << 30, 1 << 30), "ok", "are free"),
        (checks.fsync_latency(0.001), "warn", "may not keep what it promises"),
        (checks.fsync_latency(50), "warn", "each write waits for it"),
        (checks.fsync_latency(2), "ok", "an fsync takes 2 ms"),
        (checks.encoding({"server_encoding": "LATIN1"}), "fail", "the database is LATIN1"),
        (checks.durable_server({"fsync": "on"}), "ok", "keeps what it acknowledged"),
        (checks.time_zone("Mars", checks.NOON + timedelta(hours=1)), "fail", "Mars noon became"),
    ],
)
def test_the_rules(check: Check, state: str, said: str) -> None:
    assert check.state == state
    assert said in check.sentence


# -- the vault


def sealed(tmp_path: Path, vault: Vault) -> dict[str, Check]:
    """Look at a sealed store in a folder of its own."""
    (tmp_path / "data").mkdir(exist_ok=True)
    with perdure.open(tmp_path / "data" / "store.db", vault=vault) as store:
        return {check.name: check for check in doctor(store)}


VAULT = ("master-key", "forgetting", "key-permissions", "keys-apart")


def test_a_new_vault_is_well(tmp_path: Path, vault: Vault) -> None:
    found = sealed(tmp_path, vault)
    assert {found[name].state for name in VAULT} == {"ok"}
    assert found["master-key"].sentence == "every key is wrapped by the master key of epoch 1"


def test_a_key_store_that_others_may_read_is_a_warning(tmp_path: Path, vault: Vault) -> None:
    sealed(tmp_path, vault)
    (tmp_path / "keys.db").chmod(0o644)
    found = sealed(tmp_path, vault)["key-permissions"]
    assert (found.state, found.remedy) == ("warn", f"chmod go= {tmp_path}/keys.db")


@pytest.mark.parametrize("name", ["store.db", "store/"])
def test_a_key_store_beside_the_data_is_a_warning(tmp_path: Path, name: str) -> None:
    beside = tmp_path / (name if name.endswith("/") else ".") / "keys.db"
    beside.parent.mkdir(exist_ok=True)
    vault = Vault(beside, master=KeyFile(tmp_path / "master.key"), create=True)
    with perdure.open(f"{tmp_path}/{name}", vault=vault) as store:
        found = {check.name: check for check in doctor(store)}["keys-apart"]
    assert found.state == "warn"
    assert found.sentence == f"the key store {beside.resolve()} lies in the folder of the data"


def test_keys_in_a_server_have_no_files(tmp_path: Path, fresh_database: FreshDatabase) -> None:
    vault = Vault(fresh_database(), master=KeyFile(tmp_path / "master.key"), create=True)
    found = sealed(tmp_path, vault)
    assert found["master-key"].state == "ok"
    assert "keys-apart" not in found


# -- PostgreSQL


def test_a_test_server_is_well_but_for_its_durability(fresh_database: FreshDatabase) -> None:
    found = look(fresh_database())
    assert {name for name, check in found.items() if check.state == "fail"} == {"durability"}
    assert found["durability"].sentence == ("the server runs with fsync = off: it may lose writes")
    assert found["postgres-version"].sentence.startswith("PostgreSQL 1")
    assert found["pooler"].sentence == "no pooler is in front"


def test_a_superuser_is_a_warning(fresh_database: FreshDatabase) -> None:
    found = look(fresh_database())["login"]
    assert (found.state, found.sentence) == ("warn", "the login postgres is a superuser")


def test_an_ordinary_login_needs_its_roles(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    look(url)
    with psycopg.connect(url, autocommit=True) as postgres:
        postgres.execute("drop role if exists plain_one")
        postgres.execute("create role plain_one login")
        postgres.execute("grant perdure_app, perdure_reader to plain_one")
        found = look(url.replace("postgres@", "plain_one@"), migrate=False)
        postgres.execute("drop role plain_one")
    assert found["login"].state == "ok"
    assert found["roles"].state == "fail"
    assert found["roles"].sentence == ("the login plain_one is no member of service_role")
    assert found["migrations"].state == "ok"


def test_a_table_without_forced_row_security_fails(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    look(url)
    with psycopg.connect(url) as postgres:
        postgres.execute("alter table soul_versions no force row level security")
    found = look(url)["row-security"]
    assert found.state == "fail"
    assert found.sentence == "row-level security is not forced on soul_versions"


def test_an_application_that_may_set_any_setting_is_a_warning(
    fresh_database: FreshDatabase,
) -> None:
    url = fresh_database()
    assert look(url)["set-config"].state == "ok"
    with psycopg.connect(url, autocommit=True) as postgres:
        postgres.execute("grant execute on function set_config to perdure_app")
    found = look(url)["set-config"]
    assert found.state == "warn"
    assert "could name another subject" in found.sentence


def test_a_pooler_is_noticed(fresh_database: FreshDatabase, pgbouncer: PgBouncer) -> None:
    found = look(pgbouncer.through(fresh_database()))["pooler"]
    assert "a pooler is in front" in found.sentence


def test_the_servers_zone_changes_no_time(fresh_database: FreshDatabase) -> None:
    url = fresh_database()
    name = url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as postgres:
        postgres.execute(f"alter database {name} set timezone = 'Asia/Kathmandu'".encode())
    found = look(url)["time-zone"]
    assert (found.state, found.sentence) == (
        "ok",
        "the server's zone is Asia/Kathmandu, which changes no time",
    )
