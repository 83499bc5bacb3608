"""Which vault a database belongs to: said once, in the database, and asked whenever it is opened.

Clear and sealed data never stand side by side. Nothing here knows a key.
"""

from __future__ import annotations

from perdure.errors import Invalid, LockedOut

from .engine import Session
from .log import statements


def refuse_keys(session: Session) -> None:
    """Refuse a database that is a key store: keys never live with the data."""
    ((is_key_store,),) = session.rows(statements.has_keys, {})
    if is_key_store:
        raise Invalid(
            "this database is a key store", remedy="give the store a file or a database of its own"
        )


def claim(session: Session, vault: str | None, *, now: int) -> None:
    """Refuse the wrong vault, and none where one is needed; an empty database becomes its own."""
    ((has_table,),) = session.rows(statements.has_vaults, {})
    if not has_table:  # the schema is not there yet, or older than vaults
        return
    known = [str(id) for (id,) in session.rows(statements.vaults, {})]
    if known == ([] if vault is None else [vault]):
        return
    if vault is None:
        raise LockedOut(
            f"the store is sealed by the vault {known[0]}",
            value=known[0],
            remedy="open it with vault=..., or --vault and --master",
        )
    if known:
        raise LockedOut(
            f"the store is sealed by the vault {known[0]}, not by {vault}",
            value=known[0],
            remedy="open it with that vault, or restore its key store",
        )
    ((is_used,),) = session.rows(statements.is_used, {})
    if is_used:
        raise Invalid(
            "the store holds data that is not marked as sealed by this vault",
            remedy="if it is clear, export its subjects and import them into a new store that has"
            " the vault; if it was sealed, its mark was removed: restore a copy",
        )
    session.rows(statements.save_vault, {"vault": vault, "since": now})
