"""The pages of retention: how long a ledger is kept, and its purges from the look to the end.

People set policies, ask what could go, approve and withdraw; workers look and prune. Each act of a
person leaves its entry. Policies and approvals: audit.retain. What a worker sees: audit.dryrun.
Holds: holds.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from django.contrib import admin
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.request import QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from audit import retain
from audit.admin.acts import Look, Tab, act, number, read_look, say
from audit.admin.lines import event_of
from audit.errors import NotPurged, PolicyRefused
from audit.events import Category, DataClass
from audit.models import Entry, Head, Hold, Ledger, PurgeApproval, PurgePlan, Retention
from audit.pruned import minimum_index
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.retain import APPROVALS, MOST_DAYS, Blocker, PlanReport, Policies
from audit.state import LedgerState, ledger_state

SHOWS = {"policy": "Retention", "purges": "Purges"}
MOST_HOLDS = 10
"""Standing holds that the page of a ledger names."""
_LOOKED_AT = 50  # newest entries about purges that are read to find the one of a plan
_MAY_PROPOSE = "audit.add_purgeplan"
_MAY_APPROVE = "audit.add_purgeapproval"
_MAY_WITHDRAW = "audit.change_purgeplan"
_MAY_SET = "audit.add_retention"
_MAY_CLEAR = "audit.delete_retention"


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyLine:
    """One policy of a ledger as its page lists it."""

    kind: str
    name: str
    what: str
    """What it is about, in words."""
    days: int
    own: Retention | None
    """None while it is the default that holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockerLine:
    """What ends a purge, with where to look."""

    blocker: Blocker
    seq_url: str
    """The entry; empty where there is none."""
    url: str
    word: str
    """What `url` leads to."""


