"""What may help is proposed, and done when a person has said yes, never before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from psycopg.errors import CheckViolation

from audit.append import append_pending
from audit.auth import make_key
from audit.database import rows
from audit.models import AgentKey, Ledger
from audit.project import catch_up
from audit.receive import Sender
from metrics.acting import ChangeRefused
from metrics.anomalies import telling
from metrics.anomalies.found import Finding
from metrics.anomalies.judging import judge, judged
from metrics.models import Anomaly, Incident, Remedy
from metrics.remedies import looking
from metrics.remedies.deciding import decide
from metrics.remedies.proposing import propose
from metrics.rollup import Rollups
from tests.conftest import GOVERNANCE, chain, entries, make_event
from tests.metrics.anomalies.conftest import NOW, History, failing

pytestmark = pytest.mark.django_db


def finding(past: History) -> Anomaly:
    failing(past, 60)
    looking.look(NOW)
    return Anomaly.objects.get(measure="agent_failures")


@pytest.fixture
def key(ledger: Ledger) -> AgentKey:
    made, _ = make_key(ledger=ledger, name="alice", scopes=["events:write"], created_by="Bob")
    return made


def found_of(row: Anomaly, **changed: Any) -> Finding:
    """Return the finding that a row was written of."""
    fields = {name: getattr(row, name) for name in Finding.__slots__}
    return Finding(**{**fields, **changed})


def proposed(anomaly: Anomaly, act: str, target: str) -> Remedy:
    return Remedy.objects.create(anomaly=anomaly, act=act, target=target, reason="It fails")


def test_a_critical_finding_opens_one_incident_however_often_one_looks(past: History) -> None:
    row = finding(past)

    looking.look(NOW + timedelta(minutes=5))

    (incident,) = Incident.objects.filter(source="anomaly", fingerprint=telling.fingerprint(row))
    assert row.severity == "critical"
    assert (incident.severity, incident.started_at) == ("critical", row.started_at)
    assert incident.labels == {"detector": "seasonal", "agent": "alice"}
    assert incident.summary == row.evidence["sentence"]


def test_what_a_person_judged_not_to_be_real_opens_no_incident(past: History) -> None:
    row = finding(past)
    judge(row, is_real=False, by="Carol", reason="A drill")

    assert telling.tell(row) is None


def test_looking_proposes_and_does_nothing(past: History, key: AgentKey) -> None:
    row = finding(past)
    waiting = proposed(row, "pause_key", key.key_id)

    for minutes in (5, 10, 15):
        looking.look(NOW + timedelta(minutes=minutes))

    key.refresh_from_db()
    waiting.refresh_from_db()
    assert key.state() == "live"
    assert (waiting.decided_at, waiting.done_at) == (None, None)


def test_the_keys_that_an_agent_used_are_proposed_with_whom_else_they_would_stop(
    past: History, ledger: Ledger, key: AgentKey
) -> None:
    now = datetime.now(UTC)
    by_key = Sender(via="api", scope="events", scopes=frozenset({"events:write"}), key=key.key_id)
    registered = make_event(
        occurred_at=now.isoformat(), action="agent.registered", category="agent_lifecycle",
        agent={"id": "alice-agent", "name": "alice"},
    )  # fmt: skip
    chain(ledger, [registered], sender=GOVERNANCE)
    acts = [
        make_event(occurred_at=now.isoformat(), agent={"id": who}) for who in ("alice-agent", "bob")
    ]
    chain(ledger, acts, sender=by_key)
    catch_up(ledger.id, Rollups())
    row = finding(past)
    failures = found_of(row, started_at=now - timedelta(minutes=5))
    Remedy.objects.all().delete()  # what looking has proposed by itself

    made = propose(row.id, failures)
    again = propose(row.id, failures)

    assert (len(made), again) == (1, [])
    remedy = Remedy.objects.get(id=made[0])
    assert (remedy.act, remedy.target, remedy.decided_at) == ("pause_key", key.key_id, None)
    assert "2 agents use it" in remedy.reason


@pytest.mark.parametrize(
    ("changed", "acts"),
    [
        ({"severity": "low"}, []),
        ({"severity": "medium"}, ["notify"]),
        ({"score": -9.0}, []),
        ({"measure": "tool_errors"}, []),
    ],
)
def test_only_grave_findings_of_an_agent_that_does_too_much_propose_a_pause(
    row: Anomaly, key: AgentKey, changed: dict[str, Any], acts: list[str]
) -> None:
    propose(row.id, replace(found_of(row), **changed))

    assert [one.act for one in Remedy.objects.all()] == acts


def test_an_approved_pause_pauses_the_key_and_leaves_both_entries(
    row: Anomaly, key: AgentKey, ledger: Ledger
) -> None:
    remedy = proposed(row, "pause_key", key.key_id)

    decide(remedy, is_approved=True, by="Carol", reason="It spends at night")

    append_pending(ledger.id)
    key.refresh_from_db()
    assert (key.state(), key.paused_by) == ("paused", "Carol")
    assert (remedy.is_approved, remedy.decided_by) == (True, "Carol")
    assert remedy.done_at is not None
    assert key.key_id in remedy.outcome
    assert "credential.paused" in [one.action for one in entries(ledger)]


def test_a_refused_remedy_changes_nothing_but_its_row(row: Anomaly, key: AgentKey) -> None:
    remedy = proposed(row, "pause_key", key.key_id)

    decide(remedy, is_approved=False, by="Carol", reason="It was the migration")

    key.refresh_from_db()
    assert key.state() == "live"
    assert (remedy.is_approved, remedy.done_at, remedy.outcome) == (False, None, "")


@pytest.mark.parametrize(("by", "reason"), [("", "Because"), ("Carol", " "), ("Carol", "x" * 501)])
def test_nothing_is_done_without_a_person_and_a_reason(
    row: Anomaly, key: AgentKey, by: str, reason: str
) -> None:
    remedy = proposed(row, "pause_key", key.key_id)

    with pytest.raises(ChangeRefused):
        decide(remedy, is_approved=True, by=by, reason=reason)

    key.refresh_from_db()
    remedy.refresh_from_db()
    assert (key.state(), remedy.decided_at) == ("live", None)


def test_a_remedy_is_decided_once(row: Anomaly, key: AgentKey) -> None:
    remedy = proposed(row, "pause_key", key.key_id)
    decide(remedy, is_approved=False, by="Carol", reason="It was the migration")

    with pytest.raises(ChangeRefused, match="decided before"):
        decide(remedy, is_approved=True, by="Bob", reason="All the same")

    key.refresh_from_db()
    assert key.state() == "live"


def test_the_database_lets_nothing_be_done_that_was_not_approved(row: Anomaly) -> None:
    remedy = proposed(row, "notify", "receivers")

    with pytest.raises(CheckViolation, match="metrics_remedy_done"), transaction.atomic():
        rows("UPDATE metrics_remedy SET done_at = now() WHERE id = %s RETURNING id", (remedy.id,))


def test_telling_people_opens_the_incident_in_the_name_of_who_approved(past: History) -> None:
    failing(past, 18)
    looking.look(NOW)
    row = Anomaly.objects.get(measure="agent_failures")
    (remedy,) = Remedy.objects.filter(anomaly=row)
    assert (row.severity, remedy.act) == ("medium", "notify")
    assert not Incident.objects.filter(fingerprint=telling.fingerprint(row)).exists()

    decide(remedy, is_approved=True, by="Carol", reason="Theo should know")

    incident = Incident.objects.get(fingerprint=telling.fingerprint(row))
    assert (incident.severity, incident.opened_by) == ("warning", "Carol")


def test_a_judgement_is_kept_with_its_reason_and_may_change(row: Anomaly) -> None:
    judge(row, is_real=True, by="Carol", reason="A vendor was down")
    with pytest.raises(ChangeRefused):
        judge(row, is_real=True, by="Carol", reason="A vendor was down")
    judge(row, is_real=False, by="Bob", reason="It was a drill")

    assert (row.is_real, row.judged_by, row.reason) == (False, "Bob", "It was a drill")
    assert (judged().real, judged().not_real) == (0, 1)
