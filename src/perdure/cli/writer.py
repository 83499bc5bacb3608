"""The process that ``perdure demo`` kills: it writes, and acknowledges each write on its standard
output once it is durable.

``python -m perdure.cli.writer TARGET``. It never asks, never sleeps and never cleans up.
"""

from __future__ import annotations

import sys

import perdure
from perdure.cli import story


def write_all(target: str) -> None:
    """Write the whole story, one acknowledged number after the other."""
    with perdure.open(target, subject=story.SUBJECT) as store:
        for number in range(1, story.WRITES + 1):
            stream, version = story.write(store, number)
            sys.stdout.write(f"{number} {stream} {version}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    write_all(sys.argv[1])
