"""What Prometheus can rely on about scores: the newest sealed postures, findings, waivers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from audit.models import Ledger
from compliance.acting import Person, today
from compliance.approving import approve_decision, end_decision
from compliance.catalogue import load_catalogue
from compliance.definitions import SEVERITIES
from compliance.models import Decision, Finding
from compliance.result import FrameworkResult, sealed
from compliance.snapshot import seal_snapshot
from compliance.waiver import WaiverAsked, ask_waiver
from tests.compliance.results import a_result
from tests.conftest import render_metrics_anew

FAMILIES = {
    "obs_compliance_score_ratio",
    "obs_compliance_tested_ratio",
    "obs_compliance_coverage_ratio",
    "obs_compliance_cap_ratio",
    "obs_compliance_score_withheld",
    "obs_compliance_evaluation_age_seconds",
    "obs_findings_open",
    "obs_waivers_expiring",
}
ALICE = 1


def samples(ledger: Ledger) -> dict[tuple[str, str], float]:
    """Return the samples of a scrape that are this ledger's, by name and the other label."""
    render_metrics_anew()
    page = Client().get("/metrics").content.decode()
    return {
        (sample.name, sample.labels.get("framework") or sample.labels.get("severity", "")): float(
            sample.value
        )
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name in FAMILIES and sample.labels["ledger"] == ledger.name
    }


def posture(ledger: Ledger, **fields: Any) -> FrameworkResult:
    """Seal a result as today's posture of the ledger."""
    result = a_result(ledger=ledger.name, **fields)
    seal_snapshot(ledger, result, kind="posture")
    return result


def test_a_ledger_without_a_posture_has_no_score_at_all(ledger: Ledger) -> None:
    found = samples(ledger)

    assert {name for name, _ in found} == {"obs_findings_open", "obs_waivers_expiring"}


def test_the_four_numbers_of_the_newest_posture_are_shown_as_shares_of_one(ledger: Ledger) -> None:
    numbers = posture(ledger).numbers

    found = samples(ledger)

    assert numbers.assured is not None
    assert numbers.tested is not None
    assert numbers.coverage is not None
    for name, number in (
        ("score", numbers.assured),
        ("tested", numbers.tested),
        ("coverage", numbers.coverage),
    ):
        shown = Fraction(int(number * 10), 1000)  # rounded down to a tenth of a percent
        assert found[f"obs_compliance_{name}_ratio", "soc2"] == pytest.approx(float(shown))
    assert found["obs_compliance_cap_ratio", "soc2"] == numbers.cap / 100
    assert found["obs_compliance_score_withheld", "soc2"] == 0
    assert found["obs_compliance_evaluation_age_seconds", "soc2"] >= 0


def test_the_newest_posture_is_shown_and_an_older_one_is_not(ledger: Ledger) -> None:
    posture(ledger)
    passing = [one for one in a_result().controls if one.state == "pass"]

    newest = posture(ledger, controls=tuple(passing))

    assert newest.numbers.assured == 100
    assert samples(ledger)["obs_compliance_score_ratio", "soc2"] == 1


def test_a_period_is_no_posture(ledger: Ledger) -> None:
    seal_snapshot(ledger, a_result(ledger=ledger.name), kind="period")

    assert ("obs_compliance_score_ratio", "soc2") not in samples(ledger)


def test_a_posture_of_another_environment_is_not_shown(ledger: Ledger) -> None:
    posture(ledger, environment="staging")

    assert ("obs_compliance_score_ratio", "soc2") not in samples(ledger)


def test_a_score_that_is_not_issued_is_absent_and_told(ledger: Ledger) -> None:
    posture(ledger, assured=None)

    found = samples(ledger)

    assert ("obs_compliance_score_ratio", "soc2") not in found
    assert ("obs_compliance_cap_ratio", "soc2") not in found
    assert found["obs_compliance_score_withheld", "soc2"] == 1


def test_a_framework_that_does_not_apply_withholds_nothing(ledger: Ledger) -> None:
    no_score = a_result(ledger=ledger.name, assured=None)
    waiting = sealed(replace(no_score, not_in_force="no system is recorded as high-risk"))
    seal_snapshot(ledger, waiting, kind="posture")

    assert samples(ledger)["obs_compliance_score_withheld", "soc2"] == 0


def test_open_findings_are_counted_by_severity_and_zero_is_said(ledger: Ledger) -> None:
    for severity in ("critical", "high", "high"):
        a_finding(ledger, severity)

    found = samples(ledger)

    assert {severity: found["obs_findings_open", severity] for severity in SEVERITIES} == {
        "critical": 1,
        "high": 2,
        "medium": 0,
        "low": 0,
    }


def a_finding(ledger: Ledger, severity: str) -> None:
    Finding.objects.create(
        uid=uuid4(),
        ledger=ledger,
        framework="soc2",
        severity=severity,
        title="Approvals are missing",
        owner_id=ALICE,
        owner="alice",
        due=date(2030, 1, 1),
        opened_by="bob",
    )


@pytest.fixture
def waive(ledger: Ledger) -> Callable[[int], Decision]:
    """Return how Alice asks for a waiver that ends in so many days."""

    def ask(days: int) -> Decision:
        asked = WaiverAsked(
            framework="soc2",
            control="CC8.1",
            check="CHG-03",
            items=(),
            reason="the test rig moves house",
            risk="an untested change",
            compensating="two reviewers instead of one",
            expires_on=today() + timedelta(days=days),
        )
        return ask_waiver(ledger, load_catalogue(), asked, by=someone())

    return ask


def someone() -> Person:
    """Return a person who may ask and approve."""
    name = f"someone-{uuid4().hex[:12]}"
    return Person(id=User.objects.create_superuser(name).pk, name=name)


@pytest.mark.parametrize(("days", "expiring"), [(0, 1), (30, 1), (31, 0)])
def test_a_waiver_that_ends_within_thirty_days_is_told(
    ledger: Ledger, waive: Callable[[int], Decision], days: int, expiring: int
) -> None:
    approve_decision(waive(days), by=someone())

    assert samples(ledger)["obs_waivers_expiring", ""] == expiring


def test_a_waiver_that_nobody_has_approved_is_none(
    ledger: Ledger, waive: Callable[[int], Decision]
) -> None:
    waive(7)

    assert samples(ledger)["obs_waivers_expiring", ""] == 0


def test_a_waiver_that_was_revoked_is_told_no_more(
    ledger: Ledger, waive: Callable[[int], Decision]
) -> None:
    approved = approve_decision(waive(7), by=someone())

    end_decision(approved, reason="it is mended", by=someone())

    assert samples(ledger)["obs_waivers_expiring", ""] == 0
