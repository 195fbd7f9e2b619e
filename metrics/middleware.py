"""Count requests for /metrics, with labels that a client cannot multiply.

django-prometheus' middleware takes the request's method as a label as it came, and a method may
be any word: a stranger could add a histogram with each request. Shown by metrics.expose.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django_prometheus.middleware import (  # type: ignore[import-untyped]  # it ships no types
    PrometheusAfterMiddleware,
)


class RequestMetrics(PrometheusAfterMiddleware):  # type: ignore[misc]
    """django-prometheus' middleware with unknown methods under one label."""

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
