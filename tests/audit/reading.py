"""What tests of the API share: a reader with a key, what it is answered, a broken connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from audit.models import Ledger
from tests.conftest import chain

ApiKey = Callable[..., str]
NDJSON = "application/x-ndjson"


class Reader:
    """A client with a key of a ledger."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.client = Client()

    def get(self, address: str, **headers: str) -> Any:
        said = {"Authorization": f"Bearer {self.token}"} | headers
        return self.client.get(f"/api/v1/{address}", headers=said)


@pytest.fixture
def alice(ledger: Ledger, api_key: ApiKey) -> Reader:
    """Return a reader whose ledger holds one entry: that her key was made."""
    token = api_key(ledger, "entries:read")
    chain(ledger, [])
    return Reader(token)


def streamed(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.getvalue().splitlines()]


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(answer.content)
    assert answer["Content-Type"] == "application/problem+json"
    assert (answer.status_code, said["status"], said["code"]) == (status, status, code)
    assert said["type"] == f"/errors/{code}"
    assert said["title"]
    return said


def end_connection() -> None:
    """End the connection that this thread has, as a failing server would."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ((pid,),) = cursor.fetchall()
        with pytest.raises(DatabaseError):
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
