"""Perdure as `agmi-check` sees it: a record is an event of a log, or a row of a read model.

The attacker holds the database and everything in it, but neither the keys nor the head that is kept
elsewhere (`perdure.ops.witness`). After each edit the store is read through its API first; what
that accepts is verified against the witness. `verify_detail` says which of the two refused.
"""

# agmi carries no types
# mypy: disable-error-code="import-untyped, misc, no-any-unimported"

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest.mock import patch

from agmi.adapters.base import MemoryAdapter, Record

import perdure
from perdure.errors import Tampered
from perdure.kernel import chain
from perdure.ops import Witness, verify, witness
from perdure.vault import KeyFile, Vault
from tests.integrity.places import Place, PostgresPlace, SqlitePlace

ADA, BOB = "ada@example.org", "bob@example.org"
SAID, FORGED = "agmi-seed", "agmi-fake"
STREAM = "soul-self"
HOUR = timedelta(hours=1)
ON_READ, BY_VERIFY = "refused on read", "refused by verify"


class Log(MemoryAdapter):
    """The events of a soul, in clear, in a SQLite file."""

    name = "perdure-log"
    supports_replay = supports_metadata = supports_snapshot = True
    place_of: ClassVar[type[Place]] = SqlitePlace
    table = "perdure_events"
    content: ClassVar[tuple[str, ...]] = ("type", "schema", "payload", "payload_hash")
    told = "payload"  # the column that says something
    when = "at"
    is_deep = False
    is_sealed = False
    slot: ClassVar[tuple[str, ...]] = ("id", "at", "hash")

    def setup(self) -> None:
        self._place = self.place_of()
        self._vault: Vault | None = None
        if self.is_sealed:  # the keys are where the attacker is not
            keys = self._keys = TemporaryDirectory(prefix="perdure-agmi-keys-")
            master = KeyFile(f"{keys.name}/master.key")
            self._vault = Vault(f"{keys.name}/keys.db", master=master, create=True)
        self._names: dict[str, str] = {}
        self._witness: Witness | None = None

    def teardown(self) -> None:
        self._place.remove()
        if self.is_sealed:
            self._keys.cleanup()

    def _open(self) -> perdure.Store:
        return perdure.open(self._place.target, vault=self._vault)

    # -- through the API

    def seed(self, n: int) -> None:
        self._publish(ADA, [f"{SAID}-{number}" for number in range(n)])

    def seed_other(self, n: int) -> None:
        self._publish(BOB, [f"{SAID}-other-{number}" for number in range(n)])

    def append_genuine(self) -> None:
        self._publish(ADA, [f"{SAID}-late"])

    def _publish(self, subject: str, said: list[str]) -> None:
        with self._open() as store:
            for text in said:
                store.subject(subject).souls.publish(core_identity=text)
            self._witness = witness(store)
        if subject not in self._names:  # with a vault open only the newcomer's handle tells
            rows = self._place.execute("select distinct subject from perdure_events", {})
            (self._names[subject],) = {name for (name,) in rows} - {*self._names.values()}

    def reload(self) -> None:
        """Nothing is held open: every call opens the store as the next process would."""

    def verify(self) -> bool:
        self.verify_detail = None
        try:
            with self._open() as store:
                ada = store.subject(ADA)
                ada.transact(lambda tx: [recorded.version for recorded in tx.events(STREAM)])
                ada.souls.current()
                ada.souls.history()
                report = verify(store, head=self._witness, deep=self.is_deep)
        except Tampered as error:
            self.verify_detail = f"{ON_READ}: {error}"
            return False
        if not report.is_sound:
            self.verify_detail = f"{BY_VERIFY}: {report.findings[0].sentence}"
        return report.is_sound

    # -- behind its back

    @property
    def _columns(self) -> tuple[str, ...]:
        return (*self.slot, *self.content)

    def _read(self, subject: str) -> list[Record]:
        columns = ("slice", "subject", "version", *self._columns)
        rows = self._place.execute(
            f"select {', '.join(columns)} from {self.table} where subject = :subject"
            " order by version",
            {"subject": self._names[subject]},
        )
        fields = [dict(zip(columns, row, strict=True)) for row in rows]
        return [Record(each["version"] - 1, each) for each in fields]

    def read_all_raw(self) -> list[Record]:
        return self._read(ADA)

    def read_other_raw(self) -> list[Record]:
        return self._read(BOB)

    def _set(self, seq: int, values: dict[str, Any]) -> None:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        self._place.execute(
            f"update {self.table} set {sets} where subject = :subject and version = :version",
            {**values, "subject": self._names[ADA], "version": seq + 1},
        )

    def _insert(self, fields: dict[str, Any]) -> None:
        names, marks = ", ".join(fields), ", ".join(f":{name}" for name in fields)
        self._place.execute(f"insert into {self.table} ({names}) values ({marks})", fields)

    def write_raw(self, record: Record) -> None:
        if record.seq < len(self.read_all_raw()):
            self._set(record.seq, {name: record.fields[name] for name in self.content})
        else:
            self._add(record)

    def _add(self, record: Record) -> None:
        """Put a forged event behind the last one, and move the head and the counter to it."""
        place = {"slice": record.fields["slice"], "subject": self._names[ADA]}
        ((last,),) = self._place.execute(
            "select position from perdure_slices where slice = :slice", {"slice": place["slice"]}
        )
        more = {"stream": STREAM, "position": last + 1, "version": record.seq + 1}
        self._insert({**record.fields, **place, **more})
        self._place.execute(
            "update perdure_slices set position = position + 1 where slice = :slice",
            {"slice": place["slice"]},
        )
        self._place.execute(
            "update perdure_streams set version = version + 1 where subject = :subject",
            {"subject": place["subject"]},
        )

    def delete_raw(self, seq: int) -> None:
        self._place.execute(
            f"delete from {self.table} where subject = :subject and version = :version",
            {"subject": self._names[ADA], "version": seq + 1},
        )

    def replay_onto(self, victim_seq: int, donor: Record) -> None:
        self._set(victim_seq, {name: donor.fields[name] for name in self.content})

    def read_meta(self, seq: int) -> dict[str, Any]:
        return {self.when: self.read_all_raw()[seq].fields[self.when]}

    def write_meta(self, seq: int, meta: dict[str, Any]) -> None:
        self._set(seq, {self.when: self._later(meta[self.when])})

    def _later(self, when: Any) -> Any:
        return when + HOUR // timedelta(microseconds=1)

    def mutate_payload(self, record: Record) -> Record:
        told = bytes(record.fields[self.told])
        changed = told.replace(SAID.encode(), FORGED.encode())
        if changed == told:  # sealed: nothing to be read, but still bytes to be changed
            changed = told[:-1] + bytes([told[-1] ^ 1])
        return Record(record.seq, {**record.fields, self.told: changed})

    def forge_record(self, template: Record) -> Record:
        forged = self.mutate_payload(Record(template.seq + 1, dict(template.fields)))
        return replace(forged, fields={**forged.fields, "id": str(uuid.uuid4())})

    def identity_of(self, record: Record) -> str:
        return f"{record.fields['subject']}:{record.fields['version']}"

    def payload_of(self, record: Record) -> str:
        return repr(record.fields[self.told])

    def owner_of(self, record: Record) -> str:
        return str(record.fields["subject"])

    def snapshot_store(self) -> None:
        self._place.snapshot()

    def restore_store(self, token: object) -> None:
        self._place.restore()


