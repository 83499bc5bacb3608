"""The format a second time, written from docs/vault-format.md alone: nothing of perdure.vault is
imported here, and nothing should ever be.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


def parts(*each: bytes) -> bytes:
    """Section "Parts"."""
    return b"".join(struct.pack(">I", len(one)) + one for one in each)


def subkey(key: bytes, purpose: str) -> bytes:
    """Section "Sub-keys"."""
    info = b"perdure/1 " + purpose.encode("ascii")
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()


def bound_to(
    vault: bytes, handle: bytes, kind: str, id: str, field: str, *, generation: bytes
) -> bytes:
    """Section "A sealed text", associated data."""
    names = (kind.encode(), id.encode(), field.encode())
    return parts(b"perdure/1", vault, handle, *names, generation)


def seal(data_key: bytes, nonce: bytes, clear: bytes, place: bytes, generation: bytes) -> bytes:
    """Section "A sealed text"."""
    closed = AESGCM(subkey(data_key, "seal")).encrypt(nonce, clear, place)
    return b"\xd5\x01" + generation + nonce + closed


def generation_of(sealed: bytes) -> bytes:
    """Section "A sealed text": whose key opens it."""
    assert sealed[0] == 0xD5
    assert sealed[1] == 1
    return sealed[2:18]


def open_sealed(data_key: bytes, sealed: bytes, place: bytes) -> bytes:
    """Section "A sealed text", backwards."""
    return AESGCM(subkey(data_key, "seal")).decrypt(sealed[18:30], sealed[30:], place)


def commitment(data_key: bytes) -> bytes:
    """Section "Wrapped keys"."""
    return subkey(data_key, "commit")[:16]


def check(master: bytes) -> bytes:
    """Section "Epochs"."""
    return subkey(master, "check")[:16]


def wrap_bound_to(vault: bytes, whose: bytes, generation: bytes, epoch: int) -> bytes:
    """Section "Wrapped keys", associated data."""
    return parts(b"perdure/1 wrap", vault, whose, generation, struct.pack(">Q", epoch))


def wrap(master: bytes, nonce: bytes, key: bytes, place: bytes) -> bytes:
    """Section "Wrapped keys"."""
    return nonce + AESGCMSIV(master).encrypt(nonce, key, place)


def unwrap(master: bytes, wrapped: bytes, place: bytes) -> bytes:
    """Section "Wrapped keys", backwards."""
    return AESGCMSIV(master).decrypt(wrapped[:12], wrapped[12:], place)


def token(root: bytes, subject: str) -> bytes:
    """Section "The root key"."""
    key = subkey(root, "subject")
    return hashlib.blake2b(subject.encode(), digest_size=32, key=key).digest()


def receipt_key(root: bytes) -> bytes:
    """Section "The root key": the public half."""
    private = Ed25519PrivateKey.from_private_bytes(subkey(root, "receipt"))
    return private.public_key().public_bytes_raw()


def blind(first: bytes, kind: str, clear: bytes) -> bytes:
    """Section "Blind tokens"."""
    text = parts(kind.encode()) + clear
    return hashlib.blake2b(text, digest_size=16, key=subkey(first, "blind")).digest()


def from_passphrase(phrase: str, how: dict[str, Any]) -> bytes:
    """Section "Epochs", passphrases; the phrase is in NFC."""
    kdf = Argon2id(
        salt=bytes.fromhex(how["salt"]),
        length=32,
        iterations=how["iterations"],
        lanes=how["lanes"],
        memory_cost=how["memory_kib"],
    )
    return kdf.derive(phrase.encode())
