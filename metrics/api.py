"""The API of incidents: an Alertmanager posts its alerts, and others read what became of them.

Operations of the one API of audit.api, added by settings.API_ROUTERS. Posting needs `alerts:write`,
reading `entries:read`. A key of the platform's own ledger speaks of the whole installation; any
other key of its own ledger alone. Parses, calls one verb, answers. Taking alerts:
metrics.incidents.alertmanager.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import AfterValidator, AwareDatetime, Field

from audit.api_answers import (
    BearerKey,
    Seq,
    answer_json,
    grant_of,
    not_found,
    unreadable,
    wrong_ledger,
)
from audit.ledger.record import format_time
from audit.query import MOST_LIMIT, PAGE_LIMIT
from metrics.incidents import alertmanager
from metrics.incidents.timeline import Act, timeline
from metrics.models import Incident

router = Router()

MOST_ALERTS = 1_000
MOST_LABELS = 64
MOST_VALUE = 1_000
"""Characters of a label's value."""
MOST_WORDS = 8_000
"""Characters of an annotation."""
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_NO_NUL = r"^[^\x00]*$"  # no table holds that character

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=_NO_NUL)]
Value = Annotated[str, Field(max_length=MOST_VALUE, pattern=_NO_NUL)]
Words = Annotated[str, Field(max_length=MOST_WORDS, pattern=_NO_NUL)]


def _of_our_time(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    if moment < _FIRST:
        raise ValueError("it is a time from 2000 on")
    return moment


class PostedAlert(Schema):
    """One alert, as an Alertmanager writes it. Further members are passed over."""

    status: Literal["firing", "resolved"]
    labels: dict[Name, Value] = Field(max_length=MOST_LABELS)
    annotations: dict[Name, Words] = Field({}, max_length=MOST_LABELS)
    startsAt: Annotated[AwareDatetime, AfterValidator(_of_our_time)] = Field(  # noqa: N815  # theirs
        description="When it began, from 2000 on; with the fingerprint it names the alert."
    )
    endsAt: AwareDatetime | None = Field(  # noqa: N815  # theirs
        None, description="When it ended; of a firing one it means nothing."
    )
    fingerprint: Name = Field(description="Of its labels: the same as long as they are.")


class PostedAlerts(Schema):
    """The body of Alertmanager's webhook, version 4. Further members are passed over."""

    version: Literal["4"]
    alerts: list[PostedAlert] = Field(min_length=1, max_length=MOST_ALERTS)


class AlertsTaken(Schema):
    """What became of the alerts of a post."""

    opened: int = Field(description="Became incidents.")
    known: int = Field(description="Fire, and are incidents already: nothing was changed.")
    ended: int = Field(description="Are resolved, and their incidents have ended.")
    passed: int = Field(description="Are resolved, and no incident of theirs was under way.")


class IncidentItem(Schema):
    """An incident and how far people are with it."""

    id: int
    ledger: str | None = Field(description="The ledger that its labels name.")
    source: Literal["alertmanager", "evaluator", "anomaly", "person"]
    name: str
    severity: Literal["warning", "critical"]
    state: Literal["open", "acknowledged", "resolved"]
    labels: dict[str, str]
    summary: str
    description: str
    runbook: str
    fingerprint: str
    started_at: str
    ended_at: str | None = Field(description="When what raised it held no more.")
    opened_at: str
    opened_by: str = Field(description="A person; empty: the platform.")
    acknowledged_at: str | None
    acknowledged_by: str
    resolved_at: str | None
    resolved_by: str


class IncidentStep(Schema):
    """A step of an incident."""

    at: str
    who: str = Field(description="A person; empty: the platform.")
    act: str
    words: str
    ledger: str = Field(description="Of the entry that it names; empty where it names none.")
    seq: Seq | None


class IncidentWhole(IncidentItem):
    """An incident with its timeline."""

    timeline: list[IncidentStep] = Field(description="Oldest first.")


class IncidentPage(Schema):
    """Some incidents, newest first."""

    items: list[IncidentItem]
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last.")


@router.post(
    "/alerts",
    response=AlertsTaken,
    auth=BearerKey("alerts:write"),
    tags=["incidents"],
    summary="Deliver the alerts of an Alertmanager",
)
def post_alerts(request: HttpRequest, posted: PostedAlerts) -> HttpResponse:
    """Open an incident of each alert that fires, and end those of alerts that are resolved.

    An alert is known by fingerprint and start: sending it again changes nothing. All is refused
    where one cannot be read, or is of a ledger that the key may not speak of.
    """
    wrong = _misused(request)
    if wrong:
        return unreadable(wrong)
    grant = grant_of(request)
    is_own = grant.ledger_name == settings.LEDGER
    try:
        taken = alertmanager.take(
            [_alert(each) for each in posted.alerts],
            key=grant.key_id,
            only_ledger="" if is_own else grant.ledger_name,
            now=timezone.now(),
        )
    except alertmanager.OfAnotherLedger:
        return wrong_ledger(grant)
    return answer_json(
        {
            "opened": taken.opened,
            "known": taken.known,
            "ended": taken.ended,
            "passed": taken.passed,
        }
    )


@router.get("/incidents", response=IncidentPage, tags=["incidents"], summary="List incidents")
def list_incidents(
    request: HttpRequest,
    state: Literal["open", "acknowledged", "resolved"] | None = None,
    severity: Literal["warning", "critical"] | None = None,
    after: Annotated[str | None, Query(pattern="^[0-9]{1,18}$")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LIMIT)] = PAGE_LIMIT,
) -> HttpResponse:
    """Newest first, a page at a time: what somebody must look at, and what was looked at."""
    wrong = _misused(request, "state", "severity", "after", "limit")
    if wrong:
        return unreadable(wrong)
    found = _readable(request)
    if state is not None:
        found = found.filter(**Incident.IN_STATE[state])
    if severity is not None:
        found = found.filter(severity=severity)
    if after is not None:
        found = found.filter(id__lt=int(after))
    shown = list(found.order_by("-id")[: limit + 1])
    following = str(shown[limit - 1].id) if len(shown) > limit else None
    return answer_json({"items": [_item(each) for each in shown[:limit]], "next": following})


