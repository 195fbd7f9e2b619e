"""Take what a person says of a finding: that it is real, or that it is not, and why.

The judgement and its entry `audit.anomaly_judged` are kept or lost together; the newest stands, and
the entries have all. What is judged not to be real is found and shown further, and no incident is
opened for it any more. How often findings were right is reckoned from judgements.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from audit.models import Ledger
from audit.receive import receive_own
from metrics.acting import ChangeRefused, read_reason
from metrics.models import Anomaly


def judge(anomaly: Anomaly, *, is_real: bool, by: str, reason: str) -> Anomaly:
    """Say whether a finding is real. Raises ChangeRefused without a reason or a change."""
    said = read_reason(reason)
    with transaction.atomic():
        held = Anomaly.objects.select_for_update().get(id=anomaly.id)
        if held.is_real is is_real and held.reason == said:
            raise ChangeRefused({"reason": "and the rest are as before, so nothing was changed"})
        Anomaly.objects.filter(id=anomaly.id).update(
            judged_at=timezone.now(), judged_by=by, is_real=is_real, reason=said
        )
        receive_own(
            Ledger.objects.get(name=settings.LEDGER),
            "audit.anomaly_judged",
            by=by,
            target={"type": "anomaly", "id": str(anomaly.id)},
            details={
                "is_real": is_real,
                "detector": anomaly.detector,
                "measure": anomaly.measure,
                "labels": anomaly.labels,
                "started_at": anomaly.started_at.isoformat(),
            },
            reason=said,
        )
    anomaly.refresh_from_db()
    return anomaly


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """How often people found that findings were right."""

    real: int
    not_real: int


def judged() -> Judged:
    """Count what people have said of all findings."""
    found = Anomaly.objects.aggregate(
        real=Count("id", filter=Q(is_real=True)), not_real=Count("id", filter=Q(is_real=False))
    )
    return Judged(**found)