@admin.register(PurgePlan)
class PurgePlanAdmin(ReadOnlyModelAdmin):
    """Retention of one ledger, its purges, and the page of one purge."""

    def get_urls(self) -> list[URLPattern]:
        """Add the acts and the progress."""

        def post(end: str, view: Callable[..., HttpResponse], permission: str) -> URLPattern:
            name = f"audit_purgeplan_{end.rpartition('/')[2].replace('-', '_')}"
            return path(f"{end}/", act(self, view, permission=permission), name=name)

        return [
            post("<str:ledger>/set-policy", self.set_policy, _MAY_SET),
            post("<str:ledger>/clear-policy", self.clear_policy, _MAY_CLEAR),
            post("<str:ledger>/propose", self.propose, _MAY_PROPOSE),
            post("<str:object_id>/approve", self.approve, _MAY_APPROVE),
            post("<str:object_id>/withdraw", self.withdraw, _MAY_WITHDRAW),
            path(
                "<str:object_id>/progress/",
                self.page(self.progress),
                name="audit_purgeplan_progress",
            ),
            *super().get_urls(),
        ]

    # --- One ledger -------------------------------------------------------------------------

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show how long a ledger is kept and what could go, or its purges, 25 a page."""
        look = read_look(request, shows=SHOWS)
        look.tabs.append(Tab(word="Holds", url=_holds_url(look), is_shown=False))
        context = self.frame(
            request, title="Retention and holds", look=look, strip=look.ledger, holds=look.tabs[-1]
        )
        if look.ledger is not None and not look.errors:
            context |= (
                _purges(look) if look.show == "purges" else self._policy(request, look.ledger)
            )
        return TemplateResponse(request, "audit/retention.html", context)

    def _policy(self, request: HttpRequest, shown: LedgerState) -> dict[str, Any]:
        ledger = Ledger.objects.get(id=shown.id)
        kept = retain.policies(ledger)
        standing = Hold.objects.filter(ledger=ledger, released_at=None).order_by("-id")
        held = list(standing[: MOST_HOLDS + 1])
        return {
            "kept": kept,
            "policies": policy_lines(ledger, kept),
            "sentence": policy_sentence(kept),
            "choices": _choices(),
            "most_days": MOST_DAYS,
            "most_reason": retain.MOST_REASON,
            "standing": held[:MOST_HOLDS],
            "more_holds": len(held) > MOST_HOLDS,
            "plan": PurgePlan.objects.filter(ledger=ledger, state__in=PurgePlan.OPEN).first(),
            "may_set": request.user.has_perm(_MAY_SET),
            "may_clear": request.user.has_perm(_MAY_CLEAR),
            "may_propose": request.user.has_perm(_MAY_PROPOSE),
            "may_hold": request.user.has_perm("audit.add_hold"),
        }

    def set_policy(self, request: HttpRequest, ledger: str) -> HttpResponse:
        """Set how long something is kept."""
        named = _ledger(ledger)
        kind, name = _what(request)
        days = request.POST.get("days", "").strip().replace(",", "")
        # What is no number is refused by the verb, in its words.
        is_number = days.isascii() and days.isdigit() and len(days) < 10
        try:
            changed = retain.set_policy(
                named,
                kind=kind,
                name=name,
                days=int(days) if is_number else 0,
                by=request.user.get_username(),
            )
        except PolicyRefused as refusal:
            say(request, f"Nothing was changed. {refusal}", is_good=False)
        else:
            _say_changed(request, changed)
        return _back(named)

    def clear_policy(self, request: HttpRequest, ledger: str) -> HttpResponse:
        """Take a policy back, so that the default holds."""
        named = _ledger(ledger)
        kind, name = _what(request)
        try:
            changed = retain.clear_policy(
                named, kind=kind, name=name, by=request.user.get_username()
            )
        except PolicyRefused as refusal:
            say(request, f"Nothing was changed. {refusal}", is_good=False)
        else:
            _say_changed(request, changed)
        return _back(named)

    def propose(self, request: HttpRequest, ledger: str) -> HttpResponse:
        """Ask a worker what could go."""
        named = _ledger(ledger)
        try:
            plan = retain.propose_purge(
                named, reason=request.POST.get("reason", ""), by=request.user.get_username()
            )
        except NotPurged as refusal:
            say(request, f"Nothing was asked for. {refusal}", is_good=False)
            return _back(named)
        return _to(plan)

    # --- One purge --------------------------------------------------------------------------

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one purge: how far it is, what would go, who agreed, what became of it."""
        return self._page(request, _plan(object_id))

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer how far a purge is, for the script on its page."""
        plan = _plan(object_id)
        answer = JsonResponse({"word": plan.state, **_reach(plan)})
        answer["Cache-Control"] = "no-store"
        return answer

    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say yes, once the number of entries was typed; the second person's yes begins it."""
        plan = _plan(object_id)
        report = PlanReport.of(plan)
        typed = request.POST.get("entries", "").strip().replace(",", "")
        if plan.state == "proposed" and report is not None and typed != str(report.entries):
            refusal = f"Type {report.entries:,}, the number of entries that would go."
            return self._page(request, plan, refusal=refusal)
        assert request.user.pk is not None, "who is let in has an account"
        try:
            plan = retain.approve_purge(
                plan, user_id=request.user.pk, by=request.user.get_username()
            )
        except NotPurged as refused:
            return self._page(request, _plan(object_id), refusal=str(refused))
        said = (
            "It is approved by two people; a worker prunes it."
            if plan.state != "proposed"
            else "You approved it; a second person must, too."
        )
        say(request, f"{said} This is an entry in the ledger.", is_good=True)
        return _to(plan)

    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a purge back before it has begun."""
        try:
            plan = retain.withdraw_purge(_plan(object_id), by=request.user.get_username())
        except NotPurged as refused:
            return self._page(request, _plan(object_id), refusal=str(refused))
        say(request, "It is withdrawn; this is an entry in the ledger.", is_good=True)
        return _to(plan)

    def _page(self, request: HttpRequest, plan: PurgePlan, *, refusal: str = "") -> HttpResponse:
        report = PlanReport.of(plan)
        shown = ledger_state(ledger_id=plan.ledger_id)
        approvals = list(
            PurgeApproval.objects.filter(ledger_id=plan.ledger_id, plan_id=plan.id).order_by(
                "approved_at"
            )
        )
        may_approve = request.user.has_perm(_MAY_APPROVE)
        has_approved = any(each.user_id == request.user.pk for each in approvals)
        is_going = plan.state in {"asked", "approved", "pruning"}
        context = self.frame(
            request,
            title=f"Purge {plan.id:,}",
            object=plan,
            strip=shown,
            plan=plan,
            report=report,
            last_seq=None if plan.to_seq is None else plan.to_seq - 1,
            oldest=_time(report.oldest) if report else None,
            newest=_time(report.newest) if report else None,
            blockers=_blocker_lines(plan, report, shown),
            approvals=approvals,
            missing=max(APPROVALS - len(approvals), 0),
            may_approve=may_approve and plan.state == "proposed" and not has_approved,
            has_approved=has_approved,
            may_withdraw=request.user.has_perm(_MAY_WITHDRAW)
            and plan.state in {"asked", "proposed", "approved"},
            is_going=is_going,
            reload_each=5 if is_going else 0,
            reach=_reach(plan),
            purged=_entry_of(plan) if plan.state in {"pruning", "done"} else None,
            refusal=refusal,
        )
        return TemplateResponse(
            request, "audit/purge.html", context, status=409 if refusal else 200
        )


# --- Policies in words ---------------------------------------------------------------------------


def policy_sentence(kept: Policies) -> str:
    """Say how long what is kept, such as "365 days; phi 2,192 days"."""
    parts = [f"{kept.days:,} days", f"phi {kept.days_of('data_class', 'phi'):,} days"]
    others = [("category", name) for name in kept.categories]
    others += [("data_class", name) for name in kept.data_classes if name != "phi"]
    parts += [f"{name} {kept.days_of(kind, name):,} days" for kind, name in others]
    return "; ".join(parts)


def policy_lines(ledger: Ledger, kept: Policies) -> list[PolicyLine]:
    """Return the policies of a ledger, the one of every entry first, defaults included."""
    own = {(each.kind, each.name): each for each in Retention.objects.filter(ledger=ledger)}
    shown = {("ledger", ""), ("data_class", "phi"), *own}
    order = ("ledger", "category", "data_class")
    return [
        PolicyLine(
            kind=kind,
            name=name,
            what=_in_words(kind, name),
            days=kept.days_of(kind, name),
            own=own.get((kind, name)),
        )
        for kind, name in sorted(shown, key=lambda each: (order.index(each[0]), each[1]))
    ]


def _in_words(kind: str, name: str) -> str:
    return {"ledger": "Every entry", "category": "Category", "data_class": "Data class"}[kind] + (
        f" {name}" if name else ""
    )


def _choices() -> list[tuple[str, str]]:
    named = [("ledger", "")]
    named += [("category", name) for name in get_args(Category)]
    named += [("data_class", name) for name in get_args(DataClass)]
    return [(f"{kind}:{name}", _in_words(kind, name)) for kind, name in named]


def _what(request: HttpRequest) -> tuple[str, str]:
    kind, _, name = request.POST.get("what", "").partition(":")
    return kind, name


def _say_changed(request: HttpRequest, changed: bool) -> None:
    if changed:
        say(request, "It is changed; this is an entry in the ledger.", is_good=True)
    else:
        say(request, "Entries are kept just as long as before.", is_good=False)


# --- Addresses -----------------------------------------------------------------------------------


def _ledger(name: str) -> Ledger:
    found = Ledger.objects.filter(name=name).first()
    if found is None:
        raise Http404("no ledger has this name")
    return found


def _plan(object_id: str) -> PurgePlan:
    found = PurgePlan.objects.select_related("ledger").filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no purge has this number")
    return found


def retention_url(ledger: str, show: str = "policy") -> str:
    """Return the address of a ledger's retention, or with `purges` of its purges."""
    query = QueryDict(mutable=True)
    query["ledger"] = ledger
    query["show"] = show
    return f"{reverse('admin:audit_purgeplan_changelist')}?{query.urlencode()}"


