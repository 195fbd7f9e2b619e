"""Telling of quarantine: conflicts summed by key, everything else one by one, each once."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from audit.announce import announce_quarantined
from audit.append import append_pending
from audit.database import raw_cursor
from audit.ledgers import open_ledger
from audit.models import Inbox, Ledger, Quarantine
from audit.receive import Sender
from tests.conftest import EVENTS, chain, entries, make_event, post


def sender(key: str) -> Sender:
    return Sender(via="api", scope="events", scopes=EVENTS.scopes, key=key)


def told(ledger: Ledger) -> list[dict[str, Any]]:
    """Chain what waits and return the platform's events about quarantine."""
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in events if each["category"] == "audit"]


def conflict(ledger: Ledger, event: dict[str, Any], *, key: str, times: int) -> None:
    for n in range(times):
        (receipt,) = post(ledger, [event | {"details": {key: n}}], sender=sender(key))
        assert receipt.status == "conflict"


def put_into_inbox(ledger: Ledger, event: bytes, *, source: str = '"key":"brokenkey",') -> None:
    """Store what no API would accept, as a defect of ours might."""
    with raw_cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_inbox (ledger_id, received_at, count, event_ids, digests, source, "
            "events) VALUES (%s, %s, 1, %s, %s, %s, %s)",
            (
                ledger.id,
                datetime.now(UTC),
                [uuid.uuid4()],
                uuid.uuid4().bytes * 2,
                b'{%s"scope":"events","via":"api"}' % source.encode(),
                event,
            ),
        )


def test_conflicts_are_summed_for_each_key(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    conflict(ledger, event, key="alicekey", times=3)
    conflict(ledger, event, key="bobbykey", times=2)

    assert announce_quarantined(ledger) == 5

    events = told(ledger)
    assert [(each["action"], each["target"]["id"], each["details"]) for each in events] == [
        ("audit.id_conflict", "alicekey", {"count": 3}),
        ("audit.id_conflict", "bobbykey", {"count": 2}),
    ]


def test_conflicts_found_by_append_are_told_with_those_found_by_receive(ledger: Ledger) -> None:
    event = make_event()
    post(ledger, [event], sender=sender("alicekey"))
    post(ledger, [event | {"outcome": "denied"}], sender=sender("alicekey"))
    append_pending(ledger.id)
    conflict(ledger, event, key="alicekey", times=1)

    announce_quarantined(ledger)

    assert [each["details"] for each in told(ledger)] == [{"count": 2}]


def test_anything_else_is_told_one_by_one_with_its_reason(ledger: Ledger) -> None:
    put_into_inbox(ledger, b"no event")
    put_into_inbox(ledger, json.dumps(make_event(action="a\0b")).encode())
    put_into_inbox(ledger, b"{}\n{}")
    append_pending(ledger.id)

    assert announce_quarantined(ledger) == 3

    kept = Quarantine.objects.filter(ledger=ledger).order_by("id")
    events = told(ledger)
    assert [each["action"] for each in events] == ["audit.event_quarantined"] * 3
    assert [each["target"] for each in events] == [
        {"type": "event", "id": str(each.event_id)} for each in kept
    ]
    assert [each["error"]["type"] for each in events] == [each.reason for each in kept]
    assert {each["details"]["key"] for each in events} == {"brokenkey", ""}
    assert all(each["outcome"] == "error" for each in events)


def test_the_second_call_tells_nothing(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    conflict(ledger, event, key="alicekey", times=2)
    assert announce_quarantined(ledger) == 2

    assert announce_quarantined(ledger) == 0

    assert len(told(ledger)) == 1
    conflict(ledger, event | {"severity": "low"}, key="alicekey", times=1)
    assert announce_quarantined(ledger) == 1
    assert [each["details"]["count"] for each in told(ledger)] == [2, 1]


def test_a_repeated_conflict_is_one_row_and_told_once(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    for _ in range(5):
        post(ledger, [event | {"outcome": "denied"}], sender=sender("alicekey"))

    assert announce_quarantined(ledger) == 1
    post(ledger, [event | {"outcome": "denied"}], sender=sender("alicekey"))
    assert announce_quarantined(ledger) == 0


def test_a_flood_of_conflicts_is_told_in_turns_of_a_thousand(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    post(
        ledger,
        [event | {"details": {"n": n}} for n in range(1200)],
        sender=sender("alicekey"),
    )

    assert [announce_quarantined(ledger) for _ in range(3)] == [1000, 200, 0]

    assert [each["details"]["count"] for each in told(ledger)] == [1000, 200]


def test_what_was_not_committed_is_told_the_next_time(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    conflict(ledger, event, key="alicekey", times=1)

    def break_off() -> None:
        with transaction.atomic():
            announce_quarantined(ledger)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()

    assert not Inbox.objects.filter(ledger=ledger).exists()
    assert announce_quarantined(ledger) == 1


def test_one_ledgers_quarantine_is_not_told_in_another(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    conflict(ledger, event, key="alicekey", times=1)
    other = open_ledger(f"t.{uuid.uuid4().hex[:16]}")

    assert announce_quarantined(other) == 0
    assert announce_quarantined(ledger) == 1
