"""A record about several people, sealed under each of them: forgetting one erases it for all.

A random content key seals the text. By default the key is split so that every person's share is
needed; where the record may survive, each share is the whole key. The text that comes out may be
stored in any field of anybody's record. The format: docs/vault-format.md.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from functools import reduce
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from perdure.errors import Forgotten, Invalid, PerdureError, Tampered
from perdure.kernel.sealing import Keys, Owner

from .envelope import KEY_BYTES, NONCE_BYTES

MARK = b"perdure/shared/1"
ALL_NEEDED, ONE_IS_ENOUGH = 0, 1
PEOPLE_MOST = 16
ID_BYTES = HANDLE_BYTES = 16
_KIND, _FIELD = "shared", "share"


def seal(owners: Sequence[Owner], text: str, *, survives: bool) -> str:
    """Seal a text under every owner; ``survives`` keeps it readable while one of them is left."""
    if not 1 < len({owner.subject for owner in owners}) == len(owners) <= PEOPLE_MOST:
        raise Invalid(
            f"a shared record has {len(owners)} people",
            value=len(owners),
            remedy=f"name 2 to {PEOPLE_MOST} different ones",
        )
    key, id = urandom(KEY_BYTES), urandom(ID_BYTES)
    shares = [key] * len(owners) if survives else list(_split(key, len(owners)))
    head = MARK + bytes((ONE_IS_ENOUGH if survives else ALL_NEEDED, len(owners))) + id
    for owner, share in zip(owners, shares, strict=True):
        assert owner.seal is not None  # a vault gave the owner
        closed = owner.seal.seal(share, _KIND, id.hex(), _FIELD)
        head += bytes.fromhex(owner.subject) + len(closed).to_bytes(2, "big") + closed
    nonce = urandom(NONCE_BYTES)
    closed = AESGCM(key).encrypt(nonce, text.encode(), head)
    return b64encode(head + nonce + closed).decode()


def open(keys: Keys, record: str) -> str:
    """Open a shared record, or raise Forgotten where too many keys are gone."""
    head, policy, id, closed, rest = _read(record)
    shares = [_share(keys, handle, id, each) for handle, each in closed]
    known = [share for share in shares if share is not None]
    if not known or (policy == ALL_NEEDED and len(known) < len(shares)):
        raise Forgotten(
            "a person this record is about was forgotten, and the record with the person",
            remedy="there is none",
        )
    key = known[0] if policy == ONE_IS_ENOUGH else reduce(_xor, known)
    try:
        return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head).decode()
    except InvalidTag:
        raise Tampered("a shared record is not what was sealed", value=id.hex()) from None


def _share(keys: Keys, handle: str, id: bytes, closed: bytes) -> bytes | None:
    owner = keys.owner_of(handle)
    if owner is None or owner.seal is None:
        return None
    return owner.seal.open(closed, _KIND, id.hex(), _FIELD)


def _read(record: str) -> tuple[bytes, int, bytes, list[tuple[str, bytes]], bytes]:
    """Take a record apart: its head, policy, id, the shares by handle, and what is sealed."""
    try:
        raw = b64decode(record, validate=True)
        if not raw.startswith(MARK):
            raise ValueError
        at = len(MARK)
        policy, people = raw[at], raw[at + 1]
        id = raw[at + 2 : at + 2 + ID_BYTES]
        at += 2 + ID_BYTES
        shares = []
        for _ in range(people):
            size = int.from_bytes(raw[at + HANDLE_BYTES : at + HANDLE_BYTES + 2], "big")
            end = at + HANDLE_BYTES + 2 + size
            shares.append((raw[at : at + HANDLE_BYTES].hex(), raw[at + HANDLE_BYTES + 2 : end]))
            at = end
        if policy not in (ALL_NEEDED, ONE_IS_ENOUGH) or at + NONCE_BYTES > len(raw):
            raise ValueError
    except (ValueError, IndexError):
        raise _not_shared() from None
    return raw[:at], policy, id, shares, raw[at:]


def _not_shared() -> PerdureError:
    return Tampered("this is no shared record", remedy="give the text that seal_between returned")


def _split(key: bytes, parts: int) -> Iterator[bytes]:
    """Split a key into shares whose exclusive or it is; fewer say nothing about it."""
    rest = key
    for _ in range(parts - 1):
        share = urandom(KEY_BYTES)
        rest = _xor(rest, share)
        yield share
    yield rest


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))
