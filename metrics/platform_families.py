"""Families about the platform itself and its machine, rows 50, 51 and 62 to 83, and guards. Pure.

Most are counted by the processes themselves and added to rows. Those whose source comes with a
later part of the platform are listed all the same, so that names, docs and rules agree from the
start. Gathered by families.py.
"""

from __future__ import annotations

from typing import Final

from metrics import buckets
from metrics.family import Family, family

HTTP_REQUESTS: Final = family(
    "counter", 50, "obs_http_requests_total", "method route status_class status", cap=40,
    sources=("http",), detail="minimal",
    help="Requests that the platform answered, by route and status.",
)  # fmt: skip
HTTP_SECONDS: Final = family(
    "histogram", 51, "obs_http_request_duration_seconds", "method route", cap=16,
    sources=("http",), detail="minimal",
    help="How long the platform took to answer a request.",
    unit="seconds", edges=buckets.HTTP,
)  # fmt: skip

OVERHEAD_SECONDS: Final = family(
    "counter", 62, "obs_observability_overhead_seconds_total", "component", cap=4,
    sources=("process",), unit="seconds",
    help="Processor time that observing takes of itself: metrics (folding entries, writing rows), "
    "logging (writing lines; one in 64 is timed), tracing, audit (append transactions).",
)  # fmt: skip
OVERHEAD_RATIO: Final = family(
    "gauge", 63, "obs_observability_overhead_ratio", "component", cap=5, sources=("facts",),
    help="Share of busy time that observing takes, by component and in all.", unit="ratio",
)  # fmt: skip
TARGET_MET: Final = family(
    "gauge", 64, "obs_performance_target_met", "target", cap=8, sources=("facts",),
    help="A target of performance: 1 what was measured last keeps it, 0 it does not.",
)  # fmt: skip
COMPONENT_ENABLED: Final = family(
    "gauge", 65, "obs_component_enabled", "component", cap=6, sources=("facts",),
    help="Whether a part of observing is switched on: 1 yes, 0 no.", detail="minimal",
)  # fmt: skip
HEALTH_STATUS: Final = family(
    "gauge", 66, "obs_health_status", "check", cap=20, sources=("facts",),
    help="A health check: 1 well, 0.5 degraded, 0 failing.", detail="minimal",
)  # fmt: skip
HEALTH_SECONDS: Final = family(
    "histogram", 66, "obs_health_check_duration_seconds", "check", cap=20, sources=("process",),
    help="How long a health check took.", unit="seconds", edges=buckets.CHECK,
)  # fmt: skip
HEALTH_SCORE: Final = family(
    "gauge", 67, "obs_health_score_ratio", cap=1, sources=("facts",),
    help="All health checks together, weighed, 0 to 1.", unit="ratio",
)  # fmt: skip
DB_CONNECTIONS: Final = family(
    "gauge", 68, "obs_db_connections", "state", cap=3, sources=("facts",),
    help="Connections to the platform's database by state: active, idle, waiting.",
)  # fmt: skip
STORE_ROWS: Final = family(
    "gauge", 69, "obs_store_rows", "table", cap=52, sources=("facts",),
    help="Rows of a table, as Postgres last estimated.",
)  # fmt: skip
STORE_BYTES: Final = family(
    "gauge", 69, "obs_store_bytes", "table", cap=52, sources=("facts",),
    help="Bytes of a table with partitions and indexes.", unit="bytes",
)  # fmt: skip
PROCESS_CPU: Final = family(
    "counter", 70, "obs_process_cpu_seconds_total", "role", cap=7, sources=("process",),
    help="Processor time of the platform's processes, user and system, by role: web, append, seal, "
    "deliver, worker, beat, or command for long commands.", unit="seconds",
)  # fmt: skip
HOST_CPU: Final = family(
    "gauge", 70, "obs_host_cpu_usage_ratio", cap=1, sources=("process",),
    help="How busy the processors of the machine that beat or append runs on are, 0 to 1.",
    unit="ratio",
)  # fmt: skip
AGENT_CPU: Final = family(
    "gauge", 70, "obs_agent_cpu_usage_ratio", "agent", cap=20,
    help="Processors that an agent keeps busy, as it last said; 1 is a whole one.",
    unit="ratio", most=4_096, fed_by="system.resource_sampled",
)  # fmt: skip
HOST_MEMORY: Final = family(
    "gauge", 71, "obs_host_memory_bytes", "state", cap=4, sources=("process",),
    help="Memory of that machine: used, and available to whoever asks.", unit="bytes",
)  # fmt: skip
AGENT_PROCESS_MEMORY: Final = family(
    "gauge", 71, "obs_agent_process_memory_bytes", "agent", cap=20,
    help="Memory that an agent's process holds, as it last said.",
    unit="bytes", most=1 << 50, fed_by="system.resource_sampled",
)  # fmt: skip
HOST_DISK: Final = family(
    "gauge", 72, "obs_host_disk_bytes", "mount state", cap=8, sources=("process",),
    help="Space of the file systems there that the platform writes to: used, and free for others "
    "than root.", unit="bytes",
)  # fmt: skip
HOST_DISK_IO: Final = family(
    "counter", 73, "obs_host_disk_io_bytes_total", "direction", cap=2, sources=("process",),
    help="Bytes that this machine has read from disks and written to them while we looked.",
    unit="bytes",
)  # fmt: skip
HOST_NETWORK_IO: Final = family(
    "counter", 73, "obs_host_network_io_bytes_total", "direction", cap=2, sources=("process",),
    help="Bytes that this machine has received and sent while we looked.", unit="bytes",
)  # fmt: skip
GC_PAUSE: Final = family(
    "histogram", 74, "obs_gc_pause_seconds", "generation", cap=3, sources=("process",),
    help="How long Python's collector of garbage held a process of the platform up.",
    unit="seconds", edges=buckets.APPEND,
)  # fmt: skip
CONTEXT_SWITCHES: Final = family(
    "counter", 75, "obs_context_switches_total", "kind", cap=2, sources=("process",),
    help="Times a process of the platform gave the processor up (voluntary) or lost it to another "
    "(involuntary).",
)  # fmt: skip
CELERY_TASKS: Final = family(
    "counter", 76, "obs_celery_tasks_total", "task status", cap=40, sources=("process",),
    help="The platform's own background tasks that ended: success, error, or other where Celery "
    "put them off.",
)  # fmt: skip
CELERY_SECONDS: Final = family(
    "histogram", 76, "obs_celery_task_duration_seconds", "task", cap=10, sources=("process",),
    help="How long one of the platform's own background tasks took.",
    unit="seconds", edges=buckets.AGENT,
)  # fmt: skip
ALERTS: Final = family(
    "counter", 77, "obs_alerts_total", "alertname severity", cap=12, sources=("process",),
    help="Alerts that opened an incident, by the platform's own rules or told by Alertmanager.",
)  # fmt: skip
ALERTS_FIRING: Final = family(
    "gauge", 77, "obs_alerts_firing", "alertname severity", cap=12, sources=("facts",),
    help="Alerts that fire now, by the platform's own rules or told by Alertmanager.",
)  # fmt: skip
NOTIFICATIONS: Final = family(
    "counter", 78, "obs_notifications_total", "channel outcome", cap=12, sources=("process",),
    help="Messages to people, by channel and whether they went out.",
)  # fmt: skip
ANOMALIES: Final = family(
    "counter", 79, "obs_anomalies_total", "detector severity", cap=12, sources=("process",),
    help="Findings of what is not as usual, once each, by the detector and how grave it was at "
    "first: seasonal, together or trend.",
)  # fmt: skip
LOG_RECORDS: Final = family(
    "counter", 80, "obs_log_records_total", "level", cap=5, sources=("process",),
    help="Lines that the platform's processes have logged, by level.",
)  # fmt: skip
SPANS: Final = family(
    "counter", 81, "obs_spans_total", "source", cap=4, sources=("process",),
    help="Spans that were received, and those that the platform made itself.",
)  # fmt: skip
SPANS_DROPPED: Final = family(
    "counter", 81, "obs_spans_dropped_total", "source", cap=4, sources=("process",),
    help="Spans that were not kept.",
)  # fmt: skip
METRICS_SERIES: Final = family(
    "gauge", 82, "obs_metrics_series", "family", cap=56, sources=("facts",),
    help="Series of a family that is folded from entries, to be held against its cap.",
)  # fmt: skip
LABEL_OVERFLOW: Final = family(
    "counter", 82, "obs_metrics_label_overflow_total", "label", cap=52,
    sources=("entries", "process"),
    help="Entries whose value found no place in a label's list, or in the family named.",
    fed_by="*", detail="minimal",
)  # fmt: skip
SCRAPE_SECONDS: Final = family(
    "gauge", 82, "obs_metrics_scrape_seconds", cap=1, sources=("process",),
    help="How long it took to render the page of metrics last.", unit="seconds",
)  # fmt: skip
SNAPSHOT_AGE: Final = family(
    "gauge", 82, "obs_metrics_snapshot_age_seconds", cap=1, sources=("process",),
    help="Age of the copy of platform metrics that this page shows.",
    unit="seconds", detail="minimal",
)  # fmt: skip
# Shown since /metrics was built; the requirements lack it.
COLLECTOR_UP: Final = family(
    "gauge", 82, "obs_metrics_collector_up", "collector", cap=14, sources=("process", "facts"),
    help="Whether a collector could read: 1 yes, 0 no, its families are missing.",
    detail="minimal",
)  # fmt: skip
# The two that follow are ours: the requirements demand that what is refused is said in a metric.
REFUSED: Final = family(
    "counter", 0, "obs_metrics_refused_total", "family reason", cap=48,
    help="Entries that a family did not take: their value is missing, negative or absurd, or what "
    "it was to be matched with found no room.",
    fed_by="*", detail="minimal",
)  # fmt: skip
CUSTOM_REFUSED: Final = family(
    "counter", 0, "obs_custom_metric_refused_total", "name", cap=16,
    help="Measures of agents' own that no administrator has allowed so, by the name they gave.",
    fed_by="metric.recorded",
)  # fmt: skip
BUILD_INFO: Final = family(
    "gauge", 83, "obs_build_info", "version commit", cap=2, sources=("process",),
    help="Always 1; its labels say which build of the platform this is.", detail="minimal",
)  # fmt: skip

FAMILIES: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, Family))
"""All of the above: a family cannot be written down and forgotten here."""
