"""What spans, lines and measures share on their way in: who sends, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

import psycopg
from django.conf import settings

from audit.receive import Receipt, Sender
from tracing.masked import Mask

ITEMS_LIMIT: Final = 50_000
"""Spans, log records or points of one request."""

AT_ONCE: Final = 5_000
"""Of them in one transaction; also the most events of one row of the inbox."""

TRIES: Final = 5


class TakenMeanwhile(psycopg.OperationalError):
    """Others stored parts of this request again and again while we tried; a retry is harmless."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """Who sent a request, and what its rows say of it for ever."""

    ledger_id: int
    ledger_name: str
    sender: Sender
    received_at: datetime
    request_id: str = ""
    traceparent: str = ""

    def of_receive(self) -> dict[str, Any]:
        """Return what `audit.receive.receive` wants to know of it."""
        return {
            "ledger_id": self.ledger_id,
            "ledger_name": self.ledger_name,
            "sender": self.sender,
            "received_at": self.received_at,
            "request_id": self.request_id,
            "traceparent": self.traceparent,
        }


@dataclass(kw_only=True, slots=True)
class Taken:
    """What became of a request's spans, log records or points."""

    taken: int = 0
    """New ones, committed."""
    known: int = 0
    """Those that were stored before."""
    rejected: int = 0
    """Those that were not kept."""
    notes: list[str] = field(default_factory=list)
    """Why, in sentences; also what of those that were taken gave no event."""

    def reject(self, number: int, why: str) -> None:
        """Count what is not kept, and say why."""
        if number:
            self.rejected += number
            self.notes.append(f"{number:,} {why}")

    def message(self) -> str:
        """Return all notes as one text for the sender."""
        return "; ".join(self.notes)


@cache
def mask() -> Mask:
    """Return the redactor of this installation's spans and lines."""
    return Mask(
        extra_keys=settings.REDACT_EXTRA_KEYS, extra_patterns=settings.REDACT_EXTRA_PATTERNS
    )


def note_refused(receipts: Sequence[Receipt], result: Taken) -> None:
    """Say how many gave no event, and why the first did not."""
    refused = [each.error for each in receipts if each.error is not None]
    if refused:
        result.notes.append(
            f"{len(refused):,} gave no event, the first for {refused[0]['path']}: "
            f"{refused[0]['message']}"
        )
