"""For tests of applications and engines: a clock that can be set, and what "engine" means.

``perdure.testing.conformance`` needs pytest and hypothesis and is imported on its own.
"""

from .clock import SettableClock

__all__ = ["SettableClock"]
