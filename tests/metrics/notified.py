"""What tests of notifying share: receivers, where they listen, and what they were told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from audit.outbound import Rules, parse_networks
from metrics.incidents import opening
from metrics.incidents.timeline import timeline
from metrics.models import Incident, Receiver
from metrics.notifying import receivers
from metrics.notifying.receivers import Draft, Sent
from tests.audit.sinks.publishing import Receiver as Server
from tests.audit.sinks.publishing import receiving
from tests.metrics.incident_making import forget_incidents

KEY = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"
HMAC = "correct horse battery staple".replace(" ", "-")
LOOPBACK = Rules(allowed=parse_networks(["127.0.0.0/8"]))


@pytest.fixture
def nobody_else(database: None, settings: Settings, tmp_path: Path) -> Iterator[None]:
    """No incident, no receiver; a folder of secrets of its own; loopback may be reached."""
    settings.SECRETS_DIR = tmp_path
    settings.OUTBOUND_RULES = LOOPBACK
    forget_incidents()
    yield
    forget_incidents()


@pytest.fixture
def server() -> Iterator[Server]:
    with receiving() as found:
        yield found


def secret(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(f"{text}\n")
    return name


def receiver(kind: str, **said: str) -> Receiver:
    return receivers.make(Draft(**{"name": f"on-{kind}", "kind": kind} | said), by="Alice")


def webhook(server: Server, tmp_path: Path, **said: str) -> Receiver:
    file = secret(tmp_path, "hook", HMAC)
    return receiver("webhook", target=f"{server.url}/obs", secret=file, **said)


def end(incident: Incident) -> None:
    opening.end_incident(
        fingerprint=incident.fingerprint,
        started_at=incident.started_at,
        ended_at=incident.started_at + timedelta(minutes=7),
    )


def bodies(server: Server) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in server.requests]


def about(incident: Incident) -> list[Sent]:
    return receivers.messages_about(incident.id)


def told(incident: Incident) -> list[tuple[str, str]]:
    found = timeline(incident.id)
    return [(each.act, each.words) for each in found if each.act in ("told", "not_told")]


def later(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)
