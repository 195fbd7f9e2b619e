"""The pages of service levels: how each objective stands, promising, changing, removing one.

Verbs and reckoning: metrics.operations.objectives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from audit.admin.acts import act, say
from audit.readonly import ReadOnlyModelAdmin
from metrics.acting import ChangeRefused
from metrics.admin.forms import Box, entries_url, filled, other_errors, url_of
from metrics.models import Objective
from metrics.operations import objectives
from metrics.operations.objectives import INDICATORS, Indicator, Level
from metrics.operations.units import said
from metrics.switches import metrics_on

MAY_MAKE, MAY_CHANGE, MAY_REMOVE = (
    f"metrics.{verb}_objective" for verb in ("add", "change", "delete")
)
_LIST, _ROW = "metrics_objective_changelist", "metrics_objective_change"
_FIELDS: Final = ("name", "indicator", "target", "days")
_MOST: Final = 20
"""Objectives shown; each asks minute history seven times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BurnLine:
    """How fast the budget is used in a range, as pages say it."""

    word: str
    rate: str
    shorter: str
    limit: str
    is_fast: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """How an objective stands, as pages say it."""

    row: Objective
    indicator: Indicator
    level: Level
    target: str
    share: str
    left: str
    bar: int
    """Percent of the budget that is left, 0 to 100."""
    bad: str
    allowed: str
    burns: Sequence[BurnLine]
    page_url: str


@admin.register(Objective)
class ObjectiveAdmin(ReadOnlyModelAdmin):
    """What service was promised."""

    def get_urls(self) -> list[URLPattern]:
        """Add promising, changing and removing."""
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_page), name="metrics_objective_new"),
            path("<str:object_id>/edit/", view(self.edit_page), name="metrics_objective_edit"),
            path(
                "<str:object_id>/remove/",
                act(self, self.remove, permission=MAY_REMOVE),
                name="metrics_objective_remove",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show the objectives by name and how each stands."""
        rows = list(Objective.objects.order_by("name")[:_MOST])
        context = self.frame(
            request,
            title="Service levels",
            opts=None,
            lines=[_line(row) for row in rows],
            may_make=request.user.has_perm(MAY_MAKE),
            is_counting=metrics_on(),
            entries_url=entries_url(),
        )
        return TemplateResponse(request, "metrics/objectives.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show how one stands, how fast its budget is used, and what may be done with it."""
        row = _objective(object_id)
        context = self.frame(
            request,
            title=f"Objective {row.name}",
            object=row,
            row=row,
            line=_line(row),
            may_change=request.user.has_perm(MAY_CHANGE),
            may_remove=request.user.has_perm(MAY_REMOVE),
            is_counting=metrics_on(),
            entries_url=entries_url(),
        )
        return TemplateResponse(request, "metrics/objective.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for an objective, and promise it."""
        if not request.user.has_perm(MAY_MAKE):
            raise PermissionDenied
        return self._form_page(request, None)

    def edit_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what is promised, and change it."""
        if not request.user.has_perm(MAY_CHANGE):
            raise PermissionDenied
        return self._form_page(request, _objective(object_id))

    def _form_page(self, request: HttpRequest, row: Objective | None) -> HttpResponse:
        errors: dict[str, str] = {}
        typed = _values(row)
        if request.method == "POST":
            typed |= {name: request.POST.get(name, "") for name in _FIELDS}
            draft, by = objectives.Draft(**typed), request.user.get_username()
            try:
                made = (
                    objectives.change(row, draft, by=by) if row else objectives.make(draft, by=by)
                )
            except ChangeRefused as refused:
                errors = refused.errors
            else:
                done = "changed" if row else "set"
                say(request, f"{made.name} is {done}; this is an entry.", is_good=True)
                return HttpResponseRedirect(url_of(_ROW, made.name))
        boxes = filled(_boxes(is_new=row is None), typed, errors)
        context = self.frame(
            request,
            title=f"Change {row.name}" if row else "Set an objective",
            opts=None if row is None else self.opts,
            object=row,
            lead="Which share of a service must be good. What may be bad is its budget; the page "
            "says how much is left and how fast it goes.",
            boxes=boxes,
            errors=errors,
            other_errors=other_errors(boxes, errors),
            button="Change it" if row else "Set it",
            back=url_of(_ROW, row.name) if row else url_of(_LIST),
        )
        status = 400 if errors else 200
        return TemplateResponse(request, "metrics/form.html", context, status=status)

    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Promise it no more."""
        row = _objective(object_id)
        try:
            objectives.remove(row, by=request.user.get_username())
        except ChangeRefused as refused:
            say(request, f"Nothing was changed: {refused}.", is_good=False)
        else:
            say(request, f"{row.name} is removed; this is an entry.", is_good=True)
        return HttpResponseRedirect(url_of(_LIST))


def _objective(object_id: str) -> Objective:
    found = Objective.objects.filter(name=object_id.replace("\0", "")).first()
    if found is None or found.indicator not in INDICATORS:
        raise Http404("no objective has this name")
    return found


def _line(row: Objective) -> Line:
    level = objectives.level(row, timezone.now())
    indicator = INDICATORS[row.indicator]
    left = level.left
    return Line(
        row=row,
        indicator=indicator,
        level=level,
        target=_percent(row.target),
        share=said(level.share, "ratio"),
        left=said(left, "ratio"),
        bar=round(min(max(left or 0.0, 0.0), 1.0) * 100),
        bad=said(level.every - level.good, "count"),
        allowed=said(level.every * (1 - level.target), "count"),
        burns=[
            BurnLine(
                word=burn.word,
                rate=said(burn.rate, "count"),
                shorter=said(burn.shorter, "count"),
                limit=said(burn.limit, "count"),
                is_fast=burn.is_fast,
            )
            for burn in level.burns
        ],
        page_url=url_of(f"metrics_operations_{indicator.page}"),
    )


def _percent(target: Decimal) -> str:
    return f"{(target * 100).normalize():f} %"


def _values(row: Objective | None) -> dict[str, str]:
    """Return what the form shows at first."""
    if row is None:
        return {"name": "", "indicator": "api", "target": "99.5", "days": "30"}
    return {
        "name": row.name,
        "indicator": row.indicator,
        "target": f"{(row.target * 100).normalize():f}",
        "days": str(row.days),
    }


def _boxes(*, is_new: bool) -> Sequence[Box]:
    name = Box(
        name="name",
        word="Name",
        help="Small letters, digits and _ . -. Entries call it so; it stays.",
    )
    return (
        *((name,) if is_new else ()),
        Box(
            name="indicator",
            word="About",
            kind="choice",
            choices=tuple((key, each.word) for key, each in INDICATORS.items()),
        ),
        Box(
            name="target",
            word="Must be good",
            kind="number",
            help="Percent, such as 99.5. What is left to 100 may be bad.",
        ),
        Box(
            name="days",
            word="Over days",
            kind="number",
            help=f"The days until now that count, 1 to {objectives.MOST_DAYS}; history is kept "
            "for OBS_METRICS_MINUTE_DAYS.",
        ),
    )
