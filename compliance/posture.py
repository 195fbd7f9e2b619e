"""Seal postures when they are due, and periods when they are asked for.

A posture is the last thirty days, today included: the day's figure for trends. It is sealed each
night, and soon after a ledger's first entries; on a ledger's first day again when entries came and
the newest is an hour old, since much is decided then. A ledger whose tallies lag or are being
rebuilt gets its posture on the next call; nothing is sealed from rows that another catalogue made.
Called by tasks.py.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import structlog
from django.utils import timezone

from compliance.evaluate import evaluate_framework, latest_posture
from compliance.gather import Entry, Ledger
from compliance.in_force import catalogue_in_force
from compliance.models import Snapshot
from compliance.snapshot import seal_snapshot
from compliance.tallied import LensNotTallied

log = structlog.get_logger(__name__)

DAYS: Final = 30
"""Days of a posture, today included."""
AGE: Final = timedelta(hours=1)
"""A young ledger's posture older than this is made again when entries came."""
YOUNG: Final = timedelta(days=1)
"""How long a ledger is young: later a posture a day is enough, for each is kept for ever."""


def posture_days(today: date) -> tuple[date, date]:
    """Return the first day of today's posture, and the day after its last."""
    return today - timedelta(days=DAYS - 1), today + timedelta(days=1)


def seal_postures(ledger: Ledger) -> list[Snapshot]:
    """Seal today's posture of every framework in force; none for a ledger without entries."""
    if not Entry.objects.filter(ledger=ledger).exists():
        return []
    start, end = posture_days(timezone.now().date())
    sealed: list[Snapshot] = []
    for framework in sorted(catalogue_in_force().frameworks):
        try:
            result = evaluate_framework(ledger, framework, start=start, end=end)
        except LensNotTallied as behind:
            log.info("compliance.posture_waits", ledger=ledger.name, why=str(behind))
            return sealed
        sealed.append(seal_snapshot(ledger, result, kind="posture"))
    return sealed


def seal_due_postures(ledger: Ledger) -> list[Snapshot]:
    """Seal today's postures when one is missing, or when the oldest of them is outdated."""
    return seal_postures(ledger) if is_due(ledger) else []


def is_due(ledger: Ledger) -> bool:
    """Tell whether a posture is missing today; of a young ledger also whether it is outdated."""
    now = timezone.now()
    start, _ = posture_days(now.date())
    newest = [latest_posture(ledger, framework) for framework in catalogue_in_force().frameworks]
    if any(one is None or one.start_day != start for one in newest):
        return True
    postures = [one for one in newest if one is not None]
    if not postures or min(one.made_at for one in postures) > now - AGE:
        return False
    if not Entry.objects.filter(ledger=ledger, seq=0, received_at__gt=now - YOUNG).exists():
        return False
    # What we sealed ourselves is no news.
    came = Entry.objects.filter(ledger=ledger, seq__gt=min(one.head_seq for one in postures))
    return came.exclude(action="audit.snapshot_sealed").exists()


def seal_period(ledger: Ledger, framework: str, *, start: str, end: str, by: str = "") -> Snapshot:
    """Evaluate and seal a period; dates as `2026-10-01`, the end excluded.

    Raises ValueError for what is no period, UnknownFramework, LensNotTallied.
    """
    result = evaluate_framework(
        ledger, framework, start=date.fromisoformat(start), end=date.fromisoformat(end)
    )
    return seal_snapshot(ledger, result, kind="period", by=by)
