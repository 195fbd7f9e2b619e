"""What tests of delivered reports share: who receives, what the ledger says, what a mail says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from audit.models import Ledger
from tests.audit.destinations.receiving import LOOPBACK, Endpoint, endpoint
from tests.compliance.scheduling import told

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_RULES = LOOPBACK
    settings.PUBLIC_URL = "https://audit.example.com"


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


def said_of(ledger: Ledger, action: str = "audit.report_delivered") -> list[dict[str, Any]]:
    """Return the events of an action, oldest first."""
    return [json.loads(bytes(each.record))["event"] for each in told(ledger, action)]


def text_of(mail: Any) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
