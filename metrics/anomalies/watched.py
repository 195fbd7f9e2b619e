"""What is looked at for the unusual: which numbers, told apart by what, and from how many on. Pure.

Each is a measure of one family (families.py): a count, a sum of what counts say, a share of two
counts, the 95th percentile of a histogram, or the level of a gauge. seasonal.py holds each of their
series against its own weeks. What each means: docs/anomalies.md, which a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from metrics.families import BY_NAME
from metrics.family import Family

Sort: TypeAlias = Literal["count", "sum", "share", "p95", "level"]
Side: TypeAlias = Literal["both", "high", "low"]

Table: TypeAlias = Literal["metrics_minute", "metrics_processminute", "metrics_gaugeminute"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One measure whose series are watched."""

    name: str
    """As addresses and rows of findings call it."""
    family: str
    sort: Sort
    title: str
    """What it is in words, as a sentence names it."""
    by: tuple[str, ...] = ()
    """Labels whose values are told apart; over all others it is added up."""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Labels, and the values of them that are looked at; of a share, what it is a share of."""
    part: tuple[str, tuple[str, ...]] = ("", ())
    """Of a share: the label and its values that are the part."""
    side: Side = "both"
    least: float = 10.0
    """How much must be seen, or be usual, before anything is said: entries in a step, observations
    of a percentile, all of a share; of a sum the family's unit; of a level the unit that it must
    differ by."""
    is_grave: bool = False
    """Whether a far one is critical: what is lost or paid by the minute."""
    table: Table = "metrics_minute"
    entries: Mapping[str, str] = field(default_factory=dict)
    """Filters of the list of entries that show what stands behind it; empty where none does."""

    @property
    def of(self) -> Family:
        """The family."""
        return BY_NAME[self.family]


_ERRED: Final = ("status", ("error",))

SERIES_WATCHED: Final = (
    Watched(
        name="agent_runs", family="obs_agent_executions_total", sort="count", by=("agent",),
        title="runs of an agent",
        entries={"action": "run.completed"},
    ),
    Watched(
        name="agent_failures", family="obs_agent_executions_total", sort="share", by=("agent",),
        part=_ERRED, side="high", title="share of an agent's runs that failed", is_grave=True,
        entries={"action": "run.completed", "outcome": "failure"},
    ),
    Watched(
        name="agent_acts", family="obs_agent_operations_total", sort="count", by=("agent",),
        title="acts of an agent", least=20,
        entries={"backfill": "false"},
    ),
    Watched(
        name="agent_errors", family="obs_agent_operations_total", sort="share", by=("agent",),
        part=_ERRED, side="high", title="share of an agent's acts that failed", least=20,
        is_grave=True,
        entries={"outcome": "error"},
    ),
    Watched(
        name="agent_denials", family="obs_agent_operations_total", sort="count", by=("agent",),
        only={"status": ("denied",)}, side="high", title="acts of an agent that were denied",
        least=5, is_grave=True,
        entries={"outcome": "denied"},
    ),
    Watched(
        name="agent_seconds", family="obs_agent_execution_duration_seconds", sort="p95",
        by=("agent",), side="high", title="95th percentile of an agent's runs",
        entries={"action": "run.completed"},
    ),
    Watched(
        name="tool_calls", family="obs_tool_calls_total", sort="count", by=("tool",),
        title="calls of a tool",
        entries={"category": "tool_call"},
    ),
    Watched(
        name="tool_errors", family="obs_tool_calls_total", sort="share", by=("tool",),
        part=_ERRED, side="high", title="share of a tool's calls that failed",
        entries={"category": "tool_call", "outcome": "error"},
    ),
    Watched(
        name="tool_seconds", family="obs_tool_execution_duration_seconds", sort="p95",
        by=("tool",), side="high", title="95th percentile of a tool's answers",
        entries={"category": "tool_call"},
    ),
    Watched(
        name="model_requests", family="obs_llm_requests_total", sort="count",
        by=("provider", "model"), title="requests to a model",
        entries={"category": "llm_call"},
    ),
    Watched(
        name="model_errors", family="obs_llm_requests_total", sort="share",
        by=("provider", "model"), part=_ERRED, side="high",
        title="share of requests to a model that failed",
        entries={"category": "llm_call", "outcome": "error"},
    ),
    Watched(
        name="model_seconds", family="obs_llm_request_duration_seconds", sort="p95",
        by=("provider", "model"), side="high", title="95th percentile of a model's answers",
        entries={"category": "llm_call"},
    ),
    Watched(
        name="tokens", family="obs_llm_tokens_total", sort="sum", by=("provider", "model"),
        title="tokens of a model", least=50_000, side="high",
        entries={"category": "llm_call"},
    ),
    Watched(
        name="cost", family="obs_llm_cost_usd_total", sort="sum", by=("provider", "model"),
        title="what a model costs", least=1.0, side="high", is_grave=True,
        entries={"category": "llm_call"},
    ),
    Watched(
        name="data_uses", family="obs_data_access_total", sort="count", by=("operation",),
        side="high", title="uses of data",
        entries={"category": "data_access"},
    ),
    Watched(
        name="permissions_denied", family="obs_permission_requests_total", sort="count",
        only={"decision": ("denied",)}, side="high", title="permissions denied", least=5,
        entries={"category": "decision"},
    ),
    Watched(
        name="sign_ins_failed", family="obs_auth_attempts_total", sort="count",
        only={"outcome": ("error", "denied")}, side="high", title="sign-ins that failed",
        least=5, is_grave=True,
        entries={"action": "auth.login", "outcome": "failure"},
    ),
    Watched(
        name="security_events", family="obs_security_events_total", sort="count",
        only={"severity": ("high", "critical")}, side="high",
        title="security events of high or critical severity", least=5,
        entries={"severity": "high"},
    ),
    Watched(
        name="events", family="obs_events_total", sort="count", by=("ledger",),
        title="events chained", least=50,
        entries={"backfill": "false"},
    ),
    Watched(
        name="requests", family="obs_http_requests_total", sort="count",
        title="requests to the platform", least=50, table="metrics_processminute",
    ),
    Watched(
        name="request_errors", family="obs_http_requests_total", sort="share",
        part=("status_class", ("5xx",)), side="high", least=50,
        title="share of requests that the platform failed", is_grave=True,
        table="metrics_processminute",
    ),
    Watched(
        name="request_seconds", family="obs_http_request_duration_seconds", sort="p95",
        side="high", least=50, title="95th percentile of the platform's answers",
        table="metrics_processminute",
    ),
    Watched(
        name="host_cpu", family="obs_host_cpu_usage_ratio", sort="level", side="high", least=0.25,
        title="how busy the machine is", table="metrics_gaugeminute",
    ),
    Watched(
        name="host_memory", family="obs_host_memory_bytes", sort="level",
        only={"state": ("used",)}, side="high", least=512 * 2**20,
        title="memory that the machine uses", table="metrics_gaugeminute",
    ),
    Watched(
        name="connections", family="obs_db_connections", sort="level", side="high", least=10,
        title="connections to the database", table="metrics_gaugeminute",
    ),
)  # fmt: skip
"""In the order in which they are looked at."""

BY_MEASURE: Final = {each.name: each for each in SERIES_WATCHED}
