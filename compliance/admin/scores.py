"""The pages of scores: the list of frameworks, and one framework with its matrix of controls.

Drawn from sealed results; what is asked beyond them is computed by the verb and marked as not
sealed (asked.py). The pages below: controls.py, checks.py, items.py. Sealed rows: snapshots.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from functools import partial
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from audit.models import Agent
from audit.readonly import ReadOnlyModelAdmin
from audit.state import ledger_states
from compliance.admin import asked, checks, controls, items
from compliance.admin.asked import Asked
from compliance.admin.cards import cap_lines, cards, first_line, leg_url, trend
from compliance.admin.trail import trail
from compliance.admin.words import band_badge, command, headline, period
from compliance.in_force import catalogue_in_force
from compliance.models import Snapshot
from compliance.result import STATES

MONTHS: Final = 6
"""Whole months that the period picker offers."""
MOST_UNFOLDED: Final = 10
"""Controls that a narrow screen shows at once; more are folded by area."""
MOST_SNAPSHOTS: Final = 12
MOST_AGENTS: Final = 200
_TREND_ROWS: Final = 90
"""Postures read for a trend of 30 days, some of them restated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LegLine:
    """One leg as a badge that leads to its page."""

    leg: dict[str, Any]
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlLine:
    """One row of the matrix."""

    control: dict[str, Any]
    url: str
    legs: list[LegLine]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One value that narrows the page, and the address with or without it."""

    word: str
    url: str
    count: int
    is_shown: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """The rows of the matrix that stand together: one area of the framework."""

    name: str
    lines: list[ControlLine]
    states: Sequence[tuple[str, int]]
    """How many of its controls are in each state, the worst first."""


class ScorePages(ReadOnlyModelAdmin):
    """Every address under /admin/compliance/score/; whoever may see snapshots may read them."""

    def get_urls(self) -> list[URLPattern]:
        """Name the pages from the list down to the item."""
        below: dict[str, tuple[str, Callable[..., Any]]] = {
            "control/<path:control>/": ("control", controls.control_page),
            "check/<str:check>/": ("check", checks.check_page),
            "check/<str:check>/items.csv": ("items", checks.items_file),
            "check/<str:check>/item/": ("item", items.item_page),
        }
        return [
            path("", self.page(self.list_page), name="compliance_score_changelist"),
            path(
                "<str:framework>/",
                self.page(self.framework_page),
                name="compliance_score_framework",
            ),
            *(
                path(
                    f"<str:framework>/{route}",
                    self.page(partial(view, self)),
                    name=f"compliance_score_{name}",
                )
                for route, (name, view) in below.items()
            ),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show every framework with its newest posture, those without one, too."""
        wanted = request.GET.get("ledger", "")
        ledgers = ledger_states(also=wanted)
        ledger = next((one for one in ledgers if one.name == wanted), None)
        if not wanted:
            ledger = ledgers[0] if ledgers else None
        shown = cards(ledger.id, ledger.name) if ledger else []
        have = {card.framework for card in shown}
        catalogue = catalogue_in_force()
        context = self.frame(
            request,
            title="Scores",
            opts=None,
            strip=ledger,
            ledger=ledger,
            ledgers=ledgers,
            cards=shown,
            first_line=first_line(ledger.name) if ledger else "",
            without=[one for one in catalogue.frameworks.values() if one.id not in have],
            clear_url=reverse("admin:compliance_score_changelist"),
        )
        return TemplateResponse(request, "compliance/scores.html", context)

    def framework_page(self, request: HttpRequest, framework: str) -> HttpResponse:
        """Show the four numbers of one framework and its matrix of controls."""
        if asked.SENT in request.GET:
            return HttpResponseRedirect(asked.clean_address(request))
        look = asked.read(request, framework, beside=("state", "area"))
        context = self.frame(
            request,
            title=look.name,
            opts=None,
            strip=look.ledger,
            asked=look,
            trail=trail(look),
            clear_url=_address(request, ledger=request.GET.get("ledger", "")),
        )
        if look.ledger is not None:
            context |= _pickers(request, look)
        if look.result is not None:
            context |= _matrix(request, look)
        return TemplateResponse(request, "compliance/framework.html", context)


