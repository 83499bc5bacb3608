"""A foreign suite that edits the store's own files: agent-memory-integrity (`agmi-check`).

    agmi-check --adapter tests.integrity.adapters:Log

`places` is where a store stands and how its rows are edited behind its back, `adapters` what the
suite drives.
"""
