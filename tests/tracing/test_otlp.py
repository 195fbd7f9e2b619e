"""What a decoder of OTLP promises: both encodings say the same, and nothing but NotOtlp escapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.tracing.otlp_requests import NOON, body, json_body, json_value, logs, pairs, span
from tracing import otlp, otlp_json
from tracing.otlp import MOST_DEPTH, TOO_DEEP, NotOtlp

ALL_KINDS: dict[str, Any] = {
    "text": "grün",
    "empty": "",
    "yes": True,
    "no": False,
    "number": 2**62,
    "below": -7,
    "real": 0.25,
    "none": float("nan"),
    "endless": float("inf"),
    "bytes": b"\x00\xff",
    "list": ["a", 1, [2.5, {"deep": True}]],
    "map": {"b": {"c": []}, "a": {}},
}


def deep(levels: int) -> Any:
    found: Any = "bottom"
    for _ in range(levels):
        found = [found]
    return found


def field(number: int, content: bytes) -> bytes:
    """Return a field of protobuf that holds a message."""
    length = b""
    size = len(content)
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def nested_request(levels: int) -> bytes:
    """Return a trace request with lists in lists, which the library does not write itself."""
    value = field(1, b"bottom")
    for _ in range(levels):
        value = field(5, field(1, value))
    attribute = field(9, field(1, b"deep") + field(2, value))
    return field(1, field(2, field(2, attribute)))


def test_both_encodings_give_the_same_records() -> None:
    spans = [
        span(
            "chat gpt-4o",
            ALL_KINDS,
            parent="ab" * 8,
            kind=3,
            status=2,
            message="it broke",
            events=[{"name": "exception", "attributes": {"exception.type": "KeyError"}}],
        ),
        span("empty"),
    ]

    from_protobuf = list(otlp.spans_of(body(spans)))

    assert from_protobuf == list(otlp_json.spans_of(json_body(spans)))
    assert from_protobuf[0].attributes["none"] == "nan"
    assert from_protobuf[0].attributes["list"] == ["a", 1, [2.5, {"deep": True}]]
    assert from_protobuf[0].events == [
        {
            "name": "exception",
            "at_ns": NOON + 50_000_000,
            "attributes": {"exception.type": "KeyError"},
        }
    ]
    assert from_protobuf[1].resource == {"service.name": "desk"}


def test_json_takes_both_spellings_and_numbers_as_text_or_not() -> None:
    camel = {
        "traceId": "AB" * 16,
        "spanId": "CD" * 8,
        "name": "x",
        "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": str(NOON),
        "endTimeUnixNano": NOON,
        "status": {"code": "STATUS_CODE_ERROR"},
        "attributes": [{"key": "user_id", "value": {"intValue": 3}}],
        "somethingNew": {"x": [1]},
        "links": None,
    }
    snake = {
        "trace_id": "ab" * 16,
        "span_id": "cd" * 8,
        "name": "x",
        "kind": 3,
        "start_time_unix_nano": NOON,
        "end_time_unix_nano": str(NOON),
        "status": {"code": 2},
        "attributes": [{"key": "user_id", "value": {"int_value": "3"}}],
    }

    one = {"resourceSpans": [{"scopeSpans": [{"spans": [camel]}]}]}
    other = {"resource_spans": [{"scope_spans": [{"spans": [snake]}]}]}

    found = list(otlp_json.spans_of(json.dumps(one).encode()))
    assert found == list(otlp_json.spans_of(json.dumps(other).encode()))
    assert (found[0].kind, found[0].status, found[0].attributes) == (3, 2, {"user_id": 3})


@pytest.mark.parametrize(
    ("member", "place"),
    [
        ({"traceId": "q83v"}, "spans[0].traceId"),
        ({"traceId": 7}, ".traceId"),
        ({"startTimeUnixNano": "soon"}, "spans[0].startTimeUnixNano"),
        ({"startTimeUnixNano": 1.5}, "startTimeUnixNano"),
        ({"endTimeUnixNano": str(2**64)}, "spans[0].endTimeUnixNano"),
        ({"kind": "SPAN_KIND_ODD"}, "spans[0].kind"),
        ({"attributes": {"a": 1}}, ".attributes"),
        (
            {
                "attributes": [
                    {"key": "a", "value": {"arrayValue": {"values": [{"intValue": "x"}]}}}
                ]
            },
            "spans[0].attributes[0].value.arrayValue.values[0].intValue",
        ),
    ],
)
def test_an_error_in_json_names_its_place(member: dict[str, Any], place: str) -> None:
    sent = {"resourceSpans": [{"scopeSpans": [{"spans": [member]}]}]}

    with pytest.raises(NotOtlp) as refused:
        list(otlp_json.spans_of(json.dumps(sent).encode()))

    assert place in refused.value.message


def test_what_nests_too_deep_becomes_a_mark_in_both_encodings() -> None:
    spans = [span("x", {"deep": deep(MOST_DEPTH + 3), "fine": deep(MOST_DEPTH)})]

    (found,) = otlp.spans_of(body(spans))

    assert found.attributes["fine"] == deep(MOST_DEPTH)
    assert TOO_DEEP in json.dumps(found.attributes["deep"], ensure_ascii=False)
    assert [found] == list(otlp_json.spans_of(json_body(spans)))


@pytest.mark.parametrize("levels", [200, 100_000])
def test_json_that_nests_without_end_is_refused(levels: int) -> None:
    text = b'{"resourceSpans":' + b"[" * levels + b"]" * levels + b"}"
    with pytest.raises(NotOtlp):
        list(otlp_json.spans_of(text))

    value = '{"arrayValue":{"values":[' * levels + "]}}" * levels
    attribute = f'{{"attributes":[{{"key":"a","value":{value}}}]}}'
    body_ = f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{attribute}]}}]}}]}}'
    if levels > 1000:
        with pytest.raises(NotOtlp):
            list(otlp_json.spans_of(body_.encode()))
    else:
        assert len(list(otlp_json.spans_of(body_.encode()))) == 1


def test_protobuf_that_nests_without_end_is_refused() -> None:
    with pytest.raises(NotOtlp):
        list(otlp.spans_of(nested_request(60)))
    assert len(list(otlp.spans_of(nested_request(20)))) == 1


def test_every_cut_of_a_request_is_refused_or_a_shorter_request() -> None:
    whole = body([span("chat gpt-4o", ALL_KINDS), span("second")])

    for end in range(len(whole)):
        try:
            found = list(otlp.spans_of(whole[:end]))
        except NotOtlp:
            continue
        assert len(found) < 2


@settings(max_examples=150)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(sent: bytes) -> None:
    for read in (otlp.spans_of, otlp.records_of, otlp.points_of):
        try:
            list(read(sent))
        except NotOtlp:
            continue


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceSpans",
                    "scopeSpans",
                    "spans",
                    "resource",
                    "attributes",
                    "key",
                    "value",
                    "arrayValue",
                    "values",
                    "intValue",
                    "traceId",
                    "resourceLogs",
                    "logRecords",
                    "resourceMetrics",
                    "scopeMetrics",
                    "metrics",
                    "sum",
                    "dataPoints",
                    "body",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(JSON)
def test_any_json_is_read_or_refused(sent: Any) -> None:
    text = json.dumps(sent).encode()
    for read in (otlp_json.spans_of, otlp_json.records_of, otlp_json.points_of):
        try:
            list(read(text))
        except NotOtlp:
            continue


@settings(max_examples=100)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_request_with_one_byte_changed_is_read_or_refused(place: int, byte: int) -> None:
    whole = bytearray(body([span("x", ALL_KINDS, trace="ab" * 16, id="cd" * 8)]))
    whole[place % len(whole)] = byte

    try:
        found = list(otlp.spans_of(bytes(whole)))
    except NotOtlp:
        return
    assert len(found) <= 1


def test_a_log_record_has_its_time_its_span_and_its_body() -> None:
    (found,) = otlp.records_of(
        logs([{"body": {"a": 1}, "severity": 17, "trace": "ab" * 16, "span": "cd" * 8}])
    )

    assert (found.at_ns, found.severity, found.body) == (NOON, 17, {"a": 1})
    assert (found.trace_id, found.span_id) == ("ab" * 16, "cd" * 8)


def metric(form: str, **fields: Any) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    made = request.resource_metrics.add().scope_metrics.add().metrics.add()
    made.name = "questions"
    data = getattr(made, form)
    for name in ("aggregation_temporality", "is_monotonic"):
        if name in fields:
            setattr(data, name, fields.pop(name))
    point = data.data_points.add()
    point.time_unix_nano = NOON
    point.attributes.extend(pairs({"topic": "tax"}))
    for name, each in fields.items():
        setattr(point, name, each)
    return request


@pytest.mark.parametrize(
    ("form", "fields", "expected"),
    [
        ("gauge", {"as_double": 1.5}, ("gauge", 1.5)),
        ("gauge", {"as_int": 3}, ("gauge", 3)),
        ("sum", {"as_int": 2, "aggregation_temporality": 1, "is_monotonic": True}, ("counter", 2)),
        ("sum", {"as_int": 2, "aggregation_temporality": 2, "is_monotonic": False}, ("gauge", 2)),
        ("sum", {"as_int": 2, "aggregation_temporality": 2, "is_monotonic": True}, ("", 0)),
        ("sum", {"as_int": 2, "aggregation_temporality": 1, "is_monotonic": False}, ("", 0)),
        ("histogram", {"count": 1, "sum": 0.5, "aggregation_temporality": 1}, ("histogram", 0.5)),
        ("histogram", {"count": 2, "sum": 0.5, "aggregation_temporality": 1}, ("", 0)),
        ("histogram", {"count": 1, "sum": 0.5, "aggregation_temporality": 2}, ("", 0)),
        ("summary", {"count": 1, "sum": 0.5}, ("", 0)),
    ],
)
def test_a_point_is_one_of_three_types_or_says_why_not(
    form: str, fields: dict[str, Any], expected: tuple[str, float]
) -> None:
    (found,) = otlp.points_of(metric(form, **fields).SerializeToString())

    assert (found.type, found.value) == expected
    assert bool(found.refusal) == (found.type == "")
    assert found.attributes == {"topic": "tax"}


def test_a_point_in_json_is_the_same_point() -> None:
    sent = {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "questions",
                                "sum": {
                                    "aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA",
                                    "isMonotonic": True,
                                    "dataPoints": [
                                        {
                                            "asInt": "2",
                                            "timeUnixNano": str(NOON),
                                            "attributes": [
                                                {"key": "topic", "value": json_value("tax")}
                                            ],
                                        }
                                    ],
                                },
                            }
                        ]
                    }
                ]
            }
        ]
    }
    delta = metric("sum", as_int=2, aggregation_temporality=1, is_monotonic=True)

    found = list(otlp_json.points_of(json.dumps(sent).encode()))

    assert found == list(otlp.points_of(delta.SerializeToString()))
