"""Read OTLP in JSON into the records of otlp.py. Pure.

OTLP's own mapping: ids are hexadecimal, not base64; 64-bit numbers are strings or numbers; enums
are numbers or their names; keys are lowerCamelCase, and the snake_case of the .proto files is read
as well. A key that is not known is passed over, as the standard asks, and null is as good as
absent. An error names its place: `$.resourceSpans[0].scopeSpans[0].spans[3].traceId`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from tracing import otlp
from tracing.otlp import LogRecord, NotOtlp, Point, Span

_Kind = TypeVar("_Kind")

Whole: TypeAlias = int | str | None
"""A 64-bit number; JSON cannot hold every one as a number, so the standard writes a string."""
Real: TypeAlias = float | str | None
Enum: TypeAlias = int | str | None

_SPAN_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES: Final = ("UNSET", "OK", "ERROR")
_TEMPORALITIES: Final = ("UNSPECIFIED", "DELTA", "CUMULATIVE")
_LEVELS: Final = (
    "UNSPECIFIED",
    *(
        f"{level}{step}"
        for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
        for step in ("", "2", "3", "4")
    ),
)
_DIGITS: Final = re.compile(r"-?[0-9]{1,20}")
_HEX: Final = re.compile(r"[0-9a-fA-F]*")
_SNAKE: Final = re.compile(rb'"[a-z]+_[a-z_]+"\s*:')
_SNAKE_NAME: Final = re.compile(r"[a-z]+(?:_[a-z]+)+")

# Each is the message of the same name in the .proto files.


class _Message(Struct, rename="camel", gc=False):
    pass


class _AnyValue(_Message):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Whole = None
    double_value: Real = None
    array_value: _Values | None = None
    kvlist_value: _Pairs | None = None
    bytes_value: str | None = None


class _Values(_Message):
    values: list[_AnyValue | None] | None = None


class _KeyValue(_Message):
    key: str = ""
    value: _AnyValue | None = None


class _Pairs(_Message):
    values: list[_KeyValue] | None = None


_Attributes: TypeAlias = list[_KeyValue] | None


class _Resource(_Message):
    attributes: _Attributes = None


class _Scope(_Message):
    name: str | None = None
    version: str | None = None


class _Event(_Message):
    time_unix_nano: Whole = None
    name: str | None = None
    attributes: _Attributes = None


class _Link(_Message):
    trace_id: str | None = None
    span_id: str | None = None
    attributes: _Attributes = None


class _Status(_Message):
    code: Enum = None
    message: str | None = None


class _Span(_Message):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: Enum = None
    start_time_unix_nano: Whole = None
    end_time_unix_nano: Whole = None
    attributes: _Attributes = None
    events: list[_Event] | None = None
    links: list[_Link] | None = None
    status: _Status | None = None
    dropped_attributes_count: Whole = None
    dropped_events_count: Whole = None
    dropped_links_count: Whole = None


class _ScopeSpans(_Message):
    scope: _Scope | None = None
    spans: list[_Span] | None = None


class _ResourceSpans(_Message):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Traces(_Message):
    resource_spans: list[_ResourceSpans] | None = None


class _LogRecord(_Message):
    time_unix_nano: Whole = None
    observed_time_unix_nano: Whole = None
    severity_number: Enum = None
    severity_text: str | None = None
    body: _AnyValue | None = None
    attributes: _Attributes = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None


class _ScopeLogs(_Message):
    scope: _Scope | None = None
    log_records: list[_LogRecord] | None = None


class _ResourceLogs(_Message):
    resource: _Resource | None = None
    scope_logs: list[_ScopeLogs] | None = None


class _Logs(_Message):
    resource_logs: list[_ResourceLogs] | None = None


class _Number(_Message):
    attributes: _Attributes = None
    time_unix_nano: Whole = None
    as_double: Real = None
    as_int: Whole = None
    count: Whole = None
    sum: Real = None


class _Data(_Message):
    data_points: list[_Number] | None = None
    aggregation_temporality: Enum = None
    is_monotonic: bool | None = None


class _Metric(_Message):
    name: str | None = None
    gauge: _Data | None = None
    sum: _Data | None = None
    histogram: _Data | None = None
    exponential_histogram: _Data | None = None
    summary: _Data | None = None


class _ScopeMetrics(_Message):
    metrics: list[_Metric] | None = None


class _ResourceMetrics(_Message):
    resource: _Resource | None = None
    scope_metrics: list[_ScopeMetrics] | None = None


class _Metrics(_Message):
    resource_metrics: list[_ResourceMetrics] | None = None


_TRACES: Final = msgspec.json.Decoder(_Traces)
_LOGS: Final = msgspec.json.Decoder(_Logs)
_METRICS: Final = msgspec.json.Decoder(_Metrics)


# --- Requests ------------------------------------------------------------------------------------


def spans_of(body: bytes) -> Iterator[Span]:
    """Yield the spans of a trace request. Raises NotOtlp, for one of its spans when it comes."""
    request = _read(body, _TRACES)
    for i, each in enumerate(request.resource_spans or ()):
        at = f"$.resourceSpans[{i}]"
        resource = _resource(each.resource, at)
        for j, part in enumerate(each.scope_spans or ()):
            scope = _scope(part.scope)
            for k, span in enumerate(part.spans or ()):
                yield _span(span, resource, scope, f"{at}.scopeSpans[{j}].spans[{k}]")


def records_of(body: bytes) -> Iterator[LogRecord]:
    """Yield the records of a logs request. Raises NotOtlp, for one of its records when it comes."""
    request = _read(body, _LOGS)
    for i, each in enumerate(request.resource_logs or ()):
        at = f"$.resourceLogs[{i}]"
        resource = _resource(each.resource, at)
        for j, part in enumerate(each.scope_logs or ()):
            scope = _scope(part.scope)
            for k, record in enumerate(part.log_records or ()):
                yield _record(record, resource, scope, f"{at}.scopeLogs[{j}].logRecords[{k}]")


def points_of(body: bytes) -> Iterator[Point]:
    """Yield the points of a metrics request. Raises NotOtlp, for a point when it comes."""
    request = _read(body, _METRICS)
    for i, each in enumerate(request.resource_metrics or ()):
        at = f"$.resourceMetrics[{i}]"
        resource = _resource(each.resource, at)
        for j, part in enumerate(each.scope_metrics or ()):
            for k, metric in enumerate(part.metrics or ()):
                yield from _points(metric, resource, f"{at}.scopeMetrics[{j}].metrics[{k}]")


def _read(body: bytes, decoder: msgspec.json.Decoder[_Kind]) -> _Kind:
    try:
        if _SNAKE.search(body):
            return msgspec.convert(_camelled(msgspec.json.decode(body)), decoder.type)
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeDecodeError
        said = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise NotOtlp(f"this is no OTLP in JSON: {said}") from None


def _camelled(value: Any) -> Any:
    """Return the value with its keys in lowerCamelCase; attributes' names are values, not keys."""
    if type(value) is dict:
        return {_camel(name): _camelled(member) for name, member in value.items()}
    if type(value) is list:
        return [_camelled(member) for member in value]
    return value


