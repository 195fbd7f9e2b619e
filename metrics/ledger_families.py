"""Families about ingest, ledgers and scores, rows 52 to 61 and 84 to 93. Pure.

Most are facts: what rows say when they are asked. Names and labels of those that audit.collectors
and compliance.collectors show are theirs; where they differ from the requirements, a comment says
so. Gathered by families.py.
"""

from __future__ import annotations

from typing import Final

from metrics import buckets
from metrics.family import Family, family

AUTH_ATTEMPTS: Final = family(
    "counter", 52, "obs_auth_attempts_total", "method outcome", cap=20,
    sources=("entries", "process"),
    help="Tries to sign in that entries tell of, and API keys shown with a request (api_key): "
    "success where the key is known, whatever it may do.",
    fed_by="auth.login",
)  # fmt: skip
INGEST_BATCH_EVENTS: Final = family(
    "histogram", 53, "obs_ingest_batch_events", "ledger", cap=8, sources=("process",),
    help="Events that one POST with a good key brought, before any was looked at.",
    edges=buckets.COUNTS,
)  # fmt: skip
INGEST_REJECTED: Final = family(
    "counter", 54, "obs_ingest_rejected_total", "reason ledger", cap=24, sources=("process",),
    help="What was not taken. A whole POST is one: auth, rate, size, validation (its form), "
    "database (it did not confirm), refused (we take none now). Else each event is: auth (scope), "
    "size, validation, duplicate, conflict, refused (by Postgres, when it was chained).",
    detail="minimal",
)  # fmt: skip
INGEST_LAG: Final = family(
    "histogram", 55, "obs_ingest_lag_seconds", "stage ledger", cap=15,
    sources=("entries", "process"),
    help="Of each entry but backfilled ones: from the act to its receipt (delivered), from there "
    "to the commit of the chain (chained) and to the signed checkpoint (sealed).",
    unit="seconds", edges=buckets.LAG, most=31 * 86_400, fed_by="*", detail="minimal",
)  # fmt: skip
# Shown since the ledger was built, without `ledger`: a scrape adds the ledgers up.
APPEND_SECONDS: Final = family(
    "histogram", 56, "obs_audit_append_duration_seconds", cap=1, sources=("facts",),
    help="Time of an append transaction divided by its entries, counted once an entry.",
    unit="seconds", edges=buckets.APPEND, detail="minimal",
)  # fmt: skip
APPEND_BATCH_SECONDS: Final = family(
    "histogram", 56, "obs_audit_append_batch_seconds", cap=1, sources=("facts",),
    help="Time of a whole append transaction.",
    unit="seconds", edges=buckets.HTTP,
)  # fmt: skip
# Without `ledger` too: a failure is often that of the database, and of no ledger.
APPEND_FAILURES: Final = family(
    "counter", 57, "obs_audit_append_failures_total", "reason", cap=4, sources=("facts",),
    help="Appends that failed; their events stay in the inbox or went to quarantine.",
    detail="minimal",
)  # fmt: skip
CHAIN_VERIFIED: Final = family(
    "gauge", 58, "obs_audit_chain_verified", "ledger", cap=20, sources=("facts",),
    help="Chain: 1 intact, 0.5 not proven, 0 tampered.", detail="minimal",
)  # fmt: skip
CHAIN_VERIFIED_TIME: Final = family(
    "gauge", 58, "obs_audit_chain_verified_timestamp_seconds", "ledger", cap=20,
    sources=("facts",),
    help="Unix time at which the newest verification ended; 0 when there was none.",
    unit="seconds", detail="minimal",
)  # fmt: skip
CHAIN_BROKEN: Final = family(
    "gauge", 58, "obs_audit_chain_broken_entries", "ledger", cap=20, sources=("facts",),
    help="Entries found broken and not found intact since.", detail="minimal",
)  # fmt: skip
COMPLETENESS: Final = family(
    "gauge", 59, "obs_audit_completeness_ratio", "ledger", cap=20, sources=("facts",),
    help="Share of the entries of 30 days that lack no field, among those that should be there.",
    unit="ratio",
)  # fmt: skip
SCORE: Final = family(
    "gauge", 60, "obs_compliance_score_ratio", "framework ledger", cap=16, sources=("facts",),
    help="Newest posture: the score, 0 to 1; absent when none was issued.",
    unit="ratio", detail="minimal",
)  # fmt: skip
RETENTION: Final = family(
    "gauge", 61, "obs_retention_compliance_ratio", "policy ledger", cap=12, sources=("facts",),
    help="Share of a ledger's entries that are kept no longer than a policy says, 0 to 1.",
    unit="ratio",
)  # fmt: skip
RETENTION_OVERDUE: Final = family(
    "gauge", 61, "obs_retention_overdue_entries", "policy ledger", cap=12, sources=("facts",),
    help="Entries older than their policy keeps, on no hold, and still there.",
)  # fmt: skip

