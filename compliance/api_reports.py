"""The API's reports: ask for one, list them, ask how far one is, take its files, stop it.

Operations of the one API of audit.api, which asks for `entries:read`, as for exports. A key sees
its own ledger. Parses, calls one verb, answers. Asking: report.py. Files: download.py.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Path, Query, Router, Schema
from pydantic import ConfigDict, Field

from compliance import report as reports
from compliance.acting import ActRefused
from compliance.api_answers import Number, Time
from compliance.api_asked import Absent, Limit, answering, ledger_of, text
from compliance.download import answer_report_file
from compliance.gather import (
    PAGE_LIMIT,
    AgentKey,
    Hash,
    Ledger,
    Seq,
    answer_json,
    format_time,
    grant_of,
    not_found,
    problem,
    unreadable,
)
from compliance.models import Report, ReportFile, Snapshot
from compliance.report_files import file_named, files_of, make_link, path_of
from compliance.result import Band

router = Router()

Format = Literal["pdf", "html", "csv", "json", "oscal", "executive", "zip"]
State = Literal["queued", "running", "signing", "done", "failed", "cancelled"]
FileName = Annotated[str, Path(max_length=300)]

_RETRY_SECONDS = 1
"""When to ask again for a file that is not made yet."""
_ROOM_SECONDS = 10
"""When to ask again while too many reports are unfinished."""


class ReportWanted(Schema):
    """What to report: a framework over a period, or a result that is sealed already."""

    model_config = ConfigDict(extra="forbid")

    framework: str | None = Field(
        None, description="Its id; left out when `snapshot` names a sealed result.", max_length=200
    )
    from_: date | None = Field(None, alias="from", description="The first day, UTC.")
    to: date | None = Field(None, description="The day after the last.")
    environment: Literal["prod", "staging", "test", "dev", ""] | None = Field(
        None, description="Of the agents that count; empty for all, prod when left out."
    )
    snapshot: UUID | None = Field(
        None, description="A sealed period to report as it is, in place of framework and days."
    )
    formats: list[Format] = Field(min_length=1, max_length=20)
    reason: str = Field(
        "", description="Why; stands in the ledger for ever. No personal data.", max_length=500
    )


class ReportFileItem(Schema):
    """A file of a report."""

    name: str
    format: Format
    size: int = Field(description="Bytes.")
    sha256: Hash
    link: str = Field(description="Opens the file for whoever holds it, for a week unless set.")


class ReportItem(Schema):
    """A report: what was asked for, how far it is, its numbers and its files."""

    id: int
    uid: UUID
    ledger: str
    framework: str
    from_: date = Field(alias="from", description="The first day, UTC.")
    to: date = Field(description="The day after the last.")
    environment: str = Field(description="Empty: all.")
    formats: list[Format]
    reason: str
    state: State
    stage: str = Field(description="What is being done, in words.")
    percent: int | None = Field(description="The share of the stage that is done, if known.")
    asked_at: Time
    asked_by: str
    via: Literal["admin", "api", "command", "schedule"]
    finished_at: Time | None
    note: str = Field(description="Why it failed or waits, and the way out; else empty.")
    report_id: str = Field(description="As its cover says; empty before it is done.")
    content_sha256: str = Field(description="Of the content that every form is made of.")
    snapshot: UUID | None
    evidenced: Number | None
    tested: Number | None
    coverage: Number | None
    cap: int | None
    band: Band | None
    files: list[ReportFileItem] = Field(description="Empty before it is done.")


class ReportPage(Schema):
    """Some reports, newest first."""

    items: list[ReportItem]
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last.")


_RESPONSES: dict[int, Any] = {
    409: {"description": "It is not in the state for that; `detail` says which it is in."},
    410: {"description": "The file is not where it was put."},
    416: {"description": "The range begins after the end of the file."},
    429: {"description": "Too many reports of the ledger are unfinished."},
}


def _may(*statuses: int) -> dict[str, Any]:
    """Return how the document says what an operation may answer besides the usual problems."""
    body = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"responses": {each: {**_RESPONSES[each], "content": body} for each in statuses}}


@router.post(
    "/reports",
    response={202: ReportItem},
    by_alias=True,
    tags=["reports"],
    summary="Ask for a report",
    openapi_extra=_may(429),
)
@answering()
def ask_for_a_report(request: HttpRequest, wanted: ReportWanted) -> HttpResponse:
    """Put a report into the queue; it is made in the background, also while nobody asks.

    A period that is sealed already with the same result is reported from that, byte for byte.
    """
    grant, ledger = grant_of(request), ledger_of(request)
    owner = AgentKey.objects.get(key_id=grant.key_id).created_by
    try:
        asked = _wanted(ledger, wanted, owner)
        found = reports.ask_for_report(asked, via="api", by=f"key:{grant.key_id}")
    except ActRefused as refused:
        return unreadable({refused.field: refused.message})
    except reports.TooManyReports as full:
        headers = {"Retry-After": str(_ROOM_SECONDS)}
        return problem(429, "too-many-reports", detail=f"{full}.", headers=headers)
    answer = answer_json(_item(request, found))
    answer.status_code = 202
    answer["Location"] = f"{request.path}/{found.id}"
    return answer


@router.get(
    "/reports",
    response=ReportPage,
    by_alias=True,
    tags=["reports"],
    summary="List reports",
)
@answering("framework", "state", "after", "limit")
def list_reports(
    request: HttpRequest,
    framework: Annotated[str | None, Query(max_length=200)] = None,
    state: State | None = None,
    after: Annotated[str | None, Query(pattern="^[0-9]{1,18}$")] = None,
    limit: Limit = PAGE_LIMIT,
) -> HttpResponse:
    """Newest first, a page at a time: those that wait, are made, are done, or ended otherwise."""
    found = _reports(ledger_of(request)).newest_first()
    if framework is not None:
        found = found.filter(framework=text("framework", framework))
    if state is not None:
        found = found.filter(state=state)
    if after is not None:
        found = found.filter(id__lt=int(after))
    shown = list(found[: limit + 1])
    following = str(shown[limit - 1].id) if len(shown) > limit else None
    items = [_item(request, each) for each in shown[:limit]]
    return answer_json({"items": items, "next": following})


@router.get(
    "/reports/{id}",
    response=ReportItem,
    by_alias=True,
    tags=["reports"],
    summary="Ask how far a report is",
)
@answering()
def report_state(request: HttpRequest, id: Seq) -> HttpResponse:
    """Say how far it is; once it is done, each file with its SHA-256 and a link to it."""
    return answer_json(_item(request, _report(request, id)))


@router.get(
    "/reports/{id}/files/{name}",
    tags=["reports"],
    summary="Download a file of a report",
    openapi_extra=_may(409, 410, 416),
)
@answering()
def report_bytes(request: HttpRequest, id: Seq, name: FileName) -> HttpResponseBase:
    """Give the file, or the range of it that `Range` asks for; the ledger keeps who took it."""
    report = _report(request, id)
    file = file_named(report, name)
    if file is None and report.state == "done":
        return not_found("This report has no file of that name; GET its address lists them.")
    if file is None:
        detail = f"It is {report.state}. {report.note}".strip()
        headers = {"Retry-After": str(_RETRY_SECONDS)}
        return problem(409, "report-not-ready", detail=detail, headers=headers)
    if not path_of(report, file).is_file():
        detail = "The file is not where it was put; ask for the report of its snapshot again."
        return problem(410, "report-file-gone", detail=detail)
    key = f"key:{grant_of(request).key_id}"
    answer = answer_report_file(request, report, file, taken_by="key", who=key)
    if answer.status_code == 416:
        return problem(
            416,
            "range",
            detail="The range begins after the end of the file.",
            headers={"Content-Range": answer["Content-Range"]},
        )
    return answer


@router.post(
    "/reports/{id}/cancel",
    response=ReportItem,
    by_alias=True,
    tags=["reports"],
    summary="Stop a report",
    openapi_extra=_may(409),
)
@answering()
def cancel_a_report(request: HttpRequest, id: Seq) -> HttpResponse:
    """Stop a report that a key asked for while it is not done; nothing of it is kept."""
    report = _report(request, id)
    if report.via != "api":
        raise Absent("No key asked for this report; whoever did can stop it in the desk.")
    if not reports.cancel_report(report, by=f"key:{grant_of(request).key_id}"):
        return problem(409, "report-ended", detail=f"It is {report.state} and cannot be stopped.")
    return answer_json(_item(request, _report(request, id)))


# --- Reading what is asked, writing what is answered ----------------------------------------------


def _wanted(ledger: Ledger, wanted: ReportWanted, owner: str) -> reports.WantedReport:
    """Return what can be asked for. Raises ActRefused."""
    named = {
        "framework": wanted.framework,
        "from": wanted.from_,
        "to": wanted.to,
        "environment": wanted.environment,
    }
    if wanted.snapshot is not None:
        for name, value in named.items():
            if value is not None:
                raise ActRefused(field=name, message="is the snapshot's; leave one of them out")
        snapshot = Snapshot.objects.filter(ledger=ledger, id=wanted.snapshot).first()
        if snapshot is None:
            raise ActRefused(field="snapshot", message="is none of this ledger; see GET /snapshots")
        return reports.want_report_of(
            snapshot, formats=wanted.formats, reason=wanted.reason, owner=owner
        )
    for name in ("framework", "from", "to"):
        if named[name] is None:
            raise ActRefused(field=name, message="is needed unless `snapshot` names a result")
    assert wanted.framework is not None, "just looked at"
    assert wanted.from_ is not None, "just looked at"
    assert wanted.to is not None, "just looked at"
    return reports.want_report(
        ledger,
        wanted.framework,
        start=wanted.from_,
        end=wanted.to,
        environment="prod" if wanted.environment is None else wanted.environment,
        formats=wanted.formats,
        reason=wanted.reason,
        owner=owner,
    )


def _reports(ledger: Ledger) -> Any:
    return Report.objects.select_related("ledger").filter(ledger=ledger)


def _report(request: HttpRequest, number: int) -> Report:
    found: Report | None = _reports(ledger_of(request)).filter(id=number).first()
    if found is None:
        raise Absent("This ledger has no report of that number; GET /api/v1/reports lists them.")
    return found


def _item(request: HttpRequest, report: Report) -> dict[str, Any]:
    return {
        "id": report.id,
        "uid": str(report.uid),
        "ledger": report.ledger.name,
        "framework": report.framework,
        "from": report.start_day.isoformat(),
        "to": report.end_day.isoformat(),
        "environment": report.environment,
        "formats": report.formats,
        "reason": report.reason,
        "state": report.state,
        "stage": report.stage,
        "percent": report.percent(),
        "asked_at": format_time(report.asked_at),
        "asked_by": report.asked_by,
        "via": report.via,
        "finished_at": format_time(report.finished_at) if report.finished_at else None,
        "note": report.note,
        "report_id": report.report_id,
        "content_sha256": report.content_sha256,
        "snapshot": str(report.snapshot_id) if report.snapshot_id else None,
        "evidenced": report.evidenced,
        "tested": report.tested,
        "coverage": report.coverage,
        "cap": report.cap,
        "band": report.band,
        "files": [_file_item(request, report, each) for each in _files(report)],
    }


def _files(report: Report) -> list[ReportFile]:
    return files_of(report) if report.state == "done" else []


def _file_item(request: HttpRequest, report: Report, file: ReportFile) -> dict[str, Any]:
    link = make_link(report, file)
    return {
        "name": file.name,
        "format": file.format,
        "size": file.size,
        "sha256": file.sha256,
        "link": link if settings.PUBLIC_URL else request.build_absolute_uri(link),
    }
