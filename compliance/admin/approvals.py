"""The pages of what agents ask people to approve: the list, one request, granting, denying.

Verb: compliance.approval_answer. What two people decide about compliance itself: decisions.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from audit.admin.acts import Look, act
from audit.models import Ledger
from compliance.acting import Person
from compliance.admin.people_form import (
    ActForm,
    Cell,
    Empty,
    PeopleAdmin,
    Shown,
    Way,
    entries_url,
    person_of,
    reason_box,
    url_of,
    when_cell,
)
from compliance.approval_answer import answer_request
from compliance.models import ApprovalAnswer, ApprovalRequest

_MAY_ANSWER = "compliance.add_approvalanswer"
_ACTION = "approval."


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(PeopleAdmin):
    """What agents wait for a person to say."""

    rows_of = ApprovalRequest
    title = "Agent requests"
    lead = (
        "An agent asks before it acts and waits. Your answer holds for the tool and the arguments "
        "that it names, and for nothing else (check TOOL-01)."
    )
    shows: ClassVar = {"open": "Open", "answered": "Answered", "all": "All"}
    where: ClassVar = {
        "open": {"state": "open"},
        "answered": {"state__in": ("granted", "denied", "expired")},
        "all": {},
    }
    empty: ClassVar = {
        "open": Empty(
            icon="task_alt",
            heading="No agent waits",
            body="A request comes here a moment after an agent has posted approval.requested.",
        ),
        "": Empty(
            icon="pan_tool",
            heading="No request here",
            body="Agents that ask before they act leave approval.requested.",
        ),
    }

    def get_urls(self) -> list[URLPattern]:
        """Add granting and denying."""
        return [
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, verb, permission=_MAY_ANSWER),
                    name=f"compliance_approvalrequest_{name}",
                )
                for name, verb in (("grant", self.grant), ("deny", self.deny))
            ),
            *super().get_urls(),
        ]

    def found(self, show: str) -> QuerySet[Any]:
        """Return the rows of a tab; what was just answered is open no more."""
        rows = super().found(show)
        if show != "open":
            return rows
        answers = ApprovalAnswer.objects.filter(
            ledger_id=OuterRef("ledger_id"), approval_id=OuterRef("approval_id")
        )
        return rows.exclude(Exists(answers))

    def _listed(self, request: HttpRequest, look: Look, ledger: Ledger) -> dict[str, Any]:
        """Show the entry's number: a request's own holds the ledger's too."""
        found = super()._listed(request, look, ledger)
        found["rows"] = [replace(row, id=row.id & ((1 << 40) - 1)) for row in found["rows"]]
        return found

    def state(self, row: ApprovalRequest) -> str:
        """Return its state in a word."""
        if row.state == "open" and row.is_over(datetime.now(UTC)):
            return "expired"
        return row.state

    def cells(self, row: ApprovalRequest) -> tuple[Cell, ...]:
        """Return what the list says of a request."""
        return (
            Cell(word="Risk", value=row.risk, kind="badge"),
            Cell(word="Agent", value=row.agent_id),
            Cell(word="Asks for", value=row.tool or f"{row.target_type} {row.target_id}"),
            Cell(word="In words", value=row.summary or row.reason),
            Cell(word="Wanted by", value=row.requested_by),
            when_cell("Asked", row.requested_at),
            when_cell("Until", row.expires_at),
        )

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Offer the entries."""
        return (Way(word="Entries", url=entries_url(ledger, _ACTION)),)

    def shown(self, request: HttpRequest, row: ApprovalRequest) -> Shown:
        """Return what the page of a request says."""
        answer = ApprovalAnswer.objects.filter(
            ledger_id=row.ledger_id, approval_id=row.approval_id
        ).first()
        said, state = _said(row, answer)
        wanted = row.tool or f"{row.target_type} {row.target_id}"
        return Shown(
            title=f"Request #{row.requested_seq:,}",
            sentence=f"{row.agent_id} asks to use {wanted}. {said}",
            state=state or self.state(row),
            fields=(
                Cell(word="Risk that it claims", value=row.risk, kind="badge"),
                Cell(word="Tool", value=row.tool),
                Cell(word="Digest of the arguments", value=row.arguments_hash, kind="hash"),
                Cell(word="Wanted by", value=row.requested_by),
                Cell(word="Approval", value=row.approval_id, kind="code"),
                when_cell("Asked", row.requested_at),
                when_cell("May be granted until", row.expires_at),
                Cell(
                    word="Entry",
                    value=f"#{row.requested_seq:,}",
                    url=reverse("admin:audit_entry_at", args=[row.ledger.name, row.requested_seq]),
                ),
            ),
            texts=tuple(
                (word, text)
                for word, text in (
                    ("What the agent says it is", row.summary),
                    ("Why", row.reason),
                    ("Answer", row.answer or (answer.reason if answer is not None else "")),
                )
                if text
            ),
            ways=(Way(word="Entries of approvals", url=entries_url(row.ledger, _ACTION)),),
            acts=() if state or row.state != "open" else self._acts(request, row),
        )

    def _acts(self, request: HttpRequest, row: ApprovalRequest) -> tuple[ActForm, ...]:
        may = request.user.has_perm(_MAY_ANSWER)
        denied = "" if may else "Your role does not answer requests of agents."
        granted = denied or _why_no_grant(row, person_of(request))
        return (
            ActForm(
                id="grant",
                title="Grant",
                said="The agent may do this once, with these very arguments.",
                url=url_of("compliance_approvalrequest_grant", row.id),
                button="Grant",
                icon="check",
                boxes=(reason_box(),),
                why_not=granted,
            ),
            ActForm(
                id="deny",
                title="Deny",
                said="The agent is told no, with your reason.",
                url=url_of("compliance_approvalrequest_deny", row.id),
                button="Deny",
                icon="block",
                boxes=(reason_box(),),
                is_bad=True,
                why_not=denied,
            ),
        )

    def grant(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say yes."""
        return self._answer(request, object_id, act="grant", is_granted=True)

    def deny(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say no."""
        return self._answer(request, object_id, act="deny", is_granted=False)

    def _answer(
        self, request: HttpRequest, object_id: str, *, act: str, is_granted: bool
    ) -> HttpResponse:
        def answer(row: ApprovalRequest) -> None:
            answer_request(
                row,
                is_granted=is_granted,
                reason=request.POST.get("reason", ""),
                by=person_of(request),
            )

        said = "granted" if is_granted else "denied"
        return self.do(
            request,
            object_id,
            answer,
            act=act,
            said=f"It is {said}; this is an entry in the ledger, and the agent reads it.",
        )


def _why_no_grant(row: ApprovalRequest, person: Person) -> str:
    if person.name in (row.requested_by, row.actor_id):
        return "You asked for this; another person grants it."
    if row.is_over(datetime.now(UTC)):
        return "The time in which it could be granted has passed; the agent has to ask again."
    return ""


def _said(row: ApprovalRequest, answer: ApprovalAnswer | None) -> tuple[str, str]:
    """Return what became of it in a sentence, and its state when that is newer than the row's."""
    if row.state == "expired":
        return "Nobody answered in time.", ""
    if row.state != "open":
        return f"{row.answered_by} has {row.state} it.", ""
    if answer is not None:
        word = "granted" if answer.is_granted else "denied"
        return f"{answer.answered_by} has {word} it.", word
    return "It waits for an answer.", ""
