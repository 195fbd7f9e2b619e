"""The shell lines that let an OpenTelemetry sender send here: what empty lists teach."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest


def sending_lines(request: HttpRequest, signal: Literal["traces", "logs"]) -> str:
    """Return the variables that any OpenTelemetry SDK reads; the key is left to the caller."""
    here = request.build_absolute_uri("/").rstrip("/")
    return (
        f"export OTEL_EXPORTER_OTLP_ENDPOINT={here}\n"
        "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
        'export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$OBS_KEY"\n'
        f"export OTEL_{signal.upper()}_EXPORTER=otlp"
    )
