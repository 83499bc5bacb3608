"""What an operator may know of a vault: counts and ages, never a key or a name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from perdure.kernel.clock import moment
from perdure.kernel.engine import Session

from . import keystore
from .keyring import Keyring
from .keystore import ACTIVE, FORGETTING, FORGOTTEN, statements


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a key store."""

    vault: str
    epoch: int
    source: str
    is_rotating: bool
    subjects: int
    forgetting: int
    forgotten: int
    generations: int
    keys_by_epoch: dict[int, int]
    oldest: datetime | None


def status(keyring: Keyring) -> Status:
    """Look at a key store, in one snapshot."""
    return keyring.engine.read("", lambda session: _status(keyring.vault, session))


def _status(vault: bytes, session: Session) -> Status:
    newest = keystore.epochs(session)[0]
    states: dict[str, int] = dict(session.rows(statements.count_states, {}))
    keys = session.rows(statements.count_epochs, {})
    by_epoch = {epoch: count for epoch, count, _ in keys}
    return Status(
        vault=vault.hex(),
        epoch=newest.epoch,
        source=newest.source,
        is_rotating=not newest.is_settled,
        subjects=states.get(ACTIVE, 0),
        forgetting=states.get(FORGETTING, 0),
        forgotten=states.get(FORGOTTEN, 0),
        generations=sum(by_epoch.values()),
        keys_by_epoch=by_epoch,
        oldest=moment(min(at for _, _, at in keys)) if keys else None,
    )
