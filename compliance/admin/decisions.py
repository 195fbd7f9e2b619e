"""The pages of what needs a second person: approvals, waivers, scope decisions, limits and lists.

One table and one page a decision; Approvals lists what waits, Waivers lists waivers alone. Verbs:
compliance.waiver, compliance.scope, compliance.limits, compliance.approving.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from audit.admin.acts import act
from audit.models import Ledger
from audit.state import ledger_state
from compliance.acting import ActRefused, read_day, today
from compliance.admin.decision_boxes import applies_boxes, scope_boxes, waiver_boxes
from compliance.admin.people_form import (
    ActForm,
    Cell,
    Empty,
    Form,
    PeopleAdmin,
    Shown,
    Way,
    day_cell,
    entries_url,
    named_ledger,
    person_of,
    reason_box,
    url_of,
    when_cell,
)
from compliance.approving import approve_decision, end_decision
from compliance.decision import deny
from compliance.in_force import catalogue_in_force
from compliance.models import Decision
from compliance.remind import SHOWN, Reminder, expiring
from compliance.scope import (
    APPLIES,
    APPLIES_NO_MORE,
    OUT,
    ask_applies,
    ask_out_of_scope,
)
from compliance.waiver import WaiverAsked, ask_waiver

MAY_ASK, MAY_APPROVE = "compliance.add_decision", "compliance.change_decision"
WORDS = {"waiver": "Waiver", "scope": "Scope decision", "limit": "Limit"}
_ACTIONS = {
    "waiver": "audit.waiver_approved",
    "scope": "audit.scope_decided",
    "limit": "audit.config_changed",
}


@admin.register(Decision)
class DecisionAdmin(PeopleAdmin):
    """What waits for a second person, and what two people have decided."""

    rows_of = Decision
    title = "Approvals"
    lead = (
        "What one person asked and another has to approve: waivers, scope decisions, looser "
        "limits, changed lists. Nothing of it counts before."
    )
    shows: ClassVar = {
        "waiting": "Waiting",
        "waivers": "Waivers",
        "scope": "Scope",
        "limits": "Limits and lists",
        "all": "All",
    }
    where: ClassVar = {
        "waiting": {"state": "asked"},
        "waivers": {"kind": "waiver"},
        "scope": {"kind": "scope"},
        "limits": {"kind": "limit"},
        "all": {},
    }
    empty: ClassVar = {
        "": Empty(
            icon="how_to_vote",
            heading="None so far",
            body="What somebody asks stays here for ever, with who asked, who approved and why.",
        ),
        "waiting": Empty(
            icon="how_to_vote",
            heading="Nothing waits for a second person",
            body="Ask for a waiver or a scope decision here; somebody else finds it on this page.",
        ),
    }

    def get_urls(self) -> list[URLPattern]:
        """Add what can be asked and the acts."""
        news = {"waiver": self.new_waiver, "scope": self.new_scope, "applies": self.new_applies}
        acts = {
            "approve": (self.approve, MAY_APPROVE),
            "deny": (self.deny, MAY_ASK),
            "end": (self.end, MAY_APPROVE),
        }
        return [
            *(
                path(
                    f"new/{name}/",
                    self.admin_site.admin_view(view),
                    name=f"compliance_decision_new_{name}",
                )
                for name, view in news.items()
            ),
            path("ending/", self.page(self.ending), name="compliance_expiring_changelist"),
            path("waivers/", self.page(self.waivers), name="compliance_waiver_changelist"),
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, verb, permission=permission),
                    name=f"compliance_decision_{name}",
                )
                for name, (verb, permission) in acts.items()
            ),
            *super().get_urls(),
        ]

    def waivers(self, request: HttpRequest) -> HttpResponse:
        """Show waivers alone; at first those that hold."""
        return WaiverList(self.model, self.admin_site).list_page(request)

    def ending(self, request: HttpRequest) -> HttpResponse:
        """Show what ends within 60 days, the soonest first."""
        ledger = named_ledger(request)
        found = expiring(ledger.id)
        context = self.frame(
            request,
            title="What ends soon",
            opts=None,
            strip=ledger_state(ledger_id=ledger.id),
            ledger=ledger,
            lines=[(each, _ending_url(each)) for each in found[:SHOWN]],
            left_out=max(len(found) - SHOWN, 0),
        )
        return TemplateResponse(request, "compliance/people_ending.html", context)

    def found(self, show: str) -> QuerySet[Any]:
        """Return the rows of a tab."""
        return Decision.objects.select_related("ledger").filter(**self.where[show])

    def state(self, row: Decision) -> str:
        """Return its state in a word."""
        return row.word(today())

    def cells(self, row: Decision) -> tuple[Cell, ...]:
        """Return what the list says of a decision."""
        return (
            Cell(word="Kind", value=WORDS[row.kind]),
            Cell(word="About", value=about(row)),
            Cell(word="Reason", value=row.reason),
            Cell(word="Asked by", value=row.asked_by),
            when_cell("Asked", row.asked_at),
            Cell(word="Approved by", value=row.approved_by or ("alone" if row.is_alone else "")),
            day_cell("Ends", row.expires_on),
        )

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Offer what can be asked."""
        limits = Way(
            word="Limits and lists",
            url=url_of("compliance_uploadedframework_limits", ledger=ledger.name),
        )
        if not request.user.has_perm(MAY_ASK):
            return (limits,)
        new = (("waiver", "Ask for a waiver"), ("scope", "Ask to take out of scope"),
               ("applies", "Record a high-risk system"))  # fmt: skip
        return (
            *(
                Way(
                    word=word,
                    url=url_of(f"compliance_decision_new_{name}", ledger=ledger.name),
                    is_main=name == "waiver",
                )
                for name, word in new
            ),
            limits,
        )

    def shown(self, request: HttpRequest, row: Decision) -> Shown:
        """Return what the page of a decision says."""
        said = row.details
        return Shown(
            title=f"{WORDS[row.kind]} {row.id}",
            sentence=_sentence(row),
            state=self.state(row),
            fields=(
                Cell(word="Kind", value=WORDS[row.kind]),
                Cell(word="Framework", value=row.framework),
                Cell(word="Control", value=row.control),
                Cell(word="Check", value=row.check_id),
                Cell(word="Severity", value=row.severity, kind="badge" if row.severity else "text"),
                *_details(row.kind, said),
                *((day_cell("Begins", row.begins_on),) if row.begins_on else ()),
                *((day_cell("Ends", row.expires_on),) if row.expires_on else ()),
                when_cell("Asked", row.asked_at),
                Cell(word="Asked by", value=row.asked_by),
                *((when_cell("Approved", row.approved_at),) if row.approved_at else ()),
                Cell(word="Approved by", value=row.approved_by),
                *((when_cell("Ended", row.ended_at),) if row.ended_at else ()),
                Cell(word="Ended by", value=row.ended_by),
                Cell(word="Why it ended", value=row.end_reason),
            ),
            texts=(
                ("Reason", row.reason),
                ("Risk", said.get("risk", "")),
                ("What compensates", said.get("compensating", "")),
            ),
            ways=(
                Way(word="Entries of such acts", url=entries_url(row.ledger, _ACTIONS[row.kind])),
            ),
            acts=_acts(request, row),
        )

    # --- Asking --------------------------------------------------------------------------------

    def new_waiver(self, request: HttpRequest) -> HttpResponse:
        """Ask for a waiver."""
        self._may_ask(request)
        ledger = named_ledger(request)

        def make(values: Mapping[str, str]) -> Decision:
            begins = values.get("begins_on", "").strip()
            asked = WaiverAsked(
                framework=values.get("framework", ""),
                control=values.get("control", "").strip(),
                check=values.get("check", "").strip(),
                items=tuple(values.get("items", "").replace(",", "\n").split("\n")),
                reason=values.get("reason", ""),
                risk=values.get("risk", ""),
                compensating=values.get("compensating", ""),
                begins_on=read_day("begins_on", begins) if begins else None,
                expires_on=read_day("expires_on", values.get("expires_on", "")),
            )
            return ask_waiver(ledger, catalogue_in_force(), asked, by=person_of(request))

        form = Form(
            title="Ask for a waiver",
            lead="A waiver lifts what a failure takes away for a while, earns nothing and is never "
            "hidden. Another person has to approve it.",
            boxes=waiver_boxes(),
            button="Ask for it",
            icon="how_to_vote",
            back=url_of("compliance_decision_changelist", ledger=ledger.name),
        )
        return self.form_page(request, ledger, form, make, said="It waits for another person.")

    def new_scope(self, request: HttpRequest) -> HttpResponse:
        """Ask to take a control or a flag out of scope."""
        self._may_ask(request)
        ledger = named_ledger(request)

        def make(values: Mapping[str, str]) -> Decision:
            return ask_out_of_scope(
                ledger,
                catalogue_in_force(),
                framework=values.get("framework", ""),
                control=values.get("control", "").strip(),
                flag=values.get("flag", "").strip(),
                reason=values.get("reason", ""),
                expires_on=read_day("expires_on", values.get("expires_on", "")),
                by=person_of(request),
            )

        form = Form(
            title="Ask to take out of scope",
            lead="What is out of scope is shown as not applicable, with the reason. Another person "
            "has to approve it; one person brings it back.",
            boxes=scope_boxes(),
            button="Ask for it",
            icon="how_to_vote",
            back=url_of("compliance_decision_changelist", ledger=ledger.name),
        )
        return self.form_page(request, ledger, form, make, said="It waits for another person.")

    def new_applies(self, request: HttpRequest) -> HttpResponse:
        """Ask to record that a framework applies to a system, or no longer does."""
        self._may_ask(request)
        ledger = named_ledger(request)

        def make(values: Mapping[str, str]) -> Decision:
            return ask_applies(
                ledger,
                catalogue_in_force(),
                framework=values.get("framework", ""),
                system=values.get("system", ""),
                role=values.get("role", ""),
                reason=values.get("reason", ""),
                by=person_of(request),
                ends=values.get("act", APPLIES) == APPLIES_NO_MORE,
            )

        form = Form(
            title="Record a high-risk system",
            lead="Some frameworks apply only to systems that are recorded as high-risk, with the "
            "part you play. Another person has to approve it.",
            boxes=applies_boxes(),
            button="Ask for it",
            icon="how_to_vote",
            back=url_of("compliance_decision_changelist", ledger=ledger.name),
        )
        return self.form_page(request, ledger, form, make, said="It waits for another person.")

    # --- Acts ----------------------------------------------------------------------------------

    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Approve what another person asked."""
        by = person_of(request)
        return self.do(
            request,
            object_id,
            lambda row: approve_decision(row, by=by),
            act="approve",
            said="It is approved; this is an entry in the ledger.",
        )

    def deny(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Refuse what was asked; who may only ask takes back his own."""
        by, reason = person_of(request), request.POST.get("reason", "")

        def verb(row: Decision) -> Decision:
            if row.asked_by_id != by.id and not request.user.has_perm(MAY_APPROVE):
                raise ActRefused(field="act", message="you may take back only what you asked for")
            return deny(row, reason=reason, by=by)

        return self.do(
            request, object_id, verb, act="deny", said="It is refused and counts for nothing."
        )

    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Revoke a waiver, or bring back into scope."""
        by, reason = person_of(request), request.POST.get("reason", "")
        return self.do(
            request,
            object_id,
            lambda row: end_decision(row, reason=reason, by=by),
            act="end",
            said="It has ended; this is an entry in the ledger.",
        )

    def _may_ask(self, request: HttpRequest) -> None:
        if not request.user.has_perm(MAY_ASK):
            raise PermissionDenied


class WaiverList(DecisionAdmin):
    """The list of waivers alone; each opens on the page of its decision."""

    title = "Waivers"
    lead = (
        "Failures that two people accept for a while. A waiver lifts the cap, earns nothing, ends "
        "by itself, and stays listed for ever."
    )
    shows: ClassVar = {"standing": "In force", "waiting": "Waiting", "ended": "Ended", "all": "All"}
    empty: ClassVar = {
        "": Empty(
            icon="policy",
            heading="No waiver here",
            body="When a failure has to stand for a while, ask for a waiver with its risk, what "
            "compensates and a last day; another person approves it.",
        )
    }

    def found(self, show: str) -> QuerySet[Any]:
        """Return the waivers of a tab; in force are those whose last day is not over."""
        rows = Decision.objects.select_related("ledger").filter(kind="waiver")
        if show == "standing":
            return rows.filter(state="approved", expires_on__gte=today())
        if show == "ended":
            over = rows.filter(state="approved", expires_on__lt=today())
            return rows.filter(state__in=("denied", "ended")) | over
        return rows.filter(state="asked") if show == "waiting" else rows


def _ending_url(reminder: Reminder) -> str:
    model = "statement" if reminder.kind == "statement" else "decision"
    return url_of(f"compliance_{model}_change", reminder.id)


def about(row: Decision) -> str:
    """Return in words what a decision is about."""
    said = row.details
    if row.kind == "limit":
        where = " ".join(each for each in (row.framework, row.check_id) if each)
        return f"{where} {said['name']}".strip()
    if row.kind == "waiver":
        many = len(said["items"])
        items = f", {many} item{'s' if many > 1 else ''}" if many else ", whole leg"
        return f"{row.framework} {row.control} {row.check_id}{items}"
    if said.get("system"):
        return f"{row.framework}: {said['system']} as {said['role']}"
    return f"{row.framework} {row.control or said['flag']}"


def _details(kind: str, said: Mapping[str, Any]) -> tuple[Cell, ...]:
    if kind == "waiver":
        return (Cell(word="Items", value=", ".join(said["items"]) or "the whole leg"),)
    if kind == "limit":
        return (
            Cell(word="Name", value=said["name"]),
            Cell(word="Before", value=shown_value(said["before"])),
            Cell(word="After", value=shown_value(said["after"])),
        )
    words = {OUT: "out of scope", APPLIES: "applies", APPLIES_NO_MORE: "applies no more"}
    return (
        Cell(word="Decides", value=words[said["act"]]),
        Cell(word="Flag", value=said.get("flag", "")),
        Cell(word="System", value=said.get("system", "")),
        Cell(word="Role", value=said.get("role", "")),
    )


def shown_value(value: Any) -> str:
    """Return a limit or list as text; what is shipped when nobody set it."""
    if value is None:
        return "as shipped"
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)


def _sentence(row: Decision) -> str:
    what = f"{WORDS[row.kind]} for {about(row)}"
    if row.state == "asked":
        return f"{what}: asked by {row.asked_by}, waits for another person."
    if row.state == "denied":
        return f"{what}: refused by {row.ended_by}."
    if row.state == "ended":
        return f"{what}: ended by {row.ended_by}."
    who = f"approved by {row.approved_by}" if row.approved_by else f"set by {row.asked_by}"
    until = f", to {row.expires_on}" if row.expires_on else ""
    return f"{what}: {who}{until}."


def _acts(request: HttpRequest, row: Decision) -> tuple[ActForm, ...]:
    is_own = row.asked_by_id == request.user.pk
    may_approve = request.user.has_perm(MAY_APPROVE)
    if row.state == "asked":
        why_not = "" if may_approve else "Somebody who holds the right to approve does it."
        if is_own and may_approve:
            why_not = "You asked for it; another person approves it."
        approve = ActForm(
            id="approve",
            title="Approve it",
            said="It takes force with your name, and every result names it.",
            url=url_of("compliance_decision_approve", row.id),
            button="Approve",
            icon="done_all",
            why_not=why_not,
        )
        refuse = ActForm(
            id="deny",
            title="Take it back" if is_own else "Refuse it",
            said="Nothing changes, and the asking stays listed.",
            url=url_of("compliance_decision_deny", row.id),
            button="Take it back" if is_own else "Refuse",
            icon="block",
            boxes=(reason_box("Why not"),),
            is_bad=True,
        )
        return (approve, refuse) if may_approve or is_own else (approve,)
    may_end = row.kind == "waiver" or row.details.get("act") == OUT
    if row.state == "approved" and may_approve and may_end:
        is_waiver = row.kind == "waiver"
        return (
            ActForm(
                id="end",
                title="Revoke it" if is_waiver else "Bring it back into scope",
                said="From now on it counts as if nobody had approved it; the entries stay.",
                url=url_of("compliance_decision_end", row.id),
                button="Revoke" if is_waiver else "Bring it back",
                icon="undo",
                boxes=(reason_box(),),
                is_bad=is_waiver,
            ),
        )
    return ()
