"""Waivers: failing items, or a whole leg, that two people accept for a limited time.

A waiver lifts what a failure takes away, earns nothing, and is shown for ever. One person asks with
reason, risk and what compensates; another approves; either may end it early. It ends 365 days after
its approval at the latest, of a critical leg 90 days. Approving and revoking leave
`audit.waiver_approved`. What counts of it: people.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from compliance import decision
from compliance.acting import MOST_NAME, MOST_REASON, ActRefused, Person, read_text, today
from compliance.definitions import Catalogue, Severity
from compliance.gather import Ledger, receive_own
from compliance.models import Decision
from compliance.named import find_control, find_framework, leg_severity
from compliance.standing import LONGEST_CRITICAL_WAIVER, LONGEST_WAIVER

MOST_ITEMS: Final = 100
"""Items that one waiver names; more are a leg of their own to waive, or to repair."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaiverAsked:
    """What a waiver is to cover."""

    framework: str
    control: str
    check: str
    """The leg: a check's id, or `statement`."""
    items: tuple[str, ...]
    """Ids of failing items; empty: the whole leg."""
    reason: str
    risk: str
    compensating: str
    expires_on: date
    begins_on: date | None = None
    """None: the day it is asked."""


def ask_waiver(ledger: Ledger, catalogue: Catalogue, asked: WaiverAsked, *, by: Person) -> Decision:
    """Ask for a waiver; it counts for nothing until another person approves. Raises ActRefused."""
    control = find_control(find_framework(catalogue, asked.framework), asked.control)
    severity = leg_severity(catalogue, control, asked.check)
    begins = asked.begins_on or today()
    _check_days(begins, asked.expires_on, severity)
    details = {
        "items": _items(asked.items),
        "risk": read_text(
            "risk", asked.risk, missing="say what may go wrong meanwhile", most=MOST_REASON
        ),
        "compensating": read_text(
            "compensating",
            asked.compensating,
            missing="say what keeps the risk low meanwhile",
            most=MOST_REASON,
        ),
    }
    return decision.ask(
        ledger,
        by=by,
        reason=asked.reason,
        kind="waiver",
        framework=asked.framework,
        control=control.id,
        check_id=asked.check,
        severity=severity,
        details=details,
        begins_on=begins,
        expires_on=asked.expires_on,
    )


def longest(severity: str) -> int:
    """Return for how many days after its approval a waiver of a leg may hold."""
    return LONGEST_CRITICAL_WAIVER if severity == "critical" else LONGEST_WAIVER


def leave_waiver(waiver: Decision, by: Person) -> None:
    """Leave the entry of a waiver that was approved or revoked, in the caller's transaction."""
    is_over = waiver.state == "ended"
    assert waiver.begins_on is not None, "a waiver has a first day"
    assert waiver.expires_on is not None, "a waiver has a last day"
    details: dict[str, Any] = {
        "act": "revoked" if is_over else "approved",
        "waiver": str(waiver.uid),
        "framework": waiver.framework,
        "control": waiver.control,
        "check": waiver.check_id,
        "items": waiver.details["items"],
        "reason": waiver.reason,
        "risk": waiver.details["risk"],
        "compensating": waiver.details["compensating"],
        "asked_by": waiver.asked_by,
        "from": waiver.begins_on.isoformat(),
        "expires_on": waiver.expires_on.isoformat(),
    }
    receive_own(
        waiver.ledger,
        "audit.waiver_approved",
        by=by.name,
        reason=waiver.end_reason if is_over else waiver.reason,
        target={"type": "control", "id": f"{waiver.framework}:{waiver.control}"},
        details=details,
    )


def _check_days(begins: date, expires_on: date, severity: Severity) -> None:
    now = today()
    if begins < now:
        raise ActRefused(field="begins_on", message="a waiver never reaches back; begin today")
    if expires_on < begins:
        raise ActRefused(field="expires_on", message="it cannot end before it begins")
    last = now + timedelta(days=longest(severity))
    if expires_on > last:
        raise ActRefused(
            field="expires_on",
            message=f"a waiver of a {severity} leg ends {longest(severity)} days after its "
            f"approval, {last} at the latest",
        )


def _items(items: tuple[str, ...]) -> list[str]:
    named = sorted({item.strip() for item in items if item.strip()})
    if len(named) > MOST_ITEMS:
        raise ActRefused(
            field="items", message=f"at most {MOST_ITEMS} items; leave it empty for the whole leg"
        )
    for item in named:
        read_text("items", item, missing="name the item", most=MOST_NAME)
    return named
