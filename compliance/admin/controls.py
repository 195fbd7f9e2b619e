"""The page of one control: its legs, what each found day by day, what people said, what would help.

Drawn from a result (asked.py), the tallies (found.py) and people's acts. The page above: scores.py;
below: checks.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from audit.readonly import ReadOnlyModelAdmin
from compliance.admin import asked
from compliance.admin.asked import Asked
from compliance.admin.cards import leg_url
from compliance.admin.found import Day, Narrowed, Told, acts_about, reach, running_lenses
from compliance.admin.strips import strips
from compliance.admin.trail import trail
from compliance.admin.ways import ways_of_control
from compliance.admin.words import control_line, period
from compliance.definitions import Catalogue, Control
from compliance.in_force import catalogue_in_force
from compliance.people import STATEMENT
from compliance.result import from_json, shown
from compliance.whatif import what_if

MODES: Final = {
    "automated": "by checks alone",
    "partial": "by checks and a management statement",
    "manual": "by a management statement alone",
}
SPECS: Final = {"S": "standard", "R": "required", "A": "addressable"}
_KINDS_OF_ACT: Final = {
    "audit.attestation_signed": "statements",
    "audit.waiver_approved": "waivers",
    "audit.finding_opened": "findings",
    "audit.finding_closed": "findings",
    "audit.scope_decided": "scope",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LegRow:
    """One leg with all a reader asks first."""

    leg: dict[str, Any]
    title: str
    url: str
    days: list[Day]
    """The history strip; empty for a statement, and where the tallies do not run the lens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FixLine:
    """One thing that could be mended, and the framework's numbers then."""

    leg: str
    """Empty: all that hold the control down."""
    url: str
    state: str
    evidenced: str | None
    raw: str | None
    """Before the cap."""
    tested: str | None
    coverage: str | None
    cap: int


def control_page(
    pages: ReadOnlyModelAdmin, request: HttpRequest, framework: str, control: str
) -> HttpResponse:
    """Show one control of a framework."""
    look = asked.read(request, framework)
    context = pages.frame(
        request,
        title=f"{look.name}, {control}"[:120],
        opts=None,
        strip=look.ledger,
        asked=look,
        trail=trail(look, control=control),
    )
    if look.result is not None:
        found = look.control(control)
        context |= _control(look, found)
        context["ways"] = ways_of_control(request, look, found, context["definition"])
    return TemplateResponse(request, "compliance/control.html", context)


def _control(look: Asked, control: dict[str, Any]) -> dict[str, Any]:
    assert look.ledger is not None, "a result is of a ledger"
    assert look.result is not None, "a page without a result draws nothing"
    catalogue = catalogue_in_force()
    definition = _definition(look, control["id"])
    told = acts_about(look.ledger.id, framework=look.framework, control=control["id"])
    acts = _by_kind(told)
    return {
        "result": look.result,
        "control": control,
        "definition": definition,
        "headline": control_line(control),
        "period": period(look.result),
        "mode": MODES[control["mode"]],
        "spec": SPECS.get(control["spec"], ""),
        "rows": _rows(look, control, catalogue),
        "reach": reach(look.ledger.id),
        "statement": next((one for one in control["legs"] if one["id"] == STATEMENT), None),
        "fixes": _fixes(look, control["id"]),
        "statements": acts["statements"],
        "has_acts": any(acts[kind] for kind in ("waivers", "findings", "scope")),
        "people": [
            ("waivers", "Waivers", acts["waivers"]),
            ("findings", "Findings", acts["findings"]),
            ("scope", "Scope decisions", acts["scope"]),
        ],
    }


def _rows(look: Asked, control: Mapping[str, Any], catalogue: Catalogue) -> list[LegRow]:
    assert look.ledger is not None, "a result is of a ledger"
    assert look.result is not None, "a page without a result draws nothing"
    lenses = [leg["lens"] for leg in control["legs"] if leg["lens"]]
    drawn = strips(
        look.own_ledger,
        Narrowed.of(look.ledger.id, look.result),
        running_lenses(look.ledger.id, lenses),
    )
    return [
        LegRow(
            leg=leg,
            title="Management statement"
            if leg["id"] == STATEMENT
            else _title(catalogue, leg["id"]),
            url=leg_url(look.framework, control["id"], leg["id"], look.kept.urlencode()),
            days=drawn.get(leg["lens"], []),
        )
        for leg in control["legs"]
    ]


def _fixes(look: Asked, control: str) -> list[FixLine]:
    assert look.result is not None, "a page without a result draws nothing"
    return [
        FixLine(
            leg=fix.leg,
            url=leg_url(look.framework, control, fix.leg, look.kept.urlencode()) if fix.leg else "",
            state=fix.state,
            evidenced=shown(fix.after.assured),
            raw=shown(fix.after.raw),
            tested=shown(fix.after.tested),
            coverage=shown(fix.after.coverage),
            cap=fix.after.cap,
        )
        for fix in what_if(from_json(look.result), control)
    ]


def _title(catalogue: Catalogue, check: str) -> str:
    known = catalogue.checks.get(check)
    return known.title if known else "no longer in the catalogue"


def _definition(look: Asked, control: str) -> Control | None:
    if look.definition is None:
        return None
    return next((one for one in look.definition.controls if one.id == control), None)


def _by_kind(told: Sequence[Told]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = {kind: [] for kind in _KINDS_OF_ACT.values()}
    for act in told:
        kind = _KINDS_OF_ACT.get(act.action)
        if kind is not None:
            found[kind].append(act)
    return found
