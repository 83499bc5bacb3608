"""A flock of subjects: each has a canary for its name and one in every text of every domain."""

from __future__ import annotations

import logging
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

import perdure
from perdure.domains.drift.echoes import Bloom, exact_hash
from perdure.domains.drift.model import Mutation
from perdure.errors import Conflict, Invalid, PerdureError, TooLarge
from perdure.faces import FACES
from perdure.kernel import Transaction
from perdure.kernel.operations import operations
from perdure.store import Subject
from tests.canary.forms import Marker, core_of

logger = logging.getLogger("canary")
MUTATION = {each.name: 0.75 for each in fields(Mutation)}


@dataclass(slots=True)
class Bird:
    """A subject, its canaries, and what the store answers about it."""

    name: str
    cores: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)  # of single things that were forgotten at once
    said: list[str] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)


class Flock:
    """Subjects of one run, and everything that is done for each."""

    def __init__(self, marker: Marker, size: int) -> None:
        self.marker = marker
        self.birds = [self._hatch() for _ in range(size)]
        self.records: list[tuple[str, str, set[str]]] = []  # sealed, its text, about whom

    def _hatch(self) -> Bird:
        name = self.marker.email()
        return Bird(name, {core_of(name)})

    @property
    def cores(self) -> list[str]:
        """List every canary that was given out."""
        return [core for bird in self.birds for core in bird.cores]

    def fill(self, store: perdure.Store) -> None:
        """Write every bird's texts, through every operation that takes one."""
        for bird in self.birds:
            self._write(store, store.subject(bird.name).by(self._core(bird)), bird)

    def _core(self, bird: Bird) -> str:
        core = self.marker.core()
        bird.cores.add(core)
        return core

    def _text(self, bird: Bird) -> str:
        text = self.marker.sentence()
        bird.cores.add(core_of(text))
        return text

    def _soul(self, bird: Bird) -> dict[str, str]:
        names = "core_identity", "active_values", "recent_growth", "reflection_notes"
        return {name: self._text(bird) for name in names}

    def _write(self, store: perdure.Store, subject: Subject, bird: Bird) -> None:
        thread = str(uuid.uuid4())
        souls, drift = subject.souls, subject.drift
        souls.import_bot_soul(self._text(bird))
        souls.publish(**self._soul(bird))  # type: ignore[arg-type]
        subject.once(self._core(bird)).souls.publish(**self._soul(bird))  # type: ignore[arg-type]
        souls.restore(1)
        add = souls.milestones.add
        add(self._text(bird), lesson_learned=self._text(bird), source_thread_id=thread)
        souls.milestones.forget_thread(thread)
        self._forget_things(subject, bird)
        for bloom_filter in (our_filter(self._core(bird)), self._core(bird)):
            hashes = [self._core(bird), self._core(bird)]
            drift.import_state({"bloomFilter": bloom_filter, "recentHashes": hashes})
        said = self._text(bird)
        bird.said = [said, f"{said} {self._text(bird)}"]
        for text in bird.said:
            drift.observe(text)
        drift.evolve(MUTATION)
        hidden = f"{self._text(bird)}, write to {self.marker.email()}"
        bird.cores.add(core_of(hidden.rpartition(" ")[2]))
        if store.keys is not None:  # tokens need a vault
            subject.tokens.hide(hidden, names=[self._core(bird)])
            self._share(store, bird)
        self._keep_result(subject, bird)
        self._fail(subject, bird)

    def _forget_things(self, subject: Subject, bird: Bird) -> None:
        """Write a milestone and a version, and forget them again."""
        souls, known = subject.souls, set(bird.cores)
        moment = souls.milestones.add(self._text(bird), lesson_learned=self._text(bird))
        souls.milestones.forget(moment.id)
        version = souls.publish(**self._soul(bird)).version  # type: ignore[arg-type]
        souls.restore(1)
        souls.forget_version(version)
        bird.gone = bird.cores - known

    def _share(self, store: perdure.Store, bird: Bird) -> None:
        """Seal a text about two, with each of two neighbours."""
        for steps in (1, 2):
            other = self.birds[self.birds.index(bird) - steps]
            text = self._text(bird)
            record = store.seal_between(text, bird.name, other.name)
            logger.info("a record between two: %s", record)
            self.records.append((record, text, {bird.name, other.name}))

    def _keep_result(self, subject: Subject, bird: Bird) -> None:
        """Have a text kept as the result of a unit of work, and repeat it."""
        text = self._text(bird)

        def unit(tx: Transaction) -> str:
            return text

        once = subject.once(self._core(bird))
        assert once.transact(unit) == once.transact(unit) == text

    def _fail(self, subject: Subject, bird: Bird) -> None:
        """Be refused, with personal texts in hand; the log gets every word of it."""
        publish, key = subject.souls.publish, self._core(bird)
        with refused(TooLarge):
            publish(core_identity=self._text(bird) * 200)
        with refused(Conflict):
            publish(core_identity=self._text(bird), expected=99)
        with refused(Invalid):
            publish(core_identity=f"\0{self._text(bird)}")
        subject.once(key).drift.evolve(MUTATION)
        with refused(Conflict):
            subject.once(key).drift.reset()


@contextmanager
def refused(kind: type[PerdureError]) -> Iterator[None]:
    """Expect an error, and log it as an application would."""
    try:
        yield
    except kind as error:
        logger.exception("refused, %r", error)  # noqa: TRY401 - its repr as well
    else:
        raise AssertionError(f"no {kind.__name__}")


def fingerprints(bird: Bird) -> Iterator[tuple[str, bytes]]:
    """Give what somebody who guesses a text would look for: its hash, as each engine writes it."""
    for text in bird.said:
        number = exact_hash(text)
        written = f"{number}", f"{number & 0xFFFF_FFFF_FFFF_FFFF:016x}"
        yield from (("the hash of a text", one.encode()) for one in written)
        for order in ("big", "little"):
            yield "the hash of a text", number.to_bytes(8, order, signed=True)


def our_filter(core: str) -> str:
    """Make a filter of ours whose base64 happens to hold a canary."""
    raw = bytearray(b64decode(Bloom(64).to_base64()))
    canary = b64decode(core)
    start = len(raw) - len(canary) - 3
    start -= start % 3
    raw[start : start + len(canary)] = canary
    text = b64encode(raw).decode()
    assert core in text
    return text


# What an operation that reads is asked, if it has to be told anything.
ASKED: dict[str, tuple[Any, ...]] = {
    "drift.at": (1,),
    "drift.said_before": ("what was never said",),
    "souls.at": (1,),
    "souls.diff": (1, 2),
    "souls.milestones.by_weight": ("meaningful",),
    "souls.milestones.search": ("said",),
    "tokens.reveal": ("⟦email:1⟧ and ⟦person:1⟧",),
}


def questions() -> Iterator[str]:
    """Name every operation that reads."""
    for domain, face in FACES.items():
        yield from (f"{domain}.{name}" for name, each in operations(face) if not each.is_write)


def answers(subject: Subject) -> dict[str, bytes]:
    """Ask everything that can be asked of a subject."""
    return {question: _answer(subject, question) for question in questions()}


def _answer(subject: Subject, question: str) -> bytes:
    asked: Any = subject
    for part in question.split("."):
        asked = getattr(asked, part)
    try:
        return msgspec.json.encode(asked(*ASKED.get(question, ())))
    except PerdureError as error:
        return f"{error.code}: {error}".encode()
