"""Answer /metrics. Who may ask: metrics.access. What it shows: metrics.expose."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.errors import AuthRefused
from metrics import access, expose


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics, as OpenMetrics where the client accepts it, else as text."""
    try:
        viewer = access.viewer(request)
    except AuthRefused as refused:
        return access.refusal(refused)
    page, content_type = expose.render(request.headers.get("Accept", ""), ledger=viewer.ledger)
    return HttpResponse(page, content_type=content_type)
