"""The pages of incidents: the list, one with its timeline and who was told, and what people do.

Verbs: metrics.incidents.acts. The list's address: incident_look.py. Who is told: receivers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from audit.admin.acts import act, number, say
from audit.admin.entry_form import address
from audit.models import Ledger
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from metrics.acting import MOST_REASON, ChangeRefused
from metrics.admin.forms import Box, filled, other_errors, url_of
from metrics.admin.incident_look import read_look
from metrics.incidents import acts, entries, runbook
from metrics.incidents.timeline import Act, Step, timeline
from metrics.models import Incident
from metrics.notifying.receivers import messages_about

MAY_OPEN, MAY_ACT = "metrics.add_incident", "metrics.change_incident"
_LIST, _ROW = "metrics_incident_changelist", "metrics_incident_change"
_FIELDS: Final = ("title", "severity", "ledger", "summary")
_STEPS: Final[dict[Step, tuple[str, str]]] = {
    "opened": ("flag", "opened it:"),
    "ended": ("timer_off", "noted that what raised it holds no more"),
    "acknowledged": ("pan_tool", "acknowledged it"),
    "resolved": ("task_alt", "resolved it; the cause:"),
    "reopened": ("undo", "took it up again:"),
    "reviewed": ("school", "reviewed it:"),
    "noted": ("edit_note", "noted:"),
    "linked": ("link", "linked"),
    "told": ("mark_email_read", "told"),
    "not_told": ("unsubscribe", "gave up telling"),
    "remedy_proposed": ("healing", "proposed a remedy:"),
    "remedy_decided": ("how_to_vote", "decided over a remedy:"),
    "remedy_done": ("done_all", "did a remedy:"),
}
SOURCES: Final = {
    "alertmanager": "an alert of Alertmanager",
    "evaluator": "an alert rule of this installation",
    "anomaly": "something unusual that was found",
    "person": "a person",
}


@admin.register(Incident)
class IncidentAdmin(ReadOnlyModelAdmin):
    """What somebody must look at."""

    def get_urls(self) -> list[URLPattern]:
        """Add opening one by hand, and what people do with one."""
        done: tuple[tuple[str, Callable[..., HttpResponse]], ...] = (
            ("acknowledge", self.acknowledge),
            ("resolve", self.resolve),
            ("reopen", self.reopen),
            ("review", self.review),
            ("note", self.note),
            ("link", self.link),
        )
        return [
            path("new/", self.admin_site.admin_view(self.new_page), name="metrics_incident_new"),
            *(
                path(
                    f"<str:object_id>/{word}/",
                    act(self, view, permission=MAY_ACT),
                    name=f"metrics_incident_{word}",
                )
                for word, view in done
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 incidents of one state, the newest first."""
        look = read_look(request)
        context = self.frame(
            request,
            title="Incidents",
            opts=None,
            look=look,
            may_open=request.user.has_perm(MAY_OPEN),
            severities=acts.SEVERITIES,
        )
        if not look.errors:
            unresolved = Incident.objects.filter(resolved_at=None)
            page = keyset_page(
                look.rows().select_related("ledger").annotate(seq=F("id")), **look.places
            )
            context |= {
                "counts": unresolved.aggregate(
                    open=Count("id", filter=Q(acknowledged_at=None)),
                    critical=Count("id", filter=Q(acknowledged_at=None, severity="critical")),
                    acknowledged=Count("id", filter=~Q(acknowledged_at=None)),
                ),
                "lines": page.rows,
                "chips": look.chips,
                "clear_url": look.clear_url,
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
            }
        return TemplateResponse(request, "metrics/incidents.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what happened, what became of it, who was told, and what may be done."""
        row = _incident(object_id)
        ledger = entries.ledger_of(row)
        found = timeline(row.id)
        context = self.frame(
            request,
            title=f"Incident {row.id}: {row.name}",
            object=row,
            row=row,
            word=row.word(),
            source=SOURCES[row.source],
            labels=_other_labels(row),
            lines=[(each, *_STEPS[each.act]) for each in reversed(found)],
            linked=[each for each in found if each.act == "linked"],
            is_reviewed=_is_reviewed(found),
            told=messages_about(row.id),
            runbook_link=runbook.link_of(row.runbook),
            runbook_text=runbook.text_of(row.runbook),
            may_act=request.user.has_perm(MAY_ACT),
            ledgers=list(Ledger.objects.order_by("id").values_list("name", flat=True)),
            ledger=ledger.name,
            case=entries.case_id(row),
            most=MOST_REASON,
            entries_url=address(QueryDict(), ledger=ledger.name, action="incident."),
        )
        return TemplateResponse(request, "metrics/incident.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for an incident that no alert has raised, and open it."""
        if not request.user.has_perm(MAY_OPEN):
            raise PermissionDenied
        errors: dict[str, str] = {}
        typed = dict.fromkeys(_FIELDS, "") | {"severity": "warning"}
        if request.method == "POST":
            typed |= {name: request.POST.get(name, "") for name in _FIELDS}
            try:
                made = acts.open_by_person(**typed, by=request.user.get_username())
            except ChangeRefused as refused:
                errors = refused.errors
            else:
                say(request, "It is open; this is an entry, and receivers are told.", is_good=True)
                return HttpResponseRedirect(url_of(_ROW, made))
        boxes = filled(_boxes(), typed, errors)
        context = self.frame(
            request,
            title="Open an incident",
            opts=None,
            lead="For what no alert has raised. Receivers of its severity are told at once.",
            boxes=boxes,
            errors=errors,
            other_errors=other_errors(boxes, errors),
            button="Open it",
            back=url_of(_LIST),
        )
        status = 400 if errors else 200
        return TemplateResponse(request, "metrics/form.html", context, status=status)

    def acknowledge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say that whoever asks looks after it."""
        by = request.user.get_username()
        return _done(request, object_id, "It is yours", lambda one: acts.acknowledge(one, by=by))

    def resolve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say that it is over, and what caused it."""
        by, cause = request.user.get_username(), request.POST.get("cause", "")
        return _done(
            request, object_id, "It is resolved", lambda one: acts.resolve(one, cause=cause, by=by)
        )

    def reopen(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take it up again."""
        by, reason = request.user.get_username(), request.POST.get("reason", "")
        return _done(
            request,
            object_id,
            "It is taken up again",
            lambda one: acts.reopen(one, reason=reason, by=by),
        )

    def review(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what was learnt of it."""
        by, words = request.user.get_username(), request.POST.get("words", "")
        return _done(
            request, object_id, "It is reviewed", lambda one: acts.review(one, words=words, by=by)
        )

    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Write something down about it."""
        by, words = request.user.get_username(), request.POST.get("words", "")
        return _done(
            request, object_id, "It is noted", lambda one: acts.note(one, words=words, by=by)
        )

    def link(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Name an entry that has to do with it."""
        by = request.user.get_username()
        ledger, seq = request.POST.get("ledger", ""), request.POST.get("seq", "")
        return _done(
            request,
            object_id,
            "The entry is linked",
            lambda one: acts.link(one, ledger=ledger, seq=seq, by=by),
        )


def _incident(object_id: str) -> Incident:
    found = Incident.objects.select_related("ledger").filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no incident has this number")
    return found


def _done(
    request: HttpRequest, object_id: str, good: str, do: Callable[[int], None]
) -> HttpResponse:
    """Do an act, say how it went, and go back to the incident."""
    row = _incident(object_id)
    try:
        do(row.id)
    except ChangeRefused as refused:
        say(request, f"Nothing was changed: {refused}.", is_good=False)
    else:
        say(request, f"{good}; this is an entry.", is_good=True)
    return HttpResponseRedirect(url_of(_ROW, row.id))


def _other_labels(row: Incident) -> list[tuple[str, str]]:
    """Return the labels that the page does not say in other words."""
    said = {"alertname": row.name, "severity": row.severity}
    if row.ledger is not None:
        said["ledger"] = row.ledger.name
    return sorted(each for each in row.labels.items() if each not in said.items())


def _is_reviewed(found: list[Act]) -> bool:
    """Tell whether it was reviewed since it was resolved last."""
    last = [each.act for each in found if each.act in ("resolved", "reviewed")]
    return bool(last) and last[-1] == "reviewed"


def _boxes() -> tuple[Box, ...]:
    ledgers = Ledger.objects.order_by("id").values_list("name", flat=True)
    return (
        Box(
            name="title",
            word="Title",
            help=f"A few words, at most {acts.MOST_TITLE} characters; no personal data.",
        ),
        Box(
            name="severity",
            word="Severity",
            kind="choice",
            choices=tuple(acts.SEVERITIES.items()),
        ),
        Box(
            name="ledger",
            word="Ledger",
            kind="choice",
            choices=(("", "the whole installation"), *((each, each) for each in ledgers)),
            help="Where its entries stand.",
        ),
        Box(
            name="summary",
            word="What is the matter",
            kind="area",
            help="Stands in the ledger for ever; no personal data.",
        ),
    )
