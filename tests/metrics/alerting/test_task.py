"""What fires becomes an incident, and what ends is noted in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pytest_django import Settings

from metrics.alert_rules import RULES
from metrics.models import Incident
from metrics.tasks import evaluate_alerts
from tests.metrics.alerting.fed import MINUTE, Fed, forget_minutes, write_minutes

TAMPERED = next(rule for rule in RULES if rule.name == "AuditChainBroken")


@pytest.fixture(autouse=True)
def _empty(database: None) -> Iterator[None]:
    forget_minutes()
    yield
    forget_minutes()


def say_verified(value: float) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    forget = {"metrics_gaugeminute"}
    forget_minutes(forget)
    verified = Fed(name=TAMPERED.family, labels={"ledger": "main"}, minutes=[value] * 4)
    write_minutes(now - 2 * MINUTE, [verified])


def incidents() -> list[Incident]:
    return list(Incident.objects.filter(name="AuditChainBroken").order_by("-id"))


def test_what_fires_opens_one_incident_and_its_end_is_noted() -> None:
    before = len(incidents())
    say_verified(0.0)

    evaluate_alerts()
    evaluate_alerts()

    opened, *earlier = incidents()
    assert len(earlier) == before
    assert opened.summary == "The ledger main is tampered"
    assert (opened.source, opened.severity, opened.runbook) == (
        "evaluator",
        "critical",
        "AuditChainBroken",
    )
    assert opened.labels["ledger"] == "main"
    assert opened.ended_at is None

    say_verified(1.0)
    evaluate_alerts()

    opened.refresh_from_db()
    assert opened.ended_at is not None
    assert opened.resolved_at is None


def test_where_prometheus_evaluates_nothing_is_opened(settings: Settings) -> None:
    settings.ALERTS_EVALUATE = False
    before = len(incidents())
    say_verified(0.0)

    evaluate_alerts()

    assert len(incidents()) == before
