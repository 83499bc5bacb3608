"""A life in every domain, where it is lived, and what an export says of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import perdure
from perdure.kernel import Transaction
from perdure.kernel.log import statements
from perdure.testing import SettableClock
from perdure.vault import KeyFile, Vault
from tests.fix.postgres import FreshDatabase
from tests.ops.damage import note

THREAD = "00000000-0000-0000-0000-0000000000aa"
KINDS = [f"{engine} {seal}" for engine in ("file", "folder", "postgres") for seal in ("-", "vault")]
DIFFERING = {"hash", "exact", "blind", "filter_digest"}  # tokens, and what stands beside them


@dataclass(frozen=True)
class Homes:
    """Makes places for stores of every kind."""

    folder: Path
    database: FreshDatabase

    def target(self, kind: str, name: str) -> str:
        engine = kind.split(maxsplit=1)[0]
        if engine == "postgres":
            return self.database()
        return str(self.folder / (f"{name}.db" if engine == "file" else name))

    def vault(self, name: str) -> Vault:
        key = KeyFile(self.folder / f"{name}.key")
        return Vault(self.folder / f"{name}.keys", master=key, create=True)

    @contextmanager
    def open(self, kind: str, name: str, **how: Any) -> Iterator[perdure.Store]:
        """Open a new store of a kind."""
        if kind.endswith("vault"):
            how["vault"] = self.vault(name)
        with perdure.open(self.target(kind, name), clock=SettableClock(), **how) as store:
            yield store


def live(store: perdure.Store, subject: str = "ada") -> None:
    """Leave something in every table that can be read, an outcome, an actor and an erased event."""
    ada = store.subject(subject)
    for version in range(3):
        ada.by("editor").souls.publish(core_identity=f"Curious {version} ☂", reflection_notes="é")
    ada.souls.milestones.add("we met", lesson_learned="trust", source_thread_id=THREAD)
    for number in range(70):
        ada.drift.observe(f"The rain fell {number} times on the roof, and I listened to it.")
    ada.drift.observe("The rain fell 3 times on the roof, and I listened to it.")
    ada.drift.import_state({"coefficient": 0.25, "recentHashes": ["abc"]})
    ada.once("the first time").souls.publish(core_identity="Once")
    if store.keys is not None:
        ada.tokens.hide("Write to ada@example.com.")
    ada.transact(lambda tx: note(tx, "note-a", "one", "two", "three"))
    ada.transact(erase_one)


def erase_one(tx: Transaction) -> None:
    tx.run(statements.erase, stream="note-a", after=1, upto=2)


def said(export: Path) -> dict[str, Any]:
    """Give what an export says, member by member; rows without what differs, in any order."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in export.rglob("*.jsonl")):
        table = path.parent.relative_to(export).as_posix()
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        if table.startswith("tables/"):
            rows = [{k: v for k, v in row.items() if k not in DIFFERING} for row in rows]
            rows.sort(key=json.dumps)
        found.setdefault(table, []).extend(rows)
    return found


def answers(store: perdure.Store, subject: str = "ada") -> list[object]:
    """Ask every domain."""
    ada = store.subject(subject)
    return [
        ada.souls.history(),
        ada.souls.milestones.list(),
        ada.drift.current(),
        ada.drift.said_before("The rain fell 7 times on the roof, and I listened to it."),
        ada.drift.said_before("The rain fell 7 times on a roof, and I listened to it."),
        ada.drift.export_state(),
        ada.audit.deeds(),
    ]
