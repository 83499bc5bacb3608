"""Fixtures by concern; `tests/conftest.py` names the modules that are loaded."""
