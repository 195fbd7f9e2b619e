from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

import pytest
from prometheus_client.metrics_core import Metric

from audit import collectors as audit_collectors
from audit.actions import ACTIONS
from audit.appendstats import ENTRY_EDGES, REASONS, TRANSACTION_EDGES
from compliance import collectors as compliance_collectors
from metrics import buckets
from metrics.families import BUDGET, BY_NAME, FAMILIES, MOST_SERIES, folded
from metrics.family import CLOSED, NEVER_LABELS, SCALES, Family

# The requirements' table: row, type, name without prefix, labels. Where a family of ours differs on
# purpose from the requirements' letter, a comment beside it says so.
TABLE = """
1 C agent_executions_total agent,status,environment
2 C agent_errors_total agent,error_type
3 H agent_execution_duration_seconds agent,environment
4 G agent_active_executions agent
5 G agents_active
6 H agent_loop_duration_seconds phase
7 C agent_loops_total status
8 C agent_operations_total agent,operation,status
9 C goals_total mode,status
10 G goals_active mode
11 H goal_completion_seconds mode
12 H planning_duration_seconds
13 H planning_quality_ratio
14 H planning_steps
15 C tasks_total agent,mode,status,environment
16 H task_duration_seconds mode
17 G tasks_active mode
18 G task_queue_size queue
19 H task_recovery_seconds
20 C tool_calls_total tool,status,environment
21 H tool_execution_duration_seconds tool
22 C tool_errors_total tool,error_type
23 H tool_result_size_bytes tool
24 C llm_requests_total provider,model,status,environment
25 H llm_request_duration_seconds provider,model
26 C llm_tokens_total provider,model,token_type
27 C llm_cost_usd_total provider,model,environment
28 G llm_budget_usd budget
28 G llm_budget_used_ratio budget
29 C memory_operations_total operation,memory_type,status
30 H memory_operation_duration_seconds operation,memory_type
31 G agent_memory_size_bytes agent,memory_type
32 C cache_requests_total cache,outcome
33 C workflow_executions_total workflow,status
34 H workflow_execution_duration_seconds workflow
35 C workflow_node_executions_total workflow,node_type,status
36 H orchestration_cycle_duration_seconds
37 C events_total category,status,environment,ledger
38 C audit_actions_total action,status,ledger
39 C critical_actions_total action
40 C permission_requests_total action,decision
41 C security_events_total type,severity
42 C data_access_total operation,lawful_basis
43 C checkpoints_total action,status
44 C file_operations_total operation,status
45 H db_operation_duration_seconds operation
46 G active_users window
47 G sessions_active
48 C custom_metric_total name
48 G custom_metric_value name
48 H custom_metric_seconds name
49 C external_api_calls_total provider,status
50 C http_requests_total method,route,status_class,status
51 H http_request_duration_seconds method,route
52 C auth_attempts_total method,outcome
53 H ingest_batch_events ledger
54 C ingest_rejected_total reason,ledger
55 H ingest_lag_seconds stage,ledger
56 H audit_append_duration_seconds
56 H audit_append_batch_seconds
57 C audit_append_failures_total reason
58 G audit_chain_verified ledger
58 G audit_chain_verified_timestamp_seconds ledger
58 G audit_chain_broken_entries ledger
59 G audit_completeness_ratio ledger
60 G compliance_score_ratio framework,ledger
61 G retention_compliance_ratio policy,ledger
61 G retention_overdue_entries policy,ledger
62 C observability_overhead_seconds_total component
63 G observability_overhead_ratio component
64 G performance_target_met target
65 G component_enabled component
66 G health_status check
66 H health_check_duration_seconds check
67 G health_score_ratio
68 G db_connections state
69 G store_rows table
69 G store_bytes table
70 C process_cpu_seconds_total role
70 G host_cpu_usage_ratio
70 G agent_cpu_usage_ratio agent
71 G host_memory_bytes state
71 G agent_process_memory_bytes agent
72 G host_disk_bytes mount,state
73 C host_disk_io_bytes_total direction
73 C host_network_io_bytes_total direction
74 H gc_pause_seconds generation
75 C context_switches_total kind
76 C celery_tasks_total task,status
76 H celery_task_duration_seconds task
77 C alerts_total alertname,severity
77 G alerts_firing alertname,severity
78 C notifications_total channel,outcome
79 C anomalies_total detector,severity
80 C log_records_total level
81 C spans_total source
81 C spans_dropped_total source
82 G metrics_series family
82 C metrics_label_overflow_total label
82 G metrics_scrape_seconds
82 G metrics_snapshot_age_seconds
83 G build_info version,commit
84 G ingest_inbox_events ledger
84 G ingest_inbox_age_seconds ledger
85 G audit_quarantine_open ledger
86 G audit_unsealed_age_seconds ledger
87 G audit_anchor_ok ledger,sink
87 G audit_anchor_age_seconds ledger,sink
88 G projection_lag_entries projection,ledger
88 G projection_lag_seconds projection,ledger
89 G compliance_tested_ratio framework,ledger
89 G compliance_coverage_ratio framework,ledger
89 G compliance_cap_ratio framework,ledger
89 G compliance_score_withheld framework,ledger
89 G compliance_evaluation_age_seconds framework,ledger
90 G findings_open ledger,severity
90 G waivers_expiring ledger
91 C reports_total framework,outcome
91 G report_slots_overdue ledger
92 G destination_lag_entries destination
93 C events_backfilled_total category,ledger
"""
OURS = {
    "obs_destination_ok",
    "obs_metrics_collector_up",
    "obs_metrics_refused_total",
    "obs_custom_metric_refused_total",
}
"""Families that the table lacks."""

