"""Compares a store with the journal: nothing acknowledged lost, nothing doubled, torn or out of
order, the chain whole, the read models as the events say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import perdure
from perdure import ops
from perdure.errors import PerdureError
from perdure.kernel import Transaction
from tests.faults.counters import counted, echo_of, stream_of
from tests.faults.crew import Journal


@dataclass(slots=True)
class Findings:
    """What an audit found."""

    lost: int = 0
    unacked: int = 0
    troubles: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Said:
    """A stream as the log holds it: numbers, versions, ids."""

    numbers: list[int] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


def audit(
    store: perdure.Store, journal: Journal, *, is_cut: bool = False, may_lose: bool = False
) -> Findings:
    """Read everything and say what is wrong.

    When the journal ends before the writers did (``is_cut``) more events may be there than
    acknowledgements; where the newest may be lost, the rest has to be whole and in order.
    """
    findings = Findings()
    streams: dict[str, Said] = defaultdict(Said)
    try:
        for recorded in store.log.read():
            said = streams[recorded.stream]
            said.numbers.append(recorded.event.number)
            said.versions.append(recorded.version)
            said.ids.append(recorded.id)
        for lane, acked in journal.acked.items():
            said = streams[stream_of(lane)]
            findings.lost += lost(acked, said)
            findings.unacked += max(0, len(said.ids) - len(acked))
            kept = acked[: len(said.ids)] if may_lose else acked
            findings.troubles += wrong(lane, kept, said, streams[echo_of(lane)])
            if len(said.ids) > len(acked) + 1 and not is_cut:
                findings.troubles.append(f"{lane}: {len(said.ids)} events, {len(acked)} acks")
            findings.troubles += models(store.subject(journal.subjects[lane]), lane, said)
        findings.troubles += [found.sentence for found in ops.verify(store).findings]
    except PerdureError as error:
        findings.troubles.append(f"{error.code}: {error}")
    return findings


def lost(acked: list[str], said: Said) -> int:
    """Count acknowledged writes whose event is not there."""
    return len(set(acked) - set(said.ids))


def wrong(lane: str, acked: list[str], said: Said, echo: Said) -> Iterator[str]:
    """Yield what is doubled, torn or out of order."""
    count = len(said.numbers)
    if said.numbers != list(range(1, count + 1)) or said.versions != said.numbers:
        yield f"{lane}: numbers or versions are not 1 to {count}"
    if echo.numbers != said.numbers:
        yield f"{lane}: {count} events but {len(echo.numbers)} echoes"
    if said.ids[: len(acked)] != acked:
        yield f"{lane}: acknowledged events are missing or others stand in their place"


def models(subject: perdure.store.Subject, lane: str, said: Said) -> Iterator[str]:
    """Yield read models that do not say what the events say, and streams that do not verify."""

    def look(tx: Transaction) -> tuple[int, int]:
        return counted(tx, lane), sum(1 for _ in tx.events(stream_of(lane)))

    counter, events = subject.transact(look)
    if counter != len(said.numbers) or events != counter:
        yield f"{lane}: the counter says {counter}, the log {len(said.numbers)}"
