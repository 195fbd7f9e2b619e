"""Receivers are told once of an opening and once of an end, each in the form of its kind.

What cannot be told: test_notifying_failures.py. Receivers themselves: test_receivers.py.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from psycopg.errors import InsufficientPrivilege
from pytest_django import Settings

from audit.sinks.webhook import signature_of
from metrics.incidents import acts, opening
from metrics.incidents import timeline as steps
from metrics.notifying import deliver, queue, receivers
from metrics.notifying.deliver import deliver_waiting
from metrics.tasks import tell_of_incidents
from tests.audit.sinks.publishing import Receiver as Server
from tests.audit.tampering import AsRole
from tests.compliance.mailbox import Mailbox, mailbox
from tests.metrics.deciding import newest_change
from tests.metrics.incident_making import START, opened
from tests.metrics.notified import (
    HMAC,
    KEY,
    about,
    bodies,
    end,
    nobody_else,
    receiver,
    secret,
    server,
    told,
    webhook,
)

__all__ = ["mailbox", "nobody_else", "server"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("nobody_else")


# --- What each kind gets -------------------------------------------------------------------------


def test_slack_gets_a_message_at_the_opening_and_one_at_the_end(
    server: Server, tmp_path: Path, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://audit.example.com"
    receiver("slack", secret=secret(tmp_path, "slack", f"{server.url}/services/T0/B0/x9"))
    incident = opened(summary="Errors <script> & more", labels={"agent": "bob"})
    deliver_waiting(timezone.now())
    end(incident)
    deliver_waiting(timezone.now())

    first, last = bodies(server)
    assert {each.path for each in server.requests} == {"/services/T0/B0/x9"}
    assert first["text"] == ("Firing: HighErrorRate (critical): Errors &lt;script&gt; &amp; more")
    section = first["blocks"][1]["text"]["text"]
    assert "agent `bob`" in section
    page = f"https://audit.example.com/admin/metrics/incident/{incident.id}/change/"
    assert f"<{page}|Incident {incident.id}>" in section
    assert last["text"].startswith("Ended: HighErrorRate")
    assert "until 2026-11-20T10:07:00Z" in last["blocks"][1]["text"]["text"]
    assert told(incident) == [
        ("told", "on-slack, of the opening"),
        ("told", "on-slack, of the end"),
    ]


def test_pagerduty_gets_a_trigger_and_a_resolve_of_one_key(server: Server, tmp_path: Path) -> None:
    target = f"{server.url}/v2/enqueue"
    receiver("pagerduty", target=target, secret=secret(tmp_path, "pd", KEY))
    incident = opened()
    end(incident)
    deliver_waiting(timezone.now())

    first, last = bodies(server)
    assert (first["event_action"], last["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == last["dedup_key"]
    assert first["dedup_key"].endswith(f"/incident/{incident.id}")
    assert first["routing_key"] == KEY
    assert first["payload"]["severity"] == "critical"
    assert first["payload"]["timestamp"] == "2026-11-20T10:00:00Z"
    assert first["payload"]["summary"] == "HighErrorRate: More than one error in ten seconds"


def test_a_webhook_is_signed_over_time_and_body(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)
    incident = opened(labels={"agent": "bob"})
    deliver_waiting(timezone.now())

    (request,) = server.requests
    stamp = int(request.headers["x-obs-timestamp"])
    assert request.headers["x-obs-signature"] == signature_of(
        request.body, timestamp=stamp, secret=HMAC
    )
    assert request.headers["x-obs-delivery"] == str(about(incident)[0].id)
    body = json.loads(request.body)
    assert body["what"] == "firing"
    assert body["incident"]["number"] == incident.id
    assert body["incident"]["labels"] == {"agent": "bob"}
    assert body["incident"]["ended_at"] is None


def test_a_mail_goes_to_every_mailbox(mailbox: Mailbox) -> None:
    receiver("email", target="alice@example.com; bob@example.com")
    incident = opened(description="Since version 2.\nLook at tools.")
    deliver_waiting(timezone.now())

    ((to, mail),) = mailbox.got
    assert to == ["alice@example.com", "bob@example.com"]
    assert mail["Subject"].endswith("Firing: HighErrorRate (critical)")
    assert "Look at tools." in mail.get_content()
    assert f"<obs-notification-{about(incident)[0].id}@" in mail["Message-ID"]


@pytest.mark.parametrize("kind", ["slack", "pagerduty", "webhook"])
def test_a_trial_says_that_nothing_has_happened(server: Server, tmp_path: Path, kind: str) -> None:
    texts = {"slack": f"{server.url}/services/x", "pagerduty": KEY, "webhook": HMAC}
    target = "" if kind == "slack" else f"{server.url}/here"
    made = receiver(kind, target=target, secret=secret(tmp_path, "file", texts[kind]))

    receivers.try_out(made, by="Bob")
    assert newest_change()["details"]["change"] == "tested"
    assert deliver_waiting(timezone.now()) == 1

    assert "nothing has happened" in json.dumps(bodies(server)[0])
    (sent,) = receivers.messages_to(made, most=5)
    assert (sent.what, sent.word, sent.incident_id) == ("trial", "sent", None)
    if kind == "pagerduty":
        assert [each["event_action"] for each in bodies(server)] == ["trigger", "resolve"]


# --- To whom, and how often ----------------------------------------------------------------------


def test_a_receiver_of_critical_ones_hears_of_no_warning(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path, severity="critical")

    assert about(opened(severity="warning")) == []
    assert len(about(opened(severity="critical"))) == 1


def test_what_an_alertmanager_has_told_of_is_not_told_twice(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)

    assert about(opened(source="alertmanager")) == []


def test_an_incident_told_of_again_is_told_no_more(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)
    incident = opened(fingerprint="f")
    opened(fingerprint="f")
    end(incident)
    end(incident)
    acts.resolve(incident.id, cause="x", by="Alice")
    deliver_waiting(timezone.now())

    assert [each["what"] for each in bodies(server)] == ["firing", "resolved"]


def test_what_never_ends_by_itself_is_told_as_ended_when_a_person_resolves_it(
    server: Server, tmp_path: Path
) -> None:
    webhook(server, tmp_path)
    incident = opened(source="person")
    acts.resolve(incident.id, cause="x", by="Alice")
    acts.reopen(incident.id, reason="y", by="Alice")
    acts.resolve(incident.id, cause="z", by="Alice")
    deliver_waiting(timezone.now())

    assert [each["what"] for each in bodies(server)] == ["firing", "resolved"]


def test_two_workers_send_each_message_once(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)
    for _ in range(6):
        opened()

    def work() -> None:
        try:
            deliver_waiting(timezone.now())
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(timeout=60)

    numbers = [each["incident"]["number"] for each in bodies(server)]
    assert len(numbers) == len(set(numbers)) == 6


def test_the_task_sends_what_waits(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)
    opened()

    tell_of_incidents(0)

    assert len(server.requests) == 1


# --- What each role of Postgres may do ------------------------------------------------------------


@pytest.mark.parametrize("role", ["web", "worker"])
def test_web_and_worker_open_and_end_incidents_and_put_messages_on_their_way(
    as_role: AsRole, role: str
) -> None:
    connection = as_role(role)
    with connection.transaction(force_rollback=True):
        asked = {
            "source": "evaluator",
            "fingerprint": "f",
            "started_at": START,
            "name": "A",
            "severity": "critical",
            "labels": "{}",
            "summary": "s",
            "description": "",
            "runbook": "",
            "ledger_id": None,
            "opened_by": "",
        }
        ((number,),) = connection.execute(opening._OPEN, asked).fetchall()
        connection.execute(steps._WRITE, (number, "", "opened", "s", None, None))
        connection.execute(queue._OPENING, {"incident": number, "severity": "critical"})
        ended = connection.execute(opening._END, asked | {"ended_at": START}).fetchall()
        assert ended == [(number,)]
        connection.execute(queue._END, {"incident": number})


def test_only_the_worker_says_that_a_message_was_sent(as_role: AsRole) -> None:
    taking = {"now": START, "until": START, "failed": []}
    as_role("worker").execute(deliver._TAKE, taking)

    with pytest.raises(InsufficientPrivilege):
        as_role("web").execute(deliver._TAKE, taking)


@pytest.mark.parametrize("table", ["incident", "incidentact", "receiver", "notification"])
@pytest.mark.parametrize("role", ["web", "worker"])
def test_no_running_role_takes_anything_away(as_role: AsRole, role: str, table: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        as_role(role).execute(f"DELETE FROM metrics_{table}")
