"""The pages of prices: the table, entering one or many, removing one, and models without a price.

Verbs: metrics.prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from audit.admin.acts import act, number, say
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from metrics import prices
from metrics.acting import ChangeRefused
from metrics.admin.forms import Box, entries_url, filled, other_errors, read_tab, url_of
from metrics.models import Price

MAY_ENTER: Final = "metrics.add_price"
MAY_REMOVE: Final = "metrics.delete_price"
MOST_CSV: Final = 1 << 20
"""Bytes of an upload."""
_SHOWS: Final = {"standing": "Standing", "removed": "Removed"}
_LIST: Final = "metrics_price_changelist"
_REBUILD: Final = "manage.py rebuild metrics"


@admin.register(Price)
class PriceAdmin(ReadOnlyModelAdmin):
    """What models cost."""

    def get_urls(self) -> list[URLPattern]:
        """Add entering one and many, the download, and removing."""
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_page), name="metrics_price_new"),
            path("csv/", view(self.csv_page), name="metrics_price_csv"),
            path("prices.csv", self.page(self.download), name="metrics_price_download"),
            path(
                "<str:object_id>/remove/",
                act(self, self.remove, permission=MAY_REMOVE),
                name="metrics_price_remove",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 prices, the newest entered first, and the models without one."""
        look = read_tab(request, _SHOWS)
        now = timezone.now()
        context = self.frame(
            request,
            title="Prices",
            opts=None,
            look=look,
            may_enter=request.user.has_perm(MAY_ENTER),
            may_remove=request.user.has_perm(MAY_REMOVE),
            entries_url=entries_url(),
            rebuild=_REBUILD,
        )
        if not look.errors:
            rows = prices.listed(now).filter(removed_at__isnull=look.show == "standing")
            page = keyset_page(rows.annotate(seq=F("id")), **look.places)
            context |= {
                "lines": [(row, state(row, now), _amounts(row)) for row in page.rows],
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
                "unpriced": [
                    (one, url_of("metrics_price_new", provider=one.provider, model=one.model))
                    for one in prices.unpriced(now)
                ],
                "without_cost": prices.without_cost(),
            }
        return TemplateResponse(request, "metrics/prices.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one price, and removing it."""
        row, now = _price(object_id), timezone.now()
        context = self.frame(
            request,
            title=f"Price of {row}",
            object=row,
            row=row,
            state=state(row, now),
            amounts=list(zip(prices.DOLLARS, _amounts(row), strict=True)),
            may_remove=row.removed_at is None and request.user.has_perm(MAY_REMOVE),
            entries_url=entries_url(),
            rebuild=_REBUILD,
        )
        return TemplateResponse(request, "metrics/price.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for one price, and enter it."""
        errors: dict[str, str] = {}
        typed = request.GET.dict()
        if not request.user.has_perm(MAY_ENTER):
            raise PermissionDenied
        if request.method == "POST":
            typed = request.POST.dict()
            try:
                price = prices.read_price(typed)
                done = prices.enter([price], by=request.user.get_username())
            except ChangeRefused as refused:
                errors = refused.errors
            else:
                said = f"The price of {price.name} is entered; this is an entry."
                say(request, said if done else _SAME, is_good=bool(done))
                return HttpResponseRedirect(url_of(_LIST))
        boxes = filled(_boxes(timezone.now()), typed, errors)
        context = {
            "title": "Enter a price",
            "lead": "US dollars per million tokens, from a moment on. A price of the same model "
            "and moment is replaced.",
            "button": "Enter it",
        }
        return self._form(request, boxes, errors, context)

    def csv_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for many prices as CSV, and enter all of them or none."""
        if not request.user.has_perm(MAY_ENTER):
            raise PermissionDenied
        refused = None
        if request.method == "POST":
            try:
                text = _sent(request)
                entered = prices.enter(prices.read_csv(text), by=request.user.get_username())
            except ChangeRefused as error:
                refused = error
            else:
                said = f"{entered:,} prices are new or changed; each is an entry."
                say(request, said if entered else _SAME, is_good=bool(entered))
                return HttpResponseRedirect(url_of(_LIST))
        errors = refused.errors if refused else {}
        boxes = filled(_csv_boxes(), request.POST.dict(), errors)
        context = {
            "title": "Enter prices as CSV",
            "lead": f"At most {prices.MOST_LINES} prices at once; with one that is wrong none is "
            "taken. A price of the same model and moment is replaced.",
            "button": "Enter them",
            "has_file": True,
            "problems": refused.problems if refused else (),
        }
        return self._form(request, boxes, errors, context)

    def _form(
        self,
        request: HttpRequest,
        boxes: list[Box],
        errors: dict[str, str],
        context: dict[str, Any],
    ) -> HttpResponse:
        shown = self.frame(
            request,
            opts=None,
            boxes=boxes,
            errors=errors,
            other_errors=other_errors(boxes, errors),
            back=url_of(_LIST),
            **context,
        )
        status = 400 if errors else 200
        return TemplateResponse(request, "metrics/form.html", shown, status=status)

    def download(self, request: HttpRequest) -> HttpResponse:
        """Send the prices that stand as a CSV that can be changed and entered again."""
        answer = HttpResponse(prices.as_csv(), content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = 'attachment; filename="prices.csv"'
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let a price count no more."""
        row = _price(object_id)
        try:
            prices.remove(row, by=request.user.get_username())
        except ChangeRefused as refused:
            say(request, f"Nothing was changed: {refused}.", is_good=False)
        else:
            say(request, f"The price of {row} is removed; this is an entry.", is_good=True)
        return HttpResponseRedirect(url_of(_LIST))


_SAME: Final = "These prices stood there already, so nothing was changed."


def state(row: Any, now: datetime) -> str:
    """Return how a price of `prices.listed` stands, in a word that badges know."""
    if row.removed_at is not None:
        return "removed"
    if row.starts_at > now:
        return "to_come"
    return "replaced" if row.is_replaced else "in_force"


def _price(object_id: str) -> Price:
    found = prices.listed(timezone.now()).filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no price has this number")
    return found


def _amounts(row: Price) -> list[str]:
    """Return what each type of token costs, as people read it: $2.5, -$1.25."""
    amounts = [getattr(row, column) for column in prices.DOLLARS]
    return [f"{'-' if each < 0 else ''}${prices.plain(abs(each))}" for each in amounts]


def _sent(request: HttpRequest) -> str:
    """Return the CSV that was uploaded, else the one that was pasted. Raises ChangeRefused."""
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return request.POST.get("csv", "")
    if file.size is None or file.size > MOST_CSV:
        raise ChangeRefused({"file": f"has at most {MOST_CSV:,} bytes"})
    try:
        text: str = file.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ChangeRefused({"file": f"is no UTF-8 at byte {error.start:,}"}) from error
    return text


def _boxes(now: datetime) -> Sequence[Box]:
    today = now.astimezone(UTC).date().isoformat()
    besides = "Negative where the event's count of {} tokens holds these already, 0 when left out."
    return (
        Box(name="provider", word="Provider", help="As events say it in model.provider."),
        Box(name="model", word="Model", help="As events say it in model.name."),
        Box(
            name="starts_at",
            word="From",
            value=today,
            help="A day such as 2026-03-01, which begins at midnight UTC, or a time such as "
            "2026-03-01T12:00Z.",
        ),
        Box(name="input", word="Input", kind="number", help="Dollars per million input tokens."),
        Box(name="output", word="Output", kind="number", help="Likewise for output tokens."),
        Box(
            name="cache_read",
            word="Read from cache",
            kind="number",
            is_needed=False,
            help=f"Besides what input costs. {besides.format('input')}",
        ),
        Box(
            name="reasoning",
            word="Reasoning",
            kind="number",
            is_needed=False,
            help=f"Besides what output costs. {besides.format('output')}",
        ),
    )


def _csv_boxes() -> Sequence[Box]:
    return (
        Box(name="file", word="File", kind="file", is_needed=False, help="UTF-8, with commas."),
        Box(
            name="csv",
            word="CSV, pasted here",
            kind="area",
            rows=10,
            is_needed=False,
            help=f"The first line names the columns: {', '.join(prices.COLUMNS)}. The last two may "
            "be left out.",
        ),
    )
