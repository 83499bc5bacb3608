"""Write docs/reference.md from the operation table, the errors and the exported names.

``python docs/generate.py`` writes it; tests/test_docs.py fails when the page and the code differ.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import perdure
from perdure import errors, vault
from perdure.faces import FACES
from perdure.kernel.follow import AsyncLog, Log
from perdure.kernel.forgets import AsyncForgets, Forgets
from perdure.kernel.operations import Face, Operation, operations
from perdure.portable.exporting import Exported
from perdure.portable.importing import Imported
from perdure.portable.moves import AsyncMoves, Moves
from perdure.store import AsyncStore, AsyncSubject, Store, Subject

PAGE = Path(__file__).with_name("reference.md")
# What signatures name and their modules only import for type checkers.
NAMES = {**vars(vault), "Exported": Exported, "Imported": Imported}
PARTS: dict[type, tuple[type, ...]] = {
    Store: (Store, Forgets, Moves),
    AsyncStore: (AsyncStore, AsyncForgets, AsyncMoves),
}
_DOTTED = re.compile(r"\b(?:[a-z_]\w*\.)+(\w+)")
HEAD = """# Reference

Made by `python docs/generate.py` from the operation table. Every operation has the same name in
the synchronous face (`store.subject("ada").souls.current()`), the asynchronous face (`await …`)
and inside a transaction (`souls.current(tx)`, imported from `perdure.domains`).
"""


def page() -> str:
    """Return the whole page."""
    parts = (_package(), _stores(), _domains(), _vault(), _errors())
    return "\n".join([HEAD, *(line for part in parts for line in part)]).rstrip() + "\n"


def _package() -> Iterator[str]:
    yield "## `perdure`\n"
    for name in ("open", "connect"):
        function = getattr(perdure, name)
        yield f"### `perdure.{name}{_signature(_resolved(function))}`\n"
        yield f"{(inspect.getdoc(function) or '').strip()}\n"


def _stores() -> Iterator[str]:
    for cls in (Store, Subject, Log, AsyncStore, AsyncSubject, AsyncLog):
        yield f"## `{cls.__name__}`\n\n{inspect.getdoc(cls)}\n"
        members = (item for part in PARTS.get(cls, (cls,)) for item in vars(part).items())
        for name, member in members:
            if not name.startswith("_") and (inspect.isroutine(member) or _is_property(member)):
                yield f"- `{name}{_of_member(member)}`: {_line(member)}"
        yield ""


def _domains() -> Iterator[str]:
    for domain, face in FACES.items():
        yield f"## `store.{domain}`\n\n{_module_doc(face)}\n"
        for name, operation in operations(face):
            kind = "writes" if operation.is_write else "reads"
            yield f"### `{domain}.{name}{_signature(operation.signature)}`\n"
            yield f"{_doc(operation)} ({kind})\n"


def _vault() -> Iterator[str]:
    yield f"## `perdure.vault`\n\n{inspect.getdoc(vault)}\n"
    for name in vault.__all__:
        yield f"- `{name}`: {_line(getattr(vault, name))}"
    yield ""


def _errors() -> Iterator[str]:
    yield "## Errors\n"
    yield "Every error has a stable `code`, the offending `value` and a `remedy`.\n"
    yield "| class | code | meaning |\n|---|---|---|"
    for error in errors.ALL:
        yield f"| `perdure.{error.__name__}` | `{error.code}` | {_line(error)} |"


def _signature(signature: inspect.Signature) -> str:
    bare = signature.replace(
        parameters=[
            p.replace(default=_Shown(p.default)) if p.default is not p.empty else p
            for p in signature.parameters.values()
        ]
    )
    return _DOTTED.sub(r"\1", str(bare))


class _Shown:
    """A default as a reader wants it: short, and the same on every machine."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return getattr(self.value, "__name__", None) or repr(self.value)


def _of_member(member: Any) -> str:
    if _is_property(member):
        return ""
    return _signature(_resolved(inspect.unwrap(member)))


def _is_property(member: Any) -> bool:
    return isinstance(member, property)


def _resolved(function: Any) -> inspect.Signature:
    return inspect.signature(function, eval_str=True, locals=NAMES)


def _module_doc(face: type[Face[Any]]) -> str:
    return (inspect.getdoc(inspect.getmodule(face)) or "").strip()


def _doc(operation: Operation[Any, Any]) -> str:
    return (inspect.getdoc(operation.function) or "").strip()


def _line(member: object) -> str:
    return (inspect.getdoc(member) or "").splitlines()[0]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
