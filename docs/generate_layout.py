"""Write the columns of docs/data-layout.md: each column of each table, and who may read it.

``python docs/generate_layout.py`` writes them; tests/test_privacy_of_columns.py fails when the page
and the code differ. What a dataclass describes is declared there; what none describes, here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import perdure
from perdure.kernel.engine import Rows, Session
from perdure.kernel.privacy import Privacy, blind_in, privacy_of
from perdure.kernel.queries import Query
from perdure.ops.tables import described, domains

PAGE = Path(__file__).with_name("data-layout.md")
BEGIN, END = "<!-- columns: python docs/generate_layout.py -->\n", "<!-- /columns -->\n"
KERNEL, HANDLE, BLIND = "kernel", "handle", "blind"
CLASSES = (
    HANDLE, Privacy.ID, Privacy.PERSONAL, BLIND, Privacy.PSEUDONYMOUS, Privacy.PUBLIC, KERNEL,
)  # fmt: skip
EVERYWHERE = {"slice": KERNEL, "subject": HANDLE, "user_id": HANDLE, "digest": KERNEL}
# What stands in no dataclass.
OTHERS: dict[str, dict[str, str]] = {
    "perdure_slices": {KERNEL: "position"},
    "perdure_streams": {Privacy.PSEUDONYMOUS: "stream", KERNEL: "version hash"},
    "perdure_events": {
        Privacy.PERSONAL: "payload",
        Privacy.PSEUDONYMOUS: "stream type at",
        KERNEL: "position version id schema payload_hash hash",
    },
    "perdure_outcomes": {
        BLIND: "key",
        Privacy.PERSONAL: "result",
        Privacy.PSEUDONYMOUS: "unit at",
    },
    "perdure_tombstones": {Privacy.PSEUDONYMOUS: "at counts receipt", KERNEL: "done"},
    "perdure_vaults": {KERNEL: "vault since"},
    "perdure_migrations": {KERNEL: "package number name checksum applied_at"},
    "drift_bands": {Privacy.PSEUDONYMOUS: "band", BLIND: "value hash"},
    "threads": {Privacy.PSEUDONYMOUS: "id created_at"},
    "bot_soul": {
        Privacy.PERSONAL: "content",
        Privacy.PSEUDONYMOUS: "id created_at updated_at is_active",
    },
}


def page(text: str) -> str:
    """Return the page with its list of columns made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, behind = rest.partition(END)
    lines = "".join(f"{line}\n" for line in _lines())
    return f"{before}{BEGIN}{lines}{END}{behind}"


def classes() -> dict[str, dict[str, str]]:
    """Give the class of every column of every table; one that nobody classed is an error."""
    with perdure.open("memory:") as store:
        return store.engine.administer(_classes)


def _classes(session: Session) -> dict[str, dict[str, str]]:
    models = {table.name: table.model for table in described(session, domains())}
    listed = [row[1] for row in _pragma(session, "table_list") if row[0] == "main"]
    return {
        name: {row[1]: _class_of(name, row[1], models.get(name)) for row in columns}
        for name in sorted(listed)
        if not name.startswith("sqlite_")
        for columns in [_pragma(session, f"table_info({name})")]
    }


def _pragma(session: Session, text: str) -> Rows:
    return session.rows(Query("pragma", f"pragma {text}", ""), {})


def _class_of(name: str, column: str, model: Any) -> str:
    if column in EVERYWHERE:
        return EVERYWHERE[column]
    if model is not None:
        return BLIND if column in blind_in(model) else privacy_of(model)[column]
    for kind, columns in OTHERS.get(name, {}).items():
        if column in columns.split():
            return kind
    raise LookupError(f"{name}.{column} has no class: declare it, or write it into OTHERS")


def _lines() -> Iterator[str]:
    tables = classes()
    used = {found for columns in tables.values() for found in columns.values()}
    kinds = [kind for kind in CLASSES if kind in used]
    yield f"| table | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for table, columns in tables.items():
        cells = [
            ", ".join(f"`{column}`" for column, found in columns.items() if found == kind)
            for kind in kinds
        ]
        yield f"| `{table}` | {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
