"""Leave the entries about an incident, with the actions by which checks follow any incident.

They stand in the ledger that the incident's labels name, else in the platform's own; there too
where that ledger takes no entries any more. An entry carries `case.id` (`incident-12`) and the
severity that judges look at: `high` of a critical incident, `low` of a warning, so that a warning
need not have a cause and a review. What leaves them: opening.py, acts.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings

from audit.models import Ledger
from audit.receive import receive_own
from metrics.models import Incident

JUDGED_AS: Final[Mapping[str, str]] = {"critical": "high", "warning": "low"}
"""The severity of entries, by that of the incident."""


def case_id(incident: Incident) -> str:
    """Return by what entries name an incident."""
    return f"incident-{incident.id}"


def ledger_of(incident: Incident) -> Ledger:
    """Return the ledger in which the entries about an incident stand."""
    if incident.ledger is not None and not incident.ledger.is_read_only:
        return incident.ledger
    return Ledger.objects.get(name=settings.LEDGER)


def leave(
    incident: Incident,
    action: str,
    *,
    by: str = "",
    reason: str = "",
    case: Mapping[str, str] | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Store an entry about an incident, in the caller's transaction; `by` empty: the platform."""
    blocks: dict[str, Any] = {
        "severity": JUDGED_AS[incident.severity],
        "case": {"id": case_id(incident), **(case or {})},
    }
    if reason:
        blocks["reason"] = reason
    receive_own(
        ledger_of(incident),
        action,
        by=by,
        target={"type": "incident", "id": str(incident.id)},
        details={"name": incident.name, **(details or {})},
        **blocks,
    )
