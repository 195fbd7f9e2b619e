"""Make a span of each request, child of the sender's. Inserted outermost by tracing.otel.

OpenTelemetry's middleware with three things of ours: probes and OTLP make no span, nor does
anything that is done for them; a name is the route that answered and never a path; a request with
a host that is none of ours is left to be refused as ever.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace
from opentelemetry.instrumentation.django.middleware.otel_middleware import _DjangoMiddleware
from opentelemetry.instrumentation.utils import suppress_instrumentation

from tracing.request_log import is_probe

OTLP: Final = "/v1/"
"""Where spans are taken in: a platform that sends to itself must not feed itself."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestSpans(_DjangoMiddleware):
    """A span a request."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request within its span."""
        if not _is_traced(request):
            with suppress_instrumentation():
                unseen: HttpResponseBase = self.get_response(request)
            return unseen
        self.process_request(request)  # type: ignore[no-untyped-call]
        response: HttpResponseBase = self.get_response(request)
        _name_by_route(request, request.META.get(self._environ_span_key))
        self.process_response(request, response)  # type: ignore[no-untyped-call]
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        """Do nothing: the route is known at the end, also where a middleware answered."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Keep what failed for the span."""
        if self._environ_activation_key in request.META:
            request.META[self._environ_exception_key] = exception

    @staticmethod
    def _get_span_name(request: HttpRequest) -> str:
        """Return a name to begin with: resolving the route here would be done twice."""
        return _method(request)


def _is_traced(request: HttpRequest) -> bool:
    if request.path_info.startswith(OTLP) or is_probe(request):
        return False
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _name_by_route(request: HttpRequest, span: trace.Span | None) -> None:
    route = getattr(request.resolver_match, "route", None)
    if route and span is not None and span.is_recording():
        span.update_name(f"{_method(request)} /{route.lstrip('^/')}")
        span.set_attribute("http.route", f"/{route.lstrip('^/')}")


def _method(request: HttpRequest) -> str:
    return request.method if request.method in _METHODS else "HTTP"
