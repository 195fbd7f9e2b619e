"""The words of an event: its fields, its actions, and the words that a field may hold. Pure.

The same words as the platform's, which a contract test holds; so that a typo is refused where it is
made and not an hour later. Nothing here judges a whole event: `obsagent.event`.
"""

from __future__ import annotations

SCHEMA_VERSION = "1.0"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIELDS = _words("""
    action category client_seq details duration_ms id labels occurred_at outcome personal
    reason schema_version severity
""")
"""Fields of an event that are no block."""

BLOCKS: dict[str, frozenset[str]] = {
    "actor": _words("delegation_chain id ip on_behalf_of org_unit roles session_id type"),
    "agent": _words("environment framework id instance_id name owner role version"),
    "auth": _words("credential_id failure_reason method mfa privileged"),
    "backup": _words("bytes chain_verified_after_restore digest id rto_seconds"),
    "case": _words("""
        affected_subjects alert_id art34_exemption authority aware_at delay_days
        delay_written discovered_at dsr_type effects factors facts id
        max_affected_in_state our_role recipients_count regimes remedial_action risk
        root_cause subject_event
    """),
    "change": _words("author emergency from id kind object_id test_ref to"),
    "data": _words("""
        after_hash art9_condition before_hash classes consent_id encrypted_at_rest
        encrypted_in_transit external fields guardian_consent legal_basis notice_version
        processing_activity_id purpose recipient recipient_role record_count
        retention_until source subject_count subject_ids
    """),
    "decision": _words("""
        approval_id art22_ground effect expires_at legal_effect oversight policy_id
        policy_version reason requested_by review_channel
    """),
    "error": _words("message type"),
    "evaluation": _words("sample_size score suite"),
    "feedback": _words("kind score"),
    "guardrail": _words("effect type"),
    "measure": _words("labels name type value"),
    "memory": _words("bytes cache_hit key_hash store ttl_seconds type"),
    "model": _words("""
        finish_reason name operation prompt_hash provider request_id response_hash
        system_prompt_hash temperature version
    """),
    "monitor": _words("alerts_count rules_count"),
    "plan": _words("quality steps"),
    "processing": _words("""
        controller data_categories fields high_risk purposes recipients retention role
        security_measures subject_categories transfers
    """),
    "resource": _words("""
        context_switches cpu_ratio disk_bytes disk_io_bytes gc_pause_ms memory_bytes
        net_io_bytes
    """),
    "review": _words("actions_count findings_count items_count revoked_count scope"),
    "risk": _words("high_count items_count"),
    "run": _words("goal_id id mode parent_id phase queue task_id"),
    "system": _words("max_lag_seconds queue_depth"),
    "target": _words("environment id owner system type"),
    "test": _words("seconds_to_stop"),
    "tool": _words("""
        arguments_hash call_id destructive kind name result_bytes result_hash risk
        server side_effect
    """),
    "trace": _words("causation_id conversation_id operation_id parent_id span_id trace_id"),
    "transfer": _words("from_country mechanism tia_id to_country"),
    "usage": _words("cache_read_tokens cost_usd input_tokens output_tokens reasoning_tokens"),
    "vendor": _words("agreement data_classes valid_until"),
    "workflow": _words("attempt id name run_id step step_id step_type"),
}
"""Each block of an event, and its fields."""

CHOICES: dict[str, frozenset[str]] = {
    "actor.type": _words("agent human service system unauthenticated"),
    "agent.environment": _words("dev prod staging test"),
    "case.dsr_type": _words("access erasure objection portability rectification restriction"),
    "case.our_role": _words("business_associate controller covered_entity processor"),
    "case.regimes": _words("gdpr hipaa other"),
    "case.risk": _words("high risk unlikely"),
    "category": _words("""
        action agent_lifecycle audit authentication case change communication
        data_access decision identity llm_call memory system tool_call workflow
    """),
    "data.classes": _words("""
        children confidential credentials criminal financial internal pci phi pii public
        restricted special_category
    """),
    "data.recipient_role": _words("""
        controller covered_entity health_care_provider individual other
        personal_representative processor public_authority
    """),
    "decision.effect": _words("allow approved deny require_approval"),
    "guardrail.effect": _words("blocked logged redacted warned"),
    "measure.type": _words("counter gauge histogram"),
    "model.operation": _words("chat completion embedding image retrieval speech"),
    "outcome": _words("denied error failure pending success unknown"),
    "severity": _words("critical high info low medium"),
    "tool.kind": _words("browser code db function http mcp shell"),
    "tool.risk": _words("critical high low medium"),
    "vendor.agreement": _words("baa both dpa"),
}
"""Fields that hold one of a few words, or a list of them."""

