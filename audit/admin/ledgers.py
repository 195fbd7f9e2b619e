"""The pages of ledgers: the list, and one ledger with what waits, its months and its runs.

A ledger is made by audit.ledgers. The acts here: to ask for a verification (audit.runs), and to
open or close the public log (audit.publish).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from audit import facts, run_queue
from audit.admin.acts import act, say
from audit.admin.curl import curl_line
from audit.kept import pruned_entry
from audit.models import Ledger, Verification
from audit.publish import set_public
from audit.published import published_of
from audit.readonly import ReadOnlyModelAdmin
from audit.state import LedgerState, ledger_state, ledger_states

HISTORY = 10
"""Runs shown on a ledger's page."""
MAY_PUBLISH = "audit.change_ledger"
MOST_REASON = 500
"""Characters of the reason for an act."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerLine:
    """One row of the list."""

    state: LedgerState
    facts: facts.LedgerFacts
    lag_seconds: float


@admin.register(Ledger)
class LedgerAdmin(ReadOnlyModelAdmin):
    """The list of ledgers and the page of one."""

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of the acts."""
        public = act(self, self.public, permission=MAY_PUBLISH)
        verify = act(self, self.verify, permission="audit.add_verification")
        return [
            path("<str:ledger>/verify/", verify, name="audit_ledger_verify"),
            path("<str:ledger>/public/", public, name="audit_ledger_public"),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show every ledger with its state."""
        now = timezone.now()
        # Beyond the most that a list shows, the one that the address names is there all the same.
        states = ledger_states(also=request.GET.get("ledger", ""))
        known = facts.ledger_facts([one.id for one in states])
        lines = [
            LedgerLine(state=one, facts=known[one.id], lag_seconds=known[one.id].lag_seconds(now))
            for one in states
            if one.id in known
        ]
        context = self.frame(
            request, title="Ledgers", lines=lines, strip=states[0] if states else None
        )
        return TemplateResponse(request, "audit/ledgers.html", context)

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one ledger by its name."""
        now = timezone.now()
        shown = ledger_state(name=object_id)
        if shown is None:
            raise Http404("no ledger has this name")
        known = facts.ledger_facts([shown.id])[shown.id]
        asked = Verification.objects.filter(
            ledger_id=shown.id, kind__in=("manual", "nightly")
        ).order_by("-id")[:HISTORY]
        context = self.frame(
            request,
            title=f"Ledger {shown.name}",
            object=Ledger(id=shown.id, name=shown.name),
            strip=shown,
            shown=shown,
            facts=known,
            gone=pruned_entry(shown.id, shown.minimum - 1) if shown.minimum else None,
            lag_seconds=known.lag_seconds(now),
            projections=facts.projection_lags(shown.id),
            months=facts.months(shown.id),
            published=published_of(shown.id, now=now),
            runs=[(run, run.word(now)) for run in asked],
            may_verify=request.user.has_perm("audit.add_verification"),
            may_publish=request.user.has_perm(MAY_PUBLISH),
            checkpoint_address=request.build_absolute_uri(
                reverse("tlog-checkpoint", args=[shown.name])
            ),
            curl=curl_line(request, "$OBS_KEY"),
        )
        return TemplateResponse(request, "audit/ledger.html", context)

    def verify(self, request: HttpRequest, ledger: str) -> HttpResponse:
        """Ask for a run over the whole ledger, or over the range that was typed."""
        named = Ledger.objects.filter(name=ledger).first()
        if named is None:
            raise Http404("no ledger has this name")
        here = reverse("admin:audit_ledger_change", args=[ledger])
        start, end, wrong = _read_range(
            request.POST.get("from_seq", ""), request.POST.get("to_seq", "")
        )
        if wrong:
            say(request, f"No verification was started: {wrong}", is_good=False)
            return HttpResponseRedirect(f"{here}#verify")
        going = run_queue.unfinished_run(named, kind="manual")
        if going is not None and not going.is_stalled(timezone.now()):
            say(
                request,
                "A run by hand is not finished yet; this is it. Cancel it to start another.",
                is_good=False,
            )
            return HttpResponseRedirect(_run_address(going.id))
        run_id = run_queue.ask_for_run(
            named, requested_by=request.user.get_username(), from_seq=start, to_seq=end
        )
        return HttpResponseRedirect(_run_address(run_id))

    def public(self, request: HttpRequest, ledger: str) -> HttpResponse:
        """Open the public log or close it, once the name was typed and a reason given."""
        named = Ledger.objects.filter(name=ledger).first()
        if named is None:
            raise Http404("no ledger has this name")
        here = HttpResponseRedirect(f"{reverse('admin:audit_ledger_change', args=[ledger])}#public")
        wanted, reason = request.POST.get("is_public"), request.POST.get("reason", "").strip()
        if wanted not in {"yes", "no"} or request.POST.get("confirm", "").strip() != named.name:
            say(request, f"Nothing was changed: type {named.name} to confirm.", is_good=False)
        elif not 0 < len(reason) <= MOST_REASON:
            said = f"Nothing was changed: say why, in at most {MOST_REASON} characters."
            say(request, said, is_good=False)
        elif set_public(
            named, is_public=wanted == "yes", reason=reason, by=request.user.get_username()
        ):
            word = "public" if wanted == "yes" else "private"
            say(request, f"It is {word} now; this is an entry in the ledger.", is_good=True)
        else:
            say(request, "It was so already; nothing was changed.", is_good=False)
        return here


def _run_address(run_id: int) -> str:
    return reverse("admin:audit_verification_change", args=[run_id])


def _read_range(first: str, last: str) -> tuple[int | None, int | None, str]:
    """Return the range as `[from, to)`, and what is wrong with it; blanks mean the whole ledger."""
    start, end = _seq(first), _seq(last)
    if start == -1 or end == -1:
        return None, None, "a seq is a whole number such as 41, or nothing."
    if start is not None and end is not None and end < start:
        return None, None, f"the last seq {end:,} comes before the first, {start:,}."
    return start, None if end is None else end + 1, ""


def _seq(typed: str) -> int | None:
    """Return the number that was typed, None for nothing, -1 for what is no number."""
    digits = typed.strip().removeprefix("#").replace(",", "")
    if not digits:
        return None
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 18 else -1
