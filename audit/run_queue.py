"""Ask for verifications, cancel them and put them back into the queue. Who runs them: runs.py.

A run that was asked for is a row before anybody is told, so it will be run whatever Redis does.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from django.db import transaction

from audit import bell
from audit.database import rows
from audit.models import Ledger, Verification
from audit.pruned import minimum_index
from audit.receive import receive_own

Kind: TypeAlias = Literal["new", "sample", "nightly", "manual"]


RESUMED = ("manual", "nightly")  # the others come again by themselves within a minute
_ASK = """
INSERT INTO audit_verification (ledger_id, kind, state, requested_by, from_seq, to_seq, started_at)
VALUES (%s, %s, 'queued', %s, %s, %s, clock_timestamp())
RETURNING id
"""
_CANCEL = """
UPDATE audit_verification
SET state = 'cancelled', cancelled_by = %s, finished_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND state IN ('queued', 'running')
  AND result IS NULL
RETURNING checked
"""
_RESUME = """
UPDATE audit_verification
SET state = 'queued'
WHERE ledger_id = %s
  AND id = %s
  AND result IS NULL
  AND kind = ANY(%s)
  AND (
      state IN ('cancelled', 'failed')
      OR (
          state = 'running'
          AND coalesce(seen_at, started_at) < clock_timestamp() - make_interval(secs => %s)
      )
  )
RETURNING id
"""


def ask_for_run(
    ledger: Ledger,
    *,
    kind: Kind = "manual",
    requested_by: str = "",
    from_seq: int | None = None,
    to_seq: int | None = None,
) -> int:
    """Put a run into the queue and return its number; without `from_seq` over all of the ledger.

    It is a row when this returns and will be run, whatever Redis does.
    """
    start = minimum_index(ledger.id) if from_seq is None else from_seq
    ((run_id,),) = rows(
        _ASK, (ledger.id, kind, requested_by, start, -1 if to_seq is None else to_seq)
    )
    transaction.on_commit(lambda: bell.ring(ledger.id, task="audit.verify_run"))
    return int(run_id)


def unfinished_run(ledger: Ledger, *, kind: Kind) -> Verification | None:
    """Return the run of this kind that waits or goes on; None when there is none."""
    unfinished = Verification.objects.filter(
        ledger=ledger, kind=kind, state__in=("queued", "running")
    )
    return unfinished.order_by("-id").first()


def is_any_queued(ledger: Ledger) -> bool:
    """Tell whether a run waits for a worker."""
    return Verification.objects.filter(ledger=ledger, state="queued").exists()


def cancel_run(ledger: Ledger, run_id: int, *, by: str) -> bool:
    """Stop a run; its worker notices at its next sign. False when it had ended before.

    Leaves an entry, since a verification that somebody stopped is something to know.
    """
    with transaction.atomic():
        stopped = rows(_CANCEL, (by, ledger.id, run_id))
        for (checked,) in stopped:
            receive_own(
                ledger,
                "audit.chain_verified",
                by=by,
                outcome="unknown",
                target={"type": "ledger", "id": ledger.name},
                details={"result": "cancelled", "checked": checked, "run": run_id},
            )
    return bool(stopped)


def resume_run(ledger: Ledger, run_id: int) -> bool:
    """Put a run that was cancelled, failed or lost its worker back into the queue.

    It goes on from what it said last. False when there is nothing to resume.
    """
    found = rows(_RESUME, (ledger.id, run_id, list(RESUMED), Verification.STALLED_AFTER))
    if found:
        transaction.on_commit(lambda: bell.ring(ledger.id, task="audit.verify_run"))
    return bool(found)