INBOX_EVENTS: Final = family(
    "gauge", 84, "obs_ingest_inbox_events", "ledger", cap=20, sources=("facts",),
    help="Events received and not chained yet; an estimate above 100,000 requests.",
    detail="minimal",
)  # fmt: skip
INBOX_AGE: Final = family(
    "gauge", 84, "obs_ingest_inbox_age_seconds", "ledger", cap=20, sources=("facts",),
    help="Age of the oldest request whose events wait to be chained.",
    unit="seconds", detail="minimal",
)  # fmt: skip
QUARANTINE_OPEN: Final = family(
    "gauge", 85, "obs_audit_quarantine_open", "ledger", cap=20, sources=("facts",),
    help="Events in quarantine that nobody settled; counted up to 100,000.", detail="minimal",
)  # fmt: skip
UNSEALED_AGE: Final = family(
    "gauge", 86, "obs_audit_unsealed_age_seconds", "ledger", cap=20, sources=("facts",),
    help="Age of the oldest entry that no signed checkpoint covers; 0 when all are covered.",
    unit="seconds", detail="minimal",
)  # fmt: skip
ANCHOR_OK: Final = family(
    "gauge", 87, "obs_audit_anchor_ok", "ledger sink", cap=16, sources=("facts",),
    help="Anchor or witness: 1 ok, 0.5 failing, 0 it holds what contradicts the ledger.",
    detail="minimal",
)  # fmt: skip
ANCHOR_AGE: Final = family(
    "gauge", 87, "obs_audit_anchor_age_seconds", "ledger sink", cap=16, sources=("facts",),
    help="Time since the first checkpoint that an anchor does not hold was signed; 0 for none.",
    unit="seconds",
)  # fmt: skip
PROJECTION_LAG: Final = family(
    "gauge", 88, "obs_projection_lag_entries", "projection ledger", cap=20, sources=("facts",),
    help="Entries chained that a projection has not read yet.",
)  # fmt: skip
PROJECTION_LAG_SECONDS: Final = family(
    "gauge", 88, "obs_projection_lag_seconds", "projection ledger", cap=20, sources=("facts",),
    help="Age of the oldest entry that a projection has not read yet; 0 when it has read all.",
    unit="seconds", detail="minimal",
)  # fmt: skip
TESTED: Final = family(
    "gauge", 89, "obs_compliance_tested_ratio", "framework ledger", cap=16, sources=("facts",),
    help="Newest posture: the score of what could be tested.", unit="ratio",
)  # fmt: skip
COVERAGE: Final = family(
    "gauge", 89, "obs_compliance_coverage_ratio", "framework ledger", cap=16, sources=("facts",),
    help="Newest posture: how much could be tested.", unit="ratio",
)  # fmt: skip
CAP: Final = family(
    "gauge", 89, "obs_compliance_cap_ratio", "framework ledger", cap=16, sources=("facts",),
    help="Newest posture: what the score cannot exceed; 1 is no cap.", unit="ratio",
)  # fmt: skip
WITHHELD: Final = family(
    "gauge", 89, "obs_compliance_score_withheld", "framework ledger", cap=16, sources=("facts",),
    help="Newest posture: 1 when no score was issued although the framework applies.",
)  # fmt: skip
EVALUATION_AGE: Final = family(
    "gauge", 89, "obs_compliance_evaluation_age_seconds", "framework ledger", cap=16,
    sources=("facts",), help="Age of the newest posture.", unit="seconds",
)  # fmt: skip
FINDINGS_OPEN: Final = family(
    "gauge", 90, "obs_findings_open", "ledger severity", cap=24, sources=("facts",),
    help="Findings that nobody has closed, by severity.",
)  # fmt: skip
# The requirements give it no label; it has had `ledger` since waivers were built.
WAIVERS_EXPIRING: Final = family(
    "gauge", 90, "obs_waivers_expiring", "ledger", cap=12, sources=("facts",),
    help="Waivers in force that end within 30 days.",
)  # fmt: skip
# Without `ledger`, as the requirements' own row has it: a report may cover several.
REPORTS: Final = family(
    "counter", 91, "obs_reports_total", "framework outcome", cap=12, sources=("facts",),
    help="Reports that were made or failed.",
)  # fmt: skip
REPORT_SLOTS_OVERDUE: Final = family(
    "gauge", 91, "obs_report_slots_overdue", "ledger", cap=12, sources=("facts",),
    help="Slots of schedules whose report is late by an hour or more.",
)  # fmt: skip
# `destination` is ledger and name, `main/siem`, so `ledger` would say it twice.
DESTINATION_LAG: Final = family(
    "gauge", 92, "obs_destination_lag_entries", "destination", cap=12, sources=("facts",),
    help="Entries chained that a destination has not acknowledged.",
)  # fmt: skip
DESTINATION_OK: Final = family(
    "gauge", 92, "obs_destination_ok", "destination", cap=12, sources=("facts",),
    help="Destination: 1 its last try was taken, 0.5 failing, 0 dead; absent while paused.",
)  # fmt: skip
EVENTS_BACKFILLED: Final = family(
    "counter", 93, "obs_events_backfilled_total", "category ledger", cap=30,
    help="Events loaded as history or over an hour old when received; no other counter has them.",
    fed_by="*", detail="minimal",
)  # fmt: skip

FAMILIES: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, Family))
"""All of the above: a family cannot be written down and forgotten here."""
