"""The pages of anomalies: what is not as usual, one with its evidence, judging it, its remedies.

Verbs: metrics.anomalies.judging and metrics.remedies.deciding; each act leaves an entry. A page
shows the evidence that was kept when it was found. Chart: metrics.admin.anomaly_chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from audit.admin.acts import act, number, say
from audit.admin.entry_form import address
from audit.database import rows
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from metrics.acting import ChangeRefused
from metrics.admin.anomaly_chart import Drawing, drawn
from metrics.admin.forms import read_tab, url_of
from metrics.anomalies import multivariate
from metrics.anomalies.found import DETECTORS
from metrics.anomalies.judging import judge, judged
from metrics.anomalies.seasonal import LEAST_DAYS, QUARTER
from metrics.anomalies.telling import fingerprint
from metrics.anomalies.watched import BY_MEASURE
from metrics.models import Anomaly, Incident, Remedy
from metrics.remedies import deciding

MAY_JUDGE, MAY_DECIDE = "metrics.change_anomaly", "metrics.change_remedy"
_SHOWS: Final = {"open": "Going on", "ended": "Ended", "judged": "Judged"}
_LIST, _ROW = "metrics_anomaly_changelist", "metrics_anomaly_change"
_MOST_LEDGERS: Final = 5

# Of partitions only the oldest that holds rows is read.
_OLDEST = "SELECT min(minute) FROM metrics_minute"
_AGENTS = """
SELECT l.name, label.key
FROM metrics_state AS s
JOIN audit_ledger AS l ON l.id = s.ledger_id,
    jsonb_each_text(s.state -> 'agents') AS label
