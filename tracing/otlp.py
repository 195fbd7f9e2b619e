"""Read OTLP in protobuf into plain records: spans, log records and points of metrics. Pure.

Owns the records, which JSON gives as well (otlp_json.py), and knows nothing of what they mean:
semconv.py does. Ids become lower-case hexadecimal and are not judged here, so that one bad span
does not take its neighbours with it. A value becomes what JSON can say: bytes as base64, a number
that is none as its name. Values nest at most MOST_DEPTH deep; what is deeper becomes a mark.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from audit.errors import AuditError

MOST_DEPTH: Final = 16
"""Levels of lists and maps in one attribute."""

MOST_RESOURCE: Final = 16_384
"""Bytes of a resource as JSON: each span and each line of a request repeats it."""

TOO_DEEP: Final = "… nested too deep"

_encode = msgspec.json.Encoder().encode

DELTA: Final = 1
CUMULATIVE: Final = 2


class NotOtlp(AuditError):
    """A body is no OTLP request: `message` says what is wrong, with its place where it is known."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One span as it was sent."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty for a root."""
    name: str
    kind: int
    start_ns: int
    """Since 1970."""
    end_ns: int
    status: int
    status_message: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    """Each has `name`, `at_ns` and, where it has any, `attributes`."""
    links: list[dict[str, Any]]
    """Each has `trace_id`, `span_id` and, where it has any, `attributes`."""
    resource: dict[str, Any]
    """Shared by all spans of one resource."""
    scope: str
    """The instrumentation library, with its version."""
    dropped: int
    """Attributes, events and links that the sender itself left out."""


class LogRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One log record as it was sent."""

    at_ns: int
    """When it happened, else when it was seen; since 1970, and 0 when neither is said."""
    severity: int
    """1 to 24; 0 when it is not said."""
    severity_text: str
    body: Any
    attributes: dict[str, Any]
    trace_id: str
    span_id: str
    event_name: str
    resource: dict[str, Any]
    scope: str


class Point(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One point of a metric as it was sent."""

    name: str
    type: str
    """`counter` (what was added), `gauge` or `histogram` (one observation); empty if `refusal`."""
    value: int | float
    refusal: str
    """Why it is none of the three; empty when it is one."""
    attributes: dict[str, Any]
    at_ns: int
    resource: dict[str, Any]


def spans_of(body: bytes) -> Iterator[Span]:
    """Yield the spans of a trace request. Raises NotOtlp before the first."""
    request = _parsed(ExportTraceServiceRequest, body)
    return (
        _span(span, resource, scope)
        for each in request.resource_spans
        for resource in [resource_of(_attributes(each.resource.attributes))]
        for part in each.scope_spans
        for scope in [scope_name(part.scope.name, part.scope.version)]
        for span in part.spans
    )


def records_of(body: bytes) -> Iterator[LogRecord]:
    """Yield the records of a logs request. Raises NotOtlp before the first."""
    request = _parsed(ExportLogsServiceRequest, body)
    return (
        _record(record, resource, scope)
        for each in request.resource_logs
        for resource in [resource_of(_attributes(each.resource.attributes))]
        for part in each.scope_logs
        for scope in [scope_name(part.scope.name, part.scope.version)]
        for record in part.log_records
    )


def points_of(body: bytes) -> Iterator[Point]:
    """Yield the points of a metrics request. Raises NotOtlp before the first."""
    request = _parsed(ExportMetricsServiceRequest, body)
    return (
        point
        for each in request.resource_metrics
        for resource in [resource_of(_attributes(each.resource.attributes))]
        for part in each.scope_metrics
        for metric in part.metrics
        for point in _points(metric, resource)
    )


def scope_name(name: str, version: str) -> str:
    """Return an instrumentation library as it is kept."""
    return f"{name} {version}" if version else name


def resource_of(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as it is kept: what goes beyond MOST_RESOURCE is counted and left out."""
    kept: dict[str, Any] = {}
    left = MOST_RESOURCE
    for name, value in attributes.items():
        size = len(_encode([name, value]))
        if size <= left:
            kept[name] = value
            left -= size
    left_out = len(attributes) - len(kept)
    return kept | {"otel.left_out": left_out} if left_out else attributes


def number(value: float) -> float | str:
    """Return the number, or the name of one that JSON has no number for."""
    return value if math.isfinite(value) else str(value)


def text_of_bytes(value: bytes) -> str:
    """Return bytes as JSON says them."""
    return base64.b64encode(value).decode()


def sum_type(temporality: int, *, is_monotonic: bool) -> tuple[str, str]:
    """Return a sum's type, or an empty one and why it is refused.

    What a cumulative sum has grown by is not in it, and nothing here remembers what it was.
    """
    if is_monotonic and temporality == DELTA:
        return "counter", ""
    if is_monotonic:
        return "", "is cumulative: send deltas"
    if temporality == CUMULATIVE:
        return "gauge", ""
    return "", "is a delta of what can fall: send it cumulative"


def histogram_type(temporality: int, *, count: int, has_sum: bool) -> tuple[str, str]:
    """Return a histogram's type, or an empty one and why it is refused.

    One observation is what an entry can say; buckets of many are not taken apart by guessing.
    """
    if temporality == DELTA and count == 1 and has_sum:
        return "histogram", ""
    return "", "is a histogram of many observations: an entry holds one"


def _parsed(kind: type[Any], body: bytes) -> Any:
    try:
        request: Message = kind.FromString(body)
    except DecodeError as error:
        raise NotOtlp(f"this is no {kind.DESCRIPTOR.name} in protobuf: {error}") from None
    return request


def _span(span: Any, resource: dict[str, Any], scope: str) -> Span:
    status = span.status
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=status.code,
        status_message=status.message,
        attributes=_attributes(span.attributes),
        events=[_event(each) for each in span.events],
        links=[_link(each) for each in span.links],
        resource=resource,
        scope=scope,
        dropped=span.dropped_attributes_count
        + span.dropped_events_count
        + span.dropped_links_count,
    )


