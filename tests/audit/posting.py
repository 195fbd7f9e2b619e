"""What tests of POST /api/v1/events share: a sender that checks each answer, and who it is.

A module that imports `fresh` begins each of its tests as a new process would.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from django.test import Client

from audit.admit import forget_limits
from audit.auth import forget_keys
from audit.models import Inbox, Ledger
from tests.conftest import chain

ApiKey: TypeAlias = Callable[..., str]


JSON = "application/json"
NDJSON = "application/x-ndjson"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Start as a new process would, and leave nothing behind for the next test."""
    forget_limits()
    forget_keys()
    yield
    forget_limits()
    forget_keys()


class Sender:
    """A client that holds a key."""

    def __init__(self, token: str) -> None:
        self.client = Client()
        self.token = token

    def post(
        self, body: Any, *, query: str = "", media: str = JSON, **headers: str
    ) -> tuple[int, dict[str, Any], Any]:
        """Return status, JSON and answer; a body that is no bytes is sent as JSON."""
        said = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        answer = self.client.post(
            f"/api/v1/events{query}",
            data=body if isinstance(body, bytes) else json.dumps(body).encode(),
            content_type=media,
            headers=said,
            CONTENT_TYPE=media,  # the test client leaves it out of an empty request
        )
        assert not answer.cookies
        found = json.loads(answer.content)
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json"
            assert found["type"] == f"/errors/{found['code']}"
            assert found["status"] == answer.status_code
        if answer.status_code in {429, 503}:
            assert int(answer["Retry-After"]) >= 1
        assert answer.status_code < 500 or answer.status_code == 503
        return answer.status_code, found, answer

    def status(self, body: Any, **options: str) -> tuple[int, str | None]:
        """Return the status and, of a problem, its code."""
        status, said, _ = self.post(body, **options)
        return status, said.get("code")


@pytest.fixture
def alice(ledger: Ledger, api_key: ApiKey) -> Sender:
    """Return a sender with an agent's key, of a ledger that holds one entry: the key's."""
    sender = Sender(api_key(ledger, "events:write"))
    chain(ledger, [])
    return sender


def stored(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the events that wait in the inbox."""
    found = Inbox.objects.filter(ledger=ledger).order_by("id")
    return [json.loads(line) for each in found for line in bytes(each.events).split(b"\n")]
