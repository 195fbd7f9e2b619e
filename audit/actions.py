"""The verbs of the ledger: which action stands under which category, and who may say it. Pure.

Owns three answers about an action: its category (`ACTIONS`), the scope a key needs to post it
(`scope_needed`), and what an entry of it lacks (`missing_fields`). To add an action, add it to the
table below and to `docs/events.md`. Never judges whether a field is well formed: `audit.events`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_BY_CATEGORY: Mapping[str, str] = {
    "agent_lifecycle": """
        agent.registered agent.started agent.stopped agent.suspended agent.retired agent.heartbeat
        agent.scope_granted agent.limits_raised agent.kill_switch_tested agent.interrupted
        agent.checkpoint_saved agent.checkpoint_loaded
    """,
    "action": """
        run.started run.completed loop.completed goal.created goal.started goal.completed
        goal.failed plan.created task.enqueued task.started task.completed task.failed
        orchestration.cycled file.read file.written file.deleted db.queried api.called
    """,
    "tool_call": """
        tool.invoke
    """,
    "llm_call": """
        llm.call llm.embed llm.retrieve
    """,
    "data_access": """
        data.read data.create data.update data.delete data.export data.disclose data.transfer
        data.infer data.anonymize
    """,
    "decision": """
        decision.evaluated approval.requested approval.granted approval.denied approval.expired
        decision.about_person override.applied policy.relaxed guardrail.triggered
        guardrail.disabled
    """,
    "authentication": """
        auth.login auth.logout auth.session_expired auth.lockout auth.step_up auth.break_glass
        auth.token_issued
    """,
    "identity": """
        identity.account_created identity.account_enabled identity.account_disabled
        identity.account_deleted identity.role_granted identity.role_revoked
        identity.permission_granted identity.offboarded credential.issued credential.rotated
        credential.revoked credential.paused credential.resumed
    """,
    "memory": """
        memory.write memory.read memory.search memory.delete memory.nothing_found memory.export
    """,
    "workflow": """
        workflow.started workflow.step_started workflow.step_completed workflow.step_failed
        workflow.step_retried workflow.compensated workflow.escalated workflow.completed
        workflow.failed workflow.cancelled workflow.input_rejected
    """,
    "communication": """
        message.sent message.received handoff.started handoff.completed feedback.received
    """,
    "change": """
        change.proposed change.tested change.approved change.deployed change.reviewed
        change.rolled_back
    """,
    "case": """
        tool.registered tool.removed model.registered model.removed evaluation.completed
        consent.given consent.withdrawn alert.raised alert.dismissed incident.detected
        incident.triaged incident.contained incident.resolved incident.reviewed incident.closed
        incident.ended incident.reopened incident.noted incident.linked
        breach.suspected breach.confirmed breach.risk_assessed breach.authority_notified
        breach.subjects_notified breach.subject_notice_not_required breach.media_notified
        breach.principal_notified breach.law_enforcement_delay breach.closed dsr.received
        dsr.identity_verified dsr.extended dsr.completed dsr.refused dsr.recipients_notified
        objection.upheld restriction.applied restriction.lifted access_review.started
        access_review.completed dpia.completed risk.assessment_completed vulnerability.found
        vulnerability.fixed vulnerability.accepted vendor.approved vendor.reviewed vendor.ended
        processing.activity_registered processing.activity_changed legal_hold.applied
        legal_hold.released
    """,
    "system": """
        system.queue_reported system.resource_sampled metric.recorded backup.completed
        backup.restore_tested monitor.rules_evaluated
    """,
    "audit": """
        audit.chain_verified audit.chain_broken audit.anchor_mismatch audit.log_viewed
        audit.exported audit.report_generated audit.review_completed audit.retention_reported
        audit.purged audit.config_changed audit.retention_shortened audit.source_disabled
        audit.snapshot_sealed audit.waiver_approved audit.attestation_signed
        audit.nil_return_signed audit.scope_decided audit.finding_opened audit.finding_closed
        audit.sample_drawn audit.report_delivered audit.report_downloaded audit.event_quarantined
        audit.quarantine_resolved audit.id_conflict audit.key_announced audit.ledger_succeeded
        audit.anomaly_judged audit.remedy_decided
    """,
}

ACTIONS: Mapping[str, str] = {
    action: category for category, actions in _BY_CATEGORY.items() for action in actions.split()
}
"""Each action of ours, and the one category it stands under."""

# An action of somebody else's: x.<vendor>.<verb>, the verb dotted or not.
_VENDOR_ACTION = re.compile(r"x(?:\.[A-Za-z0-9_-]+){2,}", re.ASCII)


def _named(words: str) -> frozenset[str]:
    return frozenset(words.split())


# An agent must not grade itself: these come from a person or from a key with governance:write.
_GOVERNANCE_ACTIONS = _named("""
    approval.granted approval.denied tool.registered model.registered change.approved
    policy.relaxed override.applied agent.registered agent.scope_granted
    agent.kill_switch_tested alert.dismissed change.tested change.reviewed model.removed
    tool.removed audit.review_completed
