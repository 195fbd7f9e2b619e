"""Ask for what needs a second person, approve it, deny it, end it. Rows: compliance_decision.

Here is what waivers, scope decisions and limits have in common; what each of them asks and which
entry it leaves is waiver.py, scope.py and limits.py. Who approves is another account than the one
that asked, and holds the right: Postgres refuses any other, too (compliance/sql/0003_people.sql).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from django.db import transaction
from django.utils import timezone

from compliance.acting import MOST_REASON, ActRefused, Person, read_text, refusals, today
from compliance.gather import Ledger
from compliance.models import Decision

Leave: TypeAlias = Callable[[Decision, Person], None]
"""Leaves the entry of an approved decision, in the caller's transaction."""


def ask(ledger: Ledger, *, by: Person, reason: str, **fields: Any) -> Decision:
    """Keep what is asked for, for somebody else to approve. Leaves no entry. Raises ActRefused."""
    reason = read_text("reason", reason, missing="say why", most=MOST_REASON)
    with refusals():
        made = Decision.objects.create(
            ledger=ledger, reason=reason, asked_by_id=by.id, asked_by=by.name, **fields
        )
    return again(made)


def approve(decision: Decision, leave: Leave, *, by: Person) -> Decision:
    """Approve what somebody else asked, and leave its entry with it. Raises ActRefused."""
    if by.id == decision.asked_by_id or by.name == decision.asked_by:
        raise ActRefused(field="act", message="you asked for it; another person must approve it")
    if decision.expires_on is not None and decision.expires_on < today():
        raise ActRefused(field="act", message="its last day is over; ask again")
    with refusals(), transaction.atomic():
        move(decision, "asked", state="approved", approver_id=by.id, approved_by=by.name)
        approved = again(decision)
        if approved.approved_by != by.name:
            raise ActRefused(field="act", message=f"this account is {approved.approved_by} by now")
        leave(approved, by)
    return approved


def deny(decision: Decision, *, reason: str, by: Person) -> Decision:
    """Refuse what was asked, or take back what one asked oneself; leaves no entry."""
    reason = read_text("reason", reason, missing="say why not", most=MOST_REASON)
    with refusals(), transaction.atomic():
        move(decision, "asked", state="denied", **ended(by, reason))
    return again(decision)


def end(decision: Decision, leave: Leave, *, reason: str, by: Person) -> Decision:
    """End what was approved, before its time, and leave the entry. Raises ActRefused."""
    reason = read_text("reason", reason, missing="say why it ends", most=MOST_REASON)
    with refusals(), transaction.atomic():
        move(decision, "approved", state="ended", **ended(by, reason))
        over = again(decision)
        leave(over, by)
    return over


def move(decision: Decision, was: str, **fields: Any) -> None:
    """Change the state of a decision that is in state `was`. Raises ActRefused when it is not."""
    updated = Decision.objects.filter(
        ledger_id=decision.ledger_id, id=decision.id, state=was
    ).update(**fields)
    if updated != 1:
        message = f"it is {again(decision).state} by now; look at it again"
        raise ActRefused(field="act", message=message)


def ended(by: Person, reason: str) -> dict[str, Any]:
    """Return the columns that say who ended it and why."""
    return {"ended_at": timezone.now(), "ended_by": by.name, "end_reason": reason}


def again(decision: Decision) -> Decision:
    """Return the row as it stands now, with its ledger."""
    return Decision.objects.select_related("ledger").get(
        ledger_id=decision.ledger_id, id=decision.id
    )
