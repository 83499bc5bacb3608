"""A subject on the move: everything about a person in one folder or file, and back into a store.

The written format is in docs/export.md; ciphers are the vault's, what is stored is the kernel's.
"""
