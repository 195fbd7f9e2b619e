"""Lead from a score page to the forms where people act on what it shows, filled in and by right.

A way is offered only to whoever may go it: what a control lacks is stated, what fails is waived for
a while or put right, what did not happen is signed. The forms themselves: statements.py,
decisions.py, findings.py, nil_returns.py. Only reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.http import HttpRequest

from compliance.admin.asked import Asked
from compliance.admin.people_form import Way, url_of
from compliance.definitions import Check, Control
from compliance.models import Statement
from compliance.people import STATEMENT

_HELD_DOWN: Final = frozenset({"fail", "no_data", "error", "waived"})
"""States of a leg that people act upon."""


def ways_of_control(
    request: HttpRequest, look: Asked, control: Mapping[str, Any], definition: Control | None
) -> list[Way]:
    """Return what this reader may do about a control: state, have waived, find, take out."""
    held = [leg["id"] for leg in control["legs"] if leg["state"] in _HELD_DOWN]
    only = held[0] if len(held) == 1 else ""
    found = []
    if definition is not None and definition.attest:
        found += _of_statement(request, look, control["id"])
    if held:
        found += _waiver(request, look, control["id"], check=only)
        checks = [leg for leg in held if leg != STATEMENT]
        found += _finding(
            request, look, control=control["id"], check=checks[0] if len(checks) == 1 else ""
        )
    if any(leg["lens"] for leg in control["legs"]):
        found += _sample(request, look, control=control["id"])
    if request.user.has_perm("compliance.add_decision"):
        found.append(
            Way(
                word="Ask to take it out of scope",
                url=_form(look, "compliance_decision_new_scope", control=control["id"]),
                icon="remove_done",
            )
        )
    return found


def ways_of_check(
    request: HttpRequest, look: Asked, check: Check | None, *, control: str, leg: Mapping[str, Any]
) -> list[Way]:
    """Return what this reader may do about a check as a control uses it."""
    found = []
    name = leg.get("id") or leg["check"]
    if (
        check is not None
        and check.nil_return
        and not leg["n"]
        and not leg["pending"]
        and request.user.has_perm("compliance.add_nilreturn")
    ):
        found.append(
            Way(
                word="Sign a nil return",
                url=_form(look, "compliance_nilreturn_new", check=name, **_days(look)),
                icon="draw",
                is_main=True,
            )
        )
    if control and leg.get("lens"):
        found += _sample(request, look, control=control, leg=f"{control}|{name}")
    if leg["state"] in _HELD_DOWN:
        if control:
            found += _waiver(request, look, control, check=name)
        found += _finding(request, look, control=control, check=name)
    return found


def ways_of_item(
    request: HttpRequest, look: Asked, *, control: str, check: str, item: str, state: str
) -> list[Way]:
    """Return what this reader may do about an item."""
    found = _finding(request, look, control=control, check=check, item=item, is_main=True)
    if control and state == "fail":
        found += _waiver(request, look, control, check=check, items=item)
    return found


def _sample(request: HttpRequest, look: Asked, **said: str) -> list[Way]:
    """Return where a sample is drawn, of a sealed period alone."""
    sealed = look.snapshot
    may = request.user.has_perm("compliance.add_sample")
    if sealed is None or sealed.kind != "period" or not may:
        return []
    url = url_of("compliance_sample_new", snapshot=str(sealed.id), **said)
    return [Way(word="Draw a sample", url=url, icon="casino")]


def _of_statement(request: HttpRequest, look: Asked, control: str) -> list[Way]:
    """Return where the control's statement is signed, when one waits, and where one is prepared."""
    found = []
    drafts = Statement.objects.filter(
        ledger_id=look.own_ledger.id, framework=look.framework, control=control, state="draft"
    )
    draft = drafts.order_by("-id").values_list("id", flat=True).first()
    if draft is not None:
        may_sign = request.user.has_perm("compliance.change_statement")
        found.append(
            Way(
                word="Sign the statement" if may_sign else "The statement that waits",
                url=url_of("compliance_statement_change", draft),
                icon="draw",
                is_main=may_sign,
            )
        )
    if request.user.has_perm("compliance.add_statement"):
        days = _days(look)
        found.append(
            Way(
                word="Prepare a statement",
                url=_form(
                    look,
                    "compliance_statement_new",
                    control=control,
                    effective_from=days["first"],
                    effective_to=days["last"],
                ),
                icon="edit_document",
                is_main=draft is None,
            )
        )
    return found


def _waiver(request: HttpRequest, look: Asked, control: str, **said: str) -> list[Way]:
    if not request.user.has_perm("compliance.add_decision"):
        return []
    url = _form(look, "compliance_decision_new_waiver", control=control, **said)
    return [Way(word="Ask for a waiver", url=url, icon="how_to_vote")]


def _finding(request: HttpRequest, look: Asked, *, is_main: bool = False, **said: str) -> list[Way]:
    if not request.user.has_perm("compliance.add_finding"):
        return []
    url = _form(look, "compliance_finding_new", **said)
    return [Way(word="Open a finding", url=url, icon="flag", is_main=is_main)]


def _days(look: Asked) -> dict[str, str]:
    """Return the first and the last day of the period that is shown, as forms take them."""
    start, end = look.period
    return {"first": start.isoformat(), "last": (end - timedelta(days=1)).isoformat()}


def _form(look: Asked, page: str, **said: str) -> str:
    """Return the address of a form of this ledger and framework, with what it begins with."""
    return url_of(page, ledger=look.own_ledger.name, framework=look.framework, **said)
