"""The pages of management statements: the list, preparing one, one with its file, and the acts.

One person prepares, another signs; the file is read by every auditor. Verbs: compliance.statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.http import content_disposition_header

from audit.admin.acts import act, number
from audit.models import Ledger
from compliance.acting import ActRefused, read_day, today
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
    named_ledger,
    person_of,
    reason_box,
    url_of,
    when_cell,
)
from compliance.in_force import catalogue_in_force
from compliance.models import Statement
from compliance.statement import (
    MOST_FILE,
    Attached,
    Draft,
    discard_statement,
    prepare_statement,
    sign_statement,
    withdraw_statement,
)

_MAY_PREPARE, _MAY_SIGN = "compliance.add_statement", "compliance.change_statement"
_ACTION = "audit.attestation_signed"


@admin.register(Statement)
class StatementAdmin(PeopleAdmin):
    """Management statements."""

    rows_of = Statement
    title = "Statements"
    lead = (
        "What management states where entries alone cannot show it. One person prepares, another "
        "signs; a control without a statement in force is no data, never a pass."
    )
    shows: ClassVar = {"signed": "Signed", "draft": "To be signed", "ended": "Ended", "all": "All"}
    where: ClassVar = {
        "signed": {"state": "signed"},
        "draft": {"state": "draft"},
        "ended": {"state__in": ("withdrawn", "discarded")},
        "all": {},
    }
    empty: ClassVar = {
        "": Empty(
            icon="draw",
            heading="No statement here",
            body="A statement is prepared here with its file and its days, then signed by another "
            "person. Open a control to see which statement it asks for.",
        ),
        "draft": Empty(
            icon="draw",
            heading="Nothing waits for a signature",
            body="A statement that somebody prepared stays here until another person signs it.",
        ),
    }

    def get_urls(self) -> list[URLPattern]:
        """Add preparing, the file and the acts."""
        acts = {
            "sign": (self.sign, _MAY_SIGN),
            "withdraw": (self.withdraw, _MAY_SIGN),
            "discard": (self.discard, _MAY_PREPARE),
        }
        return [
            path(
                "new/", self.admin_site.admin_view(self.new_page), name="compliance_statement_new"
            ),
            path("<str:object_id>/file/", self.page(self.file), name="compliance_statement_file"),
            *(
                path(
                    f"<str:object_id>/{name}/",
                    act(self, verb, permission=permission),
                    name=f"compliance_statement_{name}",
                )
                for name, (verb, permission) in acts.items()
            ),
            *super().get_urls(),
        ]

    def found(self, show: str) -> QuerySet[Any]:
        """Return the rows of a tab, without their files."""
        return Statement.objects.listed().filter(**self.where[show])

    def row(self, object_id: str) -> Statement:
        """Return a statement without its file; 404 when there is none."""
        found = Statement.objects.listed().filter(id=number(object_id)).first()
        if found is None:
            raise Http404("no statement has this number")
        return found

    def state(self, row: Statement) -> str:
        """Return its state in a word."""
        return row.word(today())

    def cells(self, row: Statement) -> tuple[Cell, ...]:
        """Return what the list says of a statement."""
        return (
            Cell(word="Framework", value=row.framework),
            Cell(word="Control", value=row.control),
            day_cell("Speaks from", row.effective_from),
            day_cell("to", row.effective_to),
            day_cell("Expires", row.expires_on),
            Cell(word="Prepared by", value=row.prepared_by),
            Cell(word="Signed by", value=row.signed_by),
            Cell(word="File", value=row.file_name),
        )

    def ways(self, request: HttpRequest, ledger: Ledger) -> tuple[Way, ...]:
        """Offer what belongs to statements, nil returns and reviews included."""
        new = Way(
            word="Prepare a statement",
            url=url_of("compliance_statement_new", ledger=ledger.name),
            icon="edit_document",
            is_main=True,
        )
        return (
            *((new,) if request.user.has_perm(_MAY_PREPARE) else ()),
            Way(
                word="Nil returns",
                url=url_of("compliance_nilreturn_changelist", ledger=ledger.name),
            ),
            Way(
                word="Activity reviews",
                url=url_of("compliance_review_changelist", ledger=ledger.name),
            ),
            Way(word="Entries", url=entries_url(ledger, _ACTION)),
        )

    def shown(self, request: HttpRequest, row: Statement) -> Shown:
        """Return what the page of a statement says."""
        renews = url_of("compliance_statement_change", row.renews_id) if row.renews_id else ""
        return Shown(
            title=f"Statement {row.id}",
            sentence=_sentence(row),
            state=self.state(row),
            fields=(
                Cell(word="Framework", value=row.framework),
                Cell(word="Control", value=row.control),
                Cell(word="Kind", value="Reasoning, 164.306(d)(3)" if row.is_reasoning else ""),
                Cell(word="Signed as", value=row.role),
                day_cell("Speaks from", row.effective_from),
                day_cell("Speaks to", row.effective_to),
                day_cell("Expires", row.expires_on),
                Cell(word="Renews", value=row.renews_id and f"{row.renews_id:,}", url=renews),
                when_cell("Prepared", row.prepared_at),
                Cell(word="Prepared by", value=row.prepared_by),
                *((when_cell("Signed", row.signed_at),) if row.signed_at else ()),
                Cell(word="Signed by", value=row.signed_by),
                *((when_cell("Ended", row.ended_at),) if row.ended_at else ()),
                Cell(word="Ended by", value=row.ended_by),
                Cell(word="Why", value=row.end_reason),
                Cell(
                    word="File",
                    value=row.file_name,
                    url=url_of("compliance_statement_file", row.id),
                ),
                Cell(word="SHA-256", value=row.file_sha256, kind="code"),
            ),
            texts=(("What management states", row.text),),
            ways=self._ways_of(request, row),
            acts=_acts(request, row),
        )

    def _ways_of(self, request: HttpRequest, row: Statement) -> tuple[Way, ...]:
        renew = Way(
            word="Renew it",
            url=url_of("compliance_statement_new", ledger=row.ledger.name, renews=str(row.id)),
        )
        may_renew = row.state == "signed" and request.user.has_perm(_MAY_PREPARE)
        entries = Way(word="Entries of statements", url=entries_url(row.ledger, _ACTION))
        return (*((renew,) if may_renew else ()), entries)

    # --- Preparing -----------------------------------------------------------------------------

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Ask what is stated, then keep the draft."""
        if not request.user.has_perm(_MAY_PREPARE):
            raise PermissionDenied
        ledger = named_ledger(request)
        renews = self._renewed(request)
        form = Form(
            title="Prepare a statement",
            lead="What another person is going to sign. Until then it counts for nothing and "
            "leaves no entry.",
            boxes=_boxes(renews),
            button="Keep it to be signed",
            icon="edit_document",
            back=url_of("compliance_statement_changelist", ledger=ledger.name),
            has_file=True,
        )

        def make(values: Mapping[str, str]) -> Statement:
            expires = values.get("expires_on", "").strip()
            draft = Draft(
                framework=values.get("framework", ""),
                control=values.get("control", "").strip(),
                text=values.get("text", ""),
                role=values.get("role", ""),
                effective_from=read_day("effective_from", values.get("effective_from", "")),
                effective_to=read_day("effective_to", values.get("effective_to", "")),
                expires_on=read_day("expires_on", expires) if expires else None,
                is_reasoning=values.get("is_reasoning") == "yes",
            )
            return prepare_statement(
                ledger,
                catalogue_in_force(),
                draft,
                by=person_of(request),
                attached=_attached(request.FILES.get("file")),
                renews=renews,
            )

        said = "It is kept; another person signs it."
        return self.form_page(request, ledger, form, make, said=said)

    def _renewed(self, request: HttpRequest) -> Statement | None:
        said = request.GET.get("renews", "")
        return self.row(said) if said else None

    # --- Acts ----------------------------------------------------------------------------------

    def sign(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Sign a statement that somebody else prepared."""
        by = person_of(request)
        said = "It is signed; this is an entry in the ledger."
        return self.do(
            request, object_id, lambda row: sign_statement(row, by=by), act="sign", said=said
        )

    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take a signed statement back."""
        by, reason = person_of(request), request.POST.get("reason", "")
        return self.do(
            request,
            object_id,
            lambda row: withdraw_statement(row, reason=reason, by=by),
            act="withdraw",
            said="It is withdrawn; this is an entry in the ledger.",
        )

    def discard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put a draft away."""
        by = person_of(request)
        said = "It is put away; nobody signs it any more."
        return self.do(
            request, object_id, lambda row: discard_statement(row, by=by), act="discard", said=said
        )

    def file(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the file as it was uploaded, to be kept and never to be shown in the browser."""
        found = Statement.objects.filter(id=number(object_id)).first()
        if found is None or found.file is None:
            raise Http404("no statement of this number has a file")
        answer = HttpResponse(bytes(found.file), content_type="application/octet-stream")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Disposition"] = _disposition(found.file_name)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _disposition(name: str) -> str:
    return content_disposition_header(as_attachment=True, filename=name) or "attachment"


def _attached(sent: Any) -> Attached | None:
    if not isinstance(sent, UploadedFile):
        return None
    if sent.size is None or sent.size > MOST_FILE:
        raise ActRefused(field="file", message=f"at most {MOST_FILE:,} bytes")
    return Attached(name=sent.name or "", content=sent.read())


def _sentence(row: Statement) -> str:
    about = f"{row.framework} {row.control} from {row.effective_from} to {row.effective_to}"
    said = {
        "draft": f"Prepared by {row.prepared_by} and not signed yet: it counts for nothing.",
        "signed": f"{row.signed_by} states this for {about}.",
        "expired": f"{row.signed_by} stated this for {about}; it has expired.",
        "withdrawn": f"Withdrawn by {row.ended_by}: it counts no more.",
        "discarded": f"Put away by {row.ended_by}; it was never signed.",
    }
    return said[row.word(today())]


def _acts(request: HttpRequest, row: Statement) -> tuple[ActForm, ...]:
    may_sign = request.user.has_perm(_MAY_SIGN)
    if row.state == "draft":
        why_not = "" if may_sign else "Somebody who holds the right to sign statements signs it."
        if may_sign and row.prepared_by_id == request.user.pk:
            why_not = "You prepared it; another person signs it."
        sign = ActForm(
            id="sign",
            title="Sign it",
            said="You state this for management, with your name, and it counts in scores.",
            url=url_of("compliance_statement_sign", row.id),
            button="Sign the statement",
            icon="draw",
            why_not=why_not,
        )
        discard = ActForm(
            id="discard",
            title="Put it away",
            said="Nobody signs it any more. The draft stays here and leaves no entry.",
            url=url_of("compliance_statement_discard", row.id),
            button="Put it away",
            icon="archive",
            is_bad=True,
        )
        return (sign, discard) if request.user.has_perm(_MAY_PREPARE) else (sign,)
    if row.state == "signed" and may_sign:
        withdraw = ActForm(
            id="withdraw",
            title="Withdraw it",
            said="What rests on it is no data again, in every period that is evaluated from now.",
            url=url_of("compliance_statement_withdraw", row.id),
            button="Withdraw the statement",
            icon="undo",
            boxes=(reason_box(),),
            is_bad=True,
        )
        return (withdraw,)
    return ()


def _boxes(renews: Statement | None) -> tuple[Box, ...]:

    def before(name: str) -> str:
        return str(getattr(renews, name)) if renews is not None else ""

    return (
        Box(
            name="framework",
            word="Framework",
            kind="choice",
            choices=frameworks_to_choose(),
            value=before("framework"),
        ),
        Box(
            name="control",
            word="Control",
            help="Its id as the framework's list shows it, such as CC1.1.",
            value=before("control"),
        ),
        Box(
            name="text",
            word="What management states",
            help="The entry holds it whole and for ever: no personal data.",
            kind="area",
            value=before("text"),
            most=4_000,
        ),
        Box(
            name="role",
            word="Signed as",
            help="The office of whoever signs, such as security official.",
            value=before("role"),
        ),
        Box(
            name="effective_from",
            word="Speaks from",
            help="The first day it speaks of, which may be before today.",
            kind="day",
        ),
        Box(name="effective_to", word="Speaks to", help="The last day it speaks of.", kind="day"),
        Box(
            name="expires_on",
            word="Expires on",
            help="Empty: as long as the control allows.",
            kind="day",
            is_needed=False,
        ),
        Box(
            name="file",
            word="File",
            help=f"The document itself, at most {MOST_FILE // 1024**2} MB; its SHA-256 stands in "
            "the entry.",
            kind="file",
            is_needed=False,
        ),
        Box(
            name="is_reasoning",
            word="It is the reasoning of 45 CFR 164.306(d)(3) for an addressable specification",
            help="HIPAA only: it stands in for the checks of the control, which stay shown.",
            kind="flag",
        ),
    )
