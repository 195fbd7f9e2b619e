"""What ingest, append and seal count of themselves, as they gather it."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from audit import measures, seal
from audit.admit import forget_limits
from audit.append import append_pending
from audit.auth import forget_keys
from audit.models import Ledger
from audit.signer import make_key
from tests.conftest import chain, make_event, post

Series = dict[tuple[str, ...], int]


@pytest.fixture(autouse=True)
def _gathering(database: None) -> Iterator[None]:
    forget_keys()
    forget_limits()
    measures.gather(False)
    measures.gather(True)
    yield
    measures.gather(False)


def gathered() -> dict[str, Series]:
    """Return how much was counted, or how often observed, by family and labels."""
    found: dict[str, Series] = {}
    for family, labels, number, _ in measures.drain():
        found.setdefault(family, Counter())[labels] += number
    return found


def send(token: str, events: list[Any] | bytes, *, query: str = "") -> int:
    answer = Client().post(
        f"/api/v1/events{query}",
        data=events if isinstance(events, bytes) else json.dumps(events).encode(),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer.status_code


def test_a_post_counts_its_key_its_size_and_what_was_not_taken(
    ledger: Ledger, api_key: Callable[..., str]
) -> None:
    token = api_key(ledger, "events:write")
    twice = make_event()
    events = [
        twice,
        twice,
        make_event(action="no.such"),
        make_event(details={"long": "x" * 300_000}),
        make_event(action="approval.granted", category="approval"),
    ]

    assert send(token, events) == 207

    found = gathered()
    assert found["obs_auth_attempts_total"] == {("api_key", "success"): 1}
    assert found["obs_ingest_batch_events"] == {(ledger.name,): 1}
    assert found["obs_cache_requests_total"] == {("api_keys", "miss"): 1}
    reasons = {reason: n for (reason, _), n in found["obs_ingest_rejected_total"].items()}
    assert reasons["duplicate"] == 1
    assert sum(reasons.values()) == 4
    assert reasons.keys() <= {"duplicate", "validation", "size", "auth"}


def test_a_post_that_is_refused_whole_counts_once(
    ledger: Ledger, api_key: Callable[..., str]
) -> None:
    token = api_key(ledger, "events:write")
    reading = api_key(ledger, "entries:read")
    gathered()

    refused = [
        send(token + "x", [make_event()]),
        send(reading, [make_event()]),
        send(token, b"[]"),
        send(token, [make_event()], query="?wait=no"),
        send(token, [make_event() for _ in range(5_001)]),
    ]

    assert refused == [401, 403, 400, 400, 413]
    found = gathered()
    assert found["obs_ingest_rejected_total"] == {
        ("auth", "_none"): 1,
        ("auth", ledger.name): 1,
        ("validation", ledger.name): 2,
        ("size", ledger.name): 1,
    }
    assert found["obs_auth_attempts_total"] == {
        ("api_key", "denied"): 1,
        ("api_key", "success"): 4,
    }


def test_a_request_without_a_key_is_no_attempt(ledger: Ledger) -> None:
    assert Client().post("/api/v1/events", data=b"{}", content_type="application/json")

    assert "obs_auth_attempts_total" not in gathered()


def test_each_entry_counts_once_on_its_way_to_chain_and_seal(
    ledger: Ledger, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path / "signing"
    make_key(ledger.name, origin=ledger.origin)
    chain(ledger, [make_event() for _ in range(7)])
    chain(ledger, [make_event() for _ in range(5)])

    assert seal.seal(ledger) is not None

    found = gathered()
    assert found["obs_ingest_lag_seconds"] == {
        ("chained", ledger.name): 12,
        ("sealed", ledger.name): 12,
    }
    # One line of log in some stands for the rest, and may be one of these.
    overhead = found["obs_observability_overhead_seconds_total"].keys()
    assert overhead - {("logging",)} == {("audit",)}


def test_of_a_long_stretch_some_entries_stand_for_the_rest(
    ledger: Ledger, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal, "_LONG_STRETCH", 10)
    monkeypatch.setattr(seal, "_LOOKS", 5)
    settings.SIGNING_DIR = tmp_path / "signing"
    make_key(ledger.name, origin=ledger.origin)
    chain(ledger, [make_event() for _ in range(23)])

    assert seal.seal(ledger) is not None

    assert gathered()["obs_ingest_lag_seconds"]["sealed", ledger.name] == 23


def test_what_is_found_to_be_a_duplicate_when_it_is_chained_is_counted(ledger: Ledger) -> None:
    event = make_event(id=str(uuid.uuid4()))
    post(ledger, [event])
    post(ledger, [event])
    gathered()

    append_pending(ledger.id)

    found = gathered()
    assert found["obs_ingest_rejected_total"] == {("duplicate", ledger.name): 1}
    assert found["obs_ingest_lag_seconds"] == {("chained", ledger.name): 1}
