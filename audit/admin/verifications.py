"""The pages of verification runs: the list, and one run while it goes on and after.

A run's row is its truth: the page shows it, a small script asks for it each second, and cancel and
resume change its state alone. Runs: audit.runs. What a run checks: audit.verify.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from audit import run_queue
from audit.admin.acts import act, number, read_look, say
from audit.models import Verification
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.state import ledger_state

SHOWS = {"asked": "By hand and by night", "findings": "Findings", "all": "Every run"}
_FILTERS: dict[str, dict[str, Any]] = {
    "asked": {"kind__in": ("manual", "nightly")},
    "findings": {"result": "tampered"},
    "all": {},
}
KINDS = {
    "manual": "by hand",
    "nightly": "by night",
    "new": "what is new",
    "sample": "random sample",
}


@admin.register(Verification)
class VerificationAdmin(ReadOnlyModelAdmin):
    """The list of runs and the page of one."""

    def get_urls(self) -> list[URLPattern]:
        """Add progress, cancel and resume."""
        may = "audit.change_verification"
        return [
            path(
                "<str:object_id>/progress/",
                self.page(self.progress),
                name="audit_verification_progress",
            ),
            path(
                "<str:object_id>/cancel/",
                act(self, self.cancel, permission=may),
                name="audit_verification_cancel",
            ),
            path(
                "<str:object_id>/resume/",
                act(self, self.resume, permission=may),
                name="audit_verification_resume",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 runs of one ledger, newest first."""
        now = timezone.now()
        look = read_look(request, shows=SHOWS)
        context = self.frame(request, title="Verifications", look=look, strip=look.ledger)
        if look.ledger is not None and not look.errors:
            rows = Verification.objects.filter(ledger_id=look.ledger.id, **_FILTERS[look.show])
            page = keyset_page(rows.annotate(seq=F("id")), **look.places)
            context |= {
                "lines": [(run, run.word(now), KINDS[run.kind]) for run in page.rows],
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
            }
        return TemplateResponse(request, "audit/verifications.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one run: how far it is, or what it found."""
        now = timezone.now()
        run = _run(object_id)
        may_change = request.user.has_perm("audit.change_verification")
        shown = ledger_state(ledger_id=run.ledger_id)
        context = self.frame(
            request,
            title=f"Verification {run.id:,}",
            object=run,
            strip=shown,
            run=run,
            kind=KINDS[run.kind],
            word=run.word(now),
            is_going=_is_going(run),
            is_stalled=run.is_stalled(now),
            reach=_reach(run),
            last_seq=run.to_seq - 1,
            may_cancel=may_change and _is_going(run),
            may_resume=may_change and _may_resume(run),
            stopped_early=_may_resume(run),
            reload_each=5 if _is_going(run) else 0,
        )
        return TemplateResponse(request, "audit/verification.html", context)

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer how far a run is, for the script on its page."""
        run = _run(object_id)
        answer = JsonResponse({"word": run.word(timezone.now()), **_reach(run)})
        answer["Cache-Control"] = "no-store"
        return answer

    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop a run."""
        run = _run(object_id)
        done = run_queue.cancel_run(run.ledger, run.id, by=request.user.get_username())
        said = (
            "The run is cancelled; this is an entry in the ledger. It can be resumed."
            if done
            else "The run had ended before it could be cancelled."
        )
        say(request, said, is_good=done)
        return HttpResponseRedirect(reverse("admin:audit_verification_change", args=[run.id]))

    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put a run that stopped early back into the queue."""
        run = _run(object_id)
        if not run_queue.resume_run(run.ledger, run.id):
            say(request, "There is nothing to resume: the run goes on or has ended.", is_good=False)
        return HttpResponseRedirect(reverse("admin:audit_verification_change", args=[run.id]))


def _run(object_id: str) -> Verification:
    run = Verification.objects.select_related("ledger").filter(id=number(object_id)).first()
    if run is None:
        raise Http404("no run has this number")
    return run


def _is_going(run: Verification) -> bool:
    return run.result is None and run.state in {"queued", "running"}


def _may_resume(run: Verification) -> bool:
    return run.kind in {"manual", "nightly"} and run.may_resume(timezone.now())


def _reach(run: Verification) -> dict[str, Any]:
    """Return how far the run is, in numbers; None for what cannot be said yet."""
    total = run.total()
    rate = round(run.rate())
    left = None
    if run.state == "running" and total is not None and rate > 0:
        left = round(max(total - run.checked, 0) / rate, 1)
    return {
        "checked": run.checked,
        "total": total,
        "percent": None if not total else min(100 * run.checked // total, 100),
        "rate": rate,
        "left": left,
        "broken": run.broken,
    }
