"""The written format, as pure functions: docs/vault-format.md says the same in words.

A sealed text is magic, algorithm, generation, nonce, ciphertext, tag. What it is bound to is a
list of parts, each behind its length, so that no two lists read the same. Nothing here keeps a
key.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

FORMAT = 1
VERSION = b"perdure/1"
MAGIC, AES_256_GCM = 0xD5, 1
HEAD = bytes((MAGIC, AES_256_GCM))
KEY_BYTES, ID_BYTES, NONCE_BYTES, TAG_BYTES = 32, 16, 12, 16
GENERATION_END = len(HEAD) + ID_BYTES
NONCE_END = GENERATION_END + NONCE_BYTES
OVERHEAD_BYTES = NONCE_END + TAG_BYTES
ROOT = b"root"


def part(raw: bytes) -> bytes:
    """Put four bytes of length, big-endian, in front."""
    return len(raw).to_bytes(4, "big") + raw


def parts(each: Iterable[bytes]) -> bytes:
    """Join parts so that only the same list gives the same bytes."""
    return b"".join(map(part, each))


def subkey(key: bytes, purpose: str) -> bytes:
    """Derive 32 bytes for one purpose: HKDF-Expand with SHA-256 (RFC 5869), one block."""
    return hmac.digest(key, f"perdure/1 {purpose}".encode() + b"\x01", "sha256")


def commitment(key: bytes) -> bytes:
    """Give the 16 bytes that say which key was wrapped: AES-GCM alone does not commit to one."""
    return subkey(key, "commit")[:16]


def check(master: bytes) -> bytes:
    """Give the 16 bytes by which a key store knows its master key."""
    return subkey(master, "check")[:16]


def token(key: bytes, subject: str) -> bytes:
    """Give what a subject's name is looked up by."""
    return blake2b(subject.encode(), digest_size=32, key=key).digest()


def wrap(master: AESGCMSIV, key: bytes, place: bytes) -> bytes:
    """Encrypt a key under a master key, for one place."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + master.encrypt(nonce, key, place)


def unwrap(master: AESGCMSIV, wrapped: bytes, place: bytes) -> bytes | None:
    """Decrypt a key, or give None where it was changed or moved."""
    try:
        return master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place)
    except (InvalidTag, ValueError):  # the second one: it is too short
        return None


def place(vault: bytes, whose: bytes, generation: bytes, epoch: int) -> bytes:
    """Name what a wrapped key is bound to."""
    return parts((b"perdure/1 wrap", vault, whose, generation, epoch.to_bytes(8, "big")))
