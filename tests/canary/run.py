"""The canary run: fill a store, forget half of its subjects, and look at every byte there is.

With a vault nobody's text may be found, before or after, in anything; the forgotten cannot be read
from a copy made before either. In clear nothing of the forgotten but their names may be found in
the store itself. The others are answered as before, to the byte.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import perdure
from perdure.errors import Forgotten, LockedOut, PerdureError
from perdure.ops import verify
from perdure.vault import envelope
from tests.canary.fields import NO_TEXT, Watch, expected
from tests.canary.flock import Bird, Flock, answers, fingerprints
from tests.canary.forms import Marker, core_of
from tests.canary.nests import NESTS, Nest
from tests.canary.scan import Control, Findings, Hit, Scanner

TROUBLES_TOLD_MAX = 10
PIECES_OF = 3  # so many subjects' hashes and keys: each is a search of its own
REFUSED = tuple(f"{kind.code}: ".encode() for kind in (Forgotten, LockedOut))


@dataclass(slots=True)
class Report:
    """The figures of a run."""

    engine: str
    is_sealed: bool
    mutant: str = ""
    subjects: int = 0
    forgotten: int = 0
    canaries: int = 0
    fields: int = 0
    controls: int = 0
    files: int = 0
    megabytes: float = 0.0
    hits: dict[str, int] = field(default_factory=dict)
    answers: int = 0
    troubles: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_green(self) -> bool:
        """Nothing was found that has to be nowhere, nothing was lost that has to stay."""
        return not self.troubles and self.subjects > self.forgotten > 0

    def text(self) -> str:
        """Write the report as JSON, the colour first."""
        told = {**asdict(self), "troubles": self.troubles[:TROUBLES_TOLD_MAX]}
        return json.dumps({"is_green": self.is_green, **told}, indent=1)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Measure a part of the run."""
        began = time.perf_counter()
        yield
        self.seconds[what] = round(time.perf_counter() - began, 1)


