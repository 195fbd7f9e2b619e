"""Build OTLP requests for tests, in protobuf and in JSON, from a few plain words.

A span is a dict: `name`, `trace`, `id`, `parent`, `kind`, `start` and `end` in nanoseconds,
`status`, `message`, `attributes`, `events`, `links`. What is left out has a default.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

SECOND = 1_000_000_000
NOON = 1_795_262_400 * SECOND  # 21 November 2026, 12:00 UTC


def new_id(size: int) -> str:
    return os.urandom(size).hex()


def span(
    name: str, /, attributes: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    start = fields.pop("start", NOON)
    return {
        "name": name,
        "trace": new_id(16),
        "id": new_id(8),
        "parent": "",
        "kind": 1,
        "start": start,
        "end": start + SECOND // 20,
        "status": 0,
        "message": "",
        "attributes": dict(attributes or {}),
        "events": [],
        "links": [],
    } | fields


def value(of: Any) -> AnyValue:
    found = AnyValue()
    if isinstance(of, bool):
        found.bool_value = of
    elif isinstance(of, int):
        found.int_value = of
    elif isinstance(of, float):
        found.double_value = of
    elif isinstance(of, bytes):
        found.bytes_value = of
    elif isinstance(of, str):
        found.string_value = of
    elif isinstance(of, list):
        found.array_value.SetInParent()
        found.array_value.values.extend(value(each) for each in of)
    elif isinstance(of, dict):
        found.kvlist_value.SetInParent()
        found.kvlist_value.values.extend(pairs(of))
    return found


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=value(each)) for name, each in attributes.items()]


def traces(
    spans: Sequence[Mapping[str, Any]], *, resource: Mapping[str, Any], scope: str = "tests"
) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    part.resource.attributes.extend(pairs(resource))
    group = part.scope_spans.add()
    group.scope.name = scope
    for each in spans:
        made = group.spans.add()
        made.trace_id, made.span_id = bytes.fromhex(each["trace"]), bytes.fromhex(each["id"])
        made.parent_span_id = bytes.fromhex(each["parent"])
        made.name, made.kind = each["name"], each["kind"]
        made.start_time_unix_nano, made.end_time_unix_nano = each["start"], each["end"]
        made.status.code, made.status.message = each["status"], each["message"]
        made.attributes.extend(pairs(each["attributes"]))
        for event in each["events"]:
            told = made.events.add()
            told.name, told.time_unix_nano = event["name"], event.get("at", each["end"])
            told.attributes.extend(pairs(event.get("attributes", {})))
        for link in each["links"]:
            linked = made.links.add()
            linked.trace_id, linked.span_id = (
                bytes.fromhex(link["trace"]),
                bytes.fromhex(link["id"]),
            )
            linked.attributes.extend(pairs(link.get("attributes", {})))
    return request


def body(
    spans: Sequence[Mapping[str, Any]],
    *,
    resource: Mapping[str, Any] | None = None,
    scope: str = "tests",
) -> bytes:
    """Return a trace request in protobuf."""
    made = traces(spans, resource={"service.name": "desk"} | dict(resource or {}), scope=scope)
    sent: bytes = made.SerializeToString()
    return sent


def json_value(of: Any) -> dict[str, Any]:
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, int):
        return {"intValue": str(of)}
    if isinstance(of, float):
        return {"doubleValue": of if math.isfinite(of) else str(of)}
    if isinstance(of, bytes):
        return {"bytesValue": base64.b64encode(of).decode()}
    if isinstance(of, list):
        return {"arrayValue": {"values": [json_value(each) for each in of]}}
    if isinstance(of, dict):
        return {"kvlistValue": {"values": json_pairs(of)}}
    return {"stringValue": of}


def json_pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": json_value(each)} for name, each in attributes.items()]


def json_body(
    spans: Sequence[Mapping[str, Any]],
    *,
    resource: Mapping[str, Any] | None = None,
    scope: str = "tests",
) -> bytes:
    """Return the same request in OTLP's JSON."""
    said = [
        {
            "traceId": each["trace"],
            "spanId": each["id"],
            "parentSpanId": each["parent"],
            "name": each["name"],
            "kind": each["kind"],
            "startTimeUnixNano": str(each["start"]),
            "endTimeUnixNano": str(each["end"]),
            "status": {"code": each["status"], "message": each["message"]},
            "attributes": json_pairs(each["attributes"]),
            "events": [
                {
                    "name": event["name"],
                    "timeUnixNano": str(event.get("at", each["end"])),
                    "attributes": json_pairs(event.get("attributes", {})),
                }
                for event in each["events"]
            ],
            "links": [
                {
                    "traceId": link["trace"],
                    "spanId": link["id"],
                    "attributes": json_pairs(link.get("attributes", {})),
                }
                for link in each["links"]
            ],
        }
        for each in spans
    ]
    about = {"service.name": "desk"} | dict(resource or {})
    return json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": json_pairs(about)},
                    "scopeSpans": [{"scope": {"name": scope}, "spans": said}],
                }
            ]
        }
    ).encode()


def logs(
    records: Sequence[Mapping[str, Any]], *, resource: Mapping[str, Any] | None = None
) -> bytes:
    """Return a logs request in protobuf; a record has `body`, `at`, `severity`, `attributes` …"""
    request = ExportLogsServiceRequest()
    part = request.resource_logs.add()
    part.resource.attributes.extend(pairs({"service.name": "desk"} | dict(resource or {})))
    group = part.scope_logs.add()
    group.scope.name = "tests"
    for each in records:
        made = group.log_records.add()
        made.time_unix_nano = each.get("at", NOON)
        made.severity_number = each.get("severity", 9)
        made.body.CopyFrom(value(each.get("body", "")))
        made.attributes.extend(pairs(each.get("attributes", {})))
        made.trace_id = bytes.fromhex(each.get("trace", ""))
        made.span_id = bytes.fromhex(each.get("span", ""))
        made.event_name = each.get("event_name", "")
    sent: bytes = request.SerializeToString()
    return sent
