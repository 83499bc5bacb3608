"""Write docs/cli.md from the tree of commands: every help text, environment variable, exit code.

``python docs/generate_cli.py`` writes it; tests/cli/test_page.py fails when the page and the tree
differ.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from perdure.cli.commands import parser
from perdure.cli.tree import Parser, children, is_group, walk

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 100
HEAD = """# Command line

Made by `python docs/generate_cli.py` from the tree of commands, which is itself made from the
operation table. `python -m perdure` is the same command.

```console
$ perdure demo                       # a self whose writer is killed: in a temporary folder
$ export PERDURE_STORE=companion.db PERDURE_SUBJECT=ada@example.com
$ perdure souls publish --core-identity "Curious, warm, direct."
version 1 is the current one (6 tokens)
$ echo "I would rather tell you the truth, gently." | perdure drift observe -
interaction 1, coefficient 0.0000
$ perdure drift show --svg drift.svg
$ perdure log verify
```

## What holds for every command
- **Where and whose.** `--store` is a file, a folder (it ends in `/`, or exists), `memory:` or a
  postgresql:// URL; `--subject` is whose self it is. Both may stand before or behind the command.
  On PostgreSQL a subject has to be named; a file belongs to `default_user` until one is. The
  commands of `log`, and `rebuild`, are about everybody until a subject is named.
- **Reading makes nothing.** A command that only reads never makes a file and never changes a
  schema. `publish`, `observe`, `evolve`, `import`, `import-bot-soul`, `milestones add`, `migrate
  up` and `demo` make the store if there is none.
- **Text.** `-` for a text or for JSON reads standard input as UTF-8; its last line break is not
  part of it.
- **JSON.** With `--json` a command prints one document; `log show` and `log follow` print one a
  line. An error is one line on standard error: `{"error": {"code", "message", "remedy"}}`. Bytes
  are base64, times are ISO 8601 in UTC.
- **People.** Without it, output is for people and may change. Colours and progress are for
  terminals only; drawings take braille dots, or ASCII where the terminal is not UTF-8. Control
  characters in stored text are written out (`\\x1b`).
- **Retries.** `--once KEY` makes a write repeatable: the same key returns the first result and
  writes nothing again.
- **Errors** are one line that says what to do. What should never happen is `internal` in one line;
  `--debug` shows the log.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_commands()]).rstrip() + "\n"


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    root = parser()
    yield f"```text\n{root.help_of(WIDTH)}```\n"
    for _, inner in children(root):
        yield from _of(inner)


def _of(inner: Parser) -> Iterator[str]:
    yield f"### `{inner.prog}`\n"
    for one in walk(inner):
        if is_group(one):
            yield f"{one.description}\n" if one is inner else ""
        else:
            yield f"```text\n{one.help_of(WIDTH)}```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
