"""The pages of nil returns: the list, signing one, one with its withdrawal.

Verbs: compliance.nil_return.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from audit.admin.acts import act
from audit.models import Ledger
from compliance.acting import read_day
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
    named_ledger,
    person_of,
    reason_box,
    url_of,
    when_cell,
)
from compliance.in_force import catalogue_in_force
from compliance.models import NilReturn
from compliance.nil_return import sign_nil_return, withdraw_nil_return

_MAY_SIGN, _MAY_WITHDRAW = "compliance.add_nilreturn", "compliance.change_nilreturn"
_ACTION = "audit.nil_return_signed"


@admin.register(NilReturn)
class NilReturnAdmin(PeopleAdmin):
    """Signed words that nothing of a kind happened."""

    rows_of = NilReturn
    title = "Nil returns"
    lead = (
        "Some checks are empty because nothing happened. That counts only when their owner signs "
        "it for the period; while an item is pending nobody can."
    )
    shows: ClassVar = {"standing": "Signed", "withdrawn": "Withdrawn", "all": "All"}
    where: ClassVar = {
        "standing": {"withdrawn_at": None},
        "withdrawn": {"withdrawn_at__isnull": False},
        "all": {},
    }
    empty: ClassVar = {
        "": Empty(
            icon="do_not_disturb_on",
            heading="No nil return here",
            body="When a check says that a nil return is missing, and nothing of the kind did "
            "happen, sign it here for the days of the period.",
        )
    }

    def get_urls(self) -> list[URLPattern]:
        """Add signing and withdrawing."""
        new = self.admin_site.admin_view(self.new_page)
        return [
            path("new/", new, name="compliance_nilreturn_new"),
            path(
                "<str:object_id>/withdraw/",
                act(self, self.withdraw, permission=_MAY_WITHDRAW),
                name="compliance_nilreturn_withdraw",
            ),
            *super().get_urls(),
        ]

    def state(self, row: NilReturn) -> str:
        """Return its state in a word."""
        return "withdrawn" if row.withdrawn_at else "signed"

    def cells(self, row: NilReturn) -> tuple[Cell, ...]:
        """Return what the list says of a nil return."""
        return (
            Cell(word="Check", value=row.check_id),
            day_cell("From", row.first_day),
            day_cell("To", row.last_day()),
            Cell(word="Signed by", value=row.signed_by),
            when_cell("Signed", row.signed_at),
        )

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Offer signing one."""
        new = Way(
            word="Sign a nil return",
            url=url_of("compliance_nilreturn_new", ledger=ledger.name),
            icon="draw",
            is_main=True,
        )
        entries = Way(word="Entries", url=entries_url(ledger, _ACTION))
        return (*((new,) if request.user.has_perm(_MAY_SIGN) else ()), entries)

    def shown(self, request: HttpRequest, row: NilReturn) -> Shown:
        """Return what the page of a nil return says."""
        withdraw = ActForm(
            id="withdraw",
            title="Withdraw it",
            said="Something did happen after all: the check is no data again where it is empty.",
            url=url_of("compliance_nilreturn_withdraw", row.id),
            button="Withdraw the nil return",
            icon="undo",
            boxes=(reason_box(),),
            is_bad=True,
        )
        may = row.withdrawn_at is None and request.user.has_perm(_MAY_WITHDRAW)
        return Shown(
            title=f"Nil return {row.id}",
            sentence=f"{row.signed_by} signed that nothing which {row.check_id} looks at happened "
            f"from {row.first_day} to {row.last_day()}.",
            state=self.state(row),
            fields=(
                Cell(word="Check", value=row.check_id),
                day_cell("From", row.first_day),
                day_cell("To", row.last_day()),
                when_cell("Signed", row.signed_at),
                Cell(word="Signed by", value=row.signed_by),
                *((when_cell("Withdrawn", row.withdrawn_at),) if row.withdrawn_at else ()),
                Cell(word="Withdrawn by", value=row.withdrawn_by),
                Cell(word="Why", value=row.withdraw_reason),
            ),
            texts=(("What was signed", row.text),),
            ways=(Way(word="Entries of nil returns", url=entries_url(row.ledger, _ACTION)),),
            acts=(withdraw,) if may else (),
        )

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask for check and days, then sign."""
        if not request.user.has_perm(_MAY_SIGN):
            raise PermissionDenied
        ledger = named_ledger(request)
        form = Form(
            title="Sign a nil return",
            lead="You state that nothing of the kind happened on these days. The entry carries "
            "your name.",
            boxes=_boxes(),
            button="Sign it",
            icon="draw",
            back=url_of("compliance_nilreturn_changelist", ledger=ledger.name),
        )

        def make(values: Mapping[str, str]) -> NilReturn:
            return sign_nil_return(
                ledger,
                catalogue_in_force(),
                check=values.get("check", ""),
                first=read_day("first", values.get("first", "")),
                last=read_day("last", values.get("last", "")),
                text=values.get("text", ""),
                by=person_of(request),
            )

        said = "It is signed; this is an entry in the ledger."
        return self.form_page(request, ledger, form, make, said=said)

    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a nil return back."""
        by, reason = person_of(request), request.POST.get("reason", "")
        return self.do(
            request,
            object_id,
            lambda row: withdraw_nil_return(row, reason=reason, by=by),
            act="withdraw",
            said="It is withdrawn; this is an entry in the ledger.",
        )


def _boxes() -> tuple[Box, ...]:
    known = catalogue_in_force().checks.values()
    checks = sorted((one.id, f"{one.id}, {one.title}") for one in known if one.nil_return)
    return (
        Box(
            name="check",
            word="Check",
            help="Only checks that ask for a nil return.",
            kind="choice",
            choices=tuple(checks),
        ),
        Box(name="first", word="First day", kind="day"),
        Box(name="last", word="Last day", help="Today at most.", kind="day"),
        reason_box("What did not happen", name="text"),
    )
