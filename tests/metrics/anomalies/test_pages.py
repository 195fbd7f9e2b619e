"""The pages of anomalies: what is said, what is one click away, who may judge and decide."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from audit.auth import make_key
from audit.models import AgentKey, Ledger
from metrics.anomalies.finding import find
from metrics.models import Anomaly, Remedy
from metrics.remedies import looking
from tests.metrics.anomalies.conftest import BURST, NOW, RUNS, START, History, failing
from tests.metrics.deciding import client

pytestmark = pytest.mark.django_db

ADDRESS = "/admin/metrics/anomaly/"


@pytest.fixture
def administrator(database: None) -> Client:
    return client("administrator")


def page(who: Client, address: str) -> str:
    """Return the HTML of an address."""
    answer = who.get(address)
    assert answer.status_code == 200, address
    return html.unescape(answer.content.decode())


def test_without_history_the_page_says_how_much_is_needed_and_there(
    past: History, administrator: Client
) -> None:
    said = page(administrator, ADDRESS)

    assert "too little history" in said
    assert '<span class="obs-number">0.0</span> days' in said
    assert "at from <span" in said


def test_with_history_and_no_finding_it_says_so(past: History, administrator: Client) -> None:
    past.count("obs_tool_calls_total", "search success prod", lambda at: 20, start=START)
    find(NOW)

    assert "Nothing of that kind was found" in page(administrator, ADDRESS)


def test_a_finding_is_listed_by_its_sentence_and_leads_to_its_page(
    past: History, administrator: Client
) -> None:
    failing(past, 60)
    looking.look(NOW)
    row = Anomaly.objects.get(measure="agent_failures")

    listed = page(administrator, ADDRESS)
    shown = page(administrator, f"{ADDRESS}{row.id}/change/")

    assert f"{ADDRESS}{row.id}/change/" in listed
    assert row.evidence["sentence"] in listed
    assert row.evidence["sentence"] in shown
    assert "obs-band-far" in shown
    assert 'id="points"' in shown
    for fact in row.evidence["facts"]:
        assert fact["what"] in shown


def test_judging_needs_a_reason_and_moves_the_finding_to_its_tab(
    row: Anomaly, administrator: Client
) -> None:
    address = f"{ADDRESS}{row.id}/judge/"

    administrator.post(address, {"is_real": "yes", "reason": ""})
    administrator.post(address, {"is_real": "perhaps", "reason": "I think so"})
    row.refresh_from_db()
    assert row.judged_at is None

    administrator.post(address, {"is_real": "yes", "reason": "A vendor was down"})

    row.refresh_from_db()
    assert (row.is_real, row.reason) == (True, "A vendor was down")
    assert "A vendor was down" in page(administrator, f"{ADDRESS}{row.id}/change/")
    assert f"{ADDRESS}{row.id}/change/" in page(administrator, f"{ADDRESS}?show=judged")


def test_an_approval_on_the_page_does_it_and_a_get_does_nothing(
    row: Anomaly, administrator: Client, ledger: Ledger
) -> None:
    key, _ = make_key(ledger=ledger, name="alice", scopes=["events:write"], created_by="Bob")
    remedy = Remedy.objects.create(
        anomaly=row, act="pause_key", target=key.key_id, reason="It brought all of it"
    )
    address = f"{ADDRESS}{row.id}/remedies/{remedy.id}/decide/"
    asked = page(administrator, f"{ADDRESS}{row.id}/change/")

    assert administrator.get(address).status_code == 405
    administrator.post(address, {"decision": "approve", "reason": ""})
    assert AgentKey.objects.get(key_id=key.key_id).state() == "live"
    administrator.post(address, {"decision": "approve", "reason": "It spends at night"})

    assert address in asked
    assert AgentKey.objects.get(key_id=key.key_id).state() == "paused"
    shown = page(administrator, f"{ADDRESS}{row.id}/change/")
    assert f"{key.key_id} is paused." in shown
    assert address not in shown


def test_an_auditor_sees_it_and_may_neither_judge_nor_decide(row: Anomaly) -> None:
    auditor = client("auditor")

    shown = page(auditor, f"{ADDRESS}{row.id}/change/")

    assert "It is real" not in shown
    assert auditor.post(f"{ADDRESS}{row.id}/judge/", {"is_real": "no"}).status_code == 403


def test_what_an_agent_is_called_cannot_break_the_page(
    past: History, administrator: Client
) -> None:
    name = "<script>alert(1)</script>"
    past.count(RUNS, f"{name} success prod", lambda at: 30, start=START)
    past.count(RUNS, f"{name} error prod", lambda at: 60 if at >= BURST else 0, start=START)
    find(NOW)
    row = Anomaly.objects.get(measure="agent_failures")

    for address in (f"{ADDRESS}{row.id}/change/", ADDRESS):
        assert b"<script>alert" not in administrator.get(address).content
