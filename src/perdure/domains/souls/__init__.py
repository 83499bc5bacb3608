"""Souls: three-layer identity versions, and the milestones that formed them (seed B)."""

from __future__ import annotations

from typing import Any, ClassVar

from perdure.kernel import Face, M, reads, writes

from . import operations
from .model import Budgets, Change, Diff, Milestone, Soul, count_tokens
from .operations import add_milestone, at, current, diff, history, prompt, publish, restore

__all__ = [
    "Budgets",
    "Change",
    "Diff",
    "Milestone",
    "Soul",
    "Souls",
    "add_milestone",
    "at",
    "count_tokens",
    "current",
    "diff",
    "history",
    "prompt",
    "publish",
    "restore",
]

TABLES = ("soul_milestones", "soul_versions", "threads")
EXPIRES = {"versions": operations.expire_versions, "milestones": operations.expire_milestones}


class Milestones(Face[M]):
    """``souls.milestones``."""

    add = writes(operations.add_milestone)
    list = reads(operations.list_milestones)
    by_weight = reads(operations.milestones_by_weight)
    search = reads(operations.search_milestones, is_long=True)
    forget = writes(operations.forget_milestone)
    forget_thread = writes(operations.forget_thread)


class Souls(Face[M]):
    """``store.souls``."""

    groups: ClassVar[dict[str, type[Face[Any]]]] = {"milestones": Milestones}

    publish = writes(operations.publish)
    current = reads(operations.current)
    at = reads(operations.at)
    history = reads(operations.history)
    diff = reads(operations.diff)
    restore = writes(operations.restore)
    forget_version = writes(operations.forget_version)
    prompt = reads(operations.prompt)
    import_bot_soul = writes(operations.import_bot_soul)

    @property
    def milestones(self) -> Milestones[M]:
        """The moments that formed the soul."""
        return Milestones(self._runner)
