"""What the audit itself keeps: that somebody looked. It has no rows; the log is the list."""

from __future__ import annotations

from typing import Final

from perdure.kernel import event

STREAM: Final = "audit-looks"


@event()
class AnswerGiven:
    """An operation that reads was answered; noted before the answer was given."""

    operation: str
