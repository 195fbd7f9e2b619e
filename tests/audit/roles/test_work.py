"""What web and worker are allowed is enough: their whole work, done as themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from audit.announce import announce_quarantined
from audit.append import append_pending
from audit.auth import make_key, revoke_key
from audit.models import Agent, Head, Inbox, Ledger, Quarantine
from audit.project import catch_up, projections, rebuild
from audit.runs import run_verification, verify_new, verify_sample
from tests.conftest import make_event, post


@contextmanager
def acting_as(role: str) -> Iterator[None]:
    """Let Django's connection log in as another role."""
    usual = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD")}
    address = conninfo_to_dict(
        os.environ["DATABASE_WORKER_URL" if role == "worker" else "DATABASE_URL"]
    )
    connection.close()
    connection.settings_dict |= {"USER": address["user"], "PASSWORD": address["password"]}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict |= usual


@pytest.mark.skipif(
    "OBS_TEST_READ_URL" not in os.environ, reason="needs roles of their own: unset DATABASE_URL"
)
def test_web_and_worker_can_do_their_whole_work_under_their_own_roles(ledger: Ledger) -> None:
    event = make_event(personal={"name": "Carol"}, data={"subject_ids": ["carol"]})
    with acting_as("web"):
        key, _ = make_key(ledger=ledger, name="k", scopes=["events:write"], created_by="Alice")
        assert [each.status for each in post(ledger, [event, make_event()])] == ["received"] * 2

    with acting_as("worker"):
        assert append_pending(ledger.id) == 3

    with acting_as("web"):
        statuses = [each.status for each in post(ledger, [event, event | {"outcome": "failure"}])]
        assert statuses == ["duplicate", "conflict"]
        revoke_key(key, by="Alice")

    with acting_as("worker"):
        assert announce_quarantined(ledger) == 1
        append_pending(ledger.id)
        assert {catch_up(ledger.id, each) for each in projections().values()} == {5}
        assert {rebuild(ledger, each) for each in projections().values()} == {5}
        for report in (verify_new(ledger), verify_sample(ledger)):
            assert report is not None
            assert report.result == "intact"
        assert run_verification(ledger, kind="manual").result == "intact"
        append_pending(ledger.id)

    assert not Inbox.objects.filter(ledger=ledger).exists()
    assert Head.objects.get(ledger=ledger).size == 7
    assert Agent.objects.filter(ledger=ledger).count() == 1
    assert Quarantine.objects.get(ledger=ledger).is_announced
