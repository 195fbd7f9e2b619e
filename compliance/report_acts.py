"""Say in one line what an entry was about, for the lists of changes, later events and log access.

Pure. Owns which actions stand in which of these lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from compliance.report_content import Act
from compliance.report_evidence import Record

MOST_WORDS: Final = 300
"""Characters of a line; a longer one ends in an ellipsis, its entry has all of it."""

CHANGES: Final = frozenset({
    "change.proposed", "change.tested", "change.approved", "change.deployed", "change.reviewed",
    "change.rolled_back", "agent.registered", "agent.retired", "agent.scope_granted",
    "agent.limits_raised", "tool.registered", "tool.removed", "model.registered", "model.removed",
    "policy.relaxed", "guardrail.disabled", "audit.config_changed", "audit.retention_shortened",
    "processing.activity_registered", "processing.activity_changed", "vendor.approved",
    "vendor.reviewed", "vendor.ended",
})  # fmt: skip
"""Changes of systems and of controls."""

SUBSEQUENT: Final = CHANGES | frozenset({
    "breach.suspected", "breach.confirmed", "breach.risk_assessed", "breach.authority_notified",
    "breach.subjects_notified", "breach.subject_notice_not_required", "breach.media_notified",
    "breach.principal_notified", "breach.law_enforcement_delay", "breach.closed",
    "incident.detected", "audit.chain_broken", "audit.finding_opened", "audit.finding_closed",
})  # fmt: skip
"""What bears on a period although it happened after it."""

ABOUT_LOG: Final = frozenset({
    "audit.log_viewed", "audit.exported", "audit.report_generated", "audit.report_delivered",
    "audit.report_downloaded",
})  # fmt: skip
"""Who viewed or took away what the log holds."""

_Event = Mapping[str, Any]


def act_line(record: Record) -> Act:
    """Return an entry as a line of a list."""
    event = record.event
    return Act(
        seq=record.seq,
        at=record.occurred_at,
        action=record.action,
        actor=str(event["actor"]["id"]),
        outcome=str(event.get("outcome", "")),
        about=about(record.action, event),
    )


def about(action: str, event: _Event) -> str:
    """Return what an event was about, in one line of at most MOST_WORDS characters."""
    said = _BY_ACTION.get(action) or _BY_FAMILY.get(action.partition(".")[0], _target)
    parts = [said(event), _text(event, "reason")]
    line = " ".join("; ".join(dict.fromkeys(part for part in parts if part)).split())
    return line if len(line) <= MOST_WORDS else line[: MOST_WORDS - 1] + "…"


def _change(event: _Event) -> str:
    change = _block(event, "change")
    moved = " → ".join(str(change[name]) for name in ("from", "to") if change.get(name))
    return _joined(change.get("id"), change.get("kind"), change.get("object_id"), moved)


def _agent(event: _Event) -> str:
    agent = _block(event, "agent")
    return _joined(agent.get("id"), agent.get("version"), _target(event))


def _tool(event: _Event) -> str:
    tool = _block(event, "tool")
    at = f"at {tool['server']}" if tool.get("server") else ""
    risk = f"risk {tool['risk']}" if tool.get("risk") else ""
    return _joined(tool.get("name"), at, risk)


def _model(event: _Event) -> str:
    model = _block(event, "model")
    return _joined(model.get("provider"), model.get("name"), model.get("version"))


def _vendor(event: _Event) -> str:
    vendor = _block(event, "vendor")
    agreement = f"agreement {vendor['agreement']}" if vendor.get("agreement") else ""
    return _joined(_block(event, "target").get("id"), agreement)


def _config(event: _Event) -> str:
    said = _block(event, "details")
    name = _joined(said.get("what"), said.get("check"), said.get("name"))
    if "after" not in said:
        return name or _target(event)
    return f"{name}: {_plain(said.get('before'))} → {_plain(said.get('after'))}"


def _case(event: _Event) -> str:
    case = _block(event, "case")
    severity = f"severity {event['severity']}" if event.get("severity") else ""
    return _joined(case.get("id"), severity, case.get("facts") or case.get("root_cause"))


def _finding(event: _Event) -> str:
    said = _block(event, "details")
    return _joined(said.get("control"), said.get("check"), said.get("title"))


def _exported(event: _Event) -> str:
    said = _block(event, "details")
    entries = f"{said['entries']:,} entries" if isinstance(said.get("entries"), int) else ""
    return _joined(said.get("format"), entries, said.get("via"))


def _viewed(event: _Event) -> str:
    said = _block(event, "details")
    return _joined(_target(event), said.get("purpose"))


def _report(event: _Event) -> str:
    said = _block(event, "details")
    return _joined(
        said.get("framework"), _days(said), said.get("file"), said.get("kind"), said.get("address")
    )


def _days(said: Mapping[str, Any]) -> str:
    """Return the first and the last day of a period that an entry names by the day after it."""
    try:
        first, after = (date.fromisoformat(str(said.get(name))) for name in ("from", "to"))
        return f"{first} to {after - timedelta(days=1)}"
    except (ValueError, OverflowError):
        return ""


def _broken(event: _Event) -> str:
    said = _block(event, "details")
    return _joined("entry", said.get("seq"), said.get("field"))


def _target(event: _Event) -> str:
    target = _block(event, "target")
    return _joined(target.get("type"), target.get("id"))


_BY_FAMILY: Final[Mapping[str, Callable[[_Event], str]]] = {
    "change": _change, "agent": _agent, "tool": _tool, "model": _model, "vendor": _vendor,
    "breach": _case, "incident": _case,
}  # fmt: skip
_BY_ACTION: Final[Mapping[str, Callable[[_Event], str]]] = {
    "audit.config_changed": _config,
    "audit.retention_shortened": _config,
    "audit.chain_broken": _broken,
    "audit.finding_opened": _finding,
    "audit.finding_closed": _finding,
    "audit.exported": _exported,
    "audit.log_viewed": _viewed,
    "audit.report_generated": _report,
    "audit.report_delivered": _report,
    "audit.report_downloaded": _report,
}


def _block(event: _Event, name: str) -> Mapping[str, Any]:
    found = event.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(event: _Event, name: str) -> str:
    value = event.get(name)
    return "" if value is None else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return "shipped" if value is None else str(value)


def _joined(*parts: Any) -> str:
    return " ".join(str(part) for part in parts if part not in (None, ""))
