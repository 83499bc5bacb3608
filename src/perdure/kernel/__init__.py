"""The kernel: events, streams, transactions, operations. It does no I/O and knows no engine and no
domain.
"""

from .clock import Clock, SystemClock
from .events import event, projects
from .log import ANY, EXISTS, NONE, Recorded
from .operations import Face, M, reads, writes
from .queries import load
from .transaction import Transaction

__all__ = [
    "ANY",
    "EXISTS",
    "NONE",
    "Clock",
    "Face",
    "M",
    "Recorded",
    "SystemClock",
    "Transaction",
    "event",
    "load",
    "projects",
    "reads",
    "writes",
]
