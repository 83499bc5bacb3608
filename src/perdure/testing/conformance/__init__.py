"""What "engine" means, as a suite: whatever passes it can carry every domain of Perdure.

    import pytest
    from perdure.testing.conformance import Conformance, SharedConformance

    pytest.register_assert_rewrite("perdure.testing.conformance")

    class TestMyEngine(Conformance, SharedConformance):
        @pytest.fixture
        def target(self, tmp_path):
            return str(tmp_path / "new.db")     # what perdure.open() takes; empty for each test

``Conformance`` opens the target once a test and calls it in the sync and in the async face.
``SharedConformance`` opens it again, also from other processes; a store that lives in the memory
of its process leaves it out.
"""

from .appending import Appending
from .bounds import Bounds
from .following import Following
from .history import History
from .isolation import Isolation
from .retries import Retries
from .sharing import SharedConformance
from .units import Units

__all__ = ["Conformance", "SharedConformance"]


class Conformance(Appending, Bounds, Following, History, Isolation, Retries, Units):
    """Everything one opening of a store has to do."""
