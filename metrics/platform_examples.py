"""One example of PromQL for each family about the platform, rows 50 to 93. Pure.

What an example is: example.py. A test runs each against a Prometheus that scrapes an installation.
"""

from __future__ import annotations

from typing import Final

from metrics.example import Example, ask, quiet

EXAMPLES: Final[dict[str, Example]] = {
    "obs_http_requests_total": ask(
        "share of requests that the platform did not fail",
        'sum(rate(obs_http_requests_total{status_class!="5xx"}[5m]))'
        " / sum(rate(obs_http_requests_total[5m]))",
    ),
    "obs_http_request_duration_seconds": ask(
        "how long 95 % of answers take at most, by route",
        "histogram_quantile(0.95, sum by (route, le)"
        " (rate(obs_http_request_duration_seconds_bucket[5m])))",
    ),
    "obs_auth_attempts_total": ask(
        "tries to sign in that fail, in an hour",
        'sum by (method) (increase(obs_auth_attempts_total{outcome!="success"}[1h]))',
    ),
    "obs_ingest_batch_events": ask(
        "average number of events in a POST",
        "sum by (ledger) (rate(obs_ingest_batch_events_sum[5m]))"
        " / sum by (ledger) (rate(obs_ingest_batch_events_count[5m]))",
    ),
    "obs_ingest_rejected_total": ask(
        "what was not taken in an hour, by reason",
        "sum by (reason) (increase(obs_ingest_rejected_total[1h]))",
    ),
    "obs_ingest_lag_seconds": ask(
        "how long 95 % of entries wait at most until they are chained",
        'histogram_quantile(0.95, sum by (le) (rate(obs_ingest_lag_seconds_bucket{stage="chained"}'
        "[5m])))",
    ),
    "obs_audit_append_duration_seconds": ask(
        "share of entries that took at most 10 ms to append",
        'rate(obs_audit_append_duration_seconds_bucket{le="0.01"}[5m])'
        " / ignoring (le) rate(obs_audit_append_duration_seconds_count[5m])",
    ),
    "obs_audit_append_batch_seconds": ask(
        "append transactions a second", "rate(obs_audit_append_batch_seconds_count[5m])"
    ),
    "obs_audit_append_failures_total": quiet(
        "appends that failed in five minutes",
        "sum by (reason) (increase(obs_audit_append_failures_total[5m])) > 0",
    ),
    "obs_audit_chain_verified": quiet("ledgers that are tampered", "obs_audit_chain_verified == 0"),
    "obs_audit_chain_verified_timestamp_seconds": ask(
        "seconds since each ledger was verified",
        "time() - obs_audit_chain_verified_timestamp_seconds",
    ),
    "obs_audit_chain_broken_entries": ask(
        "broken entries of all ledgers", "sum(obs_audit_chain_broken_entries)"
    ),
    "obs_audit_completeness_ratio": ask(
        "the least complete ledger", "min(obs_audit_completeness_ratio)"
    ),
    "obs_compliance_score_ratio": ask(
        "the lowest score of each framework", "min by (framework) (obs_compliance_score_ratio)"
    ),
    "obs_retention_compliance_ratio": ask(
        "the policy that is kept worst", "bottomk(1, obs_retention_compliance_ratio)"
    ),
    "obs_retention_overdue_entries": ask(
        "entries that should be gone, by policy",
        "sum by (policy) (obs_retention_overdue_entries)",
    ),
    "obs_observability_overhead_seconds_total": ask(
        "milliseconds of each second that observing takes",
        "1000 * sum by (component) (rate(obs_observability_overhead_seconds_total[5m]))",
    ),
    "obs_observability_overhead_ratio": ask(
        "share of busy time that all observing takes",
        'obs_observability_overhead_ratio{component="all"}',
    ),
    "obs_performance_target_met": ask(
        "share of targets that are kept", "avg(obs_performance_target_met)"
    ),
    "obs_component_enabled": quiet("what is switched off", "obs_component_enabled == 0"),
    "obs_health_status": ask("the worst check", "bottomk(1, obs_health_status)"),
    "obs_health_check_duration_seconds": ask(
        "average length of each check",
        "sum by (check) (rate(obs_health_check_duration_seconds_sum[5m]))"
        " / sum by (check) (rate(obs_health_check_duration_seconds_count[5m]))",
    ),
    "obs_health_score_ratio": ask(
        "the worst state of the last hour", "min_over_time(obs_health_score_ratio[1h])"
    ),
    "obs_db_connections": ask("connections in all", "sum(obs_db_connections)"),
    "obs_store_rows": ask("the largest tables by rows", "topk(5, obs_store_rows)"),
    "obs_store_bytes": ask(
        "bytes that all tables grow in a day, as the last hour has it",
        "86400 * sum(deriv(obs_store_bytes[1h]))",
    ),
    "obs_process_cpu_seconds_total": ask(
        "processors that the platform keeps busy, by role",
        "sum by (role) (rate(obs_process_cpu_seconds_total[5m]))",
    ),
    "obs_host_cpu_usage_ratio": ask(
        "how busy the machine was on average", "avg_over_time(obs_host_cpu_usage_ratio[5m])"
    ),
    "obs_agent_cpu_usage_ratio": ask("the busiest agents", "topk(5, obs_agent_cpu_usage_ratio)"),
    "obs_host_memory_bytes": ask(
        "share of memory that is used",
        'sum(obs_host_memory_bytes{state="used"}) / sum(obs_host_memory_bytes)',
    ),
    "obs_agent_process_memory_bytes": ask(
        "the largest agents", "topk(5, obs_agent_process_memory_bytes)"
    ),
    "obs_host_disk_bytes": ask(
        "share of each disk that is free",
        'sum by (mount) (obs_host_disk_bytes{state="free"}) / sum by (mount) (obs_host_disk_bytes)',
    ),
    "obs_host_disk_io_bytes_total": ask(
        "bytes a second to and from disks", "rate(obs_host_disk_io_bytes_total[5m])"
    ),
    "obs_host_network_io_bytes_total": ask(
        "bytes a second over the network", "rate(obs_host_network_io_bytes_total[5m])"
    ),
    "obs_gc_pause_seconds": ask(
        "seconds of each hour in which collecting garbage held a process up",
        "3600 * sum(rate(obs_gc_pause_seconds_sum[5m]))",
    ),
    "obs_context_switches_total": ask(
        "switches a second, by kind", "rate(obs_context_switches_total[5m])"
    ),
    "obs_celery_tasks_total": ask(
        "background tasks a minute, by how they ended",
        "60 * sum by (task, status) (rate(obs_celery_tasks_total[5m]))",
    ),
    "obs_celery_task_duration_seconds": ask(
        "the background tasks that take most of the time",
        "topk(5, sum by (task) (rate(obs_celery_task_duration_seconds_sum[5m])))",
    ),
    "obs_alerts_total": quiet(
        "alerts of a day, by name", "sum by (alertname) (increase(obs_alerts_total[1d]))"
    ),
    "obs_alerts_firing": quiet("what fires now", "obs_alerts_firing > 0"),
    "obs_notifications_total": quiet(
        "messages that did not go out, in an hour",
        'sum by (channel) (increase(obs_notifications_total{outcome!="success"}[1h]))',
    ),
    "obs_anomalies_total": quiet(
        "anomalies of a day", "sum by (detector, severity) (increase(obs_anomalies_total[1d]))"
    ),
    "obs_log_records_total": ask(
        "lines a minute, by level", "60 * sum by (level) (rate(obs_log_records_total[5m]))"
    ),
    "obs_spans_total": quiet("spans a second", "sum by (source) (rate(obs_spans_total[5m]))"),
    "obs_spans_dropped_total": quiet(
        "share of spans that are lost",
        "sum(rate(obs_spans_dropped_total[5m])) / sum(rate(obs_spans_total[5m]))",
    ),
    "obs_metrics_series": ask("families with most series", "topk(5, obs_metrics_series)"),
    "obs_metrics_label_overflow_total": quiet(
        "what has run into its cap in a day",
        "sum by (label) (increase(obs_metrics_label_overflow_total[1d])) > 0",
    ),
    "obs_metrics_scrape_seconds": ask(
        "the slowest page of the last hour", "max_over_time(obs_metrics_scrape_seconds[1h])"
    ),
    "obs_metrics_snapshot_age_seconds": quiet(
        "a page that is older than a minute: the database does not answer",
        "obs_metrics_snapshot_age_seconds > 60",
    ),
    "obs_metrics_collector_up": quiet("what could not be read", "obs_metrics_collector_up == 0"),
    "obs_metrics_refused_total": quiet(
        "values that were refused in an hour, by family and why",
        "sum by (family, reason) (increase(obs_metrics_refused_total[1h])) > 0",
    ),
    "obs_custom_metric_refused_total": ask(
        "measures that agents send and nobody has allowed",
        "sum by (name) (increase(obs_custom_metric_refused_total[1d]))",
    ),
    "obs_build_info": ask("which versions answer", "count by (version, commit) (obs_build_info)"),
    "obs_ingest_inbox_events": ask(
        "events that wait, in all ledgers", "sum(obs_ingest_inbox_events)"
    ),
    "obs_ingest_inbox_age_seconds": quiet(
        "ledgers in which a POST has waited for a minute", "obs_ingest_inbox_age_seconds > 60"
    ),
    "obs_audit_quarantine_open": ask(
        "events that wait for somebody to settle them", "sum(obs_audit_quarantine_open)"
    ),
    "obs_audit_unsealed_age_seconds": ask(
        "the longest that an entry has waited for its seal", "max(obs_audit_unsealed_age_seconds)"
    ),
    "obs_audit_anchor_ok": quiet("anchors that contradict a ledger", "obs_audit_anchor_ok == 0"),
    "obs_audit_anchor_age_seconds": ask(
        "the anchor that is furthest behind", "topk(1, obs_audit_anchor_age_seconds)"
    ),
    "obs_projection_lag_entries": ask(
        "entries that each projection has not read",
        "sum by (projection) (obs_projection_lag_entries)",
    ),
    "obs_projection_lag_seconds": ask(
        "how old what pages show may be", "max by (projection) (obs_projection_lag_seconds)"
    ),
    "obs_compliance_tested_ratio": ask(
        "score of what could be tested", "min by (framework) (obs_compliance_tested_ratio)"
    ),
    "obs_compliance_coverage_ratio": ask(
        "how much could be tested", "min by (framework) (obs_compliance_coverage_ratio)"
    ),
    "obs_compliance_cap_ratio": quiet("scores that are capped", "obs_compliance_cap_ratio < 1"),
    "obs_compliance_score_withheld": quiet(
        "scores that are withheld", "obs_compliance_score_withheld == 1"
    ),
    "obs_compliance_evaluation_age_seconds": ask(
        "hours since each framework was evaluated",
        "max by (framework) (obs_compliance_evaluation_age_seconds) / 3600",
    ),
    "obs_findings_open": ask("open findings, by severity", "sum by (severity) (obs_findings_open)"),
    "obs_waivers_expiring": ask("waivers that end soon", "sum(obs_waivers_expiring)"),
    "obs_reports_total": ask(
        "reports of a month, by outcome",
        "sum by (framework, outcome) (increase(obs_reports_total[30d]))",
    ),
    "obs_report_slots_overdue": quiet("reports that are late", "obs_report_slots_overdue > 0"),
    "obs_destination_lag_entries": ask(
        "the destination that is furthest behind", "topk(1, obs_destination_lag_entries)"
    ),
    "obs_destination_ok": quiet("destinations that are dead", "obs_destination_ok == 0"),
    "obs_events_backfilled_total": ask(
        "history that was loaded in a day, by category",
        "sum by (category) (increase(obs_events_backfilled_total[1d]))",
    ),
}
"""By the family's name."""