class Run:
    """One run on one engine."""

    def __init__(self, nest: Nest, report: Report, *, seed: int | None) -> None:
        self.nest, self.report = nest, report
        self.marker = Marker(seed)
        self.flock = Flock(self.marker, report.subjects)
        self.keys: set[bytes] = set()  # data keys
        self._key = os.urandom(32)  # of exports
        self.forgotten = self.flock.birds[::2]
        self.kept = self.flock.birds[1::2]
        report.forgotten = len(self.forgotten)

    def go(self) -> None:
        """Do all of it, in order."""
        with self.report.timed("fill"), self.nest.open() as store:
            self._fill(store)
        with self.report.timed("first scan"):
            self._look("alive", self._of_anybody if self.report.is_sealed else self._of_nobody)
        wrapped = self.nest.wrapped_keys()
        with self.report.timed("forget"), self.nest.open() as store:
            for bird in self.forgotten:
                is_last = bird is self.forgotten[-1]
                forget(store, bird.name, rotate=is_last and store.keys is not None)
        self._look_for_keys(wrapped)
        with self.report.timed("ask"):
            with self.nest.open() as store:
                self._ask(store, "after forgetting")
                self._bring_back(store)
                if not verify(store).is_sound:
                    self.report.troubles.append("the store does not verify")
            if self.report.is_sealed:
                with self.nest.open(self.nest.copied) as copied:
                    self._ask(copied, "in the copy made before")
                self._try_old_keys()
        with self.report.timed("second scan"):
            is_sealed = self.report.is_sealed
            self._look("forgotten", self._of_anybody if is_sealed else self._of_the_forgotten)

    def _fill(self, store: perdure.Store) -> None:
        watch = Watch(self.marker.text)
        with watch.watching(), self._seeing_keys():
            self.flock.fill(store)
        if self.report.is_sealed:  # in clear there are no tokens
            self.report.troubles += [f"no canary in {place}" for place in sorted(watch.missing())]
        for bird in self.flock.birds:
            if self.report.is_sealed:  # everything about a person, as one encrypted file
                store.export(bird.name, self._export_of(bird), key=self._key)
            bird.answers = answers(store.subject(bird.name))
        self.nest.put_aside(store)
        self.report.fields = len(expected() - set(NO_TEXT))
        self.report.canaries = len(self.flock.cores)
        if self.report.is_sealed and len(self.keys) < self.report.subjects:
            self.report.troubles.append("a data key was made that nobody saw")

    def _export_of(self, bird: Bird) -> Path:
        return self.nest.folder / "aside" / f"{self.flock.birds.index(bird)}.self"

    def _bring_back(self, store: perdure.Store) -> None:
        """No export brings a forgotten one back; each has its receipt."""
        for bird in self.forgotten if self.report.is_sealed else ():
            told = ""
            try:
                store.import_subject(self._export_of(bird), key=self._key)
            except PerdureError as error:
                told = error.code
            if told != Forgotten.code:
                self.report.troubles.append(f"an export of a forgotten one is told {told!r}")
        if len(store.receipts()) != len(self.forgotten):
            self.report.troubles.append("a receipt is missing")

    def _try_old_keys(self) -> None:
        """A copy of the keys opens nothing once the master key was rotated."""
        try:
            self.nest.open_with_old_keys().close()
        except LockedOut:
            return
        self.report.troubles.append("an old copy of the key store opens")

    @contextmanager
    def _seeing_keys(self) -> Iterator[None]:
        """Note the data keys that are made: each commits to itself."""
        commitment = envelope.commitment

        def seen(key: bytes) -> bytes:
            self.keys.add(key)
            return commitment(key)

        with patch.object(envelope, "commitment", seen):
            yield

    def _ask(self, store: perdure.Store, when: str) -> None:
        """Hold what is answered now against what was answered before."""
        for bird in self.kept:
            for question, answer in answers(store.subject(bird.name)).items():
                self.report.answers += 1
                if answer != bird.answers[question]:
                    self.report.troubles.append(f"{when} {question} answers something else")
        for bird in self.forgotten:
            self._ask_in_vain(store, bird, when)
        gone = {bird.name for bird in self.forgotten}
        for record, text, people in self.flock.records:
            self.report.answers += 1
            told = opened(store, record)
            if told != (None if people & gone else text):
                self.report.troubles.append(f"{when} a record between two is not as it should be")

    def _ask_in_vain(self, store: perdure.Store, bird: Bird, when: str) -> None:
        """With a vault every question is refused; in clear there is nothing left to tell."""
        subject = store.subject(bird.name)
        for question, answer in answers(subject).items():
            self.report.answers += 1
            is_silent = self.marker.text.encode() not in answer
            if not (answer.startswith(REFUSED) if self.report.is_sealed else is_silent):
                self.report.troubles.append(f"{when} {question} answers for a forgotten one")
        try:
            subject.souls.publish(core_identity="I am back.")
        except (Forgotten, LockedOut):
            return
        self.report.troubles.append(f"{when} a forgotten one came back")

    # -- what is found

    def _look(self, when: str, wrong: Callable[[Findings], list[Hit]]) -> None:
        planter = Marker()
        planted = self.nest.begin_scan(planter)
        cores = [control.core for control in planted]
        known = {self.marker: self.flock.cores, planter: cores}
        scanner = Scanner(known, pieces=self._pieces())
        found = scanner.scan(*self.nest.roots, controls=planted)
        self.nest.end_scan()
        self._count(when, found, planted)
        for hit in wrong(found)[:TROUBLES_TOLD_MAX]:
            what = f"a canary in {hit.encoding}" if hit.marker else hit.core
            self.report.troubles.append(f"{when}: {what} in {hit.place} at {hit.offset}")

    def _count(self, when: str, found: Findings, planted: list[Control]) -> None:
        self.report.files, self.report.controls = found.files, len(planted)
        self.report.megabytes = round(found.bytes / 1e6, 1)
        self.report.hits[when] = len(self._of_anybody(found))

    def _look_for_keys(self, wrapped: list[bytes]) -> None:
        """After a rotation no wrapped key may be left as it was, in no free page either."""
        scanner = Scanner({}, pieces=[("a wrapped key", key) for key in wrapped])
        for hit in scanner.scan(self.nest.folder / "keys", controls=()).pieces:
            self.report.troubles.append(f"an old {hit.core} is still in {hit.place}")

    def _pieces(self) -> Iterator[tuple[str, bytes]]:
        """Give the hashes of what some have said, and some data keys, as they would be stored."""
        for bird in self.flock.birds[:PIECES_OF]:
            yield from fingerprints(bird)
        for key in list(self.keys)[:PIECES_OF]:
            for written in (key, key.hex().encode(), b64encode(key)):
                yield "a data key", written

    def _of_anybody(self, found: Findings) -> list[Hit]:
        return found.of(self.marker) + found.pieces

    def _of_nobody(self, found: Findings) -> list[Hit]:
        """In clear everybody has to be seen (else the scan looks in the wrong place), but for the
        single things that were forgotten.
        """
        seen = {hit.core for hit in found.of(self.marker)}
        unseen = [bird for bird in self.flock.birds if not bird.cores & seen]
        self.report.troubles += ["a subject in clear was not found" for _ in unseen]
        if not found.pieces:
            self.report.troubles.append("no hash of a text was found in clear")
        return self._in_the_store(found, {core for bird in self.flock.birds for core in bird.gone})

    def _of_the_forgotten(self, found: Findings) -> list[Hit]:
        """In clear the name stays, in the tombstone and the headers of the log."""
        gone = {core for bird in self.forgotten for core in bird.cores - {core_of(bird.name)}}
        return self._in_the_store(found, gone)

    def _in_the_store(self, found: Findings, gone: set[str]) -> list[Hit]:
        own, hits = str(self.nest.folder / "data"), found.of(self.marker)
        return [hit for hit in hits if hit.core in gone and hit.place.startswith(own)]


