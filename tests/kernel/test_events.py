"""The registry of events: what it refuses, and events that can not be read any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from perdure.errors import Invalid, Tampered, TooLarge
from perdure.kernel import events
from perdure.kernel.events import EventType, Registry, decode, encode
from perdure.testing.conformance.samples import SampleKept, SampleMoved, SampleNoted


@dataclass(frozen=True, slots=True)
class Happened:
    text: str


def kind(version: int, upcasts: dict[int, Any], name: str = "Happened") -> EventType:
    return EventType(name, version, upcasts, Happened, msgspec.json.Decoder(Happened).decode)


def test_two_events_of_one_name_are_refused() -> None:
    registry = Registry()
    registry.add(kind(1, {}))
    with pytest.raises(Invalid, match="two events are named 'Happened': rename one of them"):
        registry.add(kind(1, {}))


@pytest.mark.parametrize(("upcasts", "missing"), [({}, 1), ({1: dict}, 2), ({2: dict}, 1)])
def test_a_version_without_an_upcast_is_refused(upcasts: dict[int, Any], missing: int) -> None:
    with pytest.raises(Invalid, match=f"has no upcast from version {missing}"):
        Registry().add(kind(3, upcasts))
    Registry().add(kind(3, {1: dict, 2: dict}))


def test_an_event_is_frozen_and_found_by_name_and_class() -> None:
    found = events.registry.by_name["SampleNoted"]
    assert (found.cls, found.version) == (SampleNoted, 1)
    assert events.registry.by_class[SampleNoted] is found
    with pytest.raises(AttributeError):
        SampleNoted("x").text = "y"  # type: ignore[misc]


def test_what_is_stored_is_plain_json() -> None:
    found, payload = encode(SampleMoved("Oslo", "NO", []))
    assert (found.name, found.version) == ("SampleMoved", 3)
    assert payload == b'{"to":"Oslo","country":"NO","reasons":[]}'


def test_an_event_may_fill_its_limit_exactly() -> None:
    assert len(encode(SampleNoted("x" * (4_194_304 - 11)))[1]) == 4_194_304
    with pytest.raises(TooLarge, match="SampleNoted has 4194305 bytes, 4194304 are allowed"):
        encode(SampleNoted("x" * (4_194_304 - 10)))


def test_an_event_that_contains_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(Invalid, match="the event SampleKept can not be stored"):
        encode(SampleKept(endless))


@pytest.mark.parametrize("schema", [1, 2, 3])
@pytest.mark.parametrize("payload", [b"", b"{", b"[1]", b'{"place": 7, "country": 8}'])
def test_a_payload_that_is_none_is_tampered_with(schema: int, payload: bytes) -> None:
    with pytest.raises((Tampered, KeyError, TypeError)):
        decode("SampleMoved", schema, payload)


def test_a_payload_of_today_that_is_none_is_named() -> None:
    with pytest.raises(Tampered, match="the payload of an event 'SampleMoved' can not be read"):
        decode("SampleMoved", 3, b"{}")


@pytest.mark.parametrize(("name", "schema"), [("Nobody", 1), ("SampleNoted", 2)])
def test_an_event_of_somebody_else_is_named(name: str, schema: int) -> None:
    with pytest.raises(Invalid, match=f"the event '{name}' in version {schema}: upgrade perdure"):
        decode(name, schema, b"{}")
