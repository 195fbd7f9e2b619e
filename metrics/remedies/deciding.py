"""Take a person's decision over a proposal, and do what was approved: the only way to a remedy.

The decision, its entry `audit.remedy_decided` and what is done are kept or lost together. What the
platform proposed no platform approves: `by` is an account, which may decide remedies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.auth import pause_key
from audit.models import AgentKey, Ledger
from audit.receive import receive_own
from metrics.acting import ChangeRefused, read_reason
from metrics.anomalies.found import TOLD_OF
from metrics.anomalies.telling import incident_of
from metrics.models import Anomaly, Remedy

ACTS: Final = {"pause_key": "Pause an API key", "notify": "Tell the receivers of incidents"}


def decide(remedy: Remedy, *, is_approved: bool, by: str, reason: str) -> Remedy:
    """Approve or refuse a proposal, and do what was approved; each once.

    Raises ChangeRefused without a reason, without a person, and when it was decided before.
    """
    said = read_reason(reason)
    if not by:
        raise ChangeRefused({"person": "is needed: the platform approves nothing of its own"})
    with transaction.atomic():
        decided = Remedy.objects.filter(id=remedy.id, decided_at=None).update(
            decided_at=timezone.now(), decided_by=by, is_approved=is_approved
        )
        if decided != 1:
            raise ChangeRefused({"remedy": "was decided before"})
        _leave(remedy, is_approved=is_approved, by=by, reason=said)
        if is_approved:
            outcome = _DO[remedy.act](remedy, by, said)
            Remedy.objects.filter(id=remedy.id).update(done_at=timezone.now(), outcome=outcome)
    remedy.refresh_from_db()
    return remedy


def _leave(remedy: Remedy, *, is_approved: bool, by: str, reason: str) -> None:
    receive_own(
        Ledger.objects.get(name=settings.LEDGER),
        "audit.remedy_decided",
        by=by,
        target={"type": "remedy", "id": str(remedy.id)},
        details={
            "is_approved": is_approved,
            "act": remedy.act,
            "target": remedy.target,
            "anomaly": remedy.anomaly_id,
        },
        reason=reason,
    )


def _pause(remedy: Remedy, by: str, reason: str) -> str:
    key = AgentKey.objects.select_related("ledger").filter(key_id=remedy.target).first()
    if key is None:
        raise ChangeRefused({"key": "is not there any more"})
    is_paused = pause_key(key, by=by, reason=reason)
    return f"{key.key_id} is paused." if is_paused else f"{key.key_id} is {key.state()} already."


def _notify(remedy: Remedy, by: str, _reason: str) -> str:
    assert remedy.anomaly_id is not None, "what is told of is a finding"
    anomaly = Anomaly.objects.get(id=remedy.anomaly_id)
    number = incident_of(anomaly, by=by, severity=TOLD_OF.get(anomaly.severity, "warning"))
    return f"Incident {number} is open; its receivers are told."


_DO: Final[Mapping[str, Callable[[Remedy, str, str], str]]] = {
    "pause_key": _pause,
    "notify": _notify,
}
