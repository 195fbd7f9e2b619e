"""The pages of legal holds: the list, applying one, and one with what it covers and its release.

Applying and releasing are audit.hold, which leaves an entry each time. A subject's id is typed
into one form, by POST, and is shown nowhere afterwards. Purges: retention.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from audit import hold as holds
from audit.admin.acts import act, number, read_look, say
from audit.admin.entry_form import address
from audit.admin.retention import retention_url
from audit.errors import HoldRefused
from audit.hold import covered
from audit.models import Hold, Ledger
from audit.pruned import minimum_index
from audit.readonly import ReadOnlyModelAdmin, keyset_page
from audit.state import ledger_state, ledger_states

SHOWS = {"standing": "Standing", "released": "Released", "all": "All"}
_FILTERS: dict[str, dict[str, Any]] = {
    "standing": {"released_at": None},
    "released": {"released_at__isnull": False},
    "all": {},
}
KINDS = {
    "ledger": ("Whole ledger", "Every entry, those to come included. No id."),
    "agent": ("Agent", "Every entry of this agent, by its id as entries name it."),
    "subject": (
        "Data subject",
        "Every entry that names this person. Give the id as events gave it; what is kept and "
        "shown is its pseudonym alone.",
    ),
    "case": ("Case", "Every entry that names this case.id."),
}
"""Each kind: its word, and what it keeps."""
_MAY_APPLY = "audit.add_hold"
_MAY_RELEASE = "audit.change_hold"


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldForm:
    """What stands in the form that applies a hold."""

    kind: str = "agent"
    value: str = ""
    matter: str = ""
    reason: str = ""

    @classmethod
    def of(cls, values: QueryDict) -> HoldForm:
        """Read what was typed. A blank at the end of an id would hold nothing, and say nothing."""
        kind, value = values.get("kind", "agent"), values.get("value", "")
        return cls(
            kind=kind,
            value=value if kind == "subject" else value.strip(),
            matter=values.get("matter", ""),
            reason=values.get("reason", ""),
        )


@admin.register(Hold)
class HoldAdmin(ReadOnlyModelAdmin):
    """The list of holds, applying one, and the page of one."""

    def get_urls(self) -> list[URLPattern]:
        """Add applying and releasing."""
        new = sensitive_post_parameters("value")(self.new_page)
        return [
            path("new/", self.admin_site.admin_view(new), name="audit_hold_new"),
            path(
                "<str:object_id>/release/",
                act(self, self.release, permission=_MAY_RELEASE),
                name="audit_hold_release",
            ),
            *super().get_urls(),
        ]

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show 25 holds of one ledger, newest first; at first those that stand."""
        look = read_look(request, shows=SHOWS)
        context = self.frame(request, title="Legal holds", look=look, strip=look.ledger)
        if look.ledger is not None and not look.errors:
            found = Hold.objects.filter(ledger_id=look.ledger.id, **_FILTERS[look.show])
            page = keyset_page(found.annotate(seq=F("id")), **look.places)
            context |= {
                "lines": [(each, KINDS[each.kind][0]) for each in page.rows],
                "newer_url": look.url(before=page.newer),
                "older_url": look.url(after=page.older),
                "retention_url": retention_url(look.ledger.name),
                "new_url": _new_url(look.ledger.name),
                "may_apply": request.user.has_perm(_MAY_APPLY),
            }
        return TemplateResponse(request, "audit/holds.html", context)

    # --- Applying ---------------------------------------------------------------------------

    @sensitive_variables("form")
    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask what to hold and why, then apply it."""
        if not request.user.has_perm(_MAY_APPLY):
            raise PermissionDenied
        ledger = _named_ledger(request)
        form, refusal = HoldForm.of(request.POST), None
        if request.method == "POST" and ledger is not None:
            try:
                return self._apply(request, ledger, form)
            except HoldRefused as refused:
                refusal = refused
        if form.kind == "subject":
            # What was typed is somebody's id; it is typed again rather than sent back.
            form = HoldForm(kind=form.kind, matter=form.matter, reason=form.reason)
        context = self.frame(
            request,
            title="Apply a hold",
            strip=None if ledger is None else ledger_state(ledger_id=ledger.id),
            ledger=ledger,
            form=form,
            kinds=[(name, *said) for name, said in KINDS.items()],
            most_value=holds.MOST_VALUE,
            most_matter=holds.MOST_MATTER,
            most_reason=holds.MOST_REASON,
            error={} if refusal is None else {refusal.field: refusal.message},
            back_url=_list_url("" if ledger is None else ledger.name),
        )
        return TemplateResponse(
            request, "audit/hold_new.html", context, status=400 if refusal else 200
        )

    @sensitive_variables("form")
    def _apply(self, request: HttpRequest, ledger: Ledger, form: HoldForm) -> HttpResponse:
        made = holds.apply_hold(
            ledger,
            kind=form.kind,
            value=form.value,
            matter=form.matter,
            reason=form.reason,
            by=request.user.get_username(),
        )
        say(request, "It is held; this is an entry in the ledger.", is_good=True)
        return HttpResponseRedirect(reverse("admin:audit_hold_change", args=[made.id]))

    # --- One hold ---------------------------------------------------------------------------

    def row_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one hold: what it covers, who applied it and why, and its release."""
        return self._page(request, _hold(object_id))

    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let what it kept go again, once the number of the hold was typed."""
        hold = _hold(object_id)
        reason = request.POST.get("reason", "")
        if hold.is_standing() and request.POST.get("confirm", "").strip() != str(hold.id):
            refusal = f"Type {hold.id}, the number of the hold."
            return self._page(request, hold, reason=reason, refusal=refusal)
        try:
            holds.release_hold(hold, reason=reason, by=request.user.get_username())
        except HoldRefused as refused:
            return self._page(request, _hold(object_id), reason=reason, refusal=str(refused))
        say(request, "It is released; this is an entry in the ledger.", is_good=True)
        return HttpResponseRedirect(reverse("admin:audit_hold_change", args=[hold.id]))

    def _page(
        self, request: HttpRequest, hold: Hold, *, reason: str = "", refusal: str = ""
    ) -> HttpResponse:
        minimum = minimum_index(hold.ledger_id)
        context = self.frame(
            request,
            title=f"Hold {hold.id:,}",
            object=hold,
            strip=ledger_state(ledger_id=hold.ledger_id),
            hold=hold,
            kind=KINDS[hold.kind][0],
            coverage=covered(hold),
            entries_url=_entries_url(hold),
            told_url=address(QueryDict(), ledger=hold.ledger.name, action="legal_hold."),
            minimum=minimum,
            last_pruned=minimum - 1,
            may_release=request.user.has_perm(_MAY_RELEASE) and hold.is_standing(),
            most_counted=holds.MOST_COUNTED,
            most_reason=holds.MOST_REASON,
            reason=reason,
            refusal=refusal,
        )
        return TemplateResponse(request, "audit/hold.html", context, status=409 if refusal else 200)


def _hold(object_id: str) -> Hold:
    found = Hold.objects.select_related("ledger").filter(id=number(object_id)).first()
    if found is None:
        raise Http404("no hold has this number")
    return found


def _named_ledger(request: HttpRequest) -> Ledger | None:
    """Return the ledger that form or address names, the first one when neither does."""
    name = request.POST.get("ledger") or request.GET.get("ledger")
    if name is None:
        known = ledger_states()
        name = known[0].name if known else ""
    return Ledger.objects.filter(name=name).first()


def _list_url(ledger: str) -> str:
    query = QueryDict(mutable=True)
    if ledger:
        query["ledger"] = ledger
    return f"{reverse('admin:audit_hold_changelist')}?{query.urlencode()}"


def _new_url(ledger: str) -> str:
    query = QueryDict(mutable=True)
    query["ledger"] = ledger
    return f"{reverse('admin:audit_hold_new')}?{query.urlencode()}"


def _entries_url(hold: Hold) -> str:
    """Return the list of what a hold covers; empty for a case, which no list is filtered by."""
    if hold.kind == "ledger":
        return address(QueryDict(), ledger=hold.ledger.name)
    if hold.kind == "agent":
        return address(QueryDict(), ledger=hold.ledger.name, agent=hold.value)
    if hold.kind == "subject":
        query = QueryDict(mutable=True)
        query.update({"ledger": hold.ledger.name, "pseudonym": hold.value})
        return f"{reverse('admin:audit_erasure_entries')}?{query.urlencode()}"
    return ""
