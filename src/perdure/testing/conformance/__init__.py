"""What "engine" means, as a suite: whatever passes it can carry every domain of Perdure.

    import pytest
    from perdure.testing.conformance import Conformance, SharedConformance

    class TestMyEngine(Conformance, SharedConformance):
        @pytest.fixture
        def target(self, tmp_path):
            return str(tmp_path / "new.db")     # what perdure.open() takes; empty for each test

``Conformance`` opens the target once a test and calls it in the sync and in the async face.
``SharedConformance`` opens it again, also from other processes; a store that lives in the memory
of its process leaves it out. With a fixture ``vault`` that gives a ``perdure.vault.Vault`` the same
cases run sealed.
"""

import pytest

CASES = (
    "appending", "bounds", "following", "forgotten", "history", "isolation", "retries", "sharing",
    "units",
)  # fmt: skip
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in CASES))  # before their import

from .appending import Appending  # noqa: E402
from .bounds import Bounds  # noqa: E402
from .following import Following  # noqa: E402
from .forgotten import Forgets  # noqa: E402
from .history import History  # noqa: E402
from .isolation import Isolation  # noqa: E402
from .retries import Retries  # noqa: E402
from .sharing import SharedConformance  # noqa: E402
from .units import Units  # noqa: E402

__all__ = ["Conformance", "SharedConformance"]


class Conformance(Appending, Bounds, Following, Forgets, History, Isolation, Retries, Units):
    """Everything one opening of a store has to do."""
