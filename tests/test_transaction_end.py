"""What a unit of work leaves behind can not reach the database any more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import perdure
from perdure.domains.souls import operations
from perdure.domains.souls.model import STREAM
from perdure.kernel import Recorded, Transaction


def test_a_transaction_that_escaped_is_over(store: perdure.Store) -> None:
    escaped: list[Transaction] = [store.transact(lambda tx: tx)]
    with store.transaction() as tx:
        escaped.append(tx)
    for tx in escaped:
        with pytest.raises(perdure.Invalid, match="the transaction is over"):
            operations.publish(tx, core_identity="Too late.")
        with pytest.raises(perdure.Invalid, match="the transaction is over"):
            operations.current(tx)


def test_events_that_escaped_are_not_read_behind_the_transactions_back(
    store: perdure.Store,
) -> None:
    store.souls.publish(core_identity="Curious.")

    def leak(tx: Transaction) -> Iterator[Recorded]:
        return tx.events(STREAM)

    with pytest.raises(perdure.Invalid, match="return a list"):
        next(store.transact(leak))
