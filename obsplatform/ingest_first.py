"""Hand POSTs of events and of OTLP to their views before sessions, cookies and CSRF come into play.

Neither looks at cookies or sets any, so for the busiest addresses the desk's middleware would only
cost: a fifth of a request's work. Request ids, logs and metrics stand before this one.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import resolve, reverse

View = Callable[[HttpRequest], HttpResponseBase]


class IngestFirst:
    """Answer `POST /api/v1/events` and `/v1/traces` at once; everything else goes on."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response
        paths = [reverse("post-events")]
        paths += [reverse("otlp", args=[signal]) for signal in ("traces", "logs", "metrics")]
        self.matches = {path: resolve(path) for path in paths}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        match = self.matches.get(request.path_info)
        if match is None:
            return self.get_response(request)
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
