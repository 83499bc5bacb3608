"""The domains of a store, their tables and their events, as the operator names them.

What a table is: ``kernel/tables.py``. Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from perdure import store
from perdure.errors import Invalid
from perdure.kernel import events, queries
from perdure.kernel.tables import DIGEST, Table, described, filled, quoted

__all__ = [
    "DIGEST",
    "ROWS_A_PAGE",
    "Table",
    "chosen",
    "described",
    "domains",
    "filled",
    "kinds_of",
    "quoted",
    "statements",
]

statements = queries.load(__file__)

ROWS_A_PAGE = 500


def domains() -> dict[str, tuple[str, ...]]:
    """Give every domain with its tables."""
    found = {}
    for name, _ in store.PACKAGES:
        if name != "kernel":
            module = import_module(f"perdure.domains.{name}")
            found[name] = tuple(getattr(module, "TABLES", ()))
    return found


def chosen(names: Iterable[str] | None) -> dict[str, tuple[str, ...]]:
    """Give the named domains with their tables; None is all of them."""
    known = domains()
    if names is None:
        return known
    wanted = tuple(names)
    for name in wanted:
        if name not in known:
            raise Invalid(
                f"there is no domain {name!r}", value=name, remedy=f"choose of {', '.join(known)}"
            )
    return {name: known[name] for name in wanted}


def kinds_of(names: Iterable[str]) -> frozenset[str]:
    """Give the types of events that these domains declare."""
    packages = tuple(f"perdure.domains.{name}." for name in names)
    return frozenset(
        kind.name
        for kind in events.registry.kinds()
        if f"{kind.cls.__module__}.".startswith(packages)
    )
