"""The databases of the suite are shared with other tests."""

from tests.conformance.databases import emptied, empty_keys, key_database, migrated

__all__ = ["emptied", "empty_keys", "key_database", "migrated"]
