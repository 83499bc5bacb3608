"""Checking the receipt of a forgotten subject: offline, with the vault's public key alone."""

from __future__ import annotations

from base64 import b64decode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from perdure.errors import Invalid, Tampered
from perdure.kernel.receipts import Receipt

KEY_BYTES = 32


def check_receipt(receipt: Receipt | str | bytes, public_key: bytes) -> Receipt:
    """Return the receipt if the vault with this public key has signed it, or raise Tampered."""
    found = receipt if isinstance(receipt, Receipt) else Receipt.from_json(receipt)
    if len(public_key) != KEY_BYTES:
        raise Invalid(
            f"a public key has {KEY_BYTES} bytes, not {len(public_key)}",
            value=len(public_key),
            remedy="give the one of the vault",
        )
    if not found.is_signed:
        raise Tampered(
            "the receipt is not signed",
            value=found.handle,
            remedy="only a vault signs: without one, a receipt is a note",
        )
    try:
        signature = b64decode(found.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, found.signable())
    except (InvalidSignature, ValueError):
        raise Tampered(
            "the receipt is not what this vault has signed",
            value=found.handle,
            remedy="ask for it again: the store keeps it with the tombstone",
        ) from None
    return found