def _holds_url(look: Look) -> str:
    query = QueryDict(mutable=True)
    if look.ledger is not None:
        query["ledger"] = look.ledger.name
    return f"{reverse('admin:audit_hold_changelist')}?{query.urlencode()}"


def _back(ledger: Ledger) -> HttpResponse:
    return HttpResponseRedirect(retention_url(ledger.name))


def _to(plan: PurgePlan) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:audit_purgeplan_change", args=[plan.id]))


# --- Purges --------------------------------------------------------------------------------------


def _purges(look: Look) -> dict[str, Any]:
    assert look.ledger is not None, "only a ledger that there is has purges"
    plans = PurgePlan.objects.filter(ledger_id=look.ledger.id)
    page = keyset_page(plans.annotate(seq=F("id")), **look.places)
    return {
        "lines": [(each, PlanReport.of(each)) for each in page.rows],
        "newer_url": look.url(before=page.newer),
        "older_url": look.url(after=page.older),
    }


def _reach(plan: PurgePlan) -> dict[str, Any]:
    """Return how far a worker is, in numbers; None for what cannot be said yet."""
    report = PlanReport.of(plan)
    done, total = plan.deleted, None if report is None else report.entries
    if plan.state == "asked":
        # It ends where the first thing must stay, mostly long before the head.
        size = Head.objects.values_list("size", flat=True).get(ledger_id=plan.ledger_id)
        start = plan.from_seq if report else minimum_index(plan.ledger_id)
        done, total = max(plan.next_seq - start, 0), size - start
    return {
        "checked": done,
        "total": total,
        "percent": min(100 * done // total, 100) if total else None,
        "rate": 0,
        "left": None,
    }


def _time(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)


def _entry_of(plan: PurgePlan) -> Entry | None:
    """Return the entry that a purge left, once it is chained."""
    told = Entry.objects.filter(ledger_id=plan.ledger_id, action="audit.purged").order_by("-seq")
    for each in told[:_LOOKED_AT]:
        details = event_of(each).get("details")
        if isinstance(details, dict) and details.get("plan") == plan.id:
            return each
    return None


def _blocker_lines(
    plan: PurgePlan, report: PlanReport | None, shown: LedgerState | None
) -> list[BlockerLine]:
    if report is None or shown is None:
        return []
    lines = []
    for each in report.blockers:
        is_there = shown.minimum <= each.seq < shown.size
        url, word = _where(plan.ledger.name, each)
        seq_url = reverse("admin:audit_entry_at", args=[shown.name, each.seq]) if is_there else ""
        lines.append(BlockerLine(blocker=each, seq_url=seq_url, url=url, word=word))
    return lines


def _where(ledger: str, blocker: Blocker) -> tuple[str, str]:
    """Return where a blocker can be looked at or done away with, and how to call it."""
    query = QueryDict(mutable=True)
    query["ledger"] = ledger
    if blocker.why == "held":
        return reverse("admin:audit_hold_change", args=[blocker.what]), f"Hold {blocker.what}"
    if blocker.why == "young":
        return retention_url(ledger), "Retention"
    if blocker.why == "not_exported":
        return f"{reverse('admin:audit_export_new')}?{query.urlencode()}", "Make a bundle"
    if blocker.why in {"tampered", "not_verified"} and blocker.what:
        run = reverse("admin:audit_verification_change", args=[blocker.what])
        return run, f"Verification {blocker.what}"
    return reverse("admin:audit_ledger_change", args=[ledger]), f"Ledger {ledger}"
