"""Which store and whose self a command means, and how it is opened.

A command that only reads never makes a file and never changes a schema: a typing error in a path
must not become an empty self.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import perdure
from perdure.errors import NotFound, Unavailable
from perdure.kernel import migrations
from perdure.kernel.engine import Engine
from perdure.kernel.migrations import Step
from perdure.store import DEFAULT_SUBJECT, PACKAGES, open_vault

from . import masters
from .exits import Usage

if TYPE_CHECKING:
    from perdure.vault import Keyring, Master, Vault

STORE_ENV: Final = "PERDURE_STORE"
SUBJECT_ENV: Final = "PERDURE_SUBJECT"
VAULT_ENV: Final = "PERDURE_VAULT"
MASTER_ENV: Final = "PERDURE_MASTER"
AT_REST_ENV: Final = "PERDURE_AT_REST"
ACTOR_ENV: Final = "PERDURE_ACTOR"
STORE_DEFAULT: Final = "perdure.db"


def target_of(args: Namespace) -> str:
    """Give the target: the option, else the environment, else ``perdure.db`` here."""
    return str(args.store or os.environ.get(STORE_ENV) or STORE_DEFAULT)


def chosen_subject(args: Namespace) -> str | None:
    """Give the subject the user named, if any."""
    return args.subject or os.environ.get(SUBJECT_ENV) or None


def stored_subject(store: perdure.Store, args: Namespace) -> str | None:
    """Give the subject the user named, if any, as rows carry it: with a vault, its handle."""
    subject = chosen_subject(args)
    if subject is None or store.keys is None:
        return subject
    return store.keys.owner(subject, create=False).subject


def is_url(target: str) -> bool:
    """Say whether a target is no path."""
    return "://" in target


def subject_of(args: Namespace) -> str:
    """Give the subject of a command that needs one."""
    named = chosen_subject(args)
    if named is None and is_url(target_of(args)):
        raise Usage("no subject was named", remedy=f"give --subject NAME or set {SUBJECT_ENV}")
    return named or DEFAULT_SUBJECT


def safe(target: str) -> str:
    """Give a target without a password, for people to read."""
    scheme, mark, rest = target.partition("://")
    login, at, host = rest.rpartition("@")
    user = login.partition(":")[0]
    return f"{scheme}{mark}{user}{at}{host}".partition("?")[0] if mark else target


def vault_target(args: Namespace) -> str:
    """Give the key store of a command that needs one."""
    target = args.vault or os.environ.get(VAULT_ENV)
    if not target:
        raise Usage("no vault was named", remedy=f"give --vault KEYS or set {VAULT_ENV}")
    return str(target)


def vault_of(args: Namespace, *, creates: bool = False) -> Vault | None:
    """Give the vault of a command, if one is named."""
    target = args.vault or os.environ.get(VAULT_ENV)
    if not target:
        return None
    source = args.master or os.environ.get(MASTER_ENV)
    if not source:
        raise Usage(
            "the vault is named, but not what opens it",
            remedy=f"give --master file:PATH, or set {MASTER_ENV}",
        )
    from perdure.vault import Vault

    return Vault(target, master=masters.master_of(source, is_new=creates), create=creates)


@contextmanager
def opened_vault(
    args: Namespace, *, creates: bool = False, also: Sequence[Master] = ()
) -> Iterator[Keyring]:
    """Open the key store a command means, without a store."""
    vault_target(args)
    vault = vault_of(args, creates=creates)
    assert vault is not None
    keyring = open_vault(vault, also=also)
    try:
        yield keyring
    finally:
        keyring.close()


def how(args: Namespace) -> dict[str, Any]:
    """Give what every command opens its store with."""
    actor = args.actor or os.environ.get(ACTOR_ENV) or ""
    source = args.at_rest or os.environ.get(AT_REST_ENV)
    at_rest = masters.file_key_of(source) if source else None
    return {
        "subject": chosen_subject(args),
        "vault": vault_of(args),
        "at_rest": at_rest,
        "actor": actor,
    }


@contextmanager
def opened_as_it_is(args: Namespace) -> Iterator[perdure.Store]:
    """Open the store a command means, whatever its schema is."""
    require_existing(target_of(args))
    with perdure.open(target_of(args), migrate=False, **how(args)) as store:
        yield store


@contextmanager
def opened(args: Namespace, *, creates: bool = False) -> Iterator[perdure.Store]:
    """Open the store a command means; only one that creates may make or migrate it."""
    if creates:
        with perdure.open(target_of(args), **how(args)) as store:
            yield store
        return
    with opened_as_it_is(args) as store:
        _require_schema(store.engine)
        yield store


def require_existing(target: str) -> None:
    """Refuse a path where nothing is."""
    if is_url(target) or target == "memory:" or Path(target).exists():
        return
    raise NotFound(
        f"there is no store at {target!r}",
        value=target,
        remedy=f"give --store PATH or set {STORE_ENV}; 'perdure migrate up' makes an empty one",
    )


def steps_of(engine: Engine) -> list[Step]:
    """Say which migrations of perdure a database has."""
    known = migrations.discover(PACKAGES, engine.dialect)
    return engine.administer(lambda session: migrations.status(session, known))


def _require_schema(engine: Engine) -> None:
    missing = [step.migration.label for step in steps_of(engine) if not step.is_applied]
    if missing:
        raise Unavailable(
            f"the store lacks {len(missing)} migrations, the first is {missing[0]}",
            value=missing,
            remedy="run 'perdure migrate up'",
        )
