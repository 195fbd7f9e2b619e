"""Run a verification and keep what it found as a row, and where it matters as an entry.

A run by hand and the nightly one leave an entry; the others only when they find something new,
since a run that made an entry each time would feed itself. What is checked: verify.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from django.db.models import Max
from django.utils import timezone

from audit.database import rows
from audit.models import Head, Ledger, Verification
from audit.receive import receive_own
from audit.verify import Progress, Report, Result, verify

Kind: TypeAlias = Literal["new", "sample", "nightly", "manual"]

SAMPLE = 1000
"""Consecutive entries of a random sample."""

_OUTCOMES: dict[Result, str] = {
    "intact": "success",
    "tampered": "failure",
    "not_proven": "unknown",
}
_START = """
INSERT INTO audit_verification (ledger_id, kind, requested_by, from_seq, to_seq, started_at)
VALUES (%s, %s, %s, %s, %s, clock_timestamp())
RETURNING id
"""


def run_verification(
    ledger: Ledger,
    *,
    kind: Kind,
    requested_by: str = "",
    from_seq: int = 0,
    to_seq: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Verify a range and keep the run. A run that fails is kept as failed, and raises."""
    ((run_id,),) = rows(
        _START, (ledger.id, kind, requested_by, from_seq, to_seq if to_seq is not None else -1)
    )
    run = Verification.objects.filter(ledger=ledger, id=run_id)
    try:
        report = verify(ledger, from_seq=from_seq, to_seq=to_seq, on_progress=on_progress)
    except BaseException:
        run.update(state="failed", finished_at=timezone.now())
        raise
    first = report.first
    run.update(
        state="done",
        finished_at=timezone.now(),
        to_seq=report.to_seq,
        checked=report.checked,
        result=report.result,
        broken=report.broken,
        bad_seq=first.seq if first else None,
        bad_field=first.field if first else "",
        expected=first.expected[:500] if first else "",
        found=first.found[:500] if first else "",
        note=report.note,
    )
    if kind in {"nightly", "manual"} or _is_news(ledger, report, run_id):
        _leave_entry(ledger, report, run_id, kind)
    return report


def verify_new(ledger: Ledger) -> Report | None:
    """Verify what no earlier run of this kind, or of the whole, has reached; None when nothing is."""
    ((reached,),) = rows(
        """
        SELECT coalesce(max(to_seq), 0)
        FROM audit_verification
        WHERE ledger_id = %s
          AND state = 'done'
          AND (kind = 'new' OR from_seq = 0)
        """,
        (ledger.id,),
    )
    size = Head.objects.values_list("size", flat=True).get(ledger=ledger)
    if size <= reached:
        return None
    return run_verification(ledger, kind="new", from_seq=reached)


def verify_sample(ledger: Ledger) -> Report | None:
    """Verify a random stretch of the ledger; None when it is empty."""
    size = Head.objects.values_list("size", flat=True).get(ledger=ledger)
    if size == 0:
        return None
    start = random.randrange(max(1, size - SAMPLE + 1))  # noqa: S311  # a sample, no secret
    return run_verification(ledger, kind="sample", from_seq=start, to_seq=start + SAMPLE)


def _is_news(ledger: Ledger, report: Report, run_id: int) -> bool:
    """Tell whether a run in the background found what no entry says yet.

    A finding is news once, until a later run over its place was intact. An intact stretch is news
    only when nothing was ever verified: it takes back no finding elsewhere.
    """
    earlier = Verification.objects.filter(ledger=ledger, id__lt=run_id)
    intact = earlier.filter(result="intact")
    if report.first is None:
        return report.result == "intact" and not intact.exists()
    seq, field = report.first.seq, report.first.field
    mended = intact.filter(from_seq__lte=seq, to_seq__gt=seq).aggregate(last=Max("id"))["last"]
    return not earlier.filter(
        result="tampered", bad_seq=seq, bad_field=field, id__gt=mended or 0
    ).exists()


def _leave_entry(ledger: Ledger, report: Report, run_id: int, kind: Kind) -> None:
    is_broken = report.result == "tampered"
    blocks: dict[str, Any] = {"integrity": {"from_seq": report.from_seq, "to_seq": report.to_seq}}
    if is_broken:
        blocks["error"] = {"type": "chain_broken", "message": "a record, link or column differs"}
    details: dict[str, object] = {
        "result": report.result,
        "checked": report.checked,
        "run": run_id,
        "kind": kind,
    }
    if report.first is not None:
        details |= {"seq": report.first.seq, "field": report.first.field}
    receive_own(
        ledger,
        "audit.chain_broken" if is_broken else "audit.chain_verified",
        # Nothing checked is no success: it must not pass for a proof in anybody's count.
        outcome=_OUTCOMES[report.result],
        severity="critical" if is_broken else "info",
        target={"type": "ledger", "id": ledger.name},
        details=details,
        **blocks,
    )