def _event(event: Any) -> dict[str, Any]:
    said = {"name": event.name, "at_ns": event.time_unix_nano}
    attributes = _attributes(event.attributes)
    return said | {"attributes": attributes} if attributes else said


def _link(link: Any) -> dict[str, Any]:
    said = {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()}
    attributes = _attributes(link.attributes)
    return said | {"attributes": attributes} if attributes else said


def _record(record: Any, resource: dict[str, Any], scope: str) -> LogRecord:
    return LogRecord(
        at_ns=record.time_unix_nano or record.observed_time_unix_nano,
        severity=record.severity_number,
        severity_text=record.severity_text,
        body=_value(record.body, 0),
        attributes=_attributes(record.attributes),
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        event_name=record.event_name,
        resource=resource,
        scope=scope,
    )


def _points(metric: Any, resource: dict[str, Any]) -> Iterator[Point]:
    form = metric.WhichOneof("data")
    if form is None:
        return
    data = getattr(metric, form)
    for point in data.data_points:
        kind, refusal = "gauge", ""
        if form == "sum":
            kind, refusal = sum_type(data.aggregation_temporality, is_monotonic=data.is_monotonic)
        elif form == "histogram":
            kind, refusal = histogram_type(
                data.aggregation_temporality, count=point.count, has_sum=point.HasField("sum")
            )
        elif form != "gauge":
            kind, refusal = "", "is an aggregate of many observations: an entry holds one"
        yield Point(
            name=metric.name,
            type=kind,
            value=_point_value(point, kind),
            refusal=refusal,
            attributes=_attributes(point.attributes),
            at_ns=point.time_unix_nano,
            resource=resource,
        )


def _point_value(point: Any, kind: str) -> int | float:
    value: int | float
    if kind == "histogram":
        value = point.sum
        return value
    said = point.WhichOneof("value") if kind else None
    value = 0 if said is None else getattr(point, said)
    return value


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    # Text and numbers are most of what there is; asking which kind a value has costs more than
    # reading both.
    return {
        pair.key: value.string_value or value.int_value or _value(value, 0)
        for pair in pairs
        for value in (pair.value,)
    }


def _value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "double_value":
        return number(found)
    if kind == "bytes_value":
        return text_of_bytes(found)
    if kind == "array_value":
        if depth >= MOST_DEPTH:
            return TOO_DEEP
        return [_value(each, depth + 1) for each in found.values]
    if kind == "kvlist_value":
        if depth >= MOST_DEPTH:
            return TOO_DEEP
        return {each.key: _value(each.value, depth + 1) for each in found.values}
    return found
