"""Make spans of our own work and send them. The only module that touches OpenTelemetry's SDK.

`set_up` once a process, by own_spans.start: a web worker, a child of the Celery worker, beat, or a
command that goes on. It makes a provider, wraps Django, Celery, psycopg and redis, and begins a
thread that sends in batches. Which traces are kept: sampling.py, asked at each span, so that a
switch holds at once. What of a span leaves: clean_spans.py, in the thread that sends, so that no
request waits for it.

Never kept, whatever the switches say: a statement or a look at Redis that belongs to no span (loops
that ask all the time), and anything done for a request to /v1/* or while sending, so that a
platform which sends to itself does not feed itself.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from django.conf import settings
from django.utils.module_loading import autodiscover_modules
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor, _new_cursor_factory
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, Status
from opentelemetry.util.types import Attributes

from audit import database, measures
from audit.redact import Redactor
from tracing import counted_spans, sampling
from tracing.clean_spans import clean_attributes
from tracing.logs import LOG_PATTERNS

log = structlog.get_logger(__name__)

QUEUE: Final = 8192
"""Spans that wait to be sent; one more drops the oldest, and is counted."""
BATCH: Final = 512
DELAY_SECONDS: Final = 2.0
SEND_SECONDS: Final = 2.0
"""How long one batch may take with its retries; the end of a process waits for no more."""
EVERY: Final = 64
"""Spans that one measurement stands for."""


class Switched(Sampler):
    """Keep what the switches ask for; below a sender's span, what the sender keeps."""

    def should_sample(
        self,
        parent_context: contexts.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        """Decide about one span."""
        parent = trace.get_current_span(parent_context).get_span_context()
        if not sampling.is_on() or not is_instrumentation_enabled():
            kept = False
        elif parent.is_valid:
            kept = parent.trace_flags.sampled
        else:
            kept = kind is not SpanKind.CLIENT and sampling.is_kept(trace_id)
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if kept else Decision.DROP,
            attributes if kept else None,
            parent.trace_state,
        )

    def get_description(self) -> str:
        """Return how it is called in logs of the SDK."""
        return "Switched"


class Timed(trace.Tracer):
    """A tracer that times one span in EVERY, which stands for all of them."""

    def __init__(self, inner: trace.Tracer) -> None:
        self._inner = inner
        self._spans = 0

    def start_span(self, *arguments: Any, **options: Any) -> trace.Span:
        """Begin a span."""
        self._spans += 1  # two threads may count one: a share, not a sum
        if self._spans % EVERY:
            return self._inner.start_span(*arguments, **options)
        began = time.thread_time()
        span = self._inner.start_span(*arguments, **options)
        measures.overhead("tracing", seconds=(time.thread_time() - began) * EVERY)
        return span

    @contextmanager
    def _current(self, *arguments: Any, **options: Any) -> Iterator[trace.Span]:
        ends, records, says = (
            options.pop(name, True)
            for name in ("end_on_exit", "record_exception", "set_status_on_exception")
        )
        span = self.start_span(*arguments, **options)
        with trace.use_span(
            span, end_on_exit=ends, record_exception=records, set_status_on_exception=says
        ):
            yield span

    start_as_current_span = _current  # type: ignore[assignment]  # theirs is asynchronous as well


class Provider(TracerProvider):
    """A provider of timed tracers."""

    def get_tracer(self, *arguments: Any, **options: Any) -> trace.Tracer:
        """Return the tracer of an instrumentation."""
        return Timed(super().get_tracer(*arguments, **options))


