"""A real Alertmanager with the shipped configuration: its alerts become incidents, and others hear.

Skipped, and said, where Debian's prometheus-alertmanager is not installed.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.conf import settings as platform
from django.core.wsgi import get_wsgi_application
from django.db import connection
from pytest_django import Settings

from audit.ledgers import open_ledger
from audit.models import Ledger
from metrics.models import Incident
from tests.audit.sinks.publishing import Receiver as Server
from tests.audit.sinks.publishing import receiving
from tests.compliance.mailbox import Mailbox, mailbox
from tests.metrics import alertmanager
from tests.metrics.alertmanager import AMTOOL, CONFIGURATION, PROGRAM, Alertmanager, Places
from tests.metrics.incident_making import events_of, forget_incidents

__all__ = ["mailbox"]

PATIENCE = 120.0
"""Seconds that a busy machine may take; on an idle one all comes within five."""
KEY = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"

needs_it = pytest.mark.skipif(PROGRAM is None, reason="needs Debian's prometheus-alertmanager")


@pytest.fixture(autouse=True)
def no_incidents(database: None) -> Iterator[None]:
    forget_incidents()
    yield
    forget_incidents()


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    """Serve the platform of this test over HTTP."""
    server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)

    def serve() -> None:
        try:
            server.serve_forever(0.05)
        finally:
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def own(database: None) -> Ledger:
    return open_ledger(platform.LEDGER)


@pytest.fixture
def others() -> Iterator[Server]:
    """Return the server that Slack and PagerDuty are on test."""
    with receiving() as server:
        server.status, server.answer = 202, lambda _: b'{"status":"success"}'
        yield server


@pytest.fixture
def running(
    own: Ledger,
    others: Server,
    mailbox: Mailbox,
    api_key: Callable[..., str],
    settings: Settings,
    tmp_path: Path,
) -> Iterator[Alertmanager]:
    secrets = {
        "alerts_api_key": api_key(own, "alerts:write"),
        "slack_webhook_url": f"{others.url}/services/T0/B0/x",
        "pagerduty_routing_key": KEY,
    }
    for name, text in secrets.items():
        (tmp_path / name).write_text(text)
    with serving() as platform_url:
        places = Places(
            incidents=f"{platform_url}/api/v1/alerts",
            pagerduty=f"{others.url}/v2/enqueue",
            mail=f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}",
            secrets=tmp_path,
        )
        with alertmanager.running(tmp_path, alertmanager.configuration(places)) as found:
            yield found


def wait_until(holds: Callable[[], bool], tmp_path: Path) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, (tmp_path / "alertmanager.log").read_text()[-4000:]
        time.sleep(0.2)


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


def sent_to(server: Server, path: str) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in server.requests if each.path == path]


@needs_it
def test_an_alert_becomes_an_incident_and_ends_and_every_receiver_hears(
    running: Alertmanager, own: Ledger, others: Server, mailbox: Mailbox, tmp_path: Path
) -> None:
    started, labels = ago(5), {"alertname": "AuditChainBroken", "severity": "critical"}
    about = {"ledger": own.name, "summary": "The chain is broken"}
    running.post(starts=started, **about, **labels)

    wait_until(Incident.objects.exists, tmp_path)
    incident = Incident.objects.get()
    assert (incident.source, incident.name, incident.severity) == (
        "alertmanager",
        "AuditChainBroken",
        "critical",
    )
    assert incident.ledger_id == own.id
    assert incident.started_at == datetime.fromisoformat(started)
    assert incident.summary == "The chain is broken"
    pagerduty, slack = "/v2/enqueue", "/services/T0/B0/x"
    wait_until(lambda: bool(sent_to(others, pagerduty)), tmp_path)
    wait_until(lambda: bool(sent_to(others, slack)), tmp_path)
    wait_until(lambda: bool(mailbox.got), tmp_path)
    (trigger,) = sent_to(others, pagerduty)
    assert trigger["event_action"] == "trigger"
    assert trigger["routing_key"] == KEY
    assert trigger["payload"]["severity"] == "critical"
    assert "AuditChainBroken" in json.dumps(sent_to(others, slack)[0])
    assert "Firing: AuditChainBroken (critical)" in str(mailbox.got[0][1]["Subject"])

    running.post(starts=started, ends=ago(0.1), **about, **labels)

    def is_over() -> bool:
        incident.refresh_from_db()
        return incident.ended_at is not None

    wait_until(is_over, tmp_path)
    wait_until(lambda: len(sent_to(others, pagerduty)) > 1, tmp_path)
    wait_until(lambda: len(mailbox.got) > 1, tmp_path)
    assert Incident.objects.count() == 1
    assert incident.word() == "open"
    resolve = sent_to(others, pagerduty)[-1]
    assert resolve["event_action"] == "resolve"
    assert resolve["dedup_key"] == trigger["dedup_key"]
    of_this = [
        each["action"] for each in events_of(own) if each["case"]["id"] == f"incident-{incident.id}"
    ]
    assert of_this == ["incident.detected", "incident.ended"]


@needs_it
def test_a_critical_alert_silences_the_warning_of_the_same_name_and_ledger(
    running: Alertmanager, others: Server, tmp_path: Path
) -> None:
    name, slack = "ResourceExhaustion", "/services/T0/B0/x"
    both = {"alertname": name, "ledger": "main"}
    running.post(starts=ago(2), severity="critical", summary="all is full", **both)
    wait_until(lambda: Incident.objects.filter(severity="critical").exists(), tmp_path)
    running.post(starts=ago(2), severity="warning", summary="much is full", **both)
    running.post(starts=ago(2), severity="warning", alertname="Other", summary="slow")

    wait_until(lambda: Incident.objects.filter(name="Other").exists(), tmp_path)
    wait_until(lambda: "slow" in json.dumps(sent_to(others, slack)), tmp_path)
    assert not Incident.objects.filter(name=name, severity="warning").exists()
    assert "much is full" not in json.dumps(sent_to(others, slack))


@pytest.mark.skipif(AMTOOL is None, reason="needs Debian's amtool")
def test_amtool_accepts_the_shipped_configuration() -> None:
    assert AMTOOL is not None
    done = subprocess.run(
        [AMTOOL, "check-config", str(CONFIGURATION)], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(AMTOOL is None, reason="needs Debian's amtool")
@pytest.mark.parametrize(
    ("severity", "receivers"),
    [
        ("critical", "incidents,pager,mail,chat"),
        ("warning", "incidents,chat"),
        ("", "incidents,chat"),
    ],
)
def test_routes_lead_by_severity(severity: str, receivers: str) -> None:
    assert AMTOOL is not None
    labels = ["alertname=QueueBacklog", *([f"severity={severity}"] if severity else [])]
    done = subprocess.run(
        [AMTOOL, "config", "routes", "test", f"--config.file={CONFIGURATION}", *labels],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == receivers


def test_the_configuration_holds_no_secret() -> None:
    text = CONFIGURATION.read_text()

    assert "hooks.slack.com" not in text
    for word in ("password:", "routing_key:", "credentials:", "api_url:", "bearer_token:"):
        assert word not in text