def _camel(name: str) -> str:
    if _SNAKE_NAME.fullmatch(name) is None:
        return name
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


# --- Parts ---------------------------------------------------------------------------------------


def _resource(resource: _Resource | None, at: str) -> dict[str, Any]:
    if resource is None:
        return {}
    return otlp.resource_of(_attributes(resource.attributes, f"{at}.resource"))


def _scope(scope: _Scope | None) -> str:
    return "" if scope is None else otlp.scope_name(scope.name or "", scope.version or "")


def _span(span: _Span, resource: dict[str, Any], scope: str, at: str) -> Span:
    status = span.status or _Status()
    return Span(
        trace_id=_id(span.trace_id, f"{at}.traceId"),
        span_id=_id(span.span_id, f"{at}.spanId"),
        parent_id=_id(span.parent_span_id, f"{at}.parentSpanId"),
        name=span.name or "",
        kind=_enum(span.kind, _SPAN_KINDS, "SPAN_KIND_", f"{at}.kind"),
        start_ns=_whole(span.start_time_unix_nano, f"{at}.startTimeUnixNano"),
        end_ns=_whole(span.end_time_unix_nano, f"{at}.endTimeUnixNano"),
        status=_enum(status.code, _STATUSES, "STATUS_CODE_", f"{at}.status.code"),
        status_message=status.message or "",
        attributes=_attributes(span.attributes, at),
        events=[_event(e, f"{at}.events[{n}]") for n, e in enumerate(span.events or ())],
        links=[_link(e, f"{at}.links[{n}]") for n, e in enumerate(span.links or ())],
        resource=resource,
        scope=scope,
        dropped=_whole(span.dropped_attributes_count, f"{at}.droppedAttributesCount")
        + _whole(span.dropped_events_count, f"{at}.droppedEventsCount")
        + _whole(span.dropped_links_count, f"{at}.droppedLinksCount"),
    )


def _event(event: _Event, at: str) -> dict[str, Any]:
    said = {"name": event.name or "", "at_ns": _whole(event.time_unix_nano, f"{at}.timeUnixNano")}
    attributes = _attributes(event.attributes, at)
    return said | {"attributes": attributes} if attributes else said


def _link(link: _Link, at: str) -> dict[str, Any]:
    said = {
        "trace_id": _id(link.trace_id, f"{at}.traceId"),
        "span_id": _id(link.span_id, f"{at}.spanId"),
    }
    attributes = _attributes(link.attributes, at)
    return said | {"attributes": attributes} if attributes else said