def _matrix(request: HttpRequest, look: Asked) -> dict[str, Any]:
    """Return the numbers, the states counted and the rows that the address leaves."""
    result = look.result
    assert result is not None, "a matrix is drawn of a result"
    states, areas = request.GET.getlist("state"), request.GET.getlist("area")
    shown = [
        control
        for control in look.controls
        if (not states or control["state"] in states) and (not areas or control["area"] in areas)
    ]
    return {
        "result": result,
        "badge": band_badge(result),
        "headline": headline(look.name, result),
        "period": period(result),
        "as_of": asked.instant(result["as_of"]),
        "caps": cap_lines(result, look.kept.urlencode()),
        "shown": len(shown),
        "matrix": _by_area([_line(look, control) for control in shown]),
        "is_unfolded": len(shown) <= MOST_UNFOLDED,
        "total": len(look.controls),
        "states": _choices(
            request, "state", Counter(one["state"] for one in look.controls), order=STATES
        ),
        "areas": _choices(request, "area", Counter(one["area"] for one in look.controls)),
        "has_areas": len({one["area"] for one in look.controls}) > 1,
        "gate": [
            (check, leg_url(look.framework, "", check["check"], look.kept.urlencode()))
            for check in result["gate"]
        ],
        "command": command(result),
    }


def _pickers(request: HttpRequest, look: Asked) -> dict[str, Any]:
    """Return what else could be looked at: periods, sealed results, agents, environments."""
    assert look.ledger is not None, "a ledger is picked before its periods"
    sealed = Snapshot.objects.filter(ledger_id=look.ledger.id, framework=look.framework)
    postures = list(sealed.filter(kind="posture").newest_first().defer("result")[:_TREND_ROWS])
    agents = Agent.objects.filter(ledger_id=look.ledger.id).order_by("agent_id")
    return {
        "months": _months(request),
        "posture_url": _address(request, snapshot="", **{"from": "", "to": ""}),
        "sealed": list(
            sealed.filter(kind="period").newest_first().defer("result")[:MOST_SNAPSHOTS]
        ),
        "trend": trend(postures) if postures else None,
        "agents": list(agents.values_list("agent_id", flat=True)[:MOST_AGENTS]),
        "environments": asked.ENVIRONMENTS,
        "given": {name: request.GET.get(name, "") for name in asked.NARROWING},
        "given_states": request.GET.getlist("state"),
        "given_areas": request.GET.getlist("area"),
    }


def _line(look: Asked, control: Mapping[str, Any]) -> ControlLine:
    query = look.kept.urlencode()
    return ControlLine(
        control=dict(control),
        url=look.url("control", look.framework, control["id"]),
        legs=[
            LegLine(leg=leg, url=leg_url(look.framework, control["id"], leg["id"], query))
            for leg in control["legs"]
        ],
    )


def _by_area(lines: Sequence[ControlLine]) -> list[Area]:
    """Return the rows by area, both in the order of the framework."""
    found: dict[str, list[ControlLine]] = {}
    for line in lines:
        found.setdefault(line.control["area"], []).append(line)
    areas = []
    for name, rows in found.items():
        counted = Counter(row.control["state"] for row in rows)
        states = [(state, counted[state]) for state in STATES if counted[state]]
        areas.append(Area(name=name, lines=rows, states=states))
    return areas


def _choices(
    request: HttpRequest, name: str, counted: Mapping[str, int], *, order: Sequence[str] = ()
) -> list[Choice]:
    """Return each value that occurs, with the address that adds it or takes it away."""
    picked = request.GET.getlist(name)
    words = [one for one in order if counted.get(one)] if order else list(counted)
    found = []
    for word in words:
        query = request.GET.copy()
        rest = [one for one in picked if one != word] if word in picked else [*picked, word]
        query.setlist(name, rest)
        found.append(
            Choice(
                word=word,
                url=_with(request.path, query),
                count=counted[word],
                is_shown=word in picked,
            )
        )
    return found


def _months(request: HttpRequest) -> list[tuple[date, str, bool]]:
    """Return the last whole months, the newest first, with their addresses."""
    first = timezone.now().astimezone(UTC).date().replace(day=1)
    found = []
    for _ in range(MONTHS):
        end, first = first, (first - timedelta(days=1)).replace(day=1)
        days = {"from": first.isoformat(), "to": end.isoformat()}
        is_shown = all(request.GET.get(name) == day for name, day in days.items())
        found.append((first, _address(request, snapshot="", **days), is_shown))
    return found


def _address(request: HttpRequest, **changed: str) -> str:
    """Return this page's address with some of it changed; empty takes a part away."""
    query = request.GET.copy()
    for name, value in changed.items():
        if value:
            query[name] = value
        else:
            query.pop(name, None)
    return _with(request.path, query)


def _with(address: str, query: QueryDict) -> str:
    return f"{address}?{query.urlencode()}" if query else address
