"""Tools of the operator: verify, witness, rebuild, copy, doctor.

They return values and raise errors; the command line prints. Progress is a plain callback: what,
how many are done, how many there are (0: nobody knows).
"""

from perdure.kernel.progress import Progress

from .checks import Check
from .copy import Copied, copy
from .doctor import doctor
from .rebuild import Rebuilt, discard, rebuild
from .report import Finding, Mark, Report, Witness
from .verify import verify, witness

__all__ = [
    "verify",
    "witness",
    "Finding",
    "Mark",
    "Report",
    "Witness",
    "rebuild",
    "discard",
    "Rebuilt",
    "copy",
    "Copied",
    "doctor",
    "Check",
    "Progress",
]
