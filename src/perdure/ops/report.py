"""What verify says, and the witness it can be held against.

A witness is a small JSON document kept elsewhere: for each slice the last position and the hash
of the event there. It alone notices a tail that was cut together with its head and its counter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from perdure.errors import Invalid

FORMAT = "perdure-witness-1"
FINDINGS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its kind, a sentence for people, and where it is."""

    kind: str
    sentence: str
    place: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at, and what was found; ``lane`` is where to go on (``after=``)."""

    findings: tuple[Finding, ...]
    slices: int
    streams: int
    events: int
    subjects: int
    rows: int
    lane: str | None
    notes: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Say whether nothing was found."""
        return not self.findings


@dataclass(slots=True)
class Ledger:
    """A report in the making."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    lane: str | None = None

    def tell(self, kind: str, sentence: str, place: str) -> None:
        """Keep a finding once; too many are only counted."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.setdefault((kind, sentence, place), Finding(kind, sentence, place))
        else:
            self.notes[f"more than {FINDINGS_MAX} findings: the first are listed"] = None

    def report(self) -> Report:
        """Close the ledger."""
        c = self.counts
        return Report(
            tuple(self.findings.values()), c["slices"], c["streams"], c["events"], c["subjects"],
            c["rows"], self.lane, tuple(self.notes),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """The end of a slice: a position and the hash of the event there ('' if it was not kept)."""

    position: int
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """The ends of all slices at one time, to be kept where the database's administrator is not."""

    slices: Mapping[str, Mark]
    format: str = FORMAT

    def to_json(self) -> str:
        """Write it, sorted, for a file or a ledger elsewhere."""
        return msgspec.json.encode(self, order="sorted").decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Witness:
        """Read what ``to_json`` wrote."""
        try:
            read = msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise Invalid(f"this is no witness ({error})", remedy="give its JSON") from None
        if read.format != FORMAT:
            raise Invalid(
                f"the witness has the format {read.format!r}", value=read.format,
                remedy=f"give one of the format {FORMAT}",
            )  # fmt: skip
        return read

    @classmethod
    def of(cls, head: Witness | Mapping[str, int]) -> Witness:
        """Accept a checkpoint too: it knows positions, but no hashes."""
        if isinstance(head, Witness):
            return head
        return cls({lane: Mark(position) for lane, position in head.items()})
