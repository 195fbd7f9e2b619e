"""Open the incident of a finding that is grave enough, and end it with the finding.

An incident is known by what is found and when it began, so that it is opened once however often
one looks. Whom it is told: metrics.notifying.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Final

from metrics.anomalies.found import TOLD_OF
from metrics.anomalies.watched import BY_MEASURE
from metrics.anomalies.words import plain
from metrics.incidents.opening import end_incident, open_incident
from metrics.models import Anomaly

RUNBOOK: Final = ""
_MOST_SUMMARY: Final = 300


def fingerprint(anomaly: Anomaly) -> str:
    """Return by what incidents know the series of a finding."""
    said = "\x1f".join(("anomaly", anomaly.detector, anomaly.measure, anomaly.labels))
    return blake2b(said.encode(), digest_size=8).hexdigest()


def tell(anomaly: Anomaly) -> int | None:
    """Open the incident of a finding that is high or critical; return its number, None of others.

    One that a person has judged not to be real is told of no more.
    """
    severity = TOLD_OF.get(anomaly.severity)
    if severity is None or anomaly.is_real is False:
        return None
    number = incident_of(anomaly, severity=severity)
    if anomaly.ended_at is not None:
        tell_of_end(anomaly, anomaly.ended_at)
    return number


def tell_of_end(anomaly: Anomaly, ended_at: datetime) -> None:
    """Note that a finding is over, if an incident was opened for it."""
    end_incident(fingerprint=fingerprint(anomaly), started_at=anomaly.started_at, ended_at=ended_at)


def incident_of(anomaly: Anomaly, *, severity: str, by: str = "") -> int:
    """Open the incident of a finding, or find it, and return its number."""
    return open_incident(
        source="anomaly",
        fingerprint=fingerprint(anomaly),
        started_at=anomaly.started_at,
        name=f"Anomaly: {anomaly.measure}",
        severity=severity,
        labels=labels_of(anomaly),
        summary=str(anomaly.evidence["sentence"])[:_MOST_SUMMARY],
        description=plain(anomaly.evidence),
        runbook=RUNBOOK,
        by=by,
    )


def labels_of(anomaly: Anomaly) -> Mapping[str, str]:
    """Return the labels of a finding by name; of an agent's numbers together, ledger and agent."""
    measure = BY_MEASURE.get(anomaly.measure)
    if measure is not None:
        names = measure.by
    elif anomaly.detector == "together":
        names = ("ledger", "agent")
    else:
        names = ("of",)
    values = anomaly.labels.split(" ") if anomaly.labels else []
    return {"detector": anomaly.detector, **dict(zip(names, values, strict=False))}
