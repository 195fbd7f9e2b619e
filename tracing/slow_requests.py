"""Catch slow requests while somebody captures them: the middleware of capture.py."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from tracing.capture import caught
from tracing.request_log import is_probe

View = Callable[[HttpRequest], HttpResponseBase]


class SlowRequests:
    """Stands inside of the log, so that what is caught has the request's id."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        if is_probe(request):
            return self.get_response(request)
        with caught("request", process="web") as work:
            response = self.get_response(request)
            route = getattr(request.resolver_match, "route", None) or "…"
            work.name = f"{request.method} /{route.lstrip('^/')}"
        return response
