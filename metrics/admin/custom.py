"""The pages of custom metrics: what is allowed, what was refused lately, allowing and ending one.

A measure that agents send and nobody allowed is one click away from being allowed: the form opens
filled in from its newest entry. Verbs: metrics.custom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from audit.admin.acts import act, number, say
from audit.admin.curl import curl_line
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from metrics import custom
from metrics.acting import ChangeRefused
from metrics.admin.forms import Box, entries_url, filled, other_errors, read_tab, url_of
from metrics.labels import OTHER
from metrics.models import CustomMetric

MAY_ALLOW: Final = "metrics.add_custommetric"
MAY_END: Final = "metrics.change_custommetric"
_NEW, _ROW = "metrics_custommetric_new", "metrics_custommetric_change"
_SHOWS: Final = {"allowed": "Allowed", "ended": "Ended"}
_KINDS: Final = (
    ("counter", "counter: what each event adds"),
    ("gauge", "gauge: how it stands now"),
    ("histogram", "histogram: a duration in seconds"),
)


@admin.register(CustomMetric)
class CustomMetricAdmin(ReadOnlyModelAdmin):
    """What agents may count besides what the platform knows."""

    def get_urls(self) -> list[URLPattern]:
        """Add allowing and ending."""
        return [
            path("new/", self.admin_site.admin_view(self.new_page), name=_NEW),
            path(
                "<str:object_id>/end/",
                act(self, self.end, permission=MAY_END),
                name="metrics_custommetric_end",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 measures, the newest first, and what was refused lately."""
        look = read_tab(request, _SHOWS)
        context = self.frame(
            request,
            title="Custom metrics",
            opts=None,
            look=look,
            may_allow=request.user.has_perm(MAY_ALLOW),
            entries_url=entries_url(),
        )
        if not look.errors:
            rows = CustomMetric.objects.filter(ended_at__isnull=look.show == "allowed")
            page = keyset_page(rows.annotate(seq=F("id")), **look.places)
            series = custom.series()
            context |= {
                "lines": [(row, series.get((row.kind, row.name))) for row in page.rows],
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
                "rooms": [(kind, custom.room(kind)) for kind in custom.KINDS],
                "refused": [
                    (one, "" if one.name == OTHER else url_of(_NEW, name=one.name))
                    for one in custom.refused(timezone.now())
                ],
                "example": _example(request),
            }
        return TemplateResponse(request, "metrics/custom_metrics.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one measure, how much of its room it takes, and ending it."""
        row = _metric(object_id)
        context = self.frame(
            request,
            title=f"Custom metric {row.name}",
            object=row,
            row=row,
            state="allowed" if row.ended_at is None else "ended",
            family=custom.KINDS[row.kind].name,
            series=custom.series().get((row.kind, row.name)),
            room=custom.room(row.kind),
            labels=[(label, custom.most_values(label)) for label in row.labels],
            example=_example(request, row),
            may_end=row.ended_at is None and request.user.has_perm(MAY_END),
            entries_url=entries_url(),
        )
        return TemplateResponse(request, "metrics/custom_metric.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a measure, filled in when a refused one is named, and allow it."""
        if not request.user.has_perm(MAY_ALLOW):
            raise PermissionDenied
        errors: dict[str, str] = {}
        if request.method == "POST":
            said = request.POST
            draft = custom.Draft(
                name=said.get("name", ""),
                kind=said.get("kind", ""),
                labels=said.get("labels", ""),
                help=said.get("help", ""),
            )
            try:
                made = custom.allow(draft, by=request.user.get_username())
            except ChangeRefused as refused:
                errors = refused.errors
            else:
                say(request, f"{made.name} counts from now on; this is an entry.", is_good=True)
                return HttpResponseRedirect(url_of(_ROW, made.id))
        else:
            asked = request.GET.get("name", "")
            draft = custom.draft_of(asked) if asked else custom.Draft(name="", kind="")
        values = {"name": draft.name, "kind": draft.kind, "labels": draft.labels}
        boxes = filled(_boxes(), values | {"help": draft.help}, errors)
        context = self.frame(
            request,
            title="Allow a custom metric",
            opts=None,
            lead="Agents send measures of their own as metric.recorded. What is allowed here is "
            "counted from now on; what came before stays refused.",
            boxes=boxes,
            errors=errors,
            other_errors=other_errors(boxes, errors),
            button="Allow it",
            back=url_of("metrics_custommetric_changelist"),
        )
        status = 400 if errors else 200
        return TemplateResponse(request, "metrics/form.html", context, status=status)

    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse a measure from now on."""
        row = _metric(object_id)
        try:
            custom.end(row, by=request.user.get_username())
        except ChangeRefused as refused:
            say(request, f"Nothing was changed: {refused}.", is_good=False)
        else:
            said = (
                f"{row.name} is refused from now on, and what was counted stays; this is an entry."
            )
            say(request, said, is_good=True)
        return HttpResponseRedirect(url_of(_ROW, row.id))


def _metric(object_id: str) -> CustomMetric:
    found = CustomMetric.objects.filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no custom metric has this number")
    return found


def _boxes() -> Sequence[Box]:
    return (
        Box(
            name="name",
            word="Name",
            help="As events say it in measure.name, to the letter: small letters, digits and "
            "_ . : / -, at most 64.",
        ),
        Box(
            name="kind",
            word="Type",
            kind="choice",
            choices=_KINDS,
            help="An event of another type is refused.",
        ),
        Box(
            name="labels",
            word="Labels",
            is_needed=False,
            help="Up to five names with commas between, such as topic, model. An event may say "
            "fewer and none besides; whose values multiply, such as a user or a run, is no label.",
        ),
        Box(name="help", word="What it says", help="For whoever reads the figure, in a sentence."),
    )


def _example(request: HttpRequest, row: CustomMetric | None = None) -> str:
    """Return a command that sends a measure, of this one or of any."""
    kind = row.kind if row else "counter"
    labels = dict.fromkeys(row.labels, "value") if row else {"topic": "billing"}
    measure: dict[str, object] = {
        "name": row.name if row else "questions_answered",
        "type": kind,
        "value": 1 if kind == "counter" else 0.5,
    }
    if labels:
        measure["labels"] = labels
    return curl_line(request, "$OBS_KEY", "metric.recorded", measure=measure)
