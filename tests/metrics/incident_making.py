"""What tests of incidents share: an incident of its own, its entries, no receivers of others."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from audit.append import append_pending
from audit.database import raw_connection
from audit.models import Entry, Ledger
from metrics.incidents.opening import open_incident
from metrics.models import Incident

TABLES = (
    "metrics_remedy",
    "metrics_notification",
    "metrics_incidentact",
    "metrics_incident",
    "metrics_receiver",
)
START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def forget_incidents() -> None:
    """Begin with no incident and no receiver: they are the installation's."""
    for table in TABLES:
        raw_connection().execute(f"DELETE FROM {table}")


def opened(ledger: Ledger | None = None, **said: Any) -> Incident:
    """Open an incident that no other test has."""
    labels = {"ledger": ledger.name} if ledger else {}
    given: dict[str, Any] = {
        "source": "evaluator",
        "fingerprint": uuid.uuid4().hex,
        "started_at": START,
        "name": "HighErrorRate",
        "severity": "critical",
        "labels": labels,
        "summary": "More than one error in ten seconds",
    }
    number = open_incident(**given | said)
    return Incident.objects.get(id=number)


def events_of(ledger: Ledger) -> list[dict[str, Any]]:
    """Chain what waits, and return the events about incidents, oldest first."""
    append_pending(ledger.id)
    rows = Entry.objects.filter(ledger=ledger, action__startswith="incident.").order_by("seq")
    return [each.parsed()["event"] for each in rows]
