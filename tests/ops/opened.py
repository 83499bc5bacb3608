"""Every row of a sealed store, opened: sealed anew, the same content has other bytes."""

from dataclasses import fields
from functools import partial
from itertools import product

import perdure
from perdure.kernel.engine import Engine, Params, Rows
from perdure.kernel.queries import Query
from perdure.kernel.sealed import reopen
from perdure.kernel.tables import described
from perdure.kernel.transaction import slice_of
from perdure.ops.places import stored_rows
from perdure.ops.tables import domains


def opened_rows(store: perdure.Store) -> dict[tuple[str, object], list[object]]:
    """Open every row of every table."""
    assert store.keys is not None
    found: dict[tuple[str, object], list[object]] = {}
    for _, database in store.engine.databases():
        tables = database.read("", lambda session: described(session, domains()))
        for table, handle in product(tables, store.keys.subjects()):
            owner = store.keys.owner_of(handle)
            assert owner is not None
            assert owner.seal is not None
            if table.model is not None:
                names = [*(field.name for field in fields(table.model)), "digest"]
                place = {"slice": slice_of(handle), "subject": handle}
                asked = partial(asking, database, handle)
                for key, stored in stored_rows(asked, table, names, place):
                    found[table.name, key] = reopen(table.model, stored[:-1], owner.seal)
    return found


def asking(database: Engine, subject: str, query: Query, params: Params) -> Rows:
    return database.read(subject, lambda session: session.rows(query, params))
