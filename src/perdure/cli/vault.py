"""``perdure vault``: making a key store, looking at it, moving and copying its keys."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from perdure.engines.choose import engine_for_keys, is_missing
from perdure.errors import Conflict

from . import masters
from .calls import text
from .exits import Usage
from .opening import opened_vault, vault_target
from .terminal import Out, clean, moment
from .tree import VAULT, Group, Parser, branch, leaf

if TYPE_CHECKING:
    from perdure.vault.rotation import Moved
    from perdure.vault.status import Status


def add_to(group: Group[Parser]) -> None:
    """Add the group."""
    vault = branch(group, "vault", about="The keys: one for each subject, kept outside the data.")
    leaf(
        vault, "init", _init, needs=VAULT,
        about="Make a key store, and its master key where that is a file.",
    )  # fmt: skip
    leaf(vault, "status", _status, needs=VAULT, about="Say how many keys there are, and how old.")
    leaf(
        vault, "rotate", _rotate, needs=VAULT,
        about="Move every key to a new master key and destroy the old one, so that older copies of"
        " the key store are worth nothing. Data is not touched; interrupted, it goes on.",
    )  # fmt: skip
    rewrap = leaf(
        vault, "rewrap", _rewrap, needs=VAULT,
        about="Move every key to another source of the master key: from a file to a passphrase,"
        " say. Interrupted, it goes on.",
    )  # fmt: skip
    rewrap.add_argument("--to", metavar="SOURCE", required=True, help="the new source, as --master")
    copy = leaf(
        vault, "copy", _copy, needs=VAULT,
        about="Copy the key store as it is now. It has no history, and older copies should go: they"
        " hold keys of people who were forgotten since.",
    )  # fmt: skip
    copy.add_argument("target", metavar="TARGET", help="a path where nothing is")

    check = leaf(
        vault, "check-receipt", _check_receipt, needs=VAULT,
        about="Say whether a vault has signed the receipt of a forgotten subject. With --public-key"
        " no vault is needed; 'perdure vault status' prints it.",
    )  # fmt: skip
    check.add_argument("receipt", type=text, metavar="JSON", help="'-' reads standard input")
    check.add_argument("--public-key", metavar="HEX", help="the key of the vault that has signed")


def _init(args: argparse.Namespace, out: Out) -> None:
    target = vault_target(args)
    if not is_missing(target):
        raise Conflict(
            f"there is a file at {target} already", value=target,
            remedy="name a place where nothing is; 'perdure vault status' looks at a key store",
        )  # fmt: skip
    with opened_vault(args, creates=True) as keyring:
        made = keyring.id
    if out.as_json:
        out.document({"vault": made})
    else:
        out.say(f"vault {made} is ready")
        out.say("Keep its master key apart from the key store, and a copy of both apart from the"
                " data: without them nothing can be read.")  # fmt: skip


def _status(args: argparse.Namespace, out: Out) -> None:
    from perdure.vault.status import status

    with opened_vault(args) as keyring:
        found, public_key = status(keyring), keyring.public_key.hex()
    if out.as_json:
        out.document({**msgspec.to_builtins(found), "public_key": public_key})
    else:
        out.table([*_lines(found), ("public key", public_key)])


def _lines(found: Status) -> list[tuple[str, str]]:
    rows = [
        ("vault", found.vault),
        ("master key", f"{found.source}, epoch {found.epoch}"),
        ("subjects", str(found.subjects)),
        ("forgotten", str(found.forgotten)),
        ("keys", str(found.generations)),
    ]
    if found.forgetting:
        rows.append(("unfinished", f"{found.forgetting} subjects: 'perdure forget' goes on"))
    if found.is_rotating:
        rows.append(("unfinished", "a move to another master key: repeat it"))
    if found.oldest is not None:
        rows.append(("oldest key", moment(found.oldest)))
    return rows


def _rotate(args: argparse.Namespace, out: Out) -> None:
    from perdure.vault.rotation import rotate

    with opened_vault(args) as keyring, out.progress("rewrapping") as progress:
        _told(rotate(keyring, progress=progress), out)


def _rewrap(args: argparse.Namespace, out: Out) -> None:
    from perdure.vault.rotation import rewrap

    to = masters.master_of(args.to, is_new=True)
    with opened_vault(args, also=(to,)) as keyring, out.progress("rewrapping") as progress:
        _told(rewrap(keyring, to, progress=progress), out)


def _told(moved: Moved, out: Out) -> None:
    if out.as_json:
        out.document(moved)
        return
    out.say(f"{moved.keys} keys are wrapped by epoch {moved.epoch}")
    if moved.left_to_do:
        out.say(f"left for you: {clean(moved.left_to_do)}")


def _copy(args: argparse.Namespace, out: Out) -> None:
    from perdure.vault.copying import copy

    with opened_vault(args) as keyring:
        done = copy(keyring, args.target, engine_for_keys)
    if out.as_json:
        out.document(done)
    else:
        out.say(f"{args.target}: {done.subjects} subjects, {done.keys} keys")


def _check_receipt(args: argparse.Namespace, out: Out) -> None:
    from perdure.vault.receipt import check_receipt

    receipt = check_receipt(args.receipt, _public_key(args))
    if out.as_json:
        out.document(receipt)
    else:
        out.say(f"signed: {receipt.handle} was forgotten at {receipt.done_at}")


def _public_key(args: argparse.Namespace) -> bytes:
    if args.public_key is None:
        with opened_vault(args) as keyring:
            return keyring.public_key
    try:
        return bytes.fromhex(args.public_key)
    except ValueError:
        raise Usage("--public-key is not hexadecimal", remedy="give 64 digits") from None