KINDS = {"C": "counter", "G": "gauge", "H": "histogram"}
UNITS = ("_seconds", "_bytes", "_ratio", "_usd")
SOURCES_EDGES = {
    "obs_agent_execution_duration_seconds": (0.1, 0.5, 1, 2, 5, 10, 30, 60),
    "obs_agent_loop_duration_seconds": (5,),
    "obs_tool_execution_duration_seconds": (0.01, 0.05, 0.1, 0.5, 1, 5, 10),
    "obs_llm_request_duration_seconds": (0.5, 1, 2, 5, 10, 30, 60),
    "obs_memory_operation_duration_seconds": (0.001, 0.01, 0.05, 0.1, 0.5, 1),
    "obs_workflow_execution_duration_seconds": (1, 5, 10, 30, 60, 300, 600),
    "obs_http_request_duration_seconds": (0.01,),
    "obs_ingest_lag_seconds": (5, 30, 60, 600, 3600),
    "obs_audit_append_duration_seconds": (0.01,),
}
"""Edges that the systems our requirements come from have, and that alerts rest on."""


def rows() -> Iterator[tuple[int, str, str, tuple[str, ...]]]:
    for line in TABLE.strip().splitlines():
        row, kind, name, *labels = line.split()
        yield int(row), KINDS[kind], f"obs_{name}", tuple(labels[0].split(",")) if labels else ()


def test_every_row_is_there_with_its_names_types_and_labels_and_no_other() -> None:
    expected = {(row, kind, name, labels) for row, kind, name, labels in rows()}

    said = {(each.row, each.kind, each.name, each.labels) for each in FAMILIES
            if each.name not in OURS}  # fmt: skip

    assert said == expected
    assert {row for row, *_ in expected} == set(range(1, 94))
    assert BY_NAME.keys() >= OURS


def test_no_name_comes_twice_in_either_format() -> None:
    samples: list[str] = []
    for family in FAMILIES:
        base = family.name.removesuffix("_total")
        samples.append(base)  # in OpenMetrics a counter's family is its name without _total
        if family.kind == "counter":
            samples.append(family.name)
        if family.kind == "histogram":
            samples += [f"{base}_{part}" for part in ("bucket", "sum", "count")]

    assert sorted(samples) == sorted(set(samples))
    assert len(BY_NAME) == len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_name_follows_the_rules_of_prometheus(family: Family) -> None:
    assert re.fullmatch(r"obs(_[a-z]+)+", family.name)
    assert (family.kind == "counter") == family.name.endswith("_total")
    assert not re.search(r"_(ms|mb|kb|percent|count|sum|bucket|counter|gauge|histogram)(_|$)",
                         family.name.removesuffix("_total"))  # fmt: skip
    unit = family.name.removesuffix("_total")
    if family.unit in {"seconds", "bytes", "ratio", "usd"}:
        assert unit.endswith(f"_{family.unit}")
    else:
        assert not unit.endswith(UNITS)
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in family.labels)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_labels_are_few_and_none_is_an_id(family: Family) -> None:
    assert not set(family.labels) & NEVER_LABELS
    assert not [label for label in family.labels if label.endswith("_id")]
    assert len(set(family.labels)) == len(family.labels)
    if family.kind == "histogram":
        assert len(family.labels) <= 2


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_cap_has_room_for_the_rows_of_the_others(family: Family) -> None:
    assert family.cap > family.reserve
    if not family.open_labels:
        assert math.prod(len(CLOSED[label]) for label in family.labels) <= family.cap


