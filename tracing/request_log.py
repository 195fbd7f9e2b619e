"""Give each request its id and its one line. Set-up and masking: tracing.logs.

The id is the client's `X-Request-ID` when it is one we can log (at most 64 of letters, digits,
dot, dash and underscore), else a new one; the answer carries it back, the inbox row keeps it, and
the worker that chains the row logs it. Never logged: bodies, headers, and the values of a query,
where people put what they should not.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Ours are lower-case words; what holds a digit may be a value that stands without a name.
_NAME: Final = re.compile(r"[a-z_]{1,24}")

# Asked every few seconds by machines: their success is no news.
_PROBES: Final = frozenset({"/health", "/ready", "/status", "/metrics"})


def request_id_of(request: HttpRequest) -> str:
    """Return the client's request id where it is acceptable, else a new one."""
    sent = request.META.get("HTTP_X_REQUEST_ID", "")
    return sent if REQUEST_ID.fullmatch(sent) else str(uuid.uuid4())


class RequestLog(RequestMiddleware):
    """django-structlog's middleware with our id, our silence and no look at a session."""

    async_capable = False

    def prepare(self, request: HttpRequest) -> None:
        """Bind the id for every line of this request."""
        structlog.contextvars.clear_contextvars()  # a thread serves many requests
        structlog.contextvars.bind_contextvars(request_id=request_id_of(request))

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Hand the id back, and write the line unless it is no news."""
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id is not None:
            response.headers["X-Request-ID"] = request_id
        if response.status_code < 400 and is_probe(request):
            structlog.contextvars.clear_contextvars()
            return
        super().handle_response(request, response)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Name method and path, and of the query only the names."""
        names = query_names(request.META.get("QUERY_STRING", ""))
        return f"{request.method} {request.path}{'?' + names if names else ''}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Bind who is signed in where the request already knows; a line is no reason to ask."""
        user: Any = getattr(request, "_cached_user", None)
        if user is not None and user.pk is not None:
            structlog.contextvars.bind_contextvars(user_id=user.pk)


def is_probe(request: HttpRequest) -> bool:
    """Tell whether machines ask this all the time, so that its success is no news."""
    return request.path in _PROBES or request.path.startswith(settings.STATIC_URL)


def query_names(query: str) -> str:
    """Return the names of a query joined by `&`, at most twenty; one that is no name is a `…`.

    Parsed by hand: Django's parser refuses a query of many fields with an error, and an error is
    not what a line about the request may end in.
    """
    names = [part.partition("=")[0] for part in query.split("&", 20)[:20] if part]
    return "&".join(name if _NAME.fullmatch(name) else "…" for name in names)
