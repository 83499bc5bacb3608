"""The hash that ties each event to the one before it: one canonical, length-prefixed encoding.

``hash = sha256(previous || header || payload_hash)``. SHA-256 and not BLAKE2b, because
PostgreSQL has it built in and can link an event inside the append function, in the same round
trip (docs/decisions/0001-foundation.md). What is hashed is what is stored: erasing a payload
leaves ``payload_hash``, and the chain still verifies. Test vectors: tests/kernel/test_chain.py;
the same function in SQL: migrations/0001_log.postgres.sql.
"""

from __future__ import annotations

import struct
from hashlib import sha256

GENESIS = bytes(32)
_FIXED = struct.Struct(">hqiq")


def payload_hash(payload: bytes) -> bytes:
    """Hash the stored bytes of a payload."""
    return sha256(payload).digest()


def link(
    previous: bytes,
    *,
    slice: int,
    subject: str,
    stream: str,
    version: int,
    id: str,
    type: str,
    schema: int,
    at: int,
    payload: bytes,
) -> bytes:
    """Hash an event onto the one before it; ``payload`` is the payload's hash, ``at``
    microseconds.
    """
    owner, name, kind = subject.encode(), stream.encode(), type.encode()
    return sha256(
        previous
        + _FIXED.pack(slice, version, schema, at)
        + bytes.fromhex(id.replace("-", ""))
        + len(owner).to_bytes(4, "big") + owner
        + len(name).to_bytes(4, "big") + name
        + len(kind).to_bytes(4, "big") + kind
        + payload
    ).digest()  # fmt: skip
