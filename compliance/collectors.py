"""Show scores to Prometheus: the compliance app's part of /metrics.

Named in settings.METRICS_COLLECTORS; metrics.expose asks it at each scrape. It computes no score:
it shows the newest sealed postures, and findings and waivers as they stand. Figures:
compliance.figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from compliance import figures
from compliance.definitions import SEVERITIES
from compliance.gather import bounded


class ComplianceCollector(Collector):
    """Metrics of scores, findings, waivers and reports, read from rows."""

    def describe(self) -> Iterable[Metric]:
        """Describe nothing: registering must not reach for the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything, then yield; raises what the database raises."""
        with bounded():
            postures = figures.posture_figures()
            findings = figures.open_findings()
            waivers = figures.expiring_waivers()
            reports = figures.made_reports()
            overdue = figures.overdue_slots(datetime.now(UTC))
        yield from posture_families(postures)
        yield from people_families(findings, waivers)
        yield from report_families(reports, overdue)


def posture_families(postures: Iterable[figures.PostureFigures]) -> Iterator[Metric]:
    """Translate the newest postures; a number that was not issued is absent, never 0."""
    score = _by_framework(
        "obs_compliance_score_ratio",
        "Newest posture: the score, 0 to 1; absent when none was issued.",
    )
    tested = _by_framework(
        "obs_compliance_tested_ratio", "Newest posture: the score of what could be tested."
    )
    coverage = _by_framework(
        "obs_compliance_coverage_ratio", "Newest posture: how much could be tested."
    )
    cap = _by_framework(
        "obs_compliance_cap_ratio", "Newest posture: what the score cannot exceed; 1 is no cap."
    )
    withheld = _by_framework(
        "obs_compliance_score_withheld",
        "Newest posture: 1 when no score was issued although the framework applies.",
    )
    age = _by_framework("obs_compliance_evaluation_age_seconds", "Age of the newest posture.")
    for one in postures:
        label = [one.framework, one.ledger]
        for family, share in (
            (score, one.evidenced),
            (tested, one.tested),
            (coverage, one.coverage),
        ):
            if share is not None:
                family.add_metric(label, share)
        if one.evidenced is not None:
            cap.add_metric(label, one.cap / 100)
        withheld.add_metric(label, 1 if one.is_withheld else 0)
        age.add_metric(label, one.age_seconds)
    yield from (score, tested, coverage, cap, withheld, age)


def people_families(
    findings: Iterable[figures.OpenFindings], waivers: Iterable[figures.ExpiringWaivers]
) -> Iterator[Metric]:
    """Translate what people have to do; every severity shows, also at zero."""
    opened = GaugeMetricFamily(
        "obs_findings_open",
        "Findings that nobody has closed, by severity.",
        labels=["ledger", "severity"],
    )
    for one in findings:
        for severity in SEVERITIES:
            opened.add_metric([one.ledger, severity], one.by_severity.get(severity, 0))
    expiring = GaugeMetricFamily(
        "obs_waivers_expiring",
        f"Waivers in force that end within {figures.EXPIRING_DAYS} days.",
        labels=["ledger"],
    )
    for each in waivers:
        expiring.add_metric([each.ledger], each.waivers)
    yield from (opened, expiring)


def report_families(
    reports: Iterable[figures.MadeReports], overdue: Iterable[figures.OverdueSlots]
) -> Iterator[Metric]:
    """Translate reports that were made, and slots whose report is late."""
    made = CounterMetricFamily(
        "obs_reports", "Reports that were made or failed.", labels=["framework", "outcome"]
    )
    for one in reports:
        made.add_metric([one.framework, "done"], one.done)
        made.add_metric([one.framework, "failed"], one.failed)
    late = GaugeMetricFamily(
        "obs_report_slots_overdue",
        f"Slots of schedules whose report is not there {figures.LATE_SECONDS // 60} minutes after "
        "it was due.",
        labels=["ledger"],
    )
    for each in overdue:
        late.add_metric([each.ledger], each.slots)
    yield from (made, late)


def _by_framework(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["framework", "ledger"])
