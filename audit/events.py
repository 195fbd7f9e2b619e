"""The event: which fields an agent may send, and what may stand in each. Pure.

Every block of the schema is a struct here; `docs/events.md` tells the same for people. Fields are
declared in the order of their names as sent, so that msgspec, which writes fields as declared,
writes them sorted as RFC 8785 wants (a test holds this). An absent field is UNSET and is not
written; a null is no value of any field.
Which actions there are: `audit.actions`. From bytes to an event and the rules that need more than
one field: `audit.parse`. What is stored of it: `audit.stored`.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from audit.ledger.canonical import SAFE_INTEGER

MAX_SUBJECTS = 1_000
"""Subject ids an event may name."""

# ruff: noqa: D101  (a block is told by the line above its fields in docs/events.md)

Text = Annotated[str, Meta(max_length=200)]
Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Digest = Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-fA-F]{64}$")]
TraceId = Annotated[str, Meta(min_length=32, max_length=32, pattern="^[0-9a-fA-F]{32}$")]
SpanId = Annotated[str, Meta(min_length=16, max_length=16, pattern="^[0-9a-fA-F]{16}$")]
Country = Annotated[str, Meta(min_length=2, max_length=2, pattern="^[A-Z]{2}$")]
Int = Annotated[int, Meta(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]
Num = Int | float
Positive = Annotated[int, Meta(ge=0, le=SAFE_INTEGER)] | Annotated[float, Meta(ge=0)]
Ratio = Annotated[int, Meta(ge=0, le=1)] | Annotated[float, Meta(ge=0, le=1)]
Object = dict[str, Any]
Labels = Annotated[dict[Text, Text], Meta(max_length=32)]
FewLabels = Annotated[dict[Text, Text], Meta(max_length=5)]

Level = Literal["low", "medium", "high", "critical"]
Category = Literal[
    "agent_lifecycle", "action", "tool_call", "llm_call", "data_access", "decision",
    "authentication", "identity", "memory", "workflow", "communication", "change", "case",
    "system", "audit",
]  # fmt: skip
DataClass = Literal[
    "public", "internal", "confidential", "restricted", "pii", "special_category", "phi", "pci",
    "financial", "credentials", "children", "criminal",
]  # fmt: skip
RecipientRole = Literal[
    "processor", "controller", "covered_entity", "health_care_provider", "individual",
    "personal_representative", "public_authority", "other",
]  # fmt: skip


class Block(Struct, forbid_unknown_fields=True, gc=False):
    """What all blocks share: an unknown field is refused, since a typo must not vanish."""


class Actor(Block, kw_only=True):
    delegation_chain: list[Party] | UnsetType = UNSET
    id: Identifier
    ip: Text | UnsetType = UNSET
    on_behalf_of: Party | UnsetType = UNSET
    org_unit: Text | UnsetType = UNSET
    roles: list[Text] | UnsetType = UNSET
    session_id: Text | UnsetType = UNSET
    type: Literal["human", "agent", "service", "system", "unauthenticated"]


class Party(Block):
    id: Identifier
    type: Text


class Agent(Block, kw_only=True):
    environment: Literal["prod", "staging", "test", "dev"] | UnsetType = UNSET
    framework: Text | UnsetType = UNSET
    id: Identifier
    instance_id: Text | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    owner: Text | UnsetType = UNSET
    role: Text | UnsetType = UNSET
    version: Text | UnsetType = UNSET


class Auth(Block):
    credential_id: Text | UnsetType = UNSET
    failure_reason: Text | UnsetType = UNSET
    method: Text | UnsetType = UNSET
    mfa: bool | UnsetType = UNSET
    privileged: bool | UnsetType = UNSET


class Backup(Block):
    bytes: Int | UnsetType = UNSET
    chain_verified_after_restore: bool | UnsetType = UNSET
    digest: Digest | UnsetType = UNSET
    id: Text | UnsetType = UNSET
    rto_seconds: Num | UnsetType = UNSET


class Case(Block):
    affected_subjects: Int | UnsetType = UNSET
    alert_id: Text | UnsetType = UNSET
    art34_exemption: Text | UnsetType = UNSET
    authority: Text | UnsetType = UNSET
    aware_at: Time | UnsetType = UNSET
    delay_days: Int | UnsetType = UNSET
    delay_written: bool | UnsetType = UNSET
    discovered_at: Time | UnsetType = UNSET
    dsr_type: (
        Literal["access", "rectification", "erasure", "restriction", "portability", "objection"]
        | UnsetType
    ) = UNSET
    effects: Text | UnsetType = UNSET
    factors: Object | UnsetType = UNSET
    facts: Text | UnsetType = UNSET
    id: Text | UnsetType = UNSET
    max_affected_in_state: Int | UnsetType = UNSET
    our_role: (
        Literal["controller", "processor", "covered_entity", "business_associate"] | UnsetType
    ) = UNSET
    recipients_count: Int | UnsetType = UNSET
    regimes: list[Literal["gdpr", "hipaa", "other"]] | UnsetType = UNSET
    remedial_action: Text | UnsetType = UNSET
    risk: Literal["unlikely", "risk", "high"] | UnsetType = UNSET
    root_cause: Text | UnsetType = UNSET
    subject_event: Text | UnsetType = UNSET


class Change(Block, rename={"from_": "from"}):
    author: Text | UnsetType = UNSET
    emergency: bool | UnsetType = UNSET
    from_: Text | UnsetType = UNSET
    id: Text | UnsetType = UNSET
    kind: Text | UnsetType = UNSET
    object_id: Text | UnsetType = UNSET
    test_ref: Text | UnsetType = UNSET
    to: Text | UnsetType = UNSET


class Data(Block):
    after_hash: Digest | UnsetType = UNSET
    art9_condition: Text | UnsetType = UNSET
    before_hash: Digest | UnsetType = UNSET
    classes: list[DataClass] | UnsetType = UNSET
    consent_id: Text | UnsetType = UNSET
    encrypted_at_rest: bool | UnsetType = UNSET
    encrypted_in_transit: bool | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    fields: list[Text] | UnsetType = UNSET
    guardian_consent: bool | UnsetType = UNSET
    legal_basis: Text | UnsetType = UNSET
    notice_version: Text | UnsetType = UNSET
    processing_activity_id: Text | UnsetType = UNSET
    purpose: Text | UnsetType = UNSET
    recipient: Text | UnsetType = UNSET
    recipient_role: RecipientRole | UnsetType = UNSET
    record_count: Int | UnsetType = UNSET
    retention_until: Time | UnsetType = UNSET
    source: Text | UnsetType = UNSET
    subject_count: Int | UnsetType = UNSET
    subject_ids: Annotated[list[Identifier], Meta(max_length=MAX_SUBJECTS)] | UnsetType = UNSET


class Decision(Block):
    approval_id: Text | UnsetType = UNSET
    art22_ground: Text | UnsetType = UNSET
    effect: Literal["allow", "deny", "require_approval", "approved"] | UnsetType = UNSET
    expires_at: Time | UnsetType = UNSET
    legal_effect: bool | UnsetType = UNSET
    oversight: Text | UnsetType = UNSET
    policy_id: Text | UnsetType = UNSET
    policy_version: Text | UnsetType = UNSET
    reason: Text | UnsetType = UNSET
    requested_by: Text | UnsetType = UNSET
    review_channel: Text | UnsetType = UNSET


class Error(Block):
    message: Annotated[str, Meta(max_length=2000)] | UnsetType = UNSET
    type: Text | UnsetType = UNSET


class Evaluation(Block):
    sample_size: Int | UnsetType = UNSET
    score: Num | UnsetType = UNSET
    suite: Text | UnsetType = UNSET


class Feedback(Block):
    kind: Text | UnsetType = UNSET
    score: Ratio | UnsetType = UNSET


class Guardrail(Block):
    effect: Literal["blocked", "redacted", "warned", "logged"] | UnsetType = UNSET
    type: Text | UnsetType = UNSET


class Integrity(Block):
    """What the server alone says about the chain; refused from a client."""

    anchor_ref: Text | UnsetType = UNSET
    from_seq: Int | UnsetType = UNSET
    head_hash: Digest | UnsetType = UNSET
    oldest_seq: Int | UnsetType = UNSET
    purged_min_age_days: Int | UnsetType = UNSET
    retention_days: Int | UnsetType = UNSET
    to_seq: Int | UnsetType = UNSET


class Measure(Block):
    labels: FewLabels | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    type: Literal["counter", "gauge", "histogram"] | UnsetType = UNSET
    value: Num | UnsetType = UNSET


class Memory(Block):
    bytes: Int | UnsetType = UNSET
    cache_hit: bool | UnsetType = UNSET
    key_hash: Digest | UnsetType = UNSET
    store: Text | UnsetType = UNSET
    ttl_seconds: Num | UnsetType = UNSET
    type: Text | UnsetType = UNSET


class Model(Block):
    finish_reason: Text | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    operation: (
        Literal["chat", "completion", "embedding", "retrieval", "image", "speech"] | UnsetType
    ) = UNSET
    prompt_hash: Digest | UnsetType = UNSET
    provider: Text | UnsetType = UNSET
    request_id: Text | UnsetType = UNSET
    response_hash: Digest | UnsetType = UNSET
    system_prompt_hash: Digest | UnsetType = UNSET
    temperature: Num | UnsetType = UNSET
    version: Text | UnsetType = UNSET


class Monitor(Block):
    alerts_count: Int | UnsetType = UNSET
    rules_count: Int | UnsetType = UNSET


class Plan(Block):
    quality: Ratio | UnsetType = UNSET
    steps: Int | UnsetType = UNSET


class Processing(Block):
    controller: Text | UnsetType = UNSET
    data_categories: list[Text] | UnsetType = UNSET
    fields: list[Text] | UnsetType = UNSET
    high_risk: bool | UnsetType = UNSET
    purposes: list[Text] | UnsetType = UNSET
    recipients: list[Text] | UnsetType = UNSET
    retention: Text | UnsetType = UNSET
    role: Text | UnsetType = UNSET
    security_measures: Text | UnsetType = UNSET
    subject_categories: list[Text] | UnsetType = UNSET
    transfers: list[Text] | UnsetType = UNSET


class Resource(Block):
    context_switches: Num | UnsetType = UNSET
    cpu_ratio: Num | UnsetType = UNSET
    disk_bytes: Num | UnsetType = UNSET
    disk_io_bytes: Num | UnsetType = UNSET
    gc_pause_ms: Num | UnsetType = UNSET
    memory_bytes: Num | UnsetType = UNSET
    net_io_bytes: Num | UnsetType = UNSET


class Review(Block):
    actions_count: Int | UnsetType = UNSET
    findings_count: Int | UnsetType = UNSET
    items_count: Int | UnsetType = UNSET
    revoked_count: Int | UnsetType = UNSET
    scope: Text | UnsetType = UNSET


class Risk(Block):
    high_count: Int | UnsetType = UNSET
    items_count: Int | UnsetType = UNSET


class Run(Block):
    goal_id: Text | UnsetType = UNSET
    id: Text | UnsetType = UNSET
    mode: Text | UnsetType = UNSET
    parent_id: Text | UnsetType = UNSET
    phase: Text | UnsetType = UNSET
    queue: Text | UnsetType = UNSET
    task_id: Text | UnsetType = UNSET


class System(Block):
    max_lag_seconds: Num | UnsetType = UNSET
    queue_depth: Int | UnsetType = UNSET


class Target(Block):
    environment: Text | UnsetType = UNSET
    id: Identifier | UnsetType = UNSET
    owner: Text | UnsetType = UNSET
    system: Text | UnsetType = UNSET
    type: Identifier | UnsetType = UNSET


class Test(Block):
    seconds_to_stop: Num | UnsetType = UNSET


class Tool(Block):
    arguments_hash: Digest | UnsetType = UNSET
    call_id: Text | UnsetType = UNSET
    destructive: bool | UnsetType = UNSET
    kind: Literal["function", "mcp", "http", "shell", "db", "browser", "code"] | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    result_bytes: Int | UnsetType = UNSET
    result_hash: Digest | UnsetType = UNSET
    risk: Level | UnsetType = UNSET
    server: Text | UnsetType = UNSET
    side_effect: bool | UnsetType = UNSET


class Trace(Block):
    causation_id: Text | UnsetType = UNSET
    conversation_id: Text | UnsetType = UNSET
    operation_id: Text | UnsetType = UNSET
    parent_id: SpanId | UnsetType = UNSET
    span_id: SpanId | UnsetType = UNSET
    trace_id: TraceId | UnsetType = UNSET


class Transfer(Block):
    from_country: Country | UnsetType = UNSET
    mechanism: Text | UnsetType = UNSET
    tia_id: Text | UnsetType = UNSET
    to_country: Country | UnsetType = UNSET


class Usage(Block):
    cache_read_tokens: Int | UnsetType = UNSET
    cost_usd: Num | UnsetType = UNSET
    input_tokens: Int | UnsetType = UNSET
    output_tokens: Int | UnsetType = UNSET
    reasoning_tokens: Int | UnsetType = UNSET


class Vendor(Block):
    agreement: Literal["dpa", "baa", "both"] | UnsetType = UNSET
    data_classes: list[Text] | UnsetType = UNSET
    valid_until: Time | UnsetType = UNSET


class Workflow(Block):
    attempt: Int | UnsetType = UNSET
    id: Text | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    run_id: Text | UnsetType = UNSET
    step: Text | UnsetType = UNSET
    step_id: Text | UnsetType = UNSET
    step_type: Text | UnsetType = UNSET


class Event(Block, kw_only=True):
    """One act of an agent, a person or the platform, as its sender tells it."""

    action: Annotated[str, Meta(max_length=100)]
    actor: Actor
    agent: Agent
    auth: Auth | UnsetType = UNSET
    backup: Backup | UnsetType = UNSET
    case: Case | UnsetType = UNSET
    category: Category
    change: Change | UnsetType = UNSET
    client_seq: Int | UnsetType = UNSET
    data: Data | UnsetType = UNSET
    decision: Decision | UnsetType = UNSET
    details: Object | UnsetType = UNSET
    duration_ms: Positive | UnsetType = UNSET
    error: Error | UnsetType = UNSET
    evaluation: Evaluation | UnsetType = UNSET
    feedback: Feedback | UnsetType = UNSET
    guardrail: Guardrail | UnsetType = UNSET
    id: uuid.UUID | UnsetType = UNSET
    integrity: Integrity | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET
    measure: Measure | UnsetType = UNSET
    memory: Memory | UnsetType = UNSET
    model: Model | UnsetType = UNSET
    monitor: Monitor | UnsetType = UNSET
    occurred_at: Time
    outcome: Literal["success", "failure", "denied", "error", "pending", "unknown"]
    personal: Object | UnsetType = UNSET
    plan: Plan | UnsetType = UNSET
    processing: Processing | UnsetType = UNSET
    reason: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    resource: Resource | UnsetType = UNSET
    review: Review | UnsetType = UNSET
    risk: Risk | UnsetType = UNSET
    run: Run | UnsetType = UNSET
    schema_version: Text | UnsetType = UNSET
    severity: Literal["info", "low", "medium", "high", "critical"] | UnsetType = UNSET
    system: System | UnsetType = UNSET
    target: Target | UnsetType = UNSET
    test: Test | UnsetType = UNSET
    tool: Tool | UnsetType = UNSET
    trace: Trace | UnsetType = UNSET
    transfer: Transfer | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    vendor: Vendor | UnsetType = UNSET
    workflow: Workflow | UnsetType = UNSET


def event_json_schema(*, ref_template: str = "#/$defs/{name}") -> dict[str, Any]:
    """Return the JSON Schema of what a client may send, with its blocks under `$defs`.

    Rules over several fields are not in it: `target` by category, the actions, who may send what.
    """
    (schema,), definitions = msgspec.json.schema_components([Event], ref_template=ref_template)
    assert schema == {"$ref": ref_template.format(name="Event")}
    event = definitions.pop("Event")
    # The server's own block is no part of what a client may send.
    del event["properties"]["integrity"]
    del definitions["Integrity"]
    return {**event, "$defs": definitions}
