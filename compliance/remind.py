"""Say what is about to expire: signed statements and approved waivers and scope decisions.

The Overview shows everything that ends within 60 days. A daily task writes to the people who
prepared, signed, asked and approved at 60, 30 and 7 days, once each, where e-mail is turned on
(OBS_REMINDERS_BY_EMAIL). A reminder that cannot be sent is tried again the next day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db.models import Q

from compliance.acting import today
from compliance.models import Decision, Statement

log = structlog.get_logger(__name__)

DAYS: Final = (60, 30, 7)
"""Days before the last one at which people are told."""
SHOWN: Final = 50
"""Lines that a page shows of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reminder:
    """One thing that ends soon."""

    kind: Literal["statement", "waiver", "scope"]
    id: int
    what: str
    """`waiver 12 of soc2 CC6.1`"""
    expires_on: date
    days: int
    """Days until then; 0: today is the last one."""
    people: frozenset[int]
    """Accounts that are told."""
    told: int | None
    """At how many days before they were told last."""

    @property
    def threshold(self) -> int | None:
        """Return at how many days before the next message is due now; None: none is."""
        passed = [each for each in DAYS if self.days <= each]
        due = min(passed, default=None)
        return due if due is not None and (self.told is None or due < self.told) else None


def expiring(ledger_id: int | None = None, *, day: date | None = None) -> list[Reminder]:
    """Return what ends within 60 days, the soonest first; of one ledger, or of all."""
    now = day or today()
    ends = Q(expires_on__gte=now, expires_on__lte=now + timedelta(days=max(DAYS)))
    if ledger_id is not None:
        ends &= Q(ledger_id=ledger_id)
    statements = Statement.objects.listed().filter(ends, state="signed")
    # What is renewed already needs nobody's attention any more.
    renewed = set(
        Statement.objects.filter(renews_id__isnull=False, state="signed").values_list(
            "renews_id", flat=True
        )
    )
    decisions = Decision.objects.filter(ends, state="approved", kind__in=("waiver", "scope"))
    found = [_of_statement(each, now) for each in statements if each.id not in renewed]
    found += [_of_decision(each, now) for each in decisions]
    return sorted(found, key=lambda each: (each.expires_on, each.kind, each.id))


def send_reminders(*, day: date | None = None) -> int:
    """Write to the people of what ends soon, at 60, 30 and 7 days, and return how many messages.

    Does nothing unless e-mail is turned on. Who has no address is told by the Overview alone.
    """
    if not settings.REMINDERS_BY_EMAIL:
        return 0
    sent = 0
    for reminder in expiring(day=day):
        due = reminder.threshold
        if due is None:
            continue
        addresses = _addresses(reminder.people)
        if addresses and not _send(reminder, addresses):
            continue  # tried again tomorrow
        model = Statement if reminder.kind == "statement" else Decision
        model.objects.filter(id=reminder.id).update(reminded=due)
        sent += len(addresses)
    return sent


def _send(reminder: Reminder, addresses: Iterable[str]) -> bool:
    message = EmailMessage(
        subject=f"{reminder.what} ends on {reminder.expires_on}",
        body=(
            f"{reminder.what} ends on {reminder.expires_on}, in {reminder.days} days.\n\n"
            "After that day it counts for nothing: what it covered is shown as it is. "
            "Renew it or let it end; both are done at the desk.\n"
        ),
        to=list(addresses),
    )
    try:
        message.send()
    except OSError as error:  # smtplib's errors are among them
        log.warning("compliance.reminder_failed", what=reminder.what, error=str(error))
        return False
    return True


def _addresses(people: frozenset[int]) -> list[str]:
    known = User.objects.filter(id__in=people, is_active=True).exclude(email="")
    return sorted(known.values_list("email", flat=True))


def _of_statement(row: Statement, now: date) -> Reminder:
    return Reminder(
        kind="statement",
        id=row.id,
        what=f"Statement {row.id} for {row.framework} {row.control}",
        expires_on=row.expires_on,
        days=(row.expires_on - now).days,
        people=_people(row.prepared_by_id, row.signer_id),
        told=row.reminded,
    )


def _of_decision(row: Decision, now: date) -> Reminder:
    assert row.expires_on is not None, "only rows with a last day are asked for"
    about = row.control or row.details.get("flag", "")
    word = "Waiver" if row.kind == "waiver" else "Scope decision"
    return Reminder(
        kind="waiver" if row.kind == "waiver" else "scope",
        id=row.id,
        what=f"{word} {row.id} of {row.framework} {about}",
        expires_on=row.expires_on,
        days=(row.expires_on - now).days,
        people=_people(row.asked_by_id, row.approver_id),
        told=row.reminded,
    )


def _people(*accounts: int | None) -> frozenset[int]:
    return frozenset(each for each in accounts if each is not None)