WHERE label.value = %s
ORDER BY l.id, label.key
LIMIT %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A finding as pages say it."""

    row: Anomaly
    word: str
    severity: str
    detector: str
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposed:
    """A remedy as the page says it."""

    row: Remedy
    act: str
    word: str
    key_url: str


@admin.register(Anomaly)
class AnomalyAdmin(ReadOnlyModelAdmin):
    """What is not as usual."""

    def get_urls(self) -> list[URLPattern]:
        """Add judging, and deciding over a remedy."""
        return [
            path(
                "<str:object_id>/judge/",
                act(self, self.judge, permission=MAY_JUDGE),
                name="metrics_anomaly_judge",
            ),
            path(
                "<str:object_id>/remedies/<str:remedy_id>/decide/",
                act(self, self.decide, permission=MAY_DECIDE),
                name="metrics_remedy_decide",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 findings, the newest first."""
        look = read_tab(request, _SHOWS)
        context = self.frame(
            request,
            title="Anomalies",
            opts=None,
            look=look,
            judged=judged(),
            is_together=multivariate.is_installed(),
        )
        if not look.errors:
            page = keyset_page(_shown(look.show).annotate(seq=F("id")), **look.places)
            context |= {
                "lines": [_line(row) for row in page.rows],
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
                **_history(timezone.now()),
            }
        return TemplateResponse(request, "metrics/anomalies.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show a finding with its evidence, what people said, and what may be done."""
        row = _anomaly(object_id)
        line = _line(row)
        context = self.frame(
            request,
            title=str(row.evidence["title"]),
            object=row,
            row=row,
            line=line,
            facts=row.evidence["facts"],
            drawing=_drawing(row),
            entries=entries_behind(row),
            incident=_incident(row),
            remedies=_proposed(row),
            may_judge=request.user.has_perm(MAY_JUDGE),
            may_decide=request.user.has_perm(MAY_DECIDE),
            judged_url=_decided_url("audit.anomaly_judged"),
            decided_url=_decided_url("audit.remedy_decided"),
        )
        return TemplateResponse(request, "metrics/anomaly.html", context)

    def judge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take what a person says of it."""
        row = _anomaly(object_id)
        said = request.POST.get("is_real", "")
        try:
            if said not in {"yes", "no"}:
                raise ChangeRefused({"real or not": "is to be chosen"})
            judge(
                row,
                is_real=said == "yes",
                by=request.user.get_username(),
                reason=request.POST.get("reason", ""),
            )
        except ChangeRefused as refused:
            say(request, f"Nothing was changed: {refused}.", is_good=False)
        else:
            say(request, "Your judgement is kept; this is an entry.", is_good=True)
        return HttpResponseRedirect(url_of(_ROW, row.id))

    def decide(self, request: HttpRequest, object_id: str, remedy_id: str) -> HttpResponse:
        """Approve or refuse a remedy; what is approved is done at once."""
        row = _anomaly(object_id)
        remedy = Remedy.objects.filter(id=number(remedy_id), anomaly_id=row.id).first()
        if remedy is None:
            raise Http404("this finding has no such remedy")
        said = request.POST.get("decision", "")
        try:
            if said not in {"approve", "refuse"}:
                raise ChangeRefused({"decision": "is to approve or to refuse"})
            done = deciding.decide(
                remedy,
                is_approved=said == "approve",
                by=request.user.get_username(),
                reason=request.POST.get("reason", ""),
            )
        except ChangeRefused as refused:
            say(request, f"Nothing was done: {refused}.", is_good=False)
        else:
            outcome = done.outcome or "It was refused, and nothing was done."
            say(request, f"{outcome} Your decision is an entry.", is_good=True)
        return HttpResponseRedirect(url_of(_ROW, row.id))


def _shown(show: str) -> QuerySet[Anomaly]:
    found = Anomaly.objects.all()
    if show == "judged":
        return found.filter(judged_at__isnull=False)
    return found.filter(ended_at__isnull=show == "open")


def _anomaly(object_id: str) -> Anomaly:
    found = Anomaly.objects.filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no finding has this number")
    return found


def _line(row: Anomaly) -> Line:
    word = "going_on" if row.ended_at is None else "ended"
    if row.is_real is not None:
        word = "real" if row.is_real else "not_real"
    return Line(
        row=row,
        word=word,
        severity=row.severity,
        detector=DETECTORS[row.detector],  # type: ignore[index]  # the table allows no other
        sentence=str(row.evidence["sentence"]),
    )


def _history(now: datetime) -> dict[str, Any]:
    """Return how much history there is, and how much is needed."""
    ((oldest,),) = rows(_OLDEST)
    days = (now - oldest) / timedelta(days=1) if oldest else 0.0
    return {
        "days": f"{days:.1f}",
        "has_enough": days >= LEAST_DAYS,
        "least_days": f"{LEAST_DAYS:g}",
        "least_quarters": multivariate.LEAST_QUARTERS,
    }


def _drawing(row: Anomaly) -> Drawing | None:
    chart = row.evidence.get("chart")
    return drawn(chart, row.evidence["began"], unit=row.evidence["unit"]) if chart else None


def _incident(row: Anomaly) -> Incident | None:
    found = Incident.objects.filter(fingerprint=fingerprint(row), started_at=row.started_at)
    return found.first()


def _proposed(row: Anomaly) -> list[Proposed]:
    found = []
    for remedy in Remedy.objects.filter(anomaly_id=row.id).order_by("id"):
        word = "waiting"
        if remedy.is_approved is not None:
            word = "done" if remedy.is_approved else "refused"
        key = url_of("audit_agentkey_change", remedy.target)
        found.append(
            Proposed(
                row=remedy,
                act=deciding.ACTS[remedy.act],
                word=word,
                key_url=key if remedy.act == "pause_key" else "",
            )
        )
    return found


def entries_behind(row: Anomaly) -> list[tuple[str, str]]:
    """Return words and addresses of the entries behind a finding, by ledger; [] where none are."""
    at = row.evidence.get("worst_at")
    if at is None:
        return []
    start = datetime.fromisoformat(at)
    end = start + row.evidence.get("quarters", 1) * QUARTER
    span = {"from": start.isoformat(), "to": end.isoformat()}
    if row.detector == "together":
        ledger, _, agent = row.labels.partition(" ")
        return [
            (f"of {id_} in {name}", _address(span, ledger=name, agent=id_))
            for name, id_ in _agents(agent)
            if name == ledger
        ]
    measure = BY_MEASURE[row.measure]
    if not measure.entries:
        return []
    filters = {**span, **measure.entries}
    if measure.by == ("agent",):
        return [
            (f"of {id_} in {name}", _address(filters, ledger=name, agent=id_))
            for name, id_ in _agents(row.labels)
        ]
    ledger = row.labels if measure.by == ("ledger",) else settings.LEDGER
    return [(f"in {ledger}", _address(filters, ledger=ledger))]


def _address(filters: dict[str, str], **more: str) -> str:
    return address(QueryDict(), **{**filters, **more})


def _agents(label: str) -> Sequence[tuple[str, str]]:
    return [(name, id_) for name, id_ in rows(_AGENTS, (label, _MOST_LEDGERS))]


def _decided_url(action: str) -> str:
    return address(QueryDict(), ledger=settings.LEDGER, action=action)
