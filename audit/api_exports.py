"""The API's exports: ask for one, ask how far it is, download its file.

Parses, calls a verb, answers; what goes wrong there is told by audit.api. Asking: audit.export.
Files: audit.download.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from audit.api_answers import (
    MOST_SEQ,
    Hash,
    Seq,
    answer_json,
    grant_of,
    not_found,
    unreadable,
    wrong_ledger,
)
from audit.auth import KeyGrant
from audit.download import answer_file
from audit.export import ask_for_export, want
from audit.exportfile import make_token, path_of
from audit.ledger.record import format_time
from audit.models import AgentKey, Export, Ledger
from audit.problems import problem
from audit.query import EntryFilter

router = Router()


class ExportWanted(Schema):
    """What to export. Nothing else may stand in it."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["bundle", "csv", "ocsf", "cef", "ndjson"] = Field(
        "bundle", description="An evidence bundle, or one rendering, or the raw records, alone."
    )
    renderings: list[Literal["csv", "ocsf", "cef"]] = Field(
        [], description="What a bundle holds beside the records.", max_length=3
    )
    filter: dict[str, str | list[str]] = Field(
        {}, description="The filters of GET /entries by name, each with a value or several."
    )
    size: Annotated[int, Field(ge=1, le=MOST_SEQ)] | None = Field(
        None, description="The tree size to answer at, a checkpoint's; the newest when left out."
    )
    reason: str = Field(
        "", description="Why; stands in the ledger for ever. No personal data.", max_length=500
    )


class ExportItem(Schema):
    """An export: what was asked for, how far it is, and the file it became."""

    id: int
    ledger: str
    format: str
    renderings: list[str]
    filter: dict[str, list[str]]
    size: int = Field(description="The tree size it is answered at.")
    state: Literal["queued", "running", "signing", "done", "cancelled", "failed", "expired"]
    percent: int = Field(description="The share of the ledger that was looked through.")
    entries: int = Field(description="Entries written.")
    first_seq: Seq | None
    last_seq: Seq | None
    file_size: int | None = Field(description="Bytes.")
    sha256: Hash | None = Field(description="Of the file.")
    asked_at: str
    finished_at: str | None
    expires_at: str | None = Field(description="When the file goes.")
    note: str = Field(description="Why it failed; empty when it did not.")
    warning: str = Field(description="What is wrong with the entries; empty when nothing is.")
    link: str | None = Field(
        description="Opens the file for whoever holds it, for an hour unless set otherwise."
    )


@router.post(
    "/ledgers/{name}/exports",
    response={202: ExportItem},
    tags=["exports"],
    summary="Ask for an export",
)
def ask_for_an_export(request: HttpRequest, name: str, wanted: ExportWanted) -> HttpResponse:
    """Put an export into the queue; it is made in the background, also while nobody asks.

    A retry asks for another one.
    """
    grant = grant_of(request)
    if name != grant.ledger_name:
        return wrong_ledger(grant)
    asked = EntryFilter.parse(wanted.filter, default_ledger=grant.ledger_name)
    if asked.errors:
        return unreadable({f"filter.{each}": said for each, said in asked.errors.items()})
    if set(asked.ledger) != {grant.ledger_name}:
        return wrong_ledger(grant)
    export_id = ask_for_export(
        want(
            Ledger.objects.get(id=grant.ledger_id),
            asked,
            format=wanted.format,
            renderings=wanted.renderings,
            size=wanted.size,
            reason=wanted.reason,
            owner=AgentKey.objects.get(key_id=grant.key_id).created_by,
        ),
        via="api",
        requested_by=f"key:{grant.key_id}",
    )
    export = _export(grant, export_id)
    assert export is not None, "it was just made"
    answer = answer_json(_export_item(request, export))
    answer.status_code = 202
    answer["Location"] = f"{request.path}/{export_id}"
    return answer


@router.get(
    "/ledgers/{name}/exports/{id}",
    response=ExportItem,
    tags=["exports"],
    summary="Ask how far an export is",
)
def export_state(request: HttpRequest, name: str, id: Seq) -> HttpResponse:
    """Say how far it is; once it is done, `link` opens the file for an hour."""
    grant = grant_of(request)
    if name != grant.ledger_name:
        return wrong_ledger(grant)
    export = _export(grant, id)
    if export is None:
        return not_found("This ledger has no export of that number.")
    return answer_json(_export_item(request, export))


@router.get(
    "/ledgers/{name}/exports/{id}/file", tags=["exports"], summary="Download the file of an export"
)
def export_bytes(request: HttpRequest, name: str, id: Seq) -> HttpResponseBase:
    """Give the file, or the range of it that `Range` asks for, so that a download can go on."""
    grant = grant_of(request)
    if name != grant.ledger_name:
        return wrong_ledger(grant)
    export = _export(grant, id)
    if export is None:
        return not_found("This ledger has no export of that number.")
    word = export.word(timezone.now())
    if word == "expired" or (word == "done" and not path_of(export).is_file()):
        return problem(410, "export-expired", detail="The file is gone; ask for the export again.")
    if word != "done":
        detail = f"It is {word}. {export.note}".strip()
        return problem(409, "export-not-ready", detail=detail, headers={"Retry-After": "1"})
    answer = answer_file(request, export)
    if answer.status_code == 416:
        return problem(
            416,
            "range",
            detail="The range begins after the end of the file.",
            headers={"Content-Range": answer["Content-Range"]},
        )
    return answer


def _export(grant: KeyGrant, export_id: int) -> Export | None:
    found = Export.objects.select_related("ledger")
    return found.filter(ledger_id=grant.ledger_id, id=export_id).first()


def _export_item(request: HttpRequest, export: Export) -> dict[str, Any]:
    now = timezone.now()
    link = None
    if export.has_file(now):
        address = reverse("export-file", args=[export.id])
        link = request.build_absolute_uri(f"{address}?link={make_token(export)}")
    return {
        "id": export.id,
        "ledger": export.ledger.name,
        "format": export.format,
        "renderings": export.renderings,
        "filter": export.parsed_query(),
        "size": export.size,
        "state": export.word(now),
        "percent": export.percent(),
        "entries": export.entries,
        "first_seq": export.first_seq,
        "last_seq": export.last_seq,
        "file_size": export.file_size,
        "sha256": export.sha256,
        "asked_at": format_time(export.asked_at),
        "finished_at": format_time(export.finished_at) if export.finished_at else None,
        "expires_at": format_time(export.expires_at) if export.expires_at else None,
        "note": export.note,
        "warning": export.warning,
        "link": link,
    }