@router.get(
    "/incidents/{id}",
    response=IncidentWhole,
    tags=["incidents"],
    summary="Read an incident with its timeline",
)
def incident_whole(request: HttpRequest, id: Seq) -> HttpResponse:
    """Say how far people are with it, and what became of it step by step."""
    wrong = _misused(request)
    if wrong:
        return unreadable(wrong)
    found = _readable(request).filter(id=id).first()
    if found is None:
        return not_found(
            "The key reads no incident of this number; GET /api/v1/incidents lists them."
        )
    steps = [_step(each) for each in timeline(found.id)]
    return answer_json(_item(found) | {"timeline": steps})


# --- Reading what is asked, writing what is answered ----------------------------------------------


def _misused(request: HttpRequest, *names: str) -> dict[str, str]:
    """Return what is wrong with the names of the query string; nothing is ignored in silence."""
    known = ", ".join(names) or "none"
    wrong = {
        name: f"is no parameter here; known: {known}" for name in request.GET if name not in names
    }
    for name in names:
        if len(request.GET.getlist(name)) > 1:
            wrong[name] = "is given more than once"
    return wrong


def _readable(request: HttpRequest) -> QuerySet[Incident]:
    """Return the incidents that the key may read."""
    grant = grant_of(request)
    found = Incident.objects.select_related("ledger")
    if grant.ledger_name == settings.LEDGER:
        return found.filter(Q(ledger_id=grant.ledger_id) | Q(ledger_id=None))
    return found.filter(ledger_id=grant.ledger_id)


def _alert(posted: PostedAlert) -> alertmanager.Alert:
    return alertmanager.Alert(
        status=posted.status,
        fingerprint=posted.fingerprint,
        labels=posted.labels,
        annotations=posted.annotations,
        starts_at=posted.startsAt,
        ends_at=posted.endsAt,
    )


def _item(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "ledger": incident.ledger.name if incident.ledger else None,
        "source": incident.source,
        "name": incident.name,
        "severity": incident.severity,
        "state": incident.word(),
        "labels": incident.labels,
        "summary": incident.summary,
        "description": incident.description,
        "runbook": incident.runbook,
        "fingerprint": incident.fingerprint,
        "started_at": format_time(incident.started_at),
        "ended_at": _time(incident.ended_at),
        "opened_at": format_time(incident.opened_at),
        "opened_by": incident.opened_by,
        "acknowledged_at": _time(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "resolved_at": _time(incident.resolved_at),
        "resolved_by": incident.resolved_by,
    }


def _step(act: Act) -> dict[str, Any]:
    return {
        "at": format_time(act.at),
        "who": act.who,
        "act": act.act,
        "words": act.words,
        "ledger": act.ledger,
        "seq": act.seq,
    }


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
