"""Open an incident once, however often its alert is told of, and note when the alert held no more.

An alert is known by its fingerprint and when it began: the database lets no two incidents have the
same. With the row come the first step of its timeline, the entry `incident.detected` and a message
to each receiver; all are kept or lost together. That the alert has ended resolves nothing: a person
does that (acts.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from django.db import transaction
from psycopg.types.json import Jsonb

from audit import measures
from audit.database import rows
from audit.models import Ledger
from metrics.incidents import entries, timeline
from metrics.models import Incident
from metrics.notifying import queue
from metrics.platform_families import ALERTS

TELL_THEMSELVES: Final = frozenset({"alertmanager"})
"""Sources that have told their own receivers; ours would hear of it twice."""

FROM_ALERTS: Final = frozenset({"alertmanager", "evaluator"})
"""Sources whose incidents are alerts; the others are what a person or a detector has found."""

_MOST_IN_ENTRY: Final = 500
"""Characters of the summary that the entry carries; the row has all of it."""

_KNOWN = """
SELECT id
FROM metrics_incident
WHERE fingerprint = %s
  AND started_at = %s
"""
_OPEN = """
INSERT INTO metrics_incident
    (source, fingerprint, started_at, name, severity, labels, summary, description, runbook,
     ledger_id, opened_by)
VALUES
    (%(source)s, %(fingerprint)s, %(started_at)s, %(name)s, %(severity)s, %(labels)s, %(summary)s,
     %(description)s, %(runbook)s, %(ledger_id)s, %(opened_by)s)
ON CONFLICT ON CONSTRAINT metrics_incident_once DO NOTHING
RETURNING id
"""
_END = """
UPDATE metrics_incident
SET ended_at = greatest(%(ended_at)s, started_at)
WHERE fingerprint = %(fingerprint)s
  AND started_at = %(started_at)s
  AND ended_at IS NULL
RETURNING id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """An incident, and whether it was opened just now."""

    id: int
    is_new: bool


def open_incident(
    *,
    source: str,
    fingerprint: str,
    started_at: datetime,
    name: str,
    severity: str,
    labels: Mapping[str, str],
    summary: str,
    description: str = "",
    runbook: str = "",
    by: str = "",
) -> int:
    """Open the incident of an alert, or find it, and return its number.

    `source` is `evaluator`, `anomaly`, `person` or `alertmanager`, `severity` `warning` or
    `critical`; `runbook` an address, or the name of a page in docs/runbooks; `by` a person's user
    name, empty for the platform. The label `ledger` says which ledger it is about.
    """
    return open_once(
        source=source,
        fingerprint=fingerprint,
        started_at=started_at,
        name=name,
        severity=severity,
        labels=labels,
        summary=summary,
        description=description,
        runbook=runbook,
        by=by,
    ).id


def open_once(
    *,
    source: str,
    fingerprint: str,
    started_at: datetime,
    name: str,
    severity: str,
    labels: Mapping[str, str],
    summary: str,
    description: str = "",
    runbook: str = "",
    by: str = "",
    key: str = "",
) -> Opened:
    """Do the same, and tell whether it is new; `key` is the id of the API key that told of it."""
    known = rows(_KNOWN, (fingerprint, started_at))  # a repeat takes no number of the next one
    if known:
        return Opened(id=known[0][0], is_new=False)
    with transaction.atomic():
        made = rows(
            _OPEN,
            {
                "source": source,
                "fingerprint": fingerprint,
                "started_at": started_at,
                "name": name,
                "severity": severity,
                "labels": Jsonb(dict(labels)),
                "summary": summary,
                "description": description,
                "runbook": runbook,
                "ledger_id": _ledger_id(labels),
                "opened_by": by,
            },
        )
        if not made:  # another one got there first while we waited, and has committed
            ((found,),) = rows(_KNOWN, (fingerprint, started_at))
            return Opened(id=found, is_new=False)
        incident = Incident.objects.select_related("ledger").get(id=made[0][0])
        timeline.write(incident.id, "opened", by=by, words=summary)
        _leave_detected(incident, key=key)
        if source not in TELL_THEMSELVES:
            queue.tell_of_opening(incident)
        if source in FROM_ALERTS:
            transaction.on_commit(partial(measures.count, ALERTS.name, name, severity))
    return Opened(id=incident.id, is_new=True)


def end_incident(*, fingerprint: str, started_at: datetime, ended_at: datetime) -> None:
    """Note when what raised an incident held no more; its receivers are told. Once is enough."""
    end_once(fingerprint=fingerprint, started_at=started_at, ended_at=ended_at)


def end_once(*, fingerprint: str, started_at: datetime, ended_at: datetime) -> bool:
    """Do the same; False when no such incident is under way."""
    asked = {"fingerprint": fingerprint, "started_at": started_at, "ended_at": ended_at}
    with transaction.atomic():
        ended = rows(_END, asked)
        if not ended:
            return False
        incident = Incident.objects.select_related("ledger").get(id=ended[0][0])
        timeline.write(incident.id, "ended")
        entries.leave(incident, "incident.ended", details={"alert": incident.fingerprint})
        queue.tell_of_end(incident)
    return True


def _ledger_id(labels: Mapping[str, str]) -> int | None:
    """Return the ledger that the labels name, if this installation has it."""
    name = labels.get("ledger", "")
    return Ledger.objects.filter(name=name).values_list("id", flat=True).first() if name else None


def _leave_detected(incident: Incident, *, key: str) -> None:
    details: dict[str, object] = {
        "source": incident.source,
        "started_at": incident.started_at.isoformat(),
        "severity": incident.severity,
        "summary": incident.summary[:_MOST_IN_ENTRY],
    }
    if key:
        details["key"] = key
    entries.leave(
        incident,
        "incident.detected",
        by=incident.opened_by,
        case={"alert_id": incident.fingerprint},
        details=details,
    )