def opened(store: perdure.Store, record: str) -> str | None:
    """Open a record between two, or give nothing where one of them was forgotten."""
    try:
        return store.open_between(record)
    except Forgotten:
        return None


def forget(store: perdure.Store, subject: str, *, rotate: bool) -> None:
    """Forget a subject; a mutant replaces this."""
    store.forget(subject, rotate=rotate)


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _talk(subject: Any, _bird: Bird) -> None:
    logging.getLogger("canary").debug("working for %s", subject._context.subject)


MUTANTS = {
    "forgets-nothing": f"{__name__}.forget",
    "talkative": "tests.canary.flock.Flock._keep_result",
    "unsealed": "tests.canary.nests.Nest.open",
}
_INSTEAD: dict[str, Any] = {
    "forgets-nothing": _nothing,
    "talkative": lambda _self, subject, bird: _talk(subject, bird),
    "unsealed": lambda self, target="": perdure.open(target or self.target),
}


@contextmanager
def _surroundings(folder: Path) -> Iterator[None]:
    """Have logs written to a file, with every record, and temporary files where they are seen."""
    handler = logging.FileHandler(folder / "logs" / "app.log")
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with (
            patch.dict(
                "os.environ", TMPDIR=str(folder / "temp"), SQLITE_TMPDIR=str(folder / "temp")
            ),
            patch.object(tempfile, "tempdir", None),
        ):
            yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def run(
    folder: Path,
    *,
    engine: str,
    subjects: int,
    is_sealed: bool = True,
    mutant: str = "",
    seed: int | None = None,
) -> Report:
    """Run on one engine, in an empty folder."""
    report = Report(engine, is_sealed, mutant, subjects)
    nest = NESTS[engine](folder, is_sealed=is_sealed)
    try:
        with _surroundings(folder):
            made = Run(nest, report, seed=seed)
            if mutant:
                with patch(MUTANTS[mutant], _INSTEAD[mutant]):
                    made.go()
            else:
                made.go()
    finally:
        nest.close()
    return report
