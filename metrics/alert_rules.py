"""The alert rules that the platform ships. Pure.

Each stands with what it means and how grave it is; what to do about it is the page in
docs/runbooks that `runbook` names. The shape: alert_rule.py. Say it in PromQL: alert_promql.py.
`make alerts` writes the file for Prometheus from this list.

A threshold that is said elsewhere is taken from there, so that two places never disagree.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from metrics.alert_rule import UP, Rule
from metrics.families import folded
from metrics.target_limits import APPEND_SECONDS, CHAINED_SECONDS, MOST_OVERHEAD

HOUR: Final = timedelta(hours=1)
PLACES: Final = sum(family.cap for family in folded())
"""How many series all families that entries feed may have together."""


def _minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


_AGENTS: Final = (
    Rule(
        name="HighErrorRate", group="agents", runbook="HighErrorRate",
        family="obs_agent_errors_total", function="rate", threshold=0.1,
        lasts=_minutes(5), severity="warning",
        summary="Agents fail {value} times a second",
        description="Runs of agents end in failure or error more than 0.1 times a second.",
    ),
    Rule(
        name="SlowAgentExecution", group="agents", runbook="SlowAgentExecution",
        family="obs_agent_execution_duration_seconds", function="quantile", threshold=30,
        lasts=_minutes(10), severity="warning",
        summary="One run of agents in twenty takes {value} or more",
        description="The 95th percentile of how long runs take is above 30 s.",
    ),
    Rule(
        name="AgentLoopSlow", group="agents", runbook="AgentLoopSlow",
        family="obs_agent_loop_duration_seconds", function="quantile", threshold=5,
        lasts=_minutes(5), severity="warning",
        summary="One turn of agents' loops in twenty takes {value} or more",
        description="The 95th percentile of how long a turn of an agent's loop takes is above 5 s.",
    ),
    Rule(
        name="FailedDeniedActionsHigh", group="agents", runbook="FailedDeniedActionsHigh",
        family="obs_audit_actions_total", function="ratio", of="obs_audit_actions_total",
        match=(("status", ("error", "denied")),), by=("ledger",), threshold=0.05,
        lasts=_minutes(5), severity="warning",
        summary="{value} of the acts in {ledger} failed or were denied",
        description="More than 5 % of the entries of {ledger} record an act that failed or was "
        "denied.",
    ),
    Rule(
        name="AgentFailureRateHigh", group="agents", runbook="AgentFailureRateHigh",
        family="obs_agent_errors_total", function="ratio", of="obs_agent_executions_total",
        by=("agent",), threshold=0.1, lasts=_minutes(5), severity="warning",
        summary="{value} of the runs of {agent} fail",
        description="More than a tenth of the runs of {agent} end in failure or error.",
    ),
    Rule(
        name="PerformanceDegradation", group="agents", runbook="PerformanceDegradation",
        family="obs_agent_execution_duration_seconds", function="against_yesterday", threshold=2,
        window=_minutes(15), lasts=_minutes(15), severity="warning",
        summary="Runs of agents take {value} times as long as a day ago",
        description="The 95th percentile of how long runs take is more than twice that of the same "
        "time a day ago.",
    ),
    Rule(
        name="ErrorSpike", group="agents", runbook="ErrorSpike",
        family="obs_agent_errors_total", function="spike", threshold=3,
        lasts=_minutes(5), severity="warning",
        summary="Agents fail {value} times a second, far more than in the past day",
        description="The rate of errors is more than three standard deviations above its mean of "
        "the past day.",
    ),
)  # fmt: skip

_MODELS: Final = (
    Rule(
        name="HighLLMCost", group="models", runbook="HighLLMCost",
        family="obs_llm_cost_usd_total", function="increase", threshold=10, window=HOUR,
        lasts=_minutes(5), severity="critical",
        summary="Models have cost {value} US dollars in an hour",
        description="Requests to models have cost more than 10 US dollars in the last hour.",
    ),
    Rule(
        name="TokenUsageHigh", group="models", runbook="TokenUsageHigh",
        family="obs_llm_tokens_total", function="increase", threshold=1_000_000, window=HOUR,
        severity="warning",
        summary="{value} tokens in an hour",
        description="Models have read and written more than a million tokens in the last hour.",
    ),
)  # fmt: skip

_LEDGER: Final = (
    Rule(
        name="AuditAppendFailures", group="ledger", runbook="AuditAppendFailures",
        family="obs_audit_append_failures_total", function="increase", threshold=0,
        by=("reason",), severity="critical",
        summary="Chaining fails: {reason}",
        description="Chaining has failed about {value} times in five minutes. Events wait in the "
        "inbox or are in quarantine; none is lost.",
    ),
    Rule(
        name="AuditAppendSlow", group="ledger", runbook="AuditAppendSlow",
        family="obs_audit_append_duration_seconds", function="quantile",
        threshold=APPEND_SECONDS, lasts=_minutes(5), severity="warning",
        summary="Chaining an entry takes {value}",
        description="The 95th percentile of the time that an entry takes to be chained is above "
        "10 ms.",
    ),
    Rule(
        name="AuditChainBroken", group="ledger", runbook="AuditChainBroken",
        family="obs_audit_chain_verified", function="value", aggregate="min", comparison="==",
        threshold=0, by=("ledger",), severity="critical",
        summary="The ledger {ledger} is tampered",
        description="A verification of {ledger} found an entry, a tile or a checkpoint that is not "
        "what was chained.",
    ),
    Rule(
        name="AuditVerificationStale", group="ledger", runbook="AuditVerificationStale",
        family="obs_audit_chain_verified_timestamp_seconds", function="age",
        threshold=HOUR.total_seconds(), by=("ledger",), lasts=_minutes(5), severity="warning",
        summary="{ledger} was not verified for an hour",
        description="The newest verification of {ledger} ended {value} ago; one that never was "
        "counts from 1970.",
    ),
    Rule(
        name="AnchorMismatch", group="ledger", runbook="AnchorMismatch",
        family="obs_audit_anchor_ok", function="value", aggregate="min", comparison="==",
        threshold=0, by=("ledger", "sink"), severity="critical",
        summary="{sink} contradicts the ledger {ledger}",
        description="The anchor or witness {sink} holds a checkpoint that {ledger} does not "
        "continue.",
    ),
    Rule(
        name="QueueBacklog", group="ledger", runbook="QueueBacklog",
        family="obs_ingest_inbox_age_seconds", function="value", threshold=60, by=("ledger",),
        lasts=_minutes(2), severity="critical",
        summary="Events of {ledger} wait {value} to be chained",
        description="The oldest request in the inbox of {ledger} waits for more than a minute.",
    ),
    Rule(
        name="IngestLagHigh", group="ledger", runbook="IngestLagHigh",
        family="obs_ingest_lag_seconds", function="quantile", match=(("stage", ("chained",)),),
        by=("ledger",), threshold=CHAINED_SECONDS, lasts=_minutes(5), severity="warning",
        summary="One entry of {ledger} in twenty is chained {value} or more after its receipt",
        description="The 95th percentile of the time from receipt to chain is above 5 s.",
    ),
    Rule(
        name="ProjectionLag", group="ledger", runbook="ProjectionLag",
        family="obs_projection_lag_seconds", function="value", threshold=60,
        by=("projection", "ledger"), lasts=_minutes(5), severity="warning",
        summary="The projection {projection} is {value} behind {ledger}",
        description="{projection} has not read an entry of {ledger} that was chained more than a "
        "minute ago, so its pages and figures are older than they look.",
    ),
    Rule(
        name="QuarantineOpen", group="ledger", runbook="QuarantineOpen",
        family="obs_audit_quarantine_open", function="value", threshold=0, by=("ledger",),
        lasts=_minutes(15), severity="warning",
        summary="{value} events of {ledger} are in quarantine",
        description="Events of {ledger} were accepted, could not be chained, and wait for somebody "
        "to decide.",
    ),
    Rule(
        name="DestinationDead", group="ledger", runbook="DestinationDead",
        family="obs_destination_lag_entries", function="growth", threshold=0,
        by=("destination",), window=_minutes(15), lasts=_minutes(15), severity="warning",
        summary="{destination} falls behind",
        description="For 15 minutes {destination} has lacked more entries than 15 minutes before, "
        "now {value} more.",
    ),
    Rule(
        name="DestinationStopped", group="ledger", runbook="DestinationDead",
        family="obs_destination_ok", function="value", aggregate="min", comparison="==",
        threshold=0, by=("destination",), lasts=_minutes(15), severity="warning",
        summary="{destination} is dead",
        description="{destination} has failed for so long that it is not tried any more. A quiet "
        "ledger does not show it by a lag that grows.",
    ),
)  # fmt: skip

_COMPLIANCE: Final = (
    Rule(
        name="CompletenessLow", group="compliance", runbook="CompletenessLow",
        family="obs_audit_completeness_ratio", function="value", aggregate="min", comparison="<",
        threshold=0.99, by=("ledger",), lasts=_minutes(15), severity="warning",
        summary="{value} of the entries of {ledger} are complete",
        description="More than 1 % of the entries of 30 days lack a field that their action "
        "should have, or are missing in their agent's own count.",
    ),
    Rule(
        name="RetentionOverdue", group="compliance", runbook="RetentionOverdue",
        family="obs_retention_overdue_entries", function="value", threshold=0,
        by=("policy", "ledger"), lasts=HOUR, severity="warning",
        summary="{value} entries of {ledger} are kept longer than the policy {policy} says",
        description="Entries of {ledger} are older than {policy} keeps them, are on no hold, and "
        "were not pruned.",
    ),
    Rule(
        name="ComplianceScoreLow", group="compliance", runbook="ComplianceScoreLow",
        family="obs_compliance_score_ratio", function="value", aggregate="min", comparison="<",
        threshold=0.9, by=("framework", "ledger"), lasts=_minutes(15), severity="warning",
        summary="The score of {framework} in {ledger} is {value}",
        description="The newest posture of {framework} in {ledger} has a score below 90 %.",
    ),
    Rule(
        name="ScoreWithheld", group="compliance", runbook="ScoreWithheld",
        family="obs_compliance_score_withheld", function="value", comparison="==", threshold=1,
        by=("framework", "ledger"), lasts=_minutes(10), severity="warning",
        summary="No score of {framework} is issued for {ledger}",
        description="{framework} applies to {ledger}, and too little could be tested for a score.",
    ),
    Rule(
        name="ReportOverdue", group="compliance", runbook="ReportOverdue",
        family="obs_report_slots_overdue", function="value", threshold=0, by=("ledger",),
        lasts=_minutes(10), severity="warning",
        summary="{value} scheduled reports of {ledger} are late",
        description="Reports of {ledger} that a schedule asked for are late by an hour or more.",
    ),
)  # fmt: skip


def _overhead(name: str, component: str, of_what: str, runbook: str) -> Rule:
    most = MOST_OVERHEAD[component]
    return Rule(
        name=name, group="platform", runbook=runbook,
        family="obs_observability_overhead_ratio", function="value",
        match=(("component", (component,)),), by=("component",), threshold=most,
        lasts=_minutes(10), severity="warning",
        summary=f"{of_what} takes {{value}} of the platform's busy time",
        description=f"The budget is {most * 100:g} % of the processor time of all processes.",
    )  # fmt: skip


_PLATFORM: Final = (
    Rule(
        name="TargetDown", group="platform", runbook="TargetDown",
        family=UP, function="value", aggregate="min", comparison="==", threshold=0,
        match=(("job", ("obsplatform", "obsplatform-web")),), by=("job", "instance"),
        lasts=_minutes(2), severity="critical",
        summary="{instance} cannot be scraped",
        description="Prometheus gets no metrics from {instance} of the job {job}.",
    ),
    Rule(
        name="ReadinessFailing", group="platform", runbook="ReadinessFailing",
        family="obs_health_status", function="value", aggregate="min", comparison="==",
        threshold=0, by=("check",), lasts=_minutes(2), severity="critical",
        summary="The health check {check} fails",
        description="While {check} is critical, /ready answers 503 and what a 2xx promises cannot "
        "be kept.",
    ),
    Rule(
        name="ApiErrorRateHigh", group="platform", runbook="ApiErrorRateHigh",
        family="obs_http_requests_total", function="ratio", of="obs_http_requests_total",
        match=(("status_class", ("5xx",)),), threshold=0.05,
        lasts=_minutes(5), severity="critical",
        summary="{value} of the requests end in a server error",
        description="More than 5 % of the answers of the platform have a status of 5xx.",
    ),
    Rule(
        name="ResourceExhaustionCPU", group="platform", runbook="ResourceExhaustion",
        family="obs_host_cpu_usage_ratio", function="value", threshold=0.9,
        lasts=_minutes(10), severity="warning",
        summary="The processors are {value} busy",
        description="The machine's processors are more than 90 % busy.",
    ),
    Rule(
        name="ResourceExhaustionMemory", group="platform", runbook="ResourceExhaustion",
        family="obs_host_memory_bytes", function="ratio", of="obs_host_memory_bytes",
        match=(("state", ("used",)),), threshold=0.9,
        lasts=_minutes(10), severity="warning",
        summary="{value} of the memory is used",
        description="More than 90 % of the machine's memory is used.",
    ),
    Rule(
        name="ResourceExhaustionDisk", group="platform", runbook="ResourceExhaustion",
        family="obs_host_disk_bytes", function="ratio", of="obs_host_disk_bytes",
        match=(("state", ("free",)),), by=("mount",), comparison="<", threshold=0.1,
        lasts=_minutes(10), severity="critical",
        summary="{value} of the disk {mount} is free",
        description="Less than a tenth of {mount} is free. On the disk of the platform's data "
        "POSTs are refused below that.",
    ),
    _overhead("OverheadBudgetExceededMetrics", "metrics", "Metrics", "OverheadBudgetExceeded"),
    _overhead("OverheadBudgetExceededLogging", "logging", "Logging", "OverheadBudgetExceeded"),
    _overhead("OverheadBudgetExceededTracing", "tracing", "Tracing", "OverheadBudgetExceeded"),
    _overhead("OverheadBudgetExceeded", "all", "Observing", "OverheadBudgetExceeded"),
    Rule(
        name="SeriesBudget80", group="platform", runbook="SeriesBudget80",
        family="obs_metrics_series", function="value", aggregate="sum",
        threshold=round(0.8 * PLACES, 1), lasts=_minutes(10), severity="warning",
        summary="{value} series of metrics are in use",
        description="Families that entries feed have used four fifths of all places. What finds "
        "none is counted as _other.",
    ),
)  # fmt: skip

RULES: Final[tuple[Rule, ...]] = (*_AGENTS, *_MODELS, *_LEDGER, *_COMPLIANCE, *_PLATFORM)
"""Every rule, by group."""
