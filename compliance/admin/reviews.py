"""The pages of activity reviews: the list, recording one, one by itself.

Verb: compliance.review.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from audit.models import Ledger
from compliance.acting import read_count
from compliance.admin.people_form import (
    Box,
    Cell,
    Empty,
    Form,
    PeopleAdmin,
    Shown,
    Way,
    entries_url,
    named_ledger,
    person_of,
    reason_box,
    url_of,
    when_cell,
)
from compliance.models import Review
from compliance.review import MOST_SCOPE, complete_review

_MAY_DO = "compliance.add_review"
_ACTION = "audit.review_completed"


@admin.register(Review)
class ReviewAdmin(PeopleAdmin):
    """Reviews of activity records that people have done."""

    rows_of = Review
    title = "Activity reviews"
    lead = (
        "A person looks through activity records at least every seven days (check LOG-10). What "
        "was looked at and what came of it is recorded here."
    )
    shows: ClassVar = {"all": "All"}
    where: ClassVar = {"all": {}}
    empty: ClassVar = {
        "": Empty(
            icon="rule",
            heading="No review yet",
            body="Look through the entries that failed or were denied, then record here what was "
            "reviewed. Reviews that were posted as events are in the list of entries.",
        )
    }

    def get_urls(self) -> list[URLPattern]:
        """Add recording one."""
        new = self.admin_site.admin_view(self.new_page)
        return [path("new/", new, name="compliance_review_new"), *super().get_urls()]

    def state(self, row: Review) -> str:
        """Return its state in a word."""
        return "done"

    def cells(self, row: Review) -> tuple[Cell, ...]:
        """Return what the list says of a review."""
        return (
            Cell(word="Reviewed", value=row.scope),
            Cell(word="Records", value=row.items_count, kind="number"),
            Cell(word="Findings", value=row.findings_count, kind="number"),
            Cell(word="By", value=row.done_by),
            when_cell("Done", row.done_at),
        )

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Offer recording one."""
        new = Way(
            word="Record a review",
            url=url_of("compliance_review_new", ledger=ledger.name),
            icon="rule",
            is_main=True,
        )
        entries = Way(word="Entries", url=entries_url(ledger, _ACTION))
        return (*((new,) if request.user.has_perm(_MAY_DO) else ()), entries)

    def shown(self, request: HttpRequest, row: Review) -> Shown:
        """Return what the page of a review says."""
        return Shown(
            title=f"Review {row.id}",
            sentence=f"{row.done_by} reviewed {row.items_count:,} records and found "
            f"{row.findings_count:,} to follow up.",
            state="done",
            fields=(
                Cell(word="Reviewed", value=row.scope),
                Cell(word="Records", value=row.items_count, kind="number"),
                Cell(word="Findings", value=row.findings_count, kind="number"),
                when_cell("Done", row.done_at),
                Cell(word="By", value=row.done_by),
            ),
            texts=(("What was seen", row.note),),
            ways=(Way(word="Entries of reviews", url=entries_url(row.ledger, _ACTION)),),
        )

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask what was reviewed, then record it."""
        if not request.user.has_perm(_MAY_DO):
            raise PermissionDenied
        ledger = named_ledger(request)
        form = Form(
            title="Record a review",
            lead="You state that you have looked through these records. The entry carries your "
            "name and the time it is now.",
            boxes=_boxes(),
            button="Record the review",
            icon="rule",
            back=url_of("compliance_review_changelist", ledger=ledger.name),
        )

        def make(values: Mapping[str, str]) -> Review:
            return complete_review(
                ledger,
                scope=values.get("scope", ""),
                items=read_count("items", values.get("items", "")),
                findings=read_count("findings", values.get("findings", "")),
                note=values.get("note", ""),
                by=person_of(request),
            )

        said = "It is recorded; this is an entry in the ledger."
        return self.form_page(request, ledger, form, make, said=said)


def _boxes() -> tuple[Box, ...]:
    return (
        Box(
            name="scope",
            word="What was reviewed",
            help="Which records of which days, such as denied calls of 1 to 7 October.",
            most=MOST_SCOPE,
        ),
        Box(name="items", word="Records reviewed", help="How many, 1 or more.", kind="number"),
        Box(
            name="findings",
            word="Of them to follow up",
            help="0 when nothing was wrong; open a finding for each.",
            kind="number",
        ),
        reason_box("What was looked for and seen", name="note"),
    )
