"""Events: immutable facts in the past tense, with a type name, a schema version and a projection.

    @event(version=2, upcasts={1: add_notes})
    class SoulPublished: ...

The projection is the only code that writes read models. Nothing here stores anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import msgspec

from perdure.errors import Invalid, Tampered, TooLarge

from .values import PAYLOAD_BYTES_MAX, Json, storable

if TYPE_CHECKING:
    from .log import Recorded
    from .transaction import Transaction

E = TypeVar("E")
Upcast = Callable[[dict[str, Json]], dict[str, Json]]
Projection = Callable[["Transaction", Any, "Recorded"], None]


@dataclass(frozen=True, slots=True, eq=False)
class EventType:
    """What the log must know of a kind of event."""

    name: str
    version: int
    upcasts: Mapping[int, Upcast]
    cls: type
    decode: Callable[[bytes], Any]


class Registry:
    """Every kind of event that this process can read, and how each is projected."""

    def __init__(self) -> None:
        self.by_name: dict[str, EventType] = {}
        self.by_class: dict[type, EventType] = {}
        self.projections: dict[type, Projection] = {}
        self.more: Callable[[], object] = dict  # imports whatever else declares events

    def named(self, name: str) -> EventType | None:
        """Give the kind of this name, if anybody declares it."""
        if name not in self.by_name:
            self.more()
        return self.by_name.get(name)

    def kinds(self) -> list[EventType]:
        """Give every kind there is."""
        self.more()
        return list(self.by_name.values())

    def add(self, kind: EventType) -> None:
        if kind.name in self.by_name:
            raise Invalid(f"two events are named {kind.name!r}", remedy="rename one of them")
        missing = set(range(1, kind.version)) - set(kind.upcasts)
        if missing:
            raise Invalid(
                f"event {kind.name!r} has no upcast from version {min(missing)}",
                remedy="add a pure function to upcasts={}",
            )
        self.by_name[kind.name] = kind
        self.by_class[kind.cls] = kind


registry = Registry()
_encode = msgspec.json.Encoder().encode
_decode_actor = msgspec.json.Decoder(str).decode
INT64_DIGITS = 19
_DIGITS = bytes(byte if byte in b"0123456789" else ord(" ") for byte in range(256))


@dataclass_transform(frozen_default=True)
def event(
    *, version: int = 1, upcasts: Mapping[int, Upcast] | None = None
) -> Callable[[type[E]], type[E]]:
    """Make a class a frozen event and register it under its own name."""

    def register(cls: type[E]) -> type[E]:
        frozen = dataclass(frozen=True, slots=True)(cls)
        decode = msgspec.json.Decoder(frozen).decode
        registry.add(EventType(cls.__name__, version, upcasts or {}, frozen, decode))
        return frozen

    return register


def projects(
    cls: type[E],
) -> Callable[
    [Callable[[Transaction, E, Recorded], None]], Callable[[Transaction, E, Recorded], None]
]:
    """Say which function turns this event into rows."""

    def register(
        function: Callable[[Transaction, E, Recorded], None],
    ) -> Callable[[Transaction, E, Recorded], None]:
        registry.projections[cls] = function
        return function

    return register


def encode(fact: object) -> tuple[EventType, bytes]:
    """Give the type and the stored bytes of an event."""
    kind = registry.by_class.get(type(fact))
    if kind is None:
        raise Invalid(
            f"{type(fact).__name__} is not an event", value=fact, remedy="decorate it with @event()"
        )
    payload = _strict(kind, fact)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise TooLarge(
            f"the event {kind.name} has {len(payload)} bytes, {PAYLOAD_BYTES_MAX} are allowed",
            value=len(payload),
            remedy="store large content in pieces",
        )
    return kind, payload


def sign(actor: str, payload: bytes) -> bytes:
    """Put who did it in front of the payload, as a JSON string and a line end; nobody adds nothing.

    There it is hashed, sealed and erased together with what was done.
    """
    return _encode(actor) + b"\n" + payload if actor else payload


def signed(payload: bytes) -> tuple[str, bytes]:
    """Give who did it, and what."""
    if not payload.startswith(b'"'):
        return "", payload
    actor, _, written = payload.partition(b"\n")
    return _decode_actor(actor), written


def _strict(kind: EventType, fact: object) -> bytes:
    """Encode the event and read it back: what does not come out equal never goes in."""
    try:
        payload = _encode(fact)
        is_equal = kind.decode(payload) == fact
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Invalid(
            f"the event {kind.name} can not be stored ({error})",
            remedy="give each field a value of its type, in UTF-8 and of at most 64 bits",
        ) from None
    if _is_rare(payload):
        storable(f"the event {kind.name}", msgspec.json.decode(payload))
    if not is_equal:
        raise Invalid(
            f"the event {kind.name} would come back different",
            remedy="use finite numbers and values of the declared types",
        )
    return payload


def _is_rare(payload: bytes) -> bool:
    """Say whether there may be a NUL or an integer over 64 bits, so that one has to look closer.

    A regular expression for the same took 4 µs of each unit of work.
    """
    runs = payload.translate(_DIGITS).split()
    return b"\\u0000" in payload or len(max(runs, key=len, default=b"")) >= INT64_DIGITS


def decode(name: str, schema: int, payload: bytes) -> Any:
    """Build the event from its stored bytes, through every upcast since it was written."""
    kind = registry.named(name)
    if kind is None or schema > kind.version:
        raise Invalid(
            f"this process does not know the event {name!r} in version {schema}",
            value=name,
            remedy="upgrade perdure or register the application's events first",
        )
    try:
        if schema == kind.version:
            return kind.decode(payload)
        fields = msgspec.json.decode(payload)
        for old in range(schema, kind.version):
            fields = kind.upcasts[old](fields)
        return msgspec.convert(fields, kind.cls)
    except msgspec.MsgspecError as error:
        raise Tampered(f"the payload of an event {name!r} can not be read ({error})") from None
