"""``perdure info``: what a store is, what is in it, and how the chosen self is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import perdure
from perdure.errors import NotFound
from perdure.store import DEFAULT_SUBJECT, Subject

from .opening import chosen_subject, is_url, opened, safe, steps_of, target_of
from .terminal import Out
from .tree import Group, Parser, leaf

UNITS: Final = ("bytes", "KB", "MB", "GB", "TB")
KILO: Final = 1000


def add_to(group: Group[Parser]) -> None:
    """Add the command."""
    leaf(group, "info", _info, about="Say what a store is, and what is in it.")


def _info(args: argparse.Namespace, out: Out) -> None:
    target = target_of(args)
    with opened(args) as store:
        found = _of_store(store, target)
        subject = chosen_subject(args) or (None if is_url(target) else DEFAULT_SUBJECT)
        self_ = None if subject is None else _of_subject(store.subject(subject), subject)
    if out.as_json:
        out.document({"store": found, "subject": self_})
        return
    out.table((key.replace("_", " "), _shown(key, value)) for key, value in found.items())
    if self_ is not None:
        out.say()
        out.table((key.replace("_", " "), _shown(key, value)) for key, value in self_.items())


def _of_store(store: perdure.Store, target: str) -> dict[str, Any]:
    head = store.log.head()
    names = [(name, database) for name, database in store.engine.databases()]
    applied = sum(step.is_applied for step in steps_of(store.engine))
    return {
        "target": safe(target),
        "engine": store.engine.dialect,
        "databases": len(names),
        "size_bytes": _size(target),
        "migrations": applied,
        "slices_in_use": len(head),
        "events": sum(head.values()),
    }


def _size(target: str) -> int | None:
    """Add up the files; what a server holds is not asked."""
    if is_url(target) or target == "memory:":
        return None
    path = Path(target)
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    beside = [path, path.with_name(f"{path.name}-wal")]
    return sum(file.stat().st_size for file in beside if file.exists())


def _of_subject(subject: Subject, name: str) -> dict[str, Any]:
    drift = subject.drift.current()
    try:
        version = subject.souls.current().version
    except NotFound:
        version = None
    return {
        "subject": name,
        "soul_version": version,
        "drift_coefficient": drift.coefficient,
        "interactions": drift.total_interactions,
        "alarm": drift.voice.alarm,
    }


def _shown(key: str, value: object) -> str:
    if value is None:
        return "none" if key == "soul_version" else "not asked"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    return _readable(value) if key == "size_bytes" and isinstance(value, int) else str(value)


def _readable(size: int) -> str:
    number, unit = float(size), UNITS[0]
    for unit in UNITS:
        if number < KILO or unit == UNITS[-1]:
            break
        number /= KILO
    return f"{size} bytes" if unit == UNITS[0] else f"{number:.1f} {unit}"