def _record(record: _LogRecord, resource: dict[str, Any], scope: str, at: str) -> LogRecord:
    return LogRecord(
        at_ns=_whole(record.time_unix_nano, f"{at}.timeUnixNano")
        or _whole(record.observed_time_unix_nano, f"{at}.observedTimeUnixNano"),
        severity=_enum(record.severity_number, _LEVELS, "SEVERITY_NUMBER_", f"{at}.severityNumber"),
        severity_text=record.severity_text or "",
        body=_value(record.body, f"{at}.body", 0),
        attributes=_attributes(record.attributes, at),
        trace_id=_id(record.trace_id, f"{at}.traceId"),
        span_id=_id(record.span_id, f"{at}.spanId"),
        event_name=record.event_name or "",
        resource=resource,
        scope=scope,
    )


def _points(metric: _Metric, resource: dict[str, Any], at: str) -> Iterator[Point]:
    form = next(
        (
            name
            for name in ("gauge", "sum", "histogram", "exponential_histogram", "summary")
            if getattr(metric, name) is not None
        ),
        None,
    )
    if form is None:
        return
    data: _Data = getattr(metric, form)
    temporality = _enum(
        data.aggregation_temporality, _TEMPORALITIES, "AGGREGATION_TEMPORALITY_", f"{at}.{form}"
    )
    for n, point in enumerate(data.data_points or ()):
        place = f"{at}.{form}.dataPoints[{n}]"
        kind, refusal = _point_type(form, data, point, temporality, place)
        yield Point(
            name=metric.name or "",
            type=kind,
            value=_point_value(point, kind, place),
            refusal=refusal,
            attributes=_attributes(point.attributes, place),
            at_ns=_whole(point.time_unix_nano, f"{place}.timeUnixNano"),
            resource=resource,
        )


def _point_type(
    form: str, data: _Data, point: _Number, temporality: int, at: str
) -> tuple[str, str]:
    if form == "gauge":
        return "gauge", ""
    if form == "sum":
        return otlp.sum_type(temporality, is_monotonic=bool(data.is_monotonic))
    if form == "histogram":
        count = _whole(point.count, f"{at}.count")
        return otlp.histogram_type(temporality, count=count, has_sum=point.sum is not None)
    return "", "is an aggregate of many observations: an entry holds one"


def _point_value(point: _Number, kind: str, at: str) -> int | float:
    if kind == "histogram":
        return _real(point.sum, f"{at}.sum")
    if point.as_int is not None:
        return _whole(point.as_int, f"{at}.asInt")
    return _real(point.as_double, f"{at}.asDouble")


def _attributes(pairs: _Attributes, at: str) -> dict[str, Any]:
    return {
        pair.key: _value(pair.value, f"{at}.attributes[{n}].value", 0)
        for n, pair in enumerate(pairs or ())
    }


def _value(value: _AnyValue | None, at: str, depth: int) -> Any:
    if value is None:
        return None
    if value.string_value is not None:
        return value.string_value
    if value.bool_value is not None:
        return value.bool_value
    if value.int_value is not None:
        return _whole(value.int_value, f"{at}.intValue")
    if value.double_value is not None:
        return otlp.number(_real(value.double_value, f"{at}.doubleValue"))
    if value.bytes_value is not None:
        return value.bytes_value
    return _nested(value, at, depth)


def _nested(value: _AnyValue, at: str, depth: int) -> Any:
    if value.array_value is None and value.kvlist_value is None:
        return None
    if depth >= otlp.MOST_DEPTH:
        return otlp.TOO_DEEP
    if value.array_value is not None:
        return [
            _value(each, f"{at}.arrayValue.values[{n}]", depth + 1)
            for n, each in enumerate(value.array_value.values or ())
        ]
    assert value.kvlist_value is not None, "one of the two was said"
    return {
        each.key: _value(each.value, f"{at}.kvlistValue.values[{n}].value", depth + 1)
        for n, each in enumerate(value.kvlist_value.values or ())
    }


def _id(said: str | None, at: str) -> str:
    """Return an id in lower case; its length is looked at where one bad span is told apart."""
    if not said:
        return ""
    if _HEX.fullmatch(said) is None:
        raise NotOtlp(f"{at}: ids are hexadecimal in OTLP's JSON, not base64")
    return said.lower()


def _whole(said: Whole, at: str) -> int:
    if said is None or said == "":
        return 0
    if isinstance(said, str):
        if _DIGITS.fullmatch(said) is None:
            raise NotOtlp(f"{at}: a whole number, or one as a string, is needed")
        said = int(said)
    if not -(2**63) <= said < 2**64:
        raise NotOtlp(f"{at}: the number does not fit 64 bits")
    return said


def _real(said: Real, at: str) -> float:
    if said is None:
        return 0.0
    try:
        return float(said)
    except ValueError:
        raise NotOtlp(f"{at}: a number is needed") from None


def _enum(said: Enum, names: tuple[str, ...], prefix: str, at: str) -> int:
    """Return an enum's number; one that is not known yet is 0, as its first name says."""
    if said is None:
        return 0
    if isinstance(said, int):
        return said if 0 <= said < len(names) else 0
    name = said.removeprefix(prefix)
    if name not in names:
        raise NotOtlp(f"{at}: {prefix}{names[-1]} and the like, or a number, is needed")
    return names.index(name)
