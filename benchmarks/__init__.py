"""What Perdure costs, beside the raw drivers and its peers: ``python -m benchmarks``.

Every figure of a table comes from one interleaved run (A B C A B C ...), so that neighbours on the
machine disturb all alike. No test reads a time from here; docs/benchmarks.md says what is meant.
"""
