"""``perdure forget``, ``export`` and ``import``: what is done with a subject as a whole."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

import msgspec

from perdure.errors import Invalid

from . import masters
from .calls import document
from .exits import Usage
from .opening import opened, subject_of
from .terminal import Out, clean
from .tree import STORE, SUBJECT, Group, Parser, leaf

if TYPE_CHECKING:
    from perdure.kernel.receipts import Receipt

_KEY: Final = "passphrase: (asked for), passphrase:env:NAME or passphrase:file:PATH"


def add_to(group: Group[Parser]) -> None:
    """Add the commands."""
    forget = leaf(
        group, "forget", _forget, needs=STORE,
        about="Forget a subject for good: keys, rows, payloads. Prints the receipt; interrupted, it"
        " goes on when it is called again.",
    )  # fmt: skip
    forget.add_argument("name", metavar="NAME", nargs="?", help="who; left out: all unfinished")
    forget.add_argument("--yes", action="store_true", help="I know that nothing brings it back")
    forget.add_argument(
        "--rotate", action="store_true",
        help="change the master key as well, so that older copies of the key store open nothing",
    )  # fmt: skip
    readmit = leaf(
        group, "readmit", _readmit, needs=STORE,
        about="Let somebody come back who was forgotten. Nothing that was erased comes back.",
    )  # fmt: skip
    readmit.add_argument("name", metavar="NAME", help="who")
    leaf(
        group, "receipts", _receipts, needs=STORE,
        about="Print the receipt of everybody this store has forgotten, one a line.",
    )  # fmt: skip
    retain = leaf(
        group, "retain", _retain, needs=STORE,
        about="Forget what is beyond the rules, for every subject. What retries would be answered"
        " goes after 30 days, if no rule says otherwise.",
    )  # fmt: skip
    retain.add_argument(
        "rules", type=document, metavar="RULES",
        help="such as '{\"souls.milestones\": {\"days\": 365, \"count\": 1000}}'; '-' reads"
        " standard input",
    )  # fmt: skip
    export = leaf(
        group, "export", _export, needs=SUBJECT,
        about="Write everything about a subject to a folder, a .tar file or, with a key, one"
        " encrypted file.",
    )  # fmt: skip
    export.add_argument("target", metavar="TARGET", help="a path where nothing is")
    export.add_argument("--key", metavar="SOURCE", help=f"encrypt with {_KEY}")
    take = leaf(
        group, "import", _import, needs=SUBJECT,
        about="Take a subject over from an export, whole or not at all, under its own name or the"
        " one that is given with --subject.",
    )  # fmt: skip
    take.add_argument("source", metavar="SOURCE", help="what 'perdure export' wrote")
    take.add_argument("--key", metavar="SOURCE", help=f"open it with {_KEY}")


def _forget(args: argparse.Namespace, out: Out) -> None:
    if args.name is not None and not args.yes:
        raise Usage("nothing brings a forgotten subject back", remedy="export it, then give --yes")
    with opened(args) as store, out.progress("forgetting") as progress:
        if args.name is None:
            receipts = store.finish_forgetting(progress=progress)
        else:
            receipts = [store.forget(args.name, rotate=args.rotate, progress=progress)]
    for receipt in receipts:
        out.say(receipt.to_json())
        if not out.as_json:
            out.note(_told(receipt))


def _told(receipt: Receipt) -> str:
    rows = sum(receipt.rows.values())
    signed = "signed" if receipt.is_signed else "not signed: there is no vault"
    return f"forgotten: {rows} rows and {receipt.events} events; the receipt is {signed}"


def _readmit(args: argparse.Namespace, out: Out) -> None:
    with opened(args) as store:
        store.readmit(args.name)
    if out.as_json:
        out.document({"readmitted": True})
    else:
        out.say("the subject may come back, as somebody new")


def _receipts(args: argparse.Namespace, out: Out) -> None:
    with opened(args) as store:
        for receipt in store.receipts():
            out.say(receipt.to_json())


def _retain(args: argparse.Namespace, out: Out) -> None:
    from perdure.kernel.retention import Keep

    try:
        rules = msgspec.convert(args.rules, dict[str, Keep])
    except msgspec.ValidationError as error:
        raise Invalid(
            f"these are no rules ({error})",
            remedy='write {"souls.milestones": {"days": 365}}',
        ) from None
    with opened(args) as store, out.progress("retaining") as progress:
        found = store.retain(rules, progress=progress)
    if out.as_json:
        out.document(found)
    else:
        out.table([name, f"{count} forgotten"] for name, count in found.items())


def _export(args: argparse.Namespace, out: Out) -> None:
    name = subject_of(args)
    key = None if args.key is None else masters.phrase_of(args.key, is_new=True)
    with opened(args) as store, out.progress("exporting") as progress:
        done = store.export(name, args.target, key=key, progress=progress)
    if out.as_json:
        out.document(done)
    else:
        out.say(f"{clean(args.target)}: {done.events} events, {sum(done.rows.values())} rows")


def _import(args: argparse.Namespace, out: Out) -> None:
    key = None if args.key is None else masters.phrase_of(args.key)
    with opened(args, creates=True) as store, out.progress("importing") as progress:
        done = store.import_subject(args.source, subject=args.subject, key=key, progress=progress)
    if out.as_json:
        out.document(done)
    else:
        out.say(f"{clean(done.subject)}: {done.events} events, {sum(done.rows.values())} rows")
