"""Serve the files of reports: whole, or the range that a broken download asks for.

Whoever may have one: a person who may see reports, a key of the ledger (api_reports.py), or the
holder of a link that has not expired. Each download is an entry, durable before the first byte goes
out; a part of a file is one too. Files: report_files.py. Bytes of an answer: audit.download.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render

from compliance.gather import Served, answer_path, receive_own
from compliance.models import Report, ReportFile
from compliance.renderers import FORMATS
from compliance.report_files import file_named, link_opens, path_of

TakenBy: TypeAlias = Literal["person", "key", "link"]

PERMISSION: Final = "compliance.view_report"
"""What a person needs to have a file."""


def report_file(request: HttpRequest, number: int, name: str) -> HttpResponseBase:
    """Answer `/reports/<number>/<name>`, with `?link=` for whoever holds one."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    report = Report.objects.select_related("ledger").filter(id=number).first()
    token = request.GET.get("link", "")
    by_link = bool(token) and report is not None and link_opens(token, report, name)
    if not by_link and not (request.user.is_active and request.user.has_perm(PERMISSION)):
        # Said alike for a number that is none, so that numbers cannot be tried out.
        raise PermissionDenied
    file = None if report is None else file_named(report, name)
    if report is None or file is None:
        raise Http404("no report has such a file")
    if not path_of(report, file).is_file():
        return render(request, "compliance/report_gone.html", {"report": report}, status=410)
    if by_link:
        return answer_report_file(request, report, file, taken_by="link")
    person = request.user.get_username()
    return answer_report_file(request, report, file, taken_by="person", who=person)


def answer_report_file(
    request: HttpRequest, report: Report, file: ReportFile, *, taken_by: TakenBy, who: str = ""
) -> HttpResponseBase:
    """Return a file or the range asked for, and leave the entry that says who took it.

    `who` is the person's user name, or the id of a key. HEAD takes nothing and leaves no entry.
    """
    served = Served(
        path=path_of(report, file),
        name=file.name,
        content_type=FORMATS[file.format].content_type,
        sha256=file.sha256,
    )
    answer = answer_path(request, served)
    if request.method == "GET" and answer.status_code in {200, 206}:
        _leave_entry(report, file, taken_by, who, part=answer.get("Content-Range", ""))
    return answer


def _leave_entry(
    report: Report, file: ReportFile, taken_by: TakenBy, who: str, *, part: str
) -> None:
    actors = {"key": {"type": "service", "id": who}, "link": {"type": "system", "id": "link"}}
    details: dict[str, object] = {
        "report": str(report.uid),
        "report_id": report.report_id,
        "file": file.name,
        "sha256": file.sha256,
        "by": taken_by,
    }
    person = who if taken_by == "person" else ""
    actor: dict[str, Any] = {} if person else {"actor": actors[taken_by]}
    with transaction.atomic():
        receive_own(
            report.ledger,
            "audit.report_downloaded",
            by=person,
            target={"type": "report", "id": str(report.uid)},
            details=details | ({"range": part} if part else {}),
            **actor,
        )