class Counted(BatchSpanProcessor):
    """Send in batches, and tell how many spans found no room."""

    def __init__(self, exporter: Clean) -> None:
        super().__init__(
            exporter,
            max_queue_size=QUEUE,
            max_export_batch_size=BATCH,
            schedule_delay_millis=DELAY_SECONDS * 1000,
        )
        self._clean = exporter
        self._ended = 0
        self._lost = 0
        self._counting = threading.Lock()

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span until it is sent."""
        with self._counting:
            self._ended += 1
            is_lost = self._ended - self._clean.taken - self._lost > QUEUE
            self._lost += is_lost
        if is_lost:
            counted_spans.count("own", 0, dropped=1)
        super().on_end(span)


class Clean(SpanExporter):
    """Send what may leave of each span, count it, and time what that costs."""

    def __init__(self, exporters: Sequence[SpanExporter], redactor: Redactor) -> None:
        self._exporters = exporters
        self._redactor = redactor
        self.taken = 0
        """Spans that were handed to it."""
        self.has_failed = False
        """Whether the last batch did not arrive."""
        self.is_ending = False
        """Whether the process ends, which waits for one batch that does not arrive, and no more."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; one that does not arrive in time is counted as dropped."""
        self.taken += len(spans)
        if self.is_ending and self.has_failed:
            counted_spans.count("own", 0, dropped=len(spans))
            return SpanExportResult.FAILURE
        began = time.thread_time()
        clean = [self._clean(span) for span in spans]
        results = [exporter.export(clean) for exporter in self._exporters]
        self._note(has_failed=any(each is not SpanExportResult.SUCCESS for each in results))
        measures.overhead("tracing", seconds=time.thread_time() - began)
        if self.has_failed:
            counted_spans.count("own", 0, dropped=len(spans))
            return SpanExportResult.FAILURE
        counted_spans.count("own", len(spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Let connections go."""
        for exporter in self._exporters:
            exporter.shutdown()

    def _note(self, *, has_failed: bool) -> None:
        """Say when spans cease to arrive and when they do again, not at each batch."""
        if has_failed and not self.has_failed:
            log.warning("spans.not_sent", to=settings.OTLP_ENDPOINT)
        elif self.has_failed and not has_failed:
            log.info("spans.sent_again", to=settings.OTLP_ENDPOINT)
        self.has_failed = has_failed

    def _clean(self, span: ReadableSpan) -> ReadableSpan:
        redactor, most = self._redactor, settings.MAX_TOOL_ARG_LENGTH
        described = span.status.description
        return ReadableSpan(
            name=redactor.text(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=clean_attributes(span.attributes, redactor, most=most),
            events=[
                Event(
                    each.name,
                    clean_attributes(each.attributes, redactor, most=most),
                    each.timestamp,
                )
                for each in span.events
            ],
            links=span.links,
            kind=span.kind,
            status=Status(span.status.status_code, redactor.text(described) if described else None),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )


class _Requests(DjangoInstrumentor):
    """Django's instrumentation with our middleware."""

    _opentelemetry_middleware = "tracing.request_spans.RequestSpans"


_provider: Provider | None = None
_exporter: Clean | None = None


def set_up(role: str) -> None:
    """Make spans in this process and send them; a second call changes nothing.

    `role` is what the process is: web, worker, append … It stands on the resource of its spans.
    """
    global _provider, _exporter
    if _provider is not None:
        return
    _exporter = Clean(_exporters(), _redactor())
    _provider = Provider(
        sampler=Switched(),
        resource=Resource(_resource(role)),  # not Resource.create: its detectors ask the machine
        shutdown_on_exit=False,
        # More than leaves: an attribute is cut once it is masked, and no half of a secret is left.
        span_limits=SpanLimits(max_attribute_length=2 * settings.MAX_TOOL_ARG_LENGTH + 8_192),
    )
    _provider.add_span_processor(Counted(_exporter))
    trace.set_tracer_provider(_provider)
    _instrument(_provider, role)
    # Not atexit: a process that multiprocessing has forked ends without, and calls these.
    Finalize(None, send_the_rest, exitpriority=11)


def send_the_rest() -> None:
    """Send what was made before the process ends; gives up at the first batch that fails."""
    if _provider is not None and _exporter is not None:
        _exporter.is_ending = True
        _provider.force_flush()


def _instrument(provider: Provider, role: str) -> None:
    if role == "web":
        _Requests().instrument(tracer_provider=provider)
    # Its span of a publication never ends where this process does not know the task.
    autodiscover_modules("tasks")
    CeleryInstrumentor().instrument(tracer_provider=provider)  # type: ignore[no-untyped-call]
    RedisInstrumentor().instrument(tracer_provider=provider)
    PsycopgInstrumentor().instrument(tracer_provider=provider)
    # Our own statements go past Django's cursors.
    database.make_cursors_with(
        _new_cursor_factory(base_factory=psycopg.Cursor, tracer_provider=provider)
    )


def _resource(role: str) -> Mapping[str, str]:
    return {
        "service.name": settings.SERVICE_NAME,
        "service.version": settings.VERSION,
        "deployment.environment.name": settings.ENVIRONMENT,
        "obs.process": role,
    }


def _redactor() -> Redactor:
    return Redactor(
        extra_keys=settings.REDACT_EXTRA_KEYS,
        extra_patterns=(*LOG_PATTERNS, *settings.REDACT_EXTRA_PATTERNS),
    )


def _exporters() -> list[SpanExporter]:
    found: list[SpanExporter] = []
    if settings.TRACING_CONSOLE:
        found.append(ConsoleSpanExporter(out=sys.stderr, formatter=_line))
    if settings.OTLP_ENDPOINT:
        found.append(_over_grpc() if settings.OTLP_PROTOCOL == "grpc" else _over_http())
    return found


def _line(span: ReadableSpan) -> str:
    return f"{span.to_json(indent=None)}\n"


def _over_http() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(
        endpoint=f"{settings.OTLP_ENDPOINT}/v1/traces",
        certificate_file=settings.OTLP_CERTIFICATE or None,
        headers=settings.OTLP_HEADERS,
        timeout=SEND_SECONDS,
        compression=Compression.Gzip,
    )


def _over_grpc() -> SpanExporter:
    import grpc  # as large as the rest of the exporters
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    is_clear = settings.OTLP_ENDPOINT.startswith("http://")
    credentials = None
    if not is_clear:
        path = settings.OTLP_CERTIFICATE
        credentials = grpc.ssl_channel_credentials(Path(path).read_bytes() if path else None)
    return OTLPSpanExporter(
        endpoint=settings.OTLP_ENDPOINT,
        insecure=is_clear,
        credentials=credentials,
        headers={name.lower(): value for name, value in settings.OTLP_HEADERS.items()},
        timeout=SEND_SECONDS,
        compression=grpc.Compression.Gzip,
    )
