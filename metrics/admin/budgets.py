"""The pages of budgets: how each stands, one by its days, setting, changing and ending one.

Verbs: metrics.budgets. Reckoning: metrics.spending.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from audit.admin.acts import act, number, say
from audit.models import Ledger
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from metrics import budgets
from metrics.acting import ChangeRefused
from metrics.admin.forms import Box, entries_url, filled, other_errors, read_tab, url_of
from metrics.models import Budget
from metrics.operations.burn import burn_chart
from metrics.operations.units import number as number_said
from metrics.spending import Spending, cents
from metrics.switches import metrics_on

MAY_MAKE, MAY_CHANGE, MAY_END = (f"metrics.{verb}_budget" for verb in ("add", "change", "delete"))
_SHOWS: Final = {"standing": "Standing", "ended": "Ended"}
_LIST, _ROW = "metrics_budget_changelist", "metrics_budget_change"
_PERCENT: Final = Decimal("0.01")
_FIELDS: Final = ("name", "covers", "value", "ledger", "period", "usd")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """How a budget stands, as pages say it."""

    row: Budget
    whom: str
    spending: Spending
    usd: str
    used: str
    left: str
    forecast: str
    burn: str
    """How many budgets the period would use at this pace."""
    is_overdrawn: bool
    bar: int
    """Percent, at most 100."""
    percent: str
    """As a word says it: `under 1`, `40`, `13,125`."""


@admin.register(Budget)
class BudgetAdmin(ReadOnlyModelAdmin):
    """What models may cost."""

    def get_urls(self) -> list[URLPattern]:
        """Add setting, changing and ending."""
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_page), name="metrics_budget_new"),
            path("<str:object_id>/edit/", view(self.edit_page), name="metrics_budget_edit"),
            path(
                "<str:object_id>/end/",
                act(self, self.end, permission=MAY_END),
                name="metrics_budget_end",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 budgets, the newest first, and how each stands in its period."""
        look = read_tab(request, _SHOWS)
        context = self.frame(
            request,
            title="Budgets",
            opts=None,
            look=look,
            may_make=request.user.has_perm(MAY_MAKE),
            is_counting=metrics_on(),
            exposed=budgets.EXPOSED,
            entries_url=entries_url(),
        )
        if not look.errors:
            rows = Budget.objects.filter(ended_at__isnull=look.show == "standing")
            page = keyset_page(rows.select_related("ledger").annotate(seq=F("id")), **look.places)
            context |= {
                "lines": _lines(page.rows),
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
            }
        return TemplateResponse(request, "metrics/budgets.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show how it stands, what each day has cost, and what may be done with it."""
        row = _budget(object_id)
        (line,) = _lines([row])
        is_standing = row.ended_at is None
        context = self.frame(
            request,
            title=f"Budget {row.name}",
            object=row,
            line=line,
            row=row,
            days=[(day, cents(usd)) for day, usd in reversed(line.spending.days)],
            chart=json.dumps(burn_chart(line.spending)),
            period=budgets.PERIODS[row.period],
            is_counting=metrics_on(),
            may_change=is_standing and request.user.has_perm(MAY_CHANGE),
            may_end=is_standing and request.user.has_perm(MAY_END),
            entries_url=entries_url(),
        )
        return TemplateResponse(request, "metrics/budget.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a budget, and set it."""
        if not request.user.has_perm(MAY_MAKE):
            raise PermissionDenied
        return self._form_page(request, None)

    def edit_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what is set, and change it."""
        if not request.user.has_perm(MAY_CHANGE):
            raise PermissionDenied
        row = _budget(object_id)
        if row.ended_at is not None:
            raise Http404("it was ended")
        return self._form_page(request, row)

    def _form_page(self, request: HttpRequest, row: Budget | None) -> HttpResponse:
        errors: dict[str, str] = {}
        typed = _values(row)
        if request.method == "POST":
            typed |= {name: request.POST.get(name, "") for name in _FIELDS}
            draft, by = budgets.Draft(**typed), request.user.get_username()
            try:
                made = budgets.change(row, draft, by=by) if row else budgets.make(draft, by=by)
            except ChangeRefused as refused:
                errors = refused.errors
            else:
                done = "changed" if row else "set"
                say(request, f"{made.name} is {done}; this is an entry.", is_good=True)
                return HttpResponseRedirect(url_of(_ROW, made.id))
        boxes = filled(_boxes(is_new=row is None), typed, errors)
        context = self.frame(
            request,
            title=f"Change {row.name}" if row else "Set a budget",
            opts=None if row is None else self.opts,
            object=row,
            lead="What models may cost in a period. Nothing is stopped when it is used up; it is "
            "shown here and in /metrics, where an alert can watch it.",
            boxes=boxes,
            errors=errors,
            other_errors=other_errors(boxes, errors),
            button="Change it" if row else "Set it",
            back=url_of(_ROW, row.id) if row else url_of(_LIST),
        )
        status = 400 if errors else 200
        return TemplateResponse(request, "metrics/form.html", context, status=status)

    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let it stand no more."""
        row = _budget(object_id)
        try:
            budgets.end(row, by=request.user.get_username())
        except ChangeRefused as refused:
            say(request, f"Nothing was changed: {refused}.", is_good=False)
        else:
            say(request, f"{row.name} is ended; this is an entry.", is_good=True)
        return HttpResponseRedirect(url_of(_LIST))


def _budget(object_id: str) -> Budget:
    rows = Budget.objects.select_related("ledger")
    found = rows.filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no budget has this number")
    return found


def _lines(rows: Sequence[Budget]) -> list[Line]:
    found = budgets.spendings(rows, timezone.now())
    return [_line(row, found[row.id]) for row in rows]


def _line(row: Budget, spending: Spending) -> Line:
    return Line(
        row=row,
        whom=row.value or "all",
        spending=spending,
        usd=cents(spending.usd),
        used=cents(spending.used),
        left=cents(abs(spending.left)),
        forecast=cents(spending.forecast),
        burn=number_said(float(spending.forecast / spending.usd)),
        is_overdrawn=spending.left < 0,
        bar=min(spending.percent, 100),
        percent="under 1" if 0 < spending.ratio < _PERCENT else f"{spending.percent:,}",
    )


def _values(row: Budget | None) -> dict[str, str]:
    """Return what the form shows at first."""
    if row is None:
        return dict.fromkeys(_FIELDS, "") | {"covers": "all", "period": "month"}
    return {
        "name": row.name,
        "covers": row.covers,
        "value": row.value,
        "ledger": row.ledger.name if row.ledger else "",
        "period": row.period,
        "usd": str(row.usd),
    }


def _boxes(*, is_new: bool) -> Sequence[Box]:
    known = [
        (value, budgets.COVERS[covers])
        for covers in budgets.COVERS
        for value in budgets.choices(covers)
    ]
    ledgers = Ledger.objects.order_by("id").values_list("name", flat=True)
    name = Box(
        name="name",
        word="Name",
        help="Small letters, digits and _ . : / -. Entries and /metrics call it so; it stays.",
    )
    return (
        *((name,) if is_new else ()),
        Box(
            name="covers",
            word="Covers",
            kind="choice",
            choices=tuple(budgets.COVERS.items()),
        ),
        Box(
            name="value",
            word="Which one",
            choices=tuple(known),
            is_needed=False,
            help="An agent by its label, a team as its agents are registered (owner), a model as "
            "provider/model. Empty where all are covered.",
        ),
        Box(
            name="ledger",
            word="Ledger",
            kind="choice",
            choices=(("", "all ledgers together"), *((each, each) for each in ledgers)),
        ),
        Box(
            name="period",
            word="Each",
            kind="choice",
            choices=tuple(budgets.PERIODS.items()),
            help="Days are UTC days.",
        ),
        Box(name="usd", word="Amount", kind="number", help="US dollars, such as 250 or 99.50."),
    )
