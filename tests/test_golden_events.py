"""Every event ever stored can still be read: one golden line for each type and schema version.

A line is never changed; a new event or a new schema version adds one.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

import perdure.store  # noqa: F401  (imports every domain, which registers its events)
from perdure.errors import Invalid
from perdure.kernel.events import EventType, decode, registry

GOLDEN = Path(__file__).parent / "golden" / "events.jsonl"
LINES = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]


def ours() -> list[EventType]:
    """Every event of the product; those that tests define are theirs."""
    return [k for k in registry.by_name.values() if k.cls.__module__.startswith("perdure.domains")]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['type']}-{line['schema']}")
def test_an_event_stored_long_ago_reads_as_it_did(line: dict[str, object]) -> None:
    payload = msgspec.json.encode(line["payload"])
    event = decode(str(line["type"]), int(str(line["schema"])), payload)
    assert msgspec.json.decode(msgspec.json.encode(event)) == line["reads_as"]


def test_every_event_in_every_version_has_a_golden_line() -> None:
    known = {(line["type"], line["schema"]) for line in LINES}
    wanted = {(kind.name, version) for kind in ours() for version in range(1, kind.version + 1)}
    assert wanted - known == set(), "add their lines to tests/golden/events.jsonl"
    assert {name for name, _ in known} <= {kind.name for kind in ours()}, "an event was lost"


def test_an_event_of_tomorrow_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="does not know the event 'SoulPublished' in version 99"):
        decode("SoulPublished", 99, b"{}")
