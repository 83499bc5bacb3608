"""A vault in a folder of its own, and a store with or without one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure.vault import KeyFile, Vault

# opened(target, actor="ops"): open a store as the test is run, with a vault or without.
Opened = Callable[..., perdure.Store]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Describe a vault that is made when it is first opened."""
    master = KeyFile(tmp_path / "master.key")
    return Vault(tmp_path / "keys.db", master=master, create=True)


@pytest.fixture(params=["clear", "sealed"])
def seals(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give what `open` and `connect` are told: nothing, or the vault."""
    return {} if request.param == "clear" else {"vault": request.getfixturevalue("vault")}


@pytest.fixture
def opened(target: str, seals: dict[str, Any]) -> Iterator[Opened]:
    """Open the target, with a vault and without; everything is closed behind it."""
    stores: list[perdure.Store] = []

    def make(**how: Any) -> perdure.Store:
        stores.append(perdure.open(target, **{"subject": "ada", **seals, **how}))
        return stores[-1]

    yield make
    for store in stores:
        store.close()
