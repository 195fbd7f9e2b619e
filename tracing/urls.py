"""Addresses of OTLP, as its exporters know them: `/v1/traces`, `/v1/logs`, `/v1/metrics`."""

from __future__ import annotations

from django.urls import path

from tracing.otlp_http import export

urlpatterns = [path("v1/<path:signal>", export, name="otlp")]
