"""Write entries as OCSF for SIEMs, one JSON object a line. Pure.

Pinned to OCSF 1.8.0, the Open Cybersecurity Schema Framework's release of 16 March 2026, class
API Activity (6003) of category Application Activity (6), with the profiles `trace` and
`ai_operation` where they apply. Another release is another version of this file.

An act of an agent is the call of an operation: `api.operation` is the action, `actor` who acted,
`src_endpoint` the agent, `resources` the target. `activity_id` says create, read, update or delete
only where the action itself does; else it is 99 with the action's name. What OCSF has no attribute
for (purpose, legal basis, approvals, cases, hashes of the chain) stands in `unmapped`, under our
names. A rendering is a convenience: the evidence is the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from audit.unmapped import at, unmapped

OCSF_VERSION: Final = "1.8.0"
CLASS_UID: Final = 6003
CATEGORY_UID: Final = 6

_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
_ACTIVITIES: Final = {
    "data.create": _CREATE,
    "data.read": _READ,
    "data.update": _UPDATE,
    "data.delete": _DELETE,
    "memory.write": _CREATE,
    "memory.read": _READ,
    "memory.search": _READ,
    "memory.delete": _DELETE,
    "file.read": _READ,
    "file.written": _UPDATE,
    "file.deleted": _DELETE,
    "llm.retrieve": _READ,
    "identity.account_created": _CREATE,
    "identity.account_deleted": _DELETE,
}
_ACTIVITY_NAMES: Final = {_CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete"}
_SEVERITIES: Final = {
    "info": (1, "Informational"),
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
_STATUSES: Final = {
    "success": (1, "Success"),
    "failure": (2, "Failure"),
    "error": (2, "Failure"),
    "denied": (2, "Failure"),
    "unknown": (0, "Unknown"),
    "pending": (99, "pending"),
}
_USER_TYPES: Final = {
    "human": (1, "User"),
    "system": (3, "System"),
    "service": (4, "Service"),
    "agent": (99, "agent"),
    "unauthenticated": (0, "Unknown"),
}
_MOST_SEQUENCE: Final = 2**31 - 1  # integer_t is a signed 32-bit number
_MAPPED: Final = frozenset(
    {
        "id",
        "occurred_at",
        "action",
        "severity",
        "outcome",
        "agent.id",
        "agent.name",
        "agent.version",
        "actor.id",
        "actor.type",
        "target.id",
        "target.type",
        "trace.trace_id",
        "run.id",
    }
)


def ocsf_line(record: Mapping[str, Any], *, entry_hash: str) -> bytes:
    """Return an entry as one line of JSON that ends in a line feed."""
    return msgspec.json.encode(ocsf_event(record, entry_hash=entry_hash)) + b"\n"


def ocsf_event(record: Mapping[str, Any], *, entry_hash: str) -> dict[str, Any]:
    """Return an entry as an OCSF event of class 6003; times in milliseconds since 1970."""
    event = record["event"]
    activity = _ACTIVITIES.get(event["action"], _OTHER)
    severity_id, severity = _SEVERITIES[event.get("severity", "info")]
    status_id, status = _STATUSES[event["outcome"]]
    profiles: list[str] = []
    mapped = set(_MAPPED)
    said: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": _ACTIVITY_NAMES.get(activity, event["action"]),
        "category_uid": CATEGORY_UID,
        "category_name": "Application Activity",
        "class_uid": CLASS_UID,
        "class_name": "API Activity",
        "type_uid": CLASS_UID * 100 + activity,
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "status_code": event["outcome"],
        "time": _milliseconds(event["occurred_at"]),
        "message": f"{event['agent']['id']} {event['action']} {event['outcome']}",
        "actor": {"user": _user(event["actor"]), "app_uid": event["agent"]["id"]},
        "api": {"operation": event["action"]},
        "src_endpoint": _agent(event["agent"]),
    }
    said |= _duration(event, mapped)
    said |= _detail(event, mapped)
    said |= _target(event)
    said |= _traced(event, profiles)
    said |= _model(event, profiles, mapped)
    said["metadata"] = _metadata(record, profiles)
    said["unmapped"] = {
        **unmapped(event, mapped),
        "source": record["source"],
        "seq": record["seq"],
        "hash": entry_hash,
        "prev": record["prev"],
    }
    return said


def _metadata(record: Mapping[str, Any], profiles: list[str]) -> dict[str, Any]:
    event = record["event"]
    said: dict[str, Any] = {
        "version": OCSF_VERSION,
        "product": {"name": "obsplatform", "vendor_name": "obsplatform"},
        "uid": f"{record['ledger']}/{record['seq']}",
        "original_event_uid": event["id"],
        "event_code": event["action"],
        "log_name": record["ledger"],
        "log_version": str(record["v"]),
        "logged_time": _milliseconds(record["received_at"]),
        "original_time": event["occurred_at"],
    }
    if record["seq"] <= _MOST_SEQUENCE:
        said["sequence"] = record["seq"]
    if profiles:
        said["profiles"] = profiles
    run = at(event, "run.id")
    return said | ({"correlation_uid": run} if run is not None else {})


def _user(actor: Mapping[str, Any]) -> dict[str, Any]:
    type_id, kind = _USER_TYPES[actor["type"]]
    return {"uid": actor["id"], "type_id": type_id, "type": kind}


def _agent(agent: Mapping[str, Any]) -> dict[str, Any]:
    said = {"uid": agent["id"], "type_id": 99, "type": "AI agent", "name": agent.get("name")}
    if "version" in agent:
        said["agent_list"] = [{"uid": agent["id"], "version": agent["version"]}]
    return {name: value for name, value in said.items() if value is not None}


def _target(event: Mapping[str, Any]) -> dict[str, Any]:
    target = event.get("target") or {}
    said = {"uid": target.get("id"), "type": target.get("type")}
    kept = {name: value for name, value in said.items() if value is not None}
    return {"resources": [kept]} if kept else {}


def _duration(event: Mapping[str, Any], mapped: set[str]) -> dict[str, Any]:
    """Say the duration where it is whole: OCSF holds milliseconds without a fraction."""
    duration = event.get("duration_ms")
    if not isinstance(duration, int):
        return {}
    mapped.add("duration_ms")
    return {"duration": duration}


def _detail(event: Mapping[str, Any], mapped: set[str]) -> dict[str, Any]:
    for path in ("error.message", "reason"):
        said = at(event, path)
        if said:
            mapped.add(path)
            return {"status_detail": said}
    return {}


def _traced(event: Mapping[str, Any], profiles: list[str]) -> dict[str, Any]:
    trace = at(event, "trace.trace_id")
    if trace is None:
        return {}
    profiles.append("trace")
    return {"trace": {"uid": trace}}


def _model(event: Mapping[str, Any], profiles: list[str], mapped: set[str]) -> dict[str, Any]:
    """Say the model where provider and name are known, which OCSF requires of one."""
    model = event.get("model") or {}
    if "provider" not in model or "name" not in model:
        return {}
    profiles.append("ai_operation")
    mapped |= {"model.provider", "model.name", "model.version"}
    said = {"ai_provider": model["provider"], "name": model["name"]}
    return {"ai_model": said | ({"version": model["version"]} if "version" in model else {})}


def _milliseconds(moment: str) -> int:
    """Return a record's time in milliseconds since 1970, cut."""
    at_ = datetime.fromisoformat(moment)
    return int(at_.timestamp()) * 1000 + at_.microsecond // 1000
