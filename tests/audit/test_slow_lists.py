"""A list that no index serves is stopped by Postgres, and the answer says how to narrow it.

Nothing is made slow for the test: the filter is one that anybody may ask for, the entries are real,
and only the time a list may take is shortened to what so few of them need.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from audit.append import append_pending
from audit.models import Head, Ledger
from tests.audit.desk import auditor, get, main_ledger
from tests.conftest import make_event, post

__all__ = ["auditor", "main_ledger"]  # fixtures, which pytest finds by their names here

MANY = 20_000
ONE_POST = 5_000
LEAST_SECONDS = 0.001
"""The shortest limit Postgres has: what it reads in it is far less than MANY entries."""
UNSERVED = "severity=critical&environment=staging"
"""Two columns without an index, and values that no entry here has: all must be read."""


@pytest.fixture
def many(ledger: Ledger) -> Ledger:
    """Return a ledger of so many entries that one without an index takes a while to search."""
    for _ in range(MANY // ONE_POST):
        post(ledger, [make_event() for _ in range(ONE_POST)])
    append_pending(ledger.id)
    assert Head.objects.get(ledger=ledger).size == MANY
    return ledger


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("audit.admin.entries", "audit.api"):
        monkeypatch.setattr(f"{module}.LIST_SECONDS", LEAST_SECONDS)


def test_a_filter_that_no_index_serves_ends_with_what_to_do(
    auditor: Client,
    many: Ledger,
    api_key: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"/admin/audit/entry/?ledger={many.name}&{UNSERVED}"
    asked = f"/api/v1/entries?{UNSERVED}"
    headers = {"Authorization": f"Bearer {api_key(many, 'entries:read')}"}
    assert "No entry matches" in get(auditor, address)
    assert answer_of(asked, headers)[0] == 200

    shorten(monkeypatch)
    page = html.unescape(get(auditor, address))
    status, problem = answer_of(asked, headers)

    assert "Nothing is shown, since the list took too long." in page
    assert f"no index serves this filter over {MANY:,} entries" in page
    assert "Add an agent, an actor, an action, a run, a trace or a shorter time range" in page
    assert "No entry matches" not in page, "that is not known"
    assert "severity" in page, "the chips stay, so that one can be changed"
    assert (status, problem["code"]) == (422, "query-too-slow")
    assert "Narrow it: a shorter time range, an agent" in problem["detail"]


def answer_of(address: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    answer = Client().get(address, headers=headers)
    return answer.status_code, json.loads(answer.content)
