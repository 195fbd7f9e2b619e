"""Reminders: who is told of what ends soon, when, and only once."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from audit.models import Ledger
from compliance.acting import today
from compliance.approving import approve_decision
from compliance.models import Statement
from compliance.remind import expiring, send_reminders
from compliance.statement import prepare_statement, sign_statement
from compliance.waiting import waiting
from tests.compliance.people.desk import (
    CATALOGUE,
    a_draft,
    a_statement,
    account,
    administrator,
    as_person,
    in_days,
    officer,
)
from tests.compliance.people.test_decisions import a_waiver

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


class Unreachable(BaseEmailBackend):
    """A mail server that cannot be reached."""

    def send_messages(self, email_messages: Any) -> int:
        raise ConnectionRefusedError("nobody listens")


def ends_in(ledger: Ledger, days: int, address: str) -> Statement:
    """Sign a statement that ends so many days ahead, prepared by somebody with an address."""
    preparer = as_person(account("compliance officer", email=address))
    ends = in_days(days)
    draft = a_statement(ledger, by=preparer, effective_to=ends, expires_on=ends)
    return sign_statement(draft, by=administrator())


def sent_to(address: str) -> list[str]:
    return [str(each.subject) for each in mail.outbox if address in each.to]


@pytest.fixture(autouse=True)
def _mailed(settings: Any) -> None:
    settings.REMINDERS_BY_EMAIL = True
    settings.EMAIL_BACKEND = LOCMEM
    mail.outbox = []


def test_people_are_told_once_at_each_threshold(ledger: Ledger) -> None:
    alice = f"alice@{ledger.name}.example"
    statement = ends_in(ledger, 59, alice)

    counts = []
    for days_later in (0, 1, 28, 29, 30, 52, 53):
        send_reminders(day=in_days(days_later))
        counts.append(len(sent_to(alice)))

    assert counts == [1, 1, 1, 2, 2, 3, 3]
    assert sent_to(alice)[0] == f"Statement {statement.id} for house C1 ends on {in_days(59)}"


def test_nobody_is_told_of_what_ends_later_or_is_renewed(ledger: Ledger) -> None:
    alice = f"alice@{ledger.name}.example"
    ends_in(ledger, 61, alice)
    renewed = ends_in(ledger, 20, alice)
    renewal = prepare_statement(ledger, CATALOGUE, a_draft(), by=officer(), renews=renewed)
    sign_statement(renewal, by=administrator())

    send_reminders()

    assert sent_to(alice) == []
    assert expiring(ledger.id) == []


def test_a_reminder_that_could_not_be_sent_is_tried_again(ledger: Ledger, settings: Any) -> None:
    alice = f"alice@{ledger.name}.example"
    ends_in(ledger, 5, alice)
    settings.EMAIL_BACKEND = f"{__name__}.Unreachable"
    send_reminders()
    settings.EMAIL_BACKEND = LOCMEM

    send_reminders()

    assert len(sent_to(alice)) == 1


def test_without_e_mail_nothing_is_sent_and_the_overview_says_it(
    ledger: Ledger, settings: Any
) -> None:
    settings.REMINDERS_BY_EMAIL = False
    alice = f"alice@{ledger.name}.example"
    ends_in(ledger, 5, alice)
    approve_decision(a_waiver(ledger), by=administrator())
    a_waiver(ledger)
    a_statement(ledger)

    sent = send_reminders()
    found = waiting(ledger.id)

    assert (sent, sent_to(alice)) == (0, [])
    assert (found.approvals, found.signatures, found.expiring, found.soonest) == (1, 1, 2, 5)
    assert [(each.kind, each.days) for each in expiring(ledger.id)] == [
        ("statement", 5),
        ("waiver", 30),
    ]
    assert expiring(ledger.id, day=today()) == expiring(ledger.id)
