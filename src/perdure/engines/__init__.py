"""Engines run transactions on SQLite or PostgreSQL and know no table."""
