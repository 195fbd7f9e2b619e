"""The pages of findings: the list, opening one, one with its retest and its closing.

A failing item's page leads here with framework, control, check and item in the address. Verbs:
compliance.finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from audit.admin.acts import act
from audit.models import Ledger
from compliance.acting import MOST_TEXT, read_count, read_day, today
from compliance.admin.people_form import (
    ActForm,
    Box,
    Cell,
    Empty,
    Form,
    PeopleAdmin,
    Shown,
    Way,
    day_cell,
    entries_url,
    frameworks_to_choose,
    named,
    named_ledger,
    person_of,
    url_of,
    when_cell,
)
from compliance.finding import (
    MOST_TITLE,
    FindingOpened,
    close_finding,
    open_finding,
    retest_finding,
)
from compliance.in_force import catalogue_in_force
from compliance.models import Finding

_MAY_OPEN, _MAY_CLOSE = "compliance.add_finding", "compliance.change_finding"
_ACTION = "audit.finding_opened"
MOST_OWNERS = 200
"""People that the form offers."""


@admin.register(Finding)
class FindingAdmin(PeopleAdmin):
    """What is wrong, who puts it right by when, and what closed it."""

    rows_of = Finding
    title = "Findings"
    lead = "What is wrong, who puts it right by when, and how it was seen to work before it closed."
    shows: ClassVar = {"open": "Open", "overdue": "Overdue", "closed": "Closed", "all": "All"}
    where: ClassVar = {
        "open": {"state": "open"},
        "overdue": {"state": "open"},
        "closed": {"state": "closed"},
        "all": {},
    }
    empty: ClassVar = {
        "": Empty(
            icon="flag",
            heading="No finding here",
            body="Open the page of a failing item and make it a finding, or open one about a "
            "control here. Each has an owner and a day by which it is put right.",
        ),
        "overdue": Empty(
            icon="task_alt",
            heading="Nothing is overdue",
            body="An open finding comes here the day after the one it was to be put right by.",
        ),
    }

    def get_urls(self) -> list[URLPattern]:
        """Add opening, retesting and closing."""
        acts = {"retest": self.retest, "close": self.close}
        new = self.admin_site.admin_view(self.new_page)
        return [
            path("new/", new, name="compliance_finding_new"),
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, verb, permission=_MAY_CLOSE),
                    name=f"compliance_finding_{name}",
                )
                for name, verb in acts.items()
            ),
            *super().get_urls(),
        ]

    def found(self, show: str) -> QuerySet[Any]:
        """Return the rows of a tab; overdue are open ones whose day is over."""
        rows = Finding.objects.select_related("ledger").filter(**self.where[show])
        return rows.filter(due__lt=today()) if show == "overdue" else rows

    def state(self, row: Finding) -> str:
        """Return its state in a word."""
        return row.word(today())

    def cells(self, row: Finding) -> tuple[Cell, ...]:
        """Return what the list says of a finding."""
        return (
            Cell(word="Severity", value=row.severity, kind="badge"),
            Cell(word="What is wrong", value=row.title),
            Cell(word="Framework", value=row.framework),
            Cell(word="Control", value=row.control),
            Cell(word="Check", value=row.check_id),
            Cell(word="Owner", value=row.owner),
            day_cell("Due", row.due),
            when_cell("Opened", row.opened_at),
        )

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Offer opening one."""
        new = Way(
            word="Open a finding",
            url=url_of("compliance_finding_new", ledger=ledger.name),
            icon="flag",
            is_main=True,
        )
        entries = Way(word="Entries", url=entries_url(ledger, _ACTION))
        return (*((new,) if request.user.has_perm(_MAY_OPEN) else ()), entries)

    def shown(self, request: HttpRequest, row: Finding) -> Shown:
        """Return what the page of a finding says."""
        entry = "" if row.entry_seq is None else f"#{row.entry_seq:,}"
        entry_at = (
            reverse("admin:audit_entry_at", args=[row.ledger.name, row.entry_seq]) if entry else ""
        )
        retest = f"{row.retest}, asked by {row.retested_by}" if row.retest else ""
        return Shown(
            title=f"Finding {row.id}",
            sentence=_sentence(row),
            state=self.state(row),
            fields=(
                Cell(word="Severity", value=row.severity, kind="badge"),
                Cell(word="Framework", value=row.framework),
                Cell(word="Control", value=row.control),
                Cell(word="Check", value=row.check_id),
                Cell(word="Item", value=row.item),
                Cell(word="Entry", value=entry, url=entry_at),
                Cell(word="Owner", value=row.owner),
                day_cell("Due", row.due),
                when_cell("Opened", row.opened_at),
                Cell(word="Opened by", value=row.opened_by),
                *((when_cell("Retested", row.retested_at),) if row.retested_at else ()),
                Cell(word="Retest", value=retest),
                *((when_cell("Closed", row.closed_at),) if row.closed_at else ()),
                Cell(word="Closed by", value=row.closed_by),
            ),
            texts=(("Note", row.note), ("What was done", row.close_note)),
            ways=(Way(word="Entries of findings", url=entries_url(row.ledger, _ACTION)),),
            acts=_acts(request, row),
        )

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask what is wrong, who puts it right and by when; then open it."""
        if not request.user.has_perm(_MAY_OPEN):
            raise PermissionDenied
        ledger = named_ledger(request)
        form = Form(
            title="Open a finding",
            lead="What is wrong, with an owner and a day. Opening and closing are entries.",
            boxes=_boxes(),
            button="Open the finding",
            icon="flag",
            back=url_of("compliance_finding_changelist", ledger=ledger.name),
        )

        def make(values: Mapping[str, str]) -> Finding:
            seq = values.get("seq", "").strip().removeprefix("#")
            said = FindingOpened(
                framework=values.get("framework", ""),
                control=values.get("control", "").strip(),
                check=values.get("check", "").strip(),
                item=values.get("item", "").strip(),
                title=values.get("title", ""),
                owner=values.get("owner", ""),
                due=read_day("due", values.get("due", "")),
                note=values.get("note", ""),
                seq=read_count("seq", seq) if seq else None,
            )
            return open_finding(ledger, catalogue_in_force(), said, by=person_of(request))

        said = "It is open; this is an entry in the ledger."
        return self.form_page(request, ledger, form, make, said=said)

    def retest(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whether the item still fails."""
        by = person_of(request)
        said = "It was looked at again; the page says what was seen."
        return self.do(
            request, object_id, lambda row: retest_finding(row, by=by), act="retest", said=said
        )

    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close it with what was done."""
        by, note = person_of(request), request.POST.get("note", "")
        return self.do(
            request,
            object_id,
            lambda row: close_finding(row, note=note, by=by),
            act="close",
            said="It is closed; this is an entry in the ledger.",
        )


def _sentence(row: Finding) -> str:
    if row.state == "closed":
        return f"{row.title}: closed by {row.closed_by}."
    late = ", which is over" if row.due < today() else ""
    return f"{row.title}: {row.owner} puts it right by {row.due}{late}."


def _acts(request: HttpRequest, row: Finding) -> tuple[ActForm, ...]:
    if row.state != "open" or not request.user.has_perm(_MAY_CLOSE):
        return ()
    retest = ActForm(
        id="retest",
        title="Retest it",
        said="The tallies are asked whether the item still fails; that closes nothing.",
        url=url_of("compliance_finding_retest", row.id),
        button="Look again",
        icon="replay",
        why_not="" if row.item else "It names no item, so there is nothing to ask for.",
    )
    is_owners = row.severity == "critical" and row.owner_id == request.user.pk
    close = ActForm(
        id="close",
        title="Close it",
        said="The entry says what was done and who saw it work.",
        url=url_of("compliance_finding_close", row.id),
        button="Close the finding",
        icon="task_alt",
        boxes=(
            Box(
                name="note",
                word="What was done, and how it was seen to work",
                help="It stands in the ledger for ever, with your name: no personal data.",
                kind="area",
                most=MOST_TEXT,
            ),
        ),
        why_not="It is critical and yours; another person closes it." if is_owners else "",
    )
    return (retest, close)


def _boxes() -> tuple[Box, ...]:
    people = User.objects.filter(is_active=True, is_staff=True).order_by("username")
    owners = list(people.values_list("username", flat=True)[:MOST_OWNERS])
    return (
        Box(
            name="framework",
            word="Framework",
            kind="choice",
            choices=frameworks_to_choose(),
        ),
        Box(
            name="control",
            word="Control",
            help="Its id; may be empty when a check is named.",
            is_needed=False,
        ),
        Box(name="check", word="Check", help="Its id, such as TOOL-01.", is_needed=False),
        Box(
            name="item",
            word="Item",
            help="The id of the failing item, as the page of the check shows it.",
            is_needed=False,
        ),
        Box(
            name="seq",
            word="Entry",
            help="Its number; empty: that of the item.",
            kind="number",
            is_needed=False,
        ),
        Box(name="title", word="What is wrong", help="In a line.", most=MOST_TITLE),
        Box(
            name="note",
            word="Note",
            help="No personal data: it stands in the ledger for ever.",
            kind="area",
            most=MOST_TEXT,
            is_needed=False,
        ),
        Box(
            name="owner",
            word="Owner",
            help="Who puts it right. A critical finding is closed by another person.",
            kind="choice",
            choices=named(owners),
        ),
        Box(name="due", word="Due", help="The day by which it is put right.", kind="day"),
    )
