"""Make, try and end receivers of incidents. Each act and its entry are kept or lost together.

A receiver is never changed: one that is wrong is ended and another made, so that what was sent
stays beside what it was sent to. The entry `audit.config_changed` names its secret's file, never
what that holds. What each kind needs: kinds.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from audit.database import rows
from metrics.acting import ChangeRefused, leave, told_when_taken
from metrics.models import Receiver
from metrics.notifying import queue
from metrics.notifying.kinds import check_receiver

SEVERITIES: Final = {"warning": "Warnings and critical ones", "critical": "Critical ones alone"}
MOST_STANDING: Final = 50
"""Receivers at a time: each incident is a message to every one of them."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_SENT = """
SELECT id, incident_id, what, made_at, due_at, tries, sent_at, given_up_at, error
FROM metrics_notification
WHERE receiver_id = %s
ORDER BY id DESC
LIMIT %s
"""
_OF_INCIDENT = """
SELECT n.id, n.incident_id, n.what, n.made_at, n.due_at, n.tries, n.sent_at, n.given_up_at, n.error,
       r.id, r.name, r.kind
FROM metrics_notification AS n
JOIN metrics_receiver AS r ON r.id = n.receiver_id
WHERE n.incident_id = %s
ORDER BY n.id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A receiver as somebody typed it."""

    name: str
    kind: str
    severity: str = "warning"
    target: str = ""
    secret: str = ""
    """The name of a file, never what it holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A message to a receiver, and how it went."""

    id: int
    incident_id: int | None
    what: str
    made_at: datetime
    due_at: datetime
    tries: int
    sent_at: datetime | None
    given_up_at: datetime | None
    error: str
    receiver_id: int
    receiver: str
    kind: str

    @property
    def word(self) -> str:
        """Return `sent`, `failed`, `failing` or `waiting`."""
        if self.sent_at is not None:
            return "sent"
        if self.given_up_at is not None:
            return "failed"
        return "failing" if self.error else "waiting"


def make(draft: Draft, *, by: str) -> Receiver:
    """Make a receiver, which is told from now on. Raises ChangeRefused, naming each field."""
    name = draft.name.strip()
    errors: dict[str, str] = {}
    if not _NAME.fullmatch(name):
        errors["name"] = "is at most 64 of a-z, 0-9 and _ . -, and begins with a letter or digit"
    if draft.severity not in SEVERITIES:
        errors["severity"] = f"is one of {', '.join(SEVERITIES)}"
    try:
        target, secret = check_receiver(draft.kind, draft.target, draft.secret)
    except ChangeRefused as refused:
        errors |= refused.errors
    if errors:
        raise ChangeRefused(errors)
    taken = {"name": "is taken by a receiver that stands; end that one first, or choose another"}
    with told_when_taken("metrics_receiver_known", taken), transaction.atomic():
        if Receiver.objects.filter(ended_at=None).count() >= MOST_STANDING:
            said = f"would be more than {MOST_STANDING} receivers; end one first"
            raise ChangeRefused({"name": said})
        made = Receiver.objects.create(
            name=name,
            kind=draft.kind,
            severity=draft.severity,
            target=target,
            secret=secret,
            made_at=timezone.now(),
            made_by=by,
        )
        leave("receiver", name, by=by, change="made", details=_shown(made))
    return made


def end(receiver: Receiver, *, by: str) -> None:
    """Tell it nothing more; its row stays. Raises ChangeRefused when it was ended."""
    with transaction.atomic():
        standing = Receiver.objects.filter(id=receiver.id, ended_at=None)
        if standing.update(ended_at=timezone.now(), ended_by=by) != 1:
            raise ChangeRefused({"name": "was ended before"})
        leave("receiver", receiver.name, by=by, change="ended", details=_shown(receiver))
    receiver.refresh_from_db()


def try_out(receiver: Receiver, *, by: str) -> None:
    """Send it a marked trial, in a moment. Raises ChangeRefused when it was ended."""
    with transaction.atomic():
        if receiver.ended_at is not None:
            raise ChangeRefused({"name": "was ended before"})
        queue.try_receiver(receiver)
        leave("receiver", receiver.name, by=by, change="tested", details=_shown(receiver))


def messages_to(receiver: Receiver, *, most: int) -> list[Sent]:
    """Return the newest messages to a receiver, newest first."""
    return [
        _sent(*row, receiver.id, receiver.name, receiver.kind)
        for row in rows(_SENT, (receiver.id, most))
    ]


def messages_about(incident_id: int) -> list[Sent]:
    """Return the messages about an incident, oldest first."""
    return [_sent(*row) for row in rows(_OF_INCIDENT, (incident_id,))]


def _sent(*row: Any) -> Sent:
    return Sent(**dict(zip(Sent.__slots__, row, strict=True)))


def _shown(receiver: Receiver) -> dict[str, object]:
    """Return what an entry says of it: of an address not its query, where people put tokens."""
    return {
        "kind": receiver.kind,
        "severity": receiver.severity,
        "address": receiver.target.partition("?")[0],
        "file": receiver.secret,
    }
