"""Answer /metrics. Who may ask: metrics.access. What it shows: metrics.expose and metrics.page."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.errors import AuthRefused
from metrics import access, expose, page
from metrics.collected import UNANSWERED
from metrics.family import Detail
from metrics.text_format import EOF, Format

SCOPES: Final = ("platform", "process")

_PLAIN: Final = "text/plain; charset=utf-8"


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics of a scope, as OpenMetrics where the client accepts it, else as text.

    `?scope=platform` is of the installation, the same from every process; `?scope=process` of this
    web instance; without it both. A key sees its ledger, and so nothing of a process.
    """
    try:
        viewer = access.viewer(request)
    except AuthRefused as refused:
        return access.refusal(refused)
    except UNANSWERED:
        return _unavailable("the database does not answer, so no key can be looked up")
    scope = request.GET.get("scope", "")
    if scope and scope not in SCOPES:
        return HttpResponse("Unknown scope: platform or process.\n", _PLAIN, status=400)
    if viewer.ledger is not None and scope == "process":
        return access.refusal(access.process_refused())
    try:
        return _answer(request, scope, viewer.ledger)
    except page.NoPage:
        return _unavailable("the database does not answer, and this machine has kept no copy")


def _answer(request: HttpRequest, scope: str, ledger: str | None) -> HttpResponse:
    accept = request.headers.get("Accept", "")
    content_type, form = expose.content_type(accept)
    detail = expose.level()
    parts = []
    if scope != "platform" and ledger is None and detail is not None:
        parts.append(expose.process(accept))
    if scope != "process":
        parts += _platform(ledger, form, detail)
    if form == "openmetrics":
        parts.append(EOF)
    return HttpResponse("".join(parts), content_type=content_type)


def _platform(ledger: str | None, form: Format, detail: Detail | None) -> list[str]:
    shown = page.newest(ledger or "", form, detail=detail)
    seconds = None if detail is None else shown.seconds
    return [shown.body, expose.served(age=page.age_of(shown), seconds=seconds)[form]]


def _unavailable(why: str) -> HttpResponse:
    return HttpResponse(f"No metrics: {why}.\n", _PLAIN, status=503)
