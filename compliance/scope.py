"""Scope decisions: what a framework does not ask of this organisation, and what it applies to.

A control, or all controls of a flag, is taken out of scope by two people, with a reason and a last
day; one person is enough to bring it back, since that only asks for more. For a framework that has
to be recorded as applying, such as the EU AI Act, two people record a system with its role, and two
end that. Each leaves `audit.scope_decided`. What counts of it: people.py.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from compliance import decision
from compliance.acting import MOST_NAME, ActRefused, Person, read_choice, read_text, today
from compliance.definitions import Catalogue
from compliance.gather import Ledger, receive_own
from compliance.models import Decision
from compliance.named import find_control, find_framework

LONGEST: Final = 365
"""Days after which a control out of scope has to be decided again."""
ROLES: Final = ("provider", "deployer")
OUT, APPLIES, APPLIES_NO_MORE = "out", "applies", "applies_no_more"


def ask_out_of_scope(
    ledger: Ledger,
    catalogue: Catalogue,
    *,
    framework: str,
    control: str = "",
    flag: str = "",
    reason: str,
    expires_on: date,
    by: Person,
) -> Decision:
    """Ask to take a control or a flag out of scope until a day. Raises ActRefused."""
    found = find_framework(catalogue, framework)
    if bool(control) == bool(flag):
        raise ActRefused(field="control", message="name a control or a flag, and not both")
    if control:
        find_control(found, control)
    else:
        _check_flag(flag, found.scope_flags, found.always_flags)
    now = today()
    if not now <= expires_on <= now + timedelta(days=LONGEST):
        raise ActRefused(
            field="expires_on",
            message=f"from today to {now + timedelta(days=LONGEST)}; then it is decided again",
        )
    return decision.ask(
        ledger,
        by=by,
        reason=reason,
        kind="scope",
        framework=framework,
        control=control,
        details={"act": OUT, "flag": flag},
        begins_on=now,
        expires_on=expires_on,
    )


def ask_applies(
    ledger: Ledger,
    catalogue: Catalogue,
    *,
    framework: str,
    system: str,
    role: str,
    reason: str,
    by: Person,
    ends: bool = False,
) -> Decision:
    """Ask to record that a framework applies to a high-risk system, or no longer does.

    `system` is an agent's id as events name it. Raises ActRefused.
    """
    if not find_framework(catalogue, framework).gate:
        raise ActRefused(
            field="framework", message=f"{framework} applies without a system; nothing to record"
        )
    system = read_text("system", system, missing="give the agent's id", most=MOST_NAME)
    details = {"system": system, "role": read_choice("role", role, ROLES)}
    return decision.ask(
        ledger,
        by=by,
        reason=reason,
        kind="scope",
        framework=framework,
        details=details | {"act": APPLIES_NO_MORE if ends else APPLIES},
    )


def leave_scope(scope: Decision, by: Person) -> None:
    """Leave the entry of a scope decision that was approved or ended, in the same transaction."""
    said = scope.details
    is_over = scope.state == "ended"
    details: dict[str, Any] = {
        "act": _act(scope),
        "decision": str(scope.uid),
        "framework": scope.framework,
        "reason": scope.end_reason if is_over else scope.reason,
        "asked_by": scope.asked_by,
    }
    if said.get("system"):
        details |= {"system": said["system"], "role": said["role"], "high_risk": True}
    else:
        details |= {"control": scope.control} if scope.control else {"flag": said["flag"]}
    if scope.expires_on is not None:
        details["expires_on"] = scope.expires_on.isoformat()
    receive_own(
        scope.ledger,
        "audit.scope_decided",
        by=by.name,
        reason=details["reason"],
        target={"type": "framework", "id": scope.framework},
        details=details,
    )


def check_may_end(scope: Decision) -> None:
    """Refuse to end alone what only two people may end: that a framework applies."""
    if scope.details.get("act") != OUT:
        raise ActRefused(
            field="act", message="ask to record that it applies no more; two people decide that"
        )


def _act(scope: Decision) -> str:
    if scope.details["act"] == OUT:
        return "in" if scope.state == "ended" else OUT
    return str(scope.details["act"])


def _check_flag(flag: str, known: tuple[str, ...], always: tuple[str, ...]) -> None:
    read_choice("flag", flag, known)
    if flag in always:
        raise ActRefused(field="flag", message=f"{flag} is always in scope")