_BY_CATEGORY = {
    "agent_lifecycle": """
        agent.registered agent.started agent.stopped agent.suspended agent.retired
        agent.heartbeat agent.scope_granted agent.limits_raised agent.kill_switch_tested
        agent.interrupted agent.checkpoint_saved agent.checkpoint_loaded
    """,
    "action": """
        run.started run.completed loop.completed goal.created goal.started
        goal.completed goal.failed plan.created task.enqueued task.started
        task.completed task.failed orchestration.cycled file.read file.written
        file.deleted db.queried api.called
    """,
    "tool_call": "tool.invoke",
    "llm_call": "llm.call llm.embed llm.retrieve",
    "data_access": """
        data.read data.create data.update data.delete data.export data.disclose
        data.transfer data.infer data.anonymize
    """,
    "decision": """
        decision.evaluated approval.requested approval.granted approval.denied
        approval.expired decision.about_person override.applied policy.relaxed
        guardrail.triggered guardrail.disabled
    """,
    "authentication": """
        auth.login auth.logout auth.session_expired auth.lockout auth.step_up
        auth.break_glass auth.token_issued
    """,
    "identity": """
        identity.account_created identity.account_enabled identity.account_disabled
        identity.account_deleted identity.role_granted identity.role_revoked
        identity.permission_granted identity.offboarded credential.issued
        credential.rotated credential.revoked credential.paused credential.resumed
    """,
    "memory": """
        memory.write memory.read memory.search memory.delete memory.nothing_found
        memory.export
    """,
    "workflow": """
        workflow.started workflow.step_started workflow.step_completed
        workflow.step_failed workflow.step_retried workflow.compensated
        workflow.escalated workflow.completed workflow.failed workflow.cancelled
        workflow.input_rejected
    """,
    "communication": """
        message.sent message.received handoff.started handoff.completed
        feedback.received
    """,
    "change": """
        change.proposed change.tested change.approved change.deployed change.reviewed
        change.rolled_back
    """,
    "case": """
        tool.registered tool.removed model.registered model.removed evaluation.completed
        consent.given consent.withdrawn alert.raised alert.dismissed incident.detected
        incident.triaged incident.contained incident.resolved incident.reviewed
        incident.closed incident.ended incident.reopened incident.noted incident.linked
        breach.suspected breach.confirmed breach.risk_assessed breach.authority_notified
        breach.subjects_notified breach.subject_notice_not_required
        breach.media_notified breach.principal_notified breach.law_enforcement_delay
        breach.closed dsr.received dsr.identity_verified dsr.extended dsr.completed
        dsr.refused dsr.recipients_notified objection.upheld restriction.applied
        restriction.lifted access_review.started access_review.completed dpia.completed
        risk.assessment_completed vulnerability.found vulnerability.fixed
        vulnerability.accepted vendor.approved vendor.reviewed vendor.ended
        processing.activity_registered processing.activity_changed legal_hold.applied
        legal_hold.released
    """,
    "system": """
        system.queue_reported system.resource_sampled metric.recorded backup.completed
        backup.restore_tested monitor.rules_evaluated
    """,
    "audit": "audit.review_completed",
}

NEEDS_NO_TARGET = _words("action audit system")
"""Categories whose events need no target."""

TIMES = _words("""
    case.aware_at case.discovered_at data.retention_until decision.expires_at vendor.valid_until
""")
"""Fields of blocks that hold a time."""

ACTIONS: dict[str, str] = {
    action: category for category, actions in _BY_CATEGORY.items() for action in actions.split()
}
"""Each action that a key may post, and the one category it stands under."""
