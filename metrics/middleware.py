"""Count requests for /metrics, with labels that a client cannot multiply.

django-prometheus' middleware takes the request's method as a label as it came, and a method may
be any word: a stranger could add a histogram with each request. Shown by metrics.expose.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django_prometheus.middleware import (  # type: ignore[import-untyped]  # it ships no types
    PrometheusAfterMiddleware,
)


class RequestMetrics(PrometheusAfterMiddleware):  # type: ignore[misc]
    """django-prometheus' middleware with unknown methods under one label."""

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        """Count the view; remembered, since Django asks only where the whole stack ran."""
        request.metrics_view_counted = True  # type: ignore[attr-defined]
        super().process_view(request, None, *view[1:])

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Count the answer, and the view where a middleware answered in its name."""
        if request.resolver_match is not None and not hasattr(request, "metrics_view_counted"):
            self.process_view(request)
        counted: HttpResponse = super().process_response(request, response)
        return counted

    def label_metric(
        self,
        metric: Any,
        request: HttpRequest,
        response: HttpResponseBase | None = None,
        **labels: Any,
    ) -> Any:
        """Return the metric's child for these labels."""
        if "method" in labels:
            labels["method"] = self._method(request)
        return super().label_metric(metric, request, response, **labels)
