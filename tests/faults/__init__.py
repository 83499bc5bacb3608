"""Faults made on purpose: programs that break the machine under a store and look what is left.

Each is a program (`python -m tests.faults.kill9 --rounds 200`) and a short test, each has mutants
that must turn it red, and each keeps the writers' acknowledgements outside the store.
`docs/faults.md` says what they do and what they measured.
"""
