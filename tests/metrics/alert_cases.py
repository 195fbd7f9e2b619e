"""For each alert: series that raise it, series that do not, and what it says when it fires.

Data alone, one sample a minute. A series is calm, then something breaks; of a counter or histogram
the numbers are what each minute adds, of a gauge how it stands. In `quiet` they stay at the edge of
the threshold, or at something else that must not raise it. promtool_tests.py makes of each a
positive, a negative and a not-yet case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from metrics.alert_rules import PLACES
from metrics.families import BY_NAME

SHORT = timedelta(minutes=10)
LONG = timedelta(hours=25)
"""How long a series is calm where a rule looks back a day."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One series."""

    name: str
    labels: dict[str, str]
    calm: float
    broken: float
    quiet: float
    grows: bool
    """Whether the numbers are what a minute adds."""
    quiet_before: float | None = None
    """In the first half of the time, where a rule compares with the past."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one rule is fed with."""

    rule: str
    lines: tuple[Line, ...]
    value: str
    """As the fired alert shows it."""
    labels: dict[str, str] = field(default_factory=dict)
    """Of the alert, besides its name and severity."""
    calm: timedelta = SHORT
    crosses: timedelta = timedelta()
    """Time from the first broken sample until the threshold is crossed."""


def line(
    name: str,
    calm: float,
    broken: float,
    quiet: float,
    quiet_before: float | None = None,
    **labels: str,
) -> Line:
    return Line(
        name=name,
        labels=labels,
        calm=calm,
        broken=broken,
        quiet=quiet,
        grows=name in BY_NAME and BY_NAME[name].kind == "counter",
        quiet_before=quiet_before,
    )


def growing(name: str, calm: float, broken: float, quiet: float, **labels: str) -> Line:
    return Line(name=name, labels=labels, calm=calm, broken=broken, quiet=quiet, grows=True)


def observed(
    name: str,
    calm: float,
    broken: float,
    quiet: float,
    quiet_before: float | None = None,
    **labels: str,
) -> tuple[Line, ...]:
    """Return the buckets of 60 observations a minute, all in that which ends at the edge named."""
    edges = (*BY_NAME[name].edges, float("inf"))
    assert {calm, broken, quiet} <= set(edges), (name, edges)
    return tuple(
        Line(
            name=f"{name}_bucket",
            labels={**labels, "le": "+Inf" if upper == float("inf") else str(upper)},
            calm=60 * (calm <= upper),
            broken=60 * (broken <= upper),
            quiet=60 * (quiet <= upper),
            grows=True,
            quiet_before=None if quiet_before is None else 60 * (quiet_before <= upper),
        )
        for upper in edges
    )


def _case(
    rule: str,
    value: str,
    *lines: Line,
    calm: timedelta = SHORT,
    crosses: timedelta = timedelta(),
    **labels: str,
) -> Case:
    return Case(rule=rule, lines=lines, value=value, labels=labels, calm=calm, crosses=crosses)


