"""Say who may see /metrics, /status and the details of /ready.

Three ways in: from this machine itself, with the scraper's token (OBS_METRICS_TOKEN), or with an
API key that holds `entries:read`, which sees its own ledger only. Keys: audit.auth.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse

from audit import auth
from audit.errors import AuthRefused

_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


@dataclass(frozen=True, kw_only=True, slots=True)
class Viewer:
    """Somebody who may look."""

    ledger: str | None
    """The one ledger a key sees; None sees all."""


def viewer(request: HttpRequest) -> Viewer:
    """Return who looks; raises AuthRefused (401, 403) for anyone who may not."""
    if is_loopback(request) or _has_scraper_token(request):
        return Viewer(ledger=None)
    grant = auth.authenticate(request)
    auth.require_scope(grant, "entries:read")
    return Viewer(ledger=grant.ledger_name)


def is_allowed(request: HttpRequest) -> bool:
    """Tell whether `viewer` would let the request in; no, when its key cannot be looked up."""
    try:
        viewer(request)
    except (AuthRefused, OperationalError):
        return False
    return True


def refusal(refused: AuthRefused) -> HttpResponse:
    """Answer a refused request with a problem document (RFC 9457)."""
    body = {
        "type": f"/errors/{refused.code}",
        "title": "This needs an API key with the scope entries:read",
        "status": refused.status,
        "code": refused.code,
        "detail": refused.message,
    }
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
    return JsonResponse(
        body, status=refused.status, content_type="application/problem+json", headers=headers
    )


def is_loopback(request: HttpRequest) -> bool:
    """Tell whether the request was made on this machine and for itself.

    Behind a proxy on the same machine every request comes from loopback, so one that was
    forwarded never counts, whatever address it claims.
    """
    if any(name in request.META for name in _FORWARDED):
        return False
    address = request.META.get("REMOTE_ADDR", "")
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False  # a Unix socket has no address, and a proxy is behind it


def _has_scraper_token(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if not settings.METRICS_TOKEN or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
