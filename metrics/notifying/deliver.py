"""Send the messages that wait: at least once each, again after pauses, given up after an hour.

A message is taken with a lease, so that two workers never send the same one at a time, and one that
is killed while it sends leaves a message that is taken again. A receiver that fails is left alone
for the rest of a pass, and its messages keep their own times. The end of an incident is told only
after its beginning was, or was given up. The last word is a step of the incident's timeline. A
trial is tried once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from audit import measures
from audit.database import rows
from audit.models import Ledger
from metrics.incidents import timeline
from metrics.models import Incident, Receiver
from metrics.notifying.hand_over import NotTold, hand_over
from metrics.notifying.messages import Message, What

log = structlog.get_logger(__name__)

PAUSES: Final = (10, 30, 120, 600, 1_200, 2_400)
"""Seconds before the second try, the third and so on: 73 minutes in all."""
TRIES: Final = len(PAUSES) + 1
LEASE: Final = timedelta(minutes=5)
"""For so long a try is its worker's; longer than any takes."""
_LATE: Final = "its tries ended without a word: see the worker's log"

_TAKE = """
UPDATE metrics_notification
SET tries = tries + 1, due_at = %(until)s
WHERE id = (
    SELECT waiting.id
    FROM metrics_notification AS waiting
    WHERE waiting.sent_at IS NULL
      AND waiting.given_up_at IS NULL
      AND waiting.due_at <= %(now)s
      AND waiting.receiver_id <> ALL(%(failed)s)
      AND NOT (waiting.what = 'resolved' AND EXISTS (
          SELECT
          FROM metrics_notification AS before
          WHERE before.receiver_id = waiting.receiver_id
            AND before.incident_id = waiting.incident_id
            AND before.what = 'firing'
            AND before.sent_at IS NULL
            AND before.given_up_at IS NULL
      ))
    ORDER BY waiting.due_at, waiting.id
    LIMIT 1
    FOR UPDATE OF waiting SKIP LOCKED
)
RETURNING id, receiver_id, incident_id, what, made_at, tries
"""
# Whoever took it after the lease has counted one try more, and has the last word.
_SENT = """
UPDATE metrics_notification
SET sent_at = clock_timestamp(), error = ''
WHERE id = %s
  AND tries = %s
  AND sent_at IS NULL
  AND given_up_at IS NULL
RETURNING id
"""
_AGAIN = """
UPDATE metrics_notification
SET due_at = %(due_at)s, error = %(error)s
WHERE id = %(id)s
  AND tries = %(tries)s
  AND sent_at IS NULL
RETURNING id
"""
_GIVEN_UP = """
UPDATE metrics_notification
SET given_up_at = clock_timestamp(), error = %(error)s
WHERE id = %(id)s
  AND tries = %(tries)s
  AND sent_at IS NULL
  AND given_up_at IS NULL
RETURNING id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Try:
    """One try at one message."""

    id: int
    receiver: Receiver
    incident: Incident | None
    """None of a trial."""
    what: What
    made_at: datetime
    tries: int
    now: datetime

    @property
    def is_last(self) -> bool:
        return self.what == "trial" or self.tries >= TRIES


def deliver_waiting(now: datetime) -> int:
    """Try every message that is due, and return how many were sent."""
    sent = 0
    failed: list[int] = []
    while taken := rows(_TAKE, {"now": now, "until": now + LEASE, "failed": failed}):
        ((number, receiver_id, incident_id, what, made_at, tries),) = taken
        one = _Try(
            id=number,
            receiver=Receiver.objects.get(id=receiver_id),
            incident=_incident(incident_id),
            what=what,
            made_at=made_at,
            tries=tries,
            now=now,
        )
        if _deliver(one):
            sent += 1
        else:
            failed.append(receiver_id)
    return sent


def _deliver(one: _Try) -> bool:
    if one.receiver.ended_at is not None:
        return _give_up(one, "the receiver was ended")
    if one.tries > TRIES:
        return _give_up(one, _LATE)
    try:
        hand_over(one.receiver, _message(one), delivery=one.id)
    except NotTold as error:
        return _give_up(one, str(error)) if one.is_last else _try_again(one, str(error))
    with transaction.atomic():
        sent = rows(_SENT, (one.id, one.tries))
        if sent and one.incident is not None:
            _note(one, "told", "")
    if sent:
        measures.count("obs_notifications_total", one.receiver.kind, "success")
    return True


def _try_again(one: _Try, error: str) -> bool:
    due_at = one.now + timedelta(seconds=PAUSES[one.tries - 1])
    rows(_AGAIN, {"id": one.id, "tries": one.tries, "due_at": due_at, "error": error})
    log.warning("notification.failed", receiver=one.receiver.name, tries=one.tries, error=error)
    return False


def _give_up(one: _Try, error: str) -> bool:
    with transaction.atomic():
        given_up = rows(_GIVEN_UP, {"id": one.id, "tries": one.tries, "error": error})
        if given_up and one.incident is not None:
            _note(one, "not_told", f": {error}")
    if given_up:
        measures.count("obs_notifications_total", one.receiver.kind, "error")
    log.error("notification.given_up", receiver=one.receiver.name, tries=one.tries, error=error)
    return False


def _note(one: _Try, step: timeline.Step, more: str) -> None:
    assert one.incident is not None, "a trial has no timeline"
    of = "the opening" if one.what == "firing" else "the end"
    timeline.write(one.incident.id, step, words=f"{one.receiver.name}, of {of}{more}")


def _incident(number: int | None) -> Incident | None:
    if number is None:
        return None
    return Incident.objects.select_related("ledger").get(id=number)


def _message(one: _Try) -> Message:
    installation = Ledger.objects.get(name=settings.LEDGER).origin
    incident = one.incident
    if incident is None:
        return Message(
            what="trial",
            installation=installation,
            number=None,
            trial=one.id,
            name="Trial",
            severity="warning",
            source="person",
            ledger="",
            labels={},
            summary=f"A trial of the receiver {one.receiver.name}: nothing has happened.",
            description="",
            runbook="",
            started_at=one.made_at,
            ended_at=None,
            link="",
        )
    page = reverse("admin:metrics_incident_change", args=[incident.id])
    return Message(
        what=one.what,
        installation=installation,
        number=incident.id,
        trial=one.id,
        name=incident.name,
        severity=incident.severity,
        source=incident.source,
        ledger=incident.ledger.name if incident.ledger else "",
        labels=incident.labels,
        summary=incident.summary,
        description=incident.description,
        runbook=incident.runbook,
        started_at=incident.started_at,
        ended_at=_ended_at(incident) if one.what == "resolved" else None,
        link=f"{settings.PUBLIC_URL}{page}" if settings.PUBLIC_URL else "",
    )


def _ended_at(incident: Incident) -> datetime | None:
    return incident.ended_at or incident.resolved_at