def _agents() -> Iterator[Case]:
    errors, runs = "obs_agent_errors_total", "obs_agent_executions_total"
    seconds, acts = "obs_agent_execution_duration_seconds", "obs_audit_actions_total"
    yield _case(  # 0.1 a second is 6 a minute
        "HighErrorRate",
        "200m",
        line(errors, 0, 6, 3, agent="a", error_type="Timeout"),
        line(errors, 0, 6, 3, agent="b", error_type="Timeout"),
    )
    yield _case("SlowAgentExecution", "58.5s", *observed(seconds, 1.0, 60.0, 30.0, agent="a"))
    loops = "obs_agent_loop_duration_seconds"
    yield _case("AgentLoopSlow", "9.75s", *observed(loops, 1.0, 10.0, 5.0, phase="plan"))
    yield _case(
        "FailedDeniedActionsHigh",
        "10%",
        line(acts, 96, 90, 96, ledger="main", action="tool.call", status="success"),
        line(acts, 0, 6, 3, ledger="main", action="tool.call", status="error"),
        line(acts, 0, 4, 1, ledger="main", action="tool.call", status="denied"),
        line(acts, 9, 9, 9, ledger="other", action="tool.call", status="success"),
        ledger="main",
    )
    yield _case(
        "AgentFailureRateHigh",
        "25%",
        line(runs, 40, 40, 40, agent="a", status="success"),
        line(errors, 0, 10, 4, agent="a", error_type="Timeout"),
        line(runs, 40, 40, 40, agent="b", status="success"),
        line(errors, 1, 1, 1, agent="b", error_type="Timeout"),
        line(errors, 5, 5, 5, agent="no_run", error_type="Timeout"),
        line(runs, 0, 0, 0, agent="no_run", status="success"),
        agent="a",
    )
    yield _case(  # quiet: from 58.5 s to 117 s is twice as long, and not longer
        "PerformanceDegradation",
        "4.974",
        *observed(seconds, 1.0, 5.0, 120.0, quiet_before=60.0, agent="a"),
        calm=LONG,
    )
    yield _case(  # quiet: half a day at 1, half at 3, which is one deviation above the mean
        "ErrorSpike",
        "1",
        line(errors, 1, 60, 3, quiet_before=1, agent="a", error_type="Timeout"),
        calm=LONG,
    )


def _models() -> Iterator[Case]:
    spent, tokens = "obs_llm_cost_usd_total", "obs_llm_tokens_total"
    yield _case(
        "HighLLMCost",
        "1.2k",
        line(spent, 0, 15, 0.125, provider="p", model="m"),
        line(spent, 0, 5, 0.03125, provider="p", model="n"),
    )
    yield _case(
        "TokenUsageHigh",
        "1.8M",
        line(tokens, 0, 20_000, 10_000, provider="p", model="m", token_type="input"),
        line(tokens, 0, 10_000, 6_000, provider="p", model="m", token_type="output"),
    )


def _ledger() -> Iterator[Case]:
    yield _case(
        "AuditAppendFailures",
        "10",
        line("obs_audit_append_failures_total", 0, 2, 0, reason="connection"),
        line("obs_audit_append_failures_total", 0, 0, 0, reason="partition"),
        reason="connection",
    )
    append = "obs_audit_append_duration_seconds"
    yield _case("AuditAppendSlow", "24.25ms", *observed(append, 0.001, 0.025, 0.01))
    chain = "obs_audit_chain_verified"
    yield _case(
        "AuditChainBroken",
        "0",
        line(chain, 1, 0, 0.5, ledger="main"),
        line(chain, 1, 1, 1, ledger="other"),
        ledger="main",
    )
    verified = "obs_audit_chain_verified_timestamp_seconds"
    yield _case(
        "AuditVerificationStale",
        "1h 5m 30s",
        growing(verified, 60, 0, 60, ledger="main"),
        crosses=timedelta(minutes=59, seconds=30),
        ledger="main",
    )
    anchor = "obs_audit_anchor_ok"
    yield _case(
        "AnchorMismatch",
        "0",
        line(anchor, 1, 0, 0.5, ledger="main", sink="w1"),
        line(anchor, 1, 1, 1, ledger="main", sink="w2"),
        ledger="main",
        sink="w1",
    )
    inbox = "obs_ingest_inbox_age_seconds"
    yield _case("QueueBacklog", "1m 1s", line(inbox, 0, 61, 60, ledger="main"), ledger="main")
    lag = "obs_ingest_lag_seconds"
    yield _case(
        "IngestLagHigh",
        "9.75s",
        *observed(lag, 1.0, 10.0, 5.0, ledger="main", stage="chained"),
        *observed(lag, 3600.0, 3600.0, 3600.0, ledger="main", stage="delivered"),
        ledger="main",
    )
    behind = "obs_projection_lag_seconds"
    yield _case(
        "ProjectionLag",
        "1m 30s",
        line(behind, 0, 90, 60, projection="tallies", ledger="main"),
        projection="tallies",
        ledger="main",
    )
    quarantine = "obs_audit_quarantine_open"
    yield _case("QuarantineOpen", "3", line(quarantine, 0, 3, 0, ledger="main"), ledger="main")
    lacks = "obs_destination_lag_entries"
    yield _case(
        "DestinationDead",
        "150",
        growing(lacks, 0, 10, 0, destination="main/siem"),
        line(lacks, 500, 500, 500, destination="main/file"),
        calm=timedelta(minutes=30),
        destination="main/siem",
    )
    taken = "obs_destination_ok"
    yield _case(
        "DestinationStopped",
        "0",
        line(taken, 1, 0, 0.5, destination="main/siem"),
        destination="main/siem",
    )


