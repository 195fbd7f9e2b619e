"""The pages of reports: the archive, asking for one, one while it is made and after, and comparing.

A report's row is its truth: the page shows it, a small script asks for it each second, and cancel
and try again change its state alone. Auditors may ask for reports too; whoever asked for one may
stop it, and a compliance officer any. Verbs: report.py, deliver_report.py. Files: download.py. What
a form may ask for: report_form.py.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.request import QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from audit.admin.acts import act, number, read_look, say
from audit.admin.entry_form import address
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.state import ledger_state
from compliance import report as reports
from compliance.acting import ActRefused
from compliance.admin.cards import cap_lines
from compliance.admin.compared import compare
from compliance.admin.people_form import person_of
from compliance.admin.report_form import AskForm, read_form, sent
from compliance.admin.report_lines import (
    again_url,
    archive_lines,
    command_of,
    entry_of,
    file_lines,
    framework_choices,
    name_of,
    narrowed,
    new_url,
    newest_key,
    others_of,
    period_notes,
    restated_by,
    verifying,
    why_not_comparable,
)
from compliance.admin.words import band_badge
from compliance.deliver_report import send_again
from compliance.models import Delivery, Report, Sample
from compliance.renderers import FORMATS

SHOWS: Final = {
    "all": "All",
    "going": "Unfinished",
    "done": "Done",
    "ended": "Failed or cancelled",
}
_FILTERS: Final[dict[str, dict[str, Any]]] = {
    "all": {},
    "going": {"state__in": Report.GOING},
    "done": {"state": "done"},
    "ended": {"state__in": ("failed", "cancelled")},
}
MOST_SAMPLES: Final = 20
"""Work papers that a page lists; the rest are counted by their own list."""


@admin.register(Report)
class ReportAdmin(ReadOnlyModelAdmin):
    """The archive of reports, asking for one, the page of one, and two side by side."""

    def get_urls(self) -> list[URLPattern]:
        """Add asking, comparing, progress, cancel, trying and sending again."""
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_page), name="compliance_report_new"),
            path("compare/", self.page(self.compare_page), name="compliance_report_compare"),
            path(
                "<str:object_id>/progress/",
                self.page(self.progress),
                name="compliance_report_progress",
            ),
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, does, permission="compliance.add_report"),
                    name=f"compliance_report_{name}",
                )
                for name, does in (("cancel", self.cancel), ("retry", self.retry))
            ),
            path(
                "<str:object_id>/send/<str:delivery_id>/",
                act(self, self.send, permission="compliance.change_report"),
                name="compliance_report_send",
            ),
            *super().get_urls(),
        ]

    # --- The archive ------------------------------------------------------------------------

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 reports of one ledger, the newest first."""
        look = read_look(request, shows=SHOWS, beside=("framework",))
        framework = request.GET.get("framework", "").replace("\0", "?")
        context = self.frame(request, title="Reports", opts=None, look=look, strip=look.ledger)
        if look.ledger is not None and not look.errors:
            found = Report.objects.filter(ledger_id=look.ledger.id, **_FILTERS[look.show])
            if framework:
                found = found.filter(framework=framework)
            page = keyset_page(found.annotate(seq=F("id")), **look.places)
            context |= {
                "lines": archive_lines(page.rows),
                "newer_url": narrowed(look.url(before=page.newer), framework),
                "older_url": narrowed(look.url(after=page.older), framework),
                "frameworks": framework_choices(look, framework),
                "framework": framework,
                "new_url": new_url(ledger=look.ledger.name, framework=framework),
                "may_ask": request.user.has_perm("compliance.add_report"),
            }
        return TemplateResponse(request, "compliance/reports.html", context)

    # --- Asking -----------------------------------------------------------------------------

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask of what and in which forms, then put the report into the queue."""
        if not request.user.has_perms(("compliance.view_report", "compliance.add_report")):
            raise PermissionDenied
        form = read_form(request)
        refused: ActRefused | None = None
        if request.method == "POST":
            try:
                wanted = sent(form, request.POST)
                report = reports.ask_for_report(wanted, via="admin", by=request.user.get_username())
                return HttpResponseRedirect(_page_of(report))
            except ActRefused as error:
                refused = error
            except reports.TooManyReports as full:
                refused = ActRefused(field="ledger", message=str(full))
        return self._show_form(request, form, refused)

    def _show_form(
        self, request: HttpRequest, form: AskForm, refused: ActRefused | None
    ) -> HttpResponse:
        context = self.frame(
            request,
            title="Make a report",
            opts=None,
            strip=ledger_state(ledger_id=form.ledger.id),
            form=form,
            formats=list(FORMATS.values()),
            refused=refused,
            back=f"{reverse('admin:compliance_report_changelist')}?ledger={form.ledger.name}",
        )
        status = 400 if refused else 200
        return TemplateResponse(request, "compliance/report_new.html", context, status=status)

    # --- One report -------------------------------------------------------------------------

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one report: how far it is, or its numbers, files and where they went."""
        report = _report(object_id)
        may_act = _may_act(request, report)
        context = self.frame(
            request,
            title=f"Report {report.id:,}",
            object=report,
            strip=ledger_state(ledger_id=report.ledger_id),
            report=report,
            name=name_of(report.framework),
            formats=[FORMATS[each].word for each in report.formats],
            is_going=report.is_going(),
            reload_each=5 if report.is_going() else 0,
            reach=_reach(report),
            notes=period_notes(report),
            may_cancel=may_act and report.is_going(),
            may_retry=may_act and report.may_retry(),
            command=command_of(report),
            again_url=again_url(report),
            entries_url=address(
                QueryDict(), ledger=report.ledger.name, action="audit.report_generated"
            ),
            entry=entry_of(report),
        )
        if report.state == "done":
            context |= self._done(request, report)
        return TemplateResponse(request, "compliance/report.html", context)

    def _done(self, request: HttpRequest, report: Report) -> dict[str, Any]:
        """Return what only a report that is done has."""
        assert report.snapshot is not None, "a report that is done has its snapshot"
        result = report.snapshot.as_json()
        query = urlencode({"ledger": report.ledger.name, "snapshot": str(report.snapshot_id)})
        samples = Sample.objects.filter(
            ledger_id=report.ledger_id, snapshot=report.snapshot
        ).order_by("id")
        return {
            "result": result,
            "badge": band_badge(result),
            "caps": cap_lines(result, query),
            "score_url": f"{reverse('admin:compliance_score_framework', args=[report.framework])}"
            f"?{query}",
            "files": file_lines(request, report),
            "restated_by": restated_by(report),
            "deliveries": list(
                Delivery.objects.filter(ledger_id=report.ledger_id, report_id=report.id).order_by(
                    "id"
                )
            ),
            "may_send": request.user.has_perm("compliance.change_report"),
            "samples": list(samples[:MOST_SAMPLES]),
            "others": others_of(report),
            "verifying": verifying(report),
            "bundled": f"{command_of(report)} --bundle FILE --key {newest_key(report)}",
        }

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer how far a report is, for the script on its page."""
        report = _report(object_id)
        answer = JsonResponse({"word": report.state, **_reach(report)})
        answer["Cache-Control"] = "no-store"
        return answer

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop a report."""
        report = _report(object_id)
        if not _may_act(request, report):
            raise PermissionDenied
        done = reports.cancel_report(report, by=request.user.get_username())
        said = (
            "The report is cancelled; nothing of it is kept. It can be made after all."
            if done
            else "The report had ended before it could be cancelled."
        )
        say(request, said, is_good=done)
        return HttpResponseRedirect(_page_of(report))

    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put a report that stopped early back into the queue."""
        report = _report(object_id)
        if not _may_act(request, report):
            raise PermissionDenied
        if not reports.retry_report(report):
            say(request, "There is nothing to try again: it goes on or is done.", is_good=False)
        return HttpResponseRedirect(_page_of(report))

    def send(self, request: HttpRequest, object_id: str, delivery_id: str) -> HttpResponse:
        """Send a report to one of its recipients again."""
        report = _report(object_id)
        delivery = Delivery.objects.filter(
            ledger_id=report.ledger_id, report_id=report.id, id=number(delivery_id)
        ).first()
        if delivery is None:
            raise Http404("this report has no such delivery")
        try:
            send_again(delivery, person_of(request))
        except ActRefused as refused:
            say(request, f"Nothing was sent: {refused.message}.", is_good=False)
        else:
            say(request, f"It is on its way to {delivery.address} again.", is_good=True)
        return HttpResponseRedirect(f"{_page_of(report)}#deliveries")

    # --- Two reports ------------------------------------------------------------------------

    def compare_page(self, request: HttpRequest) -> HttpResponse:
        """Show what is different between two reports of a framework, the earlier one first."""
        pair = [_report(request.GET.get(name, "")) for name in ("a", "b")]
        before, after = sorted(pair, key=lambda each: (each.end_day, each.id))
        problem = why_not_comparable(before, after)
        context = self.frame(
            request,
            title="Compare two reports",
            opts=None,
            strip=ledger_state(ledger_id=after.ledger_id),
            before=before,
            after=after,
            name=name_of(after.framework),
            problem=problem,
        )
        if not problem:
            assert before.snapshot is not None, "both are done"
            assert after.snapshot is not None, "both are done"
            context["found"] = compare(before.snapshot.as_json(), after.snapshot.as_json())
        status = 400 if problem else 200
        return TemplateResponse(request, "compliance/report_compare.html", context, status=status)


def _report(object_id: str) -> Report:
    found = Report.objects.select_related("ledger", "snapshot").filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no report has this number")
    return found


def _page_of(report: Report) -> str:
    return reverse("admin:compliance_report_change", args=[report.id])


def _may_act(request: HttpRequest, report: Report) -> bool:
    """Tell whether this person may stop it or try it again: who asked, or an officer."""
    own = report.via == "admin" and report.asked_by == request.user.get_username()
    return request.user.has_perm("compliance.change_report") or (
        own and request.user.has_perm("compliance.add_report")
    )


def _reach(report: Report) -> dict[str, Any]:
    """Return how far the report is, for the bar and the script that moves it."""
    return {
        "stage": report.stage or report.note or "waiting",
        "checked": report.done,
        "total": report.total or None,
        "percent": report.percent() if report.state == "running" else None,
        "rate": 0,
        "left": None,
    }