def test_all_families_together_cost_at_most_ten_thousand_series() -> None:
    assert sum(each.cap * (len(each.edges) + 3) for each in FAMILIES) == BUDGET
    assert BUDGET <= MOST_SERIES == 10_000


def test_the_guards_have_room_for_every_folded_family() -> None:
    assert BY_NAME["obs_metrics_series"].cap >= len(folded())


def test_every_family_says_what_it_is_and_no_two_say_the_same() -> None:
    said = [re.sub(r"\W+", " ", family.help.lower()).strip() for family in FAMILIES]

    assert all(len(text.split()) >= 4 for text in said)
    assert all(family.help.endswith(".") for family in FAMILIES)
    alike = [pair for pair in itertools.combinations(sorted(said), 2) if pair[0] == pair[1]]
    assert alike == []


@pytest.mark.parametrize("family", [each for each in FAMILIES if each.kind == "histogram"],
                         ids=lambda family: family.name)  # fmt: skip
def test_edges_ascend_and_those_of_the_sources_are_kept(family: Family) -> None:
    assert len(family.edges) >= 5
    assert list(family.edges) == sorted(set(family.edges))
    assert set(SOURCES_EDGES.get(family.name, ())) <= set(family.edges)
    whole = [edge * family.scale for edge in family.edges]
    assert all(abs(edge - round(edge)) < 1e-6 for edge in whole), "an edge is a whole number kept"


def test_only_histograms_have_edges() -> None:
    assert [each.name for each in FAMILIES if (each.kind == "histogram") != bool(each.edges)] == []


def test_edges_of_appends_are_those_that_rows_have() -> None:
    assert buckets.APPEND == ENTRY_EDGES
    assert buckets.HTTP == TRANSACTION_EDGES
    assert BY_NAME["obs_audit_append_failures_total"].cap == len(REASONS)


def test_every_action_that_feeds_a_family_exists() -> None:
    assert {action for family in FAMILIES for action in family.fed_by} <= ACTIONS.keys()


def test_what_entries_feed_names_its_actions_and_nothing_else_does() -> None:
    assert [each.name for each in FAMILIES
            if ("entries" in each.sources) != bool(each.fed_by)] == []  # fmt: skip
    assert len(folded()) > 50


def test_what_takes_a_value_from_an_entry_says_what_is_absurd() -> None:
    assert [each.name for each in folded() if each.kind == "histogram" and not each.most] == []
    assert all(each.unit in SCALES for each in FAMILIES)


def test_something_feeds_every_family() -> None:
    assert [each.name for each in FAMILIES if "later" in each.sources] == []


def test_statuses_and_environments_are_labels_where_the_requirements_want_them() -> None:
    assert {each.row for each in FAMILIES if "environment" in each.labels} == {
        1, 3, 15, 20, 24, 27, 37,
    }  # fmt: skip


def shown() -> Iterator[Metric]:
    """Yield what the apps' collectors show of an empty platform."""
    yield from audit_collectors.append_families([], {})
    yield from audit_collectors.ledger_families([])
    yield from audit_collectors.anchor_families([], [])
    yield from audit_collectors.destination_families([])
    yield from audit_collectors.store_families([])
    yield from compliance_collectors.posture_families([])
    yield from compliance_collectors.people_families([], [])
    yield from compliance_collectors.report_families([], [])


def test_what_collectors_show_stands_in_the_list_with_its_type_and_labels() -> None:
    for metric in shown():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        family = BY_NAME[name]
        assert family.kind == metric.type, name
        assert family.labels == tuple(metric._labelnames), name  # type: ignore[attr-defined]
        assert "facts" in family.sources, name
