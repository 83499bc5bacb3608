"""The domains a store has, each imported when it is first looked at: opening a store stays quick.

A new domain gets its name in ``DOMAINS`` and an attribute in ``Domains``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from perdure.kernel.events import registry
from perdure.kernel.operations import Face, M, Runner
from perdure.kernel.retention import Expire

if TYPE_CHECKING:
    from perdure.domains.audit import Audit
    from perdure.domains.drift import Drift
    from perdure.domains.souls import Souls
    from perdure.domains.tokens import Tokens

V = TypeVar("V")
DOMAINS: Final = ("audit", "drift", "souls", "tokens")


class Domains(Generic[M]):
    """Every domain, as attributes of a store and of a subject."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    @cached_property
    def audit(self) -> Audit[M]:
        """Who changed what, and who looked."""
        from perdure.domains.audit import Audit

        return Audit(self._runner)

    @cached_property
    def drift(self) -> Drift[M]:
        """How far a voice has evolved."""
        from perdure.domains.drift import Drift

        return Drift(self._runner)

    @cached_property
    def souls(self) -> Souls[M]:
        """Three-layer identity versions and the milestones that formed them."""
        from perdure.domains.souls import Souls

        return Souls(self._runner)

    @cached_property
    def tokens(self) -> Tokens[M]:
        """What is personal in texts, hidden behind tokens."""
        from perdure.domains.tokens import Tokens

        return Tokens(self._runner)


class Filled(Mapping[str, V]):
    """A table that is filled when somebody looks into it."""

    def __init__(self, fill: Callable[[], dict[str, V]]) -> None:
        self._fill = fill

    @cached_property
    def _table(self) -> dict[str, V]:
        return self._fill()

    def __getitem__(self, name: str) -> V:
        return self._table[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def _packages() -> dict[str, Any]:
    return {name: import_module(f"perdure.domains.{name}") for name in DOMAINS}


def _faces() -> dict[str, type[Face[Any]]]:
    return {name: getattr(package, name.title()) for name, package in _packages().items()}


def _tables() -> dict[str, tuple[str, ...]]:
    return {name: tuple(package.TABLES) for name, package in _packages().items()}


def _expires() -> dict[str, Expire]:
    return {
        f"{name}.{what}": expire
        for name, package in _packages().items()
        for what, expire in getattr(package, "EXPIRES", {}).items()
    }


FACES: Mapping[str, type[Face[Any]]] = Filled(_faces)
TABLES: Mapping[str, tuple[str, ...]] = Filled(_tables)
EXPIRES: Mapping[str, Expire] = Filled(_expires)

registry.more = _packages  # an event that is not known yet may be a domain's
