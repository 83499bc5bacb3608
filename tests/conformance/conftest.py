"""The databases of the suite are shared with other tests."""

from tests.conformance.databases import emptied, migrated

__all__ = ["emptied", "migrated"]
