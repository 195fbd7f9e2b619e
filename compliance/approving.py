"""Approve or end what two people decide, whichever kind it is, with the entry of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from compliance import decision, scope
from compliance.acting import ActRefused, Person
from compliance.decision import Leave
from compliance.limits import leave_limit
from compliance.models import Decision
from compliance.waiver import leave_waiver

_LEAVE: Final[Mapping[str, Leave]] = {
    "waiver": leave_waiver,
    "scope": scope.leave_scope,
    "limit": leave_limit,
}


def approve_decision(asked: Decision, *, by: Person) -> Decision:
    """Approve what another person asked; leaves its entry. Raises ActRefused."""
    return decision.approve(asked, _LEAVE[asked.kind], by=by)


def end_decision(approved: Decision, *, reason: str, by: Person) -> Decision:
    """Revoke a waiver, or bring back into scope; leaves the entry. Raises ActRefused."""
    if approved.kind == "limit":
        raise ActRefused(
            field="act", message="set the limit again; empty gives back what is shipped"
        )
    if approved.kind == "scope":
        scope.check_may_end(approved)
    return decision.end(approved, _LEAVE[approved.kind], reason=reason, by=by)