""")
_GOVERNANCE_FAMILIES = _named("""
    access_review vendor processing dsr breach legal_hold dpia risk identity credential incident
    vulnerability restriction objection consent evaluation
""")
_OPS_FAMILIES = frozenset({"backup", "monitor", "system"})


def is_vendor_action(action: str) -> bool:
    """Tell whether the action has the form `x.<vendor>.<verb>`."""
    return _VENDOR_ACTION.fullmatch(action) is not None


def fits(action: str, category: str) -> bool:
    """Tell whether a known action stands under this category; a vendor's under all but audit."""
    own = ACTIONS.get(action)
    return category == own if own is not None else category != "audit"


def scope_needed(action: str) -> str:
    """Return the scope a key needs to post this action; `server` when no key may.

    One of `events:write`, `governance:write`, `ops:write`, `server`.
    """
    family = action.partition(".")[0]
    if action in _GOVERNANCE_ACTIONS or family in _GOVERNANCE_FAMILIES:
        return "governance:write"
    if family == "audit":
        return "server"
    if family in _OPS_FAMILIES and action != "system.resource_sampled":
        return "ops:write"
    return "events:write"


# What an entry is expected to say, by action and by family of actions; docs/events.md has the list.
_EXPECTED_OF_ACTION: Mapping[str, Sequence[str]] = {
    "tool.invoke": (
        "tool.name",
        "tool.kind",
        "tool.call_id",
        "tool.risk",
        "tool.side_effect",
        "tool.arguments_hash",
    ),
    "decision.evaluated": ("decision.effect", "decision.policy_id", "decision.policy_version"),
    "auth.login": ("auth.method",),
    "dsr.received": ("case.dsr_type",),
    "agent.registered": ("agent.owner",),
    "agent.started": ("agent.version",),
}
_EXPECTED_OF_FAMILY: Mapping[str, Sequence[str]] = {
    "llm": (
        "agent.version",
        "model.provider",
        "model.name",
        "model.operation",
        "usage.input_tokens",
    ),
    "data": ("data.classes", "data.purpose"),
    "memory": ("memory.store", "memory.type"),
    "workflow": ("workflow.id", "workflow.run_id"),
    "approval": ("decision.approval_id",),
    "change": ("change.id",),
    "incident": ("case.id",),
    "breach": ("case.id",),
    "dsr": ("case.id",),
    "alert": ("case.alert_id",),
    "run": ("run.id",),
    "loop": ("run.id",),
    "goal": ("run.id",),
    "task": ("run.id",),
    "plan": ("run.id",),
}


def expected_fields(event: Mapping[str, Any], scope: str) -> list[str]:
    """Return the paths that an entry of this action should have; `scope` is its `source.scope`."""
    action: str = event["action"]
    expected: list[str] = []
    if event["outcome"] in ("failure", "error"):
        expected.append("error.type")
    if scope == "events" and event["category"] != "system":
        expected += ["agent.instance_id", "client_seq"]
    expected += _EXPECTED_OF_FAMILY.get(action.partition(".")[0], ())
    expected += _EXPECTED_OF_ACTION.get(action, ())
    if action.startswith("workflow.step_"):
        expected.append("workflow.step_id")
    return expected


def missing_fields(event: Mapping[str, Any], scope: str) -> list[str]:
    """Return which expected fields the stored event lacks; absent, null and [] all count.

    `scope` is the record's `source.scope`: events, governance, ops or server.
    """
    return [path for path in expected_fields(event, scope) if _is_missing(event, path)]


def _is_missing(event: Mapping[str, Any], path: str) -> bool:
    found: Any = event
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found is None or found == []
