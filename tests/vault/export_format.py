"""The format once more, from docs/export.md alone: made and opened in another way."""

import hashlib
import hmac
import json
import struct
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

CHUNK, TAG, HEAD = 65_536, 16, 54


def expand(key: bytes, info: str) -> bytes:
    """HKDF-Expand (RFC 5869) with SHA-256, one block."""
    return hmac.new(key, info.encode() + b"\x01", hashlib.sha256).digest()


def keys(head: bytes, secret: str | bytes) -> tuple[bytes, bytes]:
    """Give the key of the chunks, and the commitment."""
    magic, version, kdf, memory, iterations, lanes, salt = struct.unpack(">8sBBIII32s", head)
    assert (magic, version) == (bytes.fromhex("d570657264757265"), 1)
    if kdf == 1:
        assert isinstance(secret, str)
        argon = Argon2id(
            salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory
        )
        secret = argon.derive(secret.encode())
    assert isinstance(secret, bytes)
    file_key = expand(secret, "perdure/1 export " + head.hex())
    return expand(file_key, "perdure/1 chunks"), expand(file_key, "perdure/1 commit")[:16]


def opened(file: bytes, secret: str | bytes) -> bytes:
    """Decrypt a whole file."""
    key, commitment = keys(file[:HEAD], secret)
    assert file[HEAD : HEAD + 16] == commitment
    body = file[HEAD + 16 :]
    parts = [body[n : n + CHUNK + TAG] for n in range(0, len(body), CHUNK + TAG)]
    clear = b""
    for number, part in enumerate(parts):
        nonce = number.to_bytes(11, "big") + (b"\x01" if number == len(parts) - 1 else b"\x00")
        clear += AESGCM(key).decrypt(nonce, part, None)
    return clear


def made(clear: bytes, secret: bytes, salt: bytes) -> bytes:
    """Encrypt with a key of 32 bytes."""
    head = struct.pack(">8sBBIII32s", bytes.fromhex("d570657264757265"), 1, 0, 0, 0, 0, salt)
    key, commitment = keys(head, secret)
    parts = [clear[n : n + CHUNK] for n in range(0, len(clear), CHUNK)] or [b""]
    body = b""
    for number, part in enumerate(parts):
        nonce = number.to_bytes(11, "big") + (b"\x01" if number == len(parts) - 1 else b"\x00")
        body += AESGCM(key).encrypt(nonce, part, None)
    return head + commitment + body


def relist(export: Path, **changes: object) -> None:
    """Write a manifest that fits what is there, as somebody would who tampers well."""
    manifest = json.loads((export / "manifest.json").read_text())
    manifest["members"] = [
        {
            "name": path.relative_to(export).as_posix(),
            "bytes": path.stat().st_size,
            "lines": path.read_bytes().count(b"\n"),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(export.rglob("*.json*"))
        if path.name != "manifest.json"
    ]
    (export / "manifest.json").write_text(json.dumps(manifest | changes))
