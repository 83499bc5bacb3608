"""Canaries: unique texts put everywhere a person's text may go, and a scan of every byte for them.

`forms` says how a text may be written, `scan` looks for it, `controls` are plaintexts planted on
purpose that have to be found, `flock` writes canaries into every field, `run` is the whole run.
"""
