"""Wire an agent for telemetry as each project's own guide says, and tell at the end what was used.

Nothing here knows the platform: where spans go, and by which key, says the environment
(`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`).
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from benchmarks.agents import loopback


def over_otlp() -> TracerProvider:
    """Return a provider that sends spans by OTLP over HTTP to where the environment says."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def tell(answer: str, *distributions: str) -> None:
    """Say as the last line what the agent answered, which versions ran, and what was refused."""
    print(
        json.dumps(
            {
                "answer": answer,
                "versions": {name: version(name) for name in distributions},
                "python": ".".join(map(str, sys.version_info[:3])),
                "refused": loopback.refused,
            }
        )
    )
