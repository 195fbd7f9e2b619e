"""Say who may see /metrics, /status and the details of /ready.

Four ways in: from this machine itself, from a network that OBS_METRICS_ALLOW names, with the
scraper's token (OBS_METRICS_TOKEN), or with an API key that holds `entries:read`, which sees its
own ledger only. Keys: audit.auth.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

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
    if is_loopback(request) or _is_allowed_network(request) or _has_scraper_token(request):
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


def process_refused() -> AuthRefused:
    """Return why a key may not see what a process counts: that is of all ledgers together."""
    return AuthRefused(
        status=403,
        code="scope-missing",
        message="A key sees its own ledger; what a process counts is of all of them. "
        "Leave out `scope=process`, or send OBS_METRICS_TOKEN.",
    )


def is_loopback(request: HttpRequest) -> bool:
    """Tell whether the request was made on this machine and for itself."""
    address = _peer(request)
    return address is not None and address.is_loopback


def _is_allowed_network(request: HttpRequest) -> bool:
    address = _peer(request)
    return address is not None and any(address in network for network in settings.METRICS_ALLOW)


def _peer(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """Return who made the request; None when it was forwarded, or came by a Unix socket.

    Behind a proxy every request comes from the proxy's address, so one that was forwarded never
    counts, whatever address it claims.
    """
    if any(name in request.META for name in _FORWARDED):
        return None
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return None  # a Unix socket has no address, and a proxy is behind it
    # A server that listens on both families sees IPv4 as ::ffff:10.1.2.3.
    return getattr(address, "ipv4_mapped", None) or address


def _has_scraper_token(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if not settings.METRICS_TOKEN or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode())