class Rows(Log):
    """The rows of a soul's versions. A missing row is seen by `verify` alone, not by a reader."""

    name = "perdure-rows"
    detection_point = "audit"
    table = "soul_versions"
    content = (
        *("core_identity", "active_values", "recent_growth", "reflection_notes"),
        *("token_count", "digest"),
    )
    told = "core_identity"
    when = "created_at"
    is_deep = True
    slot = ("id", "created_at")

    def _add(self, record: Record) -> None:
        self._insert({**record.fields, "version": record.seq + 1})

    def _later(self, when: Any) -> Any:
        return (datetime.fromisoformat(str(when)) + HOUR).isoformat()

    def mutate_payload(self, record: Record) -> Record:
        told = str(record.fields[self.told])
        changed = told.replace(SAID, FORGED)
        if changed == told:
            changed = ("B" if told[0] == "A" else "A") + told[1:]
        return Record(record.seq, {**record.fields, self.told: changed})


class Recomputed(Log):
    """An attacker who knows the chain and makes all of it fit after the edit.

    The numbers and hashes he mends everywhere are his own affair: the suite sees the rest.
    """

    name = "perdure-log-recomputed"
    content = ("type", "schema", "payload")
    slot = ("id", "at")

    def read_all_raw(self) -> list[Record]:
        records = super().read_all_raw()
        kept = ("slice", "subject", *self._columns)
        return [
            Record(seq, {name: record.fields[name] for name in kept})
            for seq, record in enumerate(records)
        ]

    def identity_of(self, record: Record) -> str:
        return str(record.fields["id"])

    def _add(self, record: Record) -> None:
        hashes = {"payload_hash": b"", "hash": b""}
        super()._add(Record(record.seq, {**record.fields, **hashes}))

    def write_raw(self, record: Record) -> None:
        super().write_raw(record)
        self._relink()

    def delete_raw(self, seq: int) -> None:
        super().delete_raw(seq)
        self._place.execute(
            "update perdure_events set version = version - 1"
            " where subject = :subject and version > :version",
            {"subject": self._names[ADA], "version": seq + 1},
        )
        self._relink()

    def replay_onto(self, victim_seq: int, donor: Record) -> None:
        super().replay_onto(victim_seq, donor)
        self._relink()

    def write_meta(self, seq: int, meta: dict[str, Any]) -> None:
        super().write_meta(seq, meta)
        self._relink()

    def _relink(self) -> None:
        previous = chain.GENESIS
        records = self.read_all_raw()
        for version, fields in enumerate((record.fields for record in records), 1):
            payload_hash = chain.payload_hash(bytes(fields["payload"]))
            previous = chain.link(
                previous,
                slice=fields["slice"], subject=fields["subject"], stream=STREAM, version=version,
                id=str(fields["id"]), type=fields["type"], schema=fields["schema"],
                at=fields["at"], payload=payload_hash,
            )  # fmt: skip
            self._set(version - 1, {"payload_hash": payload_hash, "hash": previous})
        self._place.execute(
            "update perdure_streams set version = :version, hash = :hash where subject = :subject",
            {"subject": self._names[ADA], "version": len(records), "hash": previous},
        )


class Sealed(Log):
    """A log that a vault seals."""

    name = "perdure-log-sealed"
    is_sealed = True


class SealedPostgres(Sealed):
    """The same in PostgreSQL."""

    name = "perdure-log-sealed-postgres"
    place_of = PostgresPlace


class SealedRows(Rows):
    """Rows that a vault seals, with digests that need a key."""

    name = "perdure-rows-sealed"
    is_sealed = True


class SealedRecomputed(Recomputed):
    """Who knows the chain, but not the keys."""

    name = "perdure-log-sealed-recomputed"
    is_sealed = True


class Unwitnessed(Log):
    """A mutant: nobody keeps a head elsewhere."""

    name = "mutant-unwitnessed"

    def verify(self) -> bool:
        self._witness = None
        return super().verify()


class Unverified(Log):
    """A mutant: whoever reads the log takes every event as it comes, and nobody verifies."""

    name = "mutant-unverified"

    def verify(self) -> bool:
        with self._open() as store, patch("perdure.kernel.log.verify"):
            try:
                store.subject(ADA).transact(lambda tx: [each.event for each in tx.events(STREAM)])
            except Tampered as error:
                self.verify_detail = str(error)
                return False
        return True
