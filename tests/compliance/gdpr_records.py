"""Entries that the tables of the GDPR are made of: breaches, requests, activities and uses."""

from __future__ import annotations

from typing import Any

from tests.compliance.law_records import Told, told

OCTOBER: dict[str, Any] = {"start": "2026-10-01", "end": "2026-11-01"}
LATER: dict[str, Any] = {"start": "2026-10-01", "end": "2027-03-01"}


def a_breach(seq: int, verb: str, at: str, **case: Any) -> Told:
    said = {"id": "B-1", "regimes": ["gdpr"], "our_role": "controller", **case}
    fields = {f"case.{name}": value for name, value in said.items() if name != "reason"}
    return told(seq, f"breach.{verb}", fields | reason_of(case), at=at)


def reason_of(said: dict[str, Any]) -> dict[str, Any]:
    return {"reason": said["reason"]} if "reason" in said else {}


def a_request(seq: int, verb: str, at: str, *, received: str | None = None, **more: Any) -> Told:
    fields = {"case.id": "R-1", **reason_of(more)}
    if "kind" in more:
        fields["case.dsr_type"] = more["kind"]
    return told(seq, f"dsr.{verb}", fields, at=at, received=received)


def registered(seq: int = 1, at: str = "2026-09-01T10:00:00Z", **said: Any) -> Told:
    declared: dict[str, Any] = {
        "controller": "Alice Ltd",
        "role": "controller",
        "purposes": ["care"],
        "data_categories": ["pii"],
        "recipients": ["Printer"],
        "transfers": ["US: standard clauses"],
        "high_risk": False,
        **said,
    }
    fields = {f"processing.{name}": value for name, value in declared.items()}
    fields["data.processing_activity_id"] = "care"
    return told(seq, "processing.activity_registered", fields, at=at)


def a_use(seq: int, action: str = "data.read", **said: Any) -> Told:
    data: dict[str, Any] = {
        "classes": ["pii"],
        "purpose": "care",
        "processing_activity_id": "care",
    }
    blocks = {name: value for name, value in said.items() if isinstance(value, dict)}
    data |= {name: value for name, value in said.items() if name not in blocks}
    fields = {f"data.{name}": value for name, value in data.items()} | blocks
    return told(seq, action, fields, at="2026-10-05T10:00:00Z")
