"""The suite on all six targets, and sealed on four. What it says: perdure.testing.conformance."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from perdure.testing.conformance import Conformance, SharedConformance
from perdure.testing.conformance.isolation import Isolation
from perdure.vault import KeyFile, Vault
from tests.conformance.databases import PARTITIONS, Emptied, EmptyKeys
from tests.servers import PgBouncer


class TestSqliteFile(Conformance, SharedConformance):
    # 25 ms are promised; a machine that runs seven other things at once gets three times as long.
    seen_seconds_max = 0.075

    @pytest.fixture
    def target(self, tmp_path: Path) -> str:
        return os.fspath(tmp_path / "store.db")


class TestSqliteFolder(Conformance, SharedConformance):
    @pytest.fixture
    def target(self, tmp_path: Path) -> str:
        return f"{tmp_path / 'store'}/"


class TestMemory(Conformance):
    @pytest.fixture
    def target(self) -> str:
        return "memory:"


class TestPostgres(Conformance, SharedConformance):
    @pytest.fixture
    def target(self, emptied: Emptied) -> str:
        return emptied(0)


class TestPostgresPartitioned(Conformance, SharedConformance):
    @pytest.fixture
    def target(self, emptied: Emptied) -> str:
        return emptied(PARTITIONS)


class TestPgBouncer(Conformance, SharedConformance):
    # A pooler in transaction mode can not listen: followers look again by themselves.
    seen_seconds_max = 0.6

    @pytest.fixture
    def target(self, emptied: Emptied, pgbouncer: PgBouncer) -> str:
        return pgbouncer.through(emptied(0))


# Sealed: each call also finds the owner's keys; the key store is a file, or a database of its own.


class Sealed:
    @pytest.fixture
    def vault(self, tmp_path: Path) -> Vault:
        return Vault(tmp_path / "keys.db", master=KeyFile(tmp_path / "master.key"), create=True)


class TestSealedFile(Sealed, TestSqliteFile):
    pass


class TestSealedFolder(Sealed, TestSqliteFolder):
    pass


class TestSealedPostgres(Sealed, TestPostgres):
    pass


class TestSealedFileWithKeysInPostgres(Isolation, SharedConformance):
    @pytest.fixture
    def target(self, tmp_path: Path) -> str:
        return os.fspath(tmp_path / "store.db")

    @pytest.fixture
    def vault(self, tmp_path: Path, empty_keys: EmptyKeys) -> Vault:
        return Vault(empty_keys(), master=KeyFile(tmp_path / "master.key"), create=True)
