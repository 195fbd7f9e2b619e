"""Take the alerts that an Alertmanager posts, as its webhook version 4 writes them.

Each alert is known by its `fingerprint` and `startsAt`, and each has a status of its own, whatever
the group's is. A firing one opens an incident, or is known; a resolved one ends it, and opens none:
what began and ended unseen is no work for anybody. The label `alertname` is the incident's name,
`severity` is `critical` or else counts as `warning`, the annotations `summary`, `description` and
`runbook_url` are its words. What the body may be: metrics.api, which checks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from metrics.incidents.opening import end_once, open_once

UNNAMED: Final = "alert"
"""What an alert without a name is called."""


class OfAnotherLedger(Exception):
    """A key of one ledger told of an alert of another one; nothing was kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One alert of a post."""

    status: Literal["firing", "resolved"]
    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None


@dataclass(kw_only=True, slots=True)
class Taken:
    """What became of the alerts of a post."""

    opened: int = 0
    known: int = 0
    """Firing, and an incident already."""
    ended: int = 0
    passed: int = 0
    """Resolved, and no incident under way."""


def take(alerts: Iterable[Alert], *, key: str, only_ledger: str = "", now: datetime) -> Taken:
    """Open and end the incidents of these alerts. Doing so again changes nothing.

    `only_ledger` is the one ledger that the key may speak of, empty for all: alerts that name none
    are then of that one. Raises OfAnotherLedger before anything is kept.
    """
    given = list(alerts)
    if only_ledger and any(each.labels.get("ledger", only_ledger) != only_ledger for each in given):
        raise OfAnotherLedger
    taken = Taken()
    for alert in given:
        if alert.status == "resolved":
            ended_at = min(alert.ends_at or now, now)
            if end_once(
                fingerprint=alert.fingerprint, started_at=alert.starts_at, ended_at=ended_at
            ):
                taken.ended += 1
            else:
                taken.passed += 1
            continue
        if _open(alert, key=key, ledger=only_ledger):
            taken.opened += 1
        else:
            taken.known += 1
    return taken


def _open(alert: Alert, *, key: str, ledger: str) -> bool:
    name = alert.labels.get("alertname") or UNNAMED
    words = alert.annotations
    return open_once(
        source="alertmanager",
        fingerprint=alert.fingerprint,
        started_at=alert.starts_at,
        name=name,
        severity="critical" if alert.labels.get("severity") == "critical" else "warning",
        labels={**alert.labels, "ledger": ledger} if ledger else alert.labels,
        summary=words.get("summary") or words.get("message") or name,
        description=words.get("description", ""),
        runbook=words.get("runbook_url", ""),
        key=key,
    ).is_new