def _compliance() -> Iterator[Case]:
    complete = "obs_audit_completeness_ratio"
    yield _case(
        "CompletenessLow", "98.5%", line(complete, 1, 0.985, 0.99, ledger="main"), ledger="main"
    )
    overdue = "obs_retention_overdue_entries"
    yield _case(
        "RetentionOverdue",
        "7",
        line(overdue, 0, 7, 0, policy="ledger", ledger="main"),
        policy="ledger",
        ledger="main",
    )
    score = "obs_compliance_score_ratio"
    yield _case(
        "ComplianceScoreLow",
        "89.9%",
        line(score, 0.95, 0.899, 0.9, framework="soc2", ledger="main"),
        framework="soc2",
        ledger="main",
    )
    withheld = "obs_compliance_score_withheld"
    yield _case(
        "ScoreWithheld",
        "1",
        line(withheld, 0, 1, 0, framework="soc2", ledger="main"),
        framework="soc2",
        ledger="main",
    )
    late = "obs_report_slots_overdue"
    yield _case("ReportOverdue", "2", line(late, 0, 2, 0, ledger="main"), ledger="main")


def _platform() -> Iterator[Case]:
    yield _case("TargetDown", "0", line("up", 1, 0, 1), job="obsplatform", instance="audit:443")
    health = "obs_health_status"
    yield _case(
        "ReadinessFailing",
        "0",
        line(health, 1, 0, 0.5, check="database"),
        line(health, 1, 1, 1, check="disk"),
        check="database",
    )
    requests = "obs_http_requests_total"
    yield _case(
        "ApiErrorRateHigh",
        "10%",
        line(requests, 90, 90, 95, method="GET", status_class="2xx", status="200"),
        line(requests, 0, 10, 5, method="GET", status_class="5xx", status="503"),
    )
    yield _case("ResourceExhaustionCPU", "95%", line("obs_host_cpu_usage_ratio", 0.1, 0.95, 0.9))
    memory, disk = "obs_host_memory_bytes", "obs_host_disk_bytes"
    yield _case(
        "ResourceExhaustionMemory",
        "95%",
        line(memory, 50, 95, 90, state="used"),
        line(memory, 50, 5, 10, state="available"),
    )
    yield _case(
        "ResourceExhaustionDisk",
        "5%",
        line(disk, 50, 5, 10, mount="/data", state="free"),
        line(disk, 50, 95, 90, mount="/data", state="used"),
        line(disk, 50, 50, 50, mount="/", state="free"),
        line(disk, 50, 50, 50, mount="/", state="used"),
        mount="/data",
    )
    ratio = "obs_observability_overhead_ratio"
    for rule, component, broken, quiet, value in (
        ("OverheadBudgetExceededMetrics", "metrics", 0.03, 0.02, "3%"),
        ("OverheadBudgetExceededLogging", "logging", 0.06, 0.05, "6%"),
        ("OverheadBudgetExceededTracing", "tracing", 0.02, 0.01, "2%"),
        ("OverheadBudgetExceeded", "all", 0.055, 0.05, "5.5%"),
    ):
        yield _case(
            rule, value, line(ratio, 0.005, broken, quiet, component=component), component=component
        )
    series, most = "obs_metrics_series", 0.8 * PLACES
    yield _case(
        "SeriesBudget80",
        f"{PLACES / 1000:.4g}k",
        line(series, 1, PLACES - 6, int(most) - 6, family="obs_events_total"),
        line(series, 1, 6, 6, family="obs_tool_calls_total"),
    )


CASES = (*_agents(), *_models(), *_ledger(), *_compliance(), *_platform())
"""One for each rule."""
