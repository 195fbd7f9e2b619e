"""Appending: every accepted event in exactly one place, whatever the inbox holds."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from hashlib import sha256

from audit.append import append_once, append_pending
from audit.models import EventKey, Head, Inbox, Ledger, Quarantine
from audit.verify import verify
from tests.conftest import chain, entries, make_event, post


def test_events_are_chained_in_the_order_received_without_gaps(ledger: Ledger) -> None:
    events = [make_event() for _ in range(7)]
    post(ledger, events[:3])
    post(ledger, events[3:])

    made = append_pending(ledger.id)

    assert made == 7
    chained = entries(ledger)
    assert [each.seq for each in chained] == list(range(7))
    assert [str(each.event_id) for each in chained] == [e["id"] for e in events]
    assert not Inbox.objects.filter(ledger=ledger).exists()


def test_each_record_carries_the_hash_before_it(ledger: Ledger) -> None:
    chained = chain(ledger, [make_event() for _ in range(3)])

    prevs = [json.loads(bytes(each.record))["prev"] for each in chained]

    assert prevs == ["0" * 64, chained[0].hash, chained[1].hash]
    assert chained[1].hash == sha256(b"\x00" + bytes(chained[1].record)).hexdigest()
    head = Head.objects.get(ledger=ledger)
    assert (head.size, head.hash) == (3, chained[2].hash)


def test_second_delivery_is_dropped_and_counted(ledger: Ledger) -> None:
    event = make_event()
    post(ledger, [event])
    post(ledger, [event])

    done = append_once(ledger.id, batch=100)

    assert done is not None
    assert (done.entries, done.duplicates, done.quarantined) == (1, 1, 0)


def test_same_id_with_other_content_is_quarantined(ledger: Ledger) -> None:
    event = make_event()
    post(ledger, [event])
    post(ledger, [event | {"outcome": "failure"}])

    done = append_once(ledger.id, batch=100)

    assert done is not None
    assert (done.entries, done.quarantined) == (1, 1)
    kept = Quarantine.objects.get(ledger=ledger)
    assert kept.reason == "conflict"
    assert json.loads(bytes(kept.event))["outcome"] == "failure"


def test_an_event_that_postgres_refuses_never_stops_its_neighbours(ledger: Ledger) -> None:
    good = [make_event() for _ in range(20)]
    post(ledger, good[:10])
    _put_into_inbox(ledger, json.dumps(make_event(action="a\0b")).encode())
    post(ledger, good[10:])

    append_pending(ledger.id)

    assert [str(each.event_id) for each in entries(ledger)] == [e["id"] for e in good]
    kept = Quarantine.objects.get(ledger=ledger)
    assert kept.reason == "refused"
    assert verify(ledger).result == "intact"


def test_an_inbox_row_that_is_no_event_is_kept_whole_in_quarantine(ledger: Ledger) -> None:
    for garbage in (b"", b"\xff\xfe", b"[1]", b'{"id":1}', b"{" * 100):
        _put_into_inbox(ledger, garbage)
    post(ledger, [make_event()])

    append_pending(ledger.id)

    assert len(entries(ledger)) == 1
    kept = Quarantine.objects.filter(ledger=ledger)
    assert {bytes(each.event) for each in kept} == {
        b"",
        b"\xff\xfe",
        b"[1]",
        b'{"id":1}',
        b"{" * 100,
    }


def test_a_record_over_the_limit_goes_to_quarantine(ledger: Ledger) -> None:
    _put_into_inbox(ledger, json.dumps(make_event(details={"x": "y" * 66_000})).encode())

    append_pending(ledger.id)

    assert Quarantine.objects.get(ledger=ledger).error.startswith("23514")
    assert entries(ledger) == []


def test_every_entry_has_its_event_key(ledger: Ledger) -> None:
    chained = chain(ledger, [make_event() for _ in range(5)])

    keys = EventKey.objects.filter(ledger=ledger).order_by("seq")

    assert [(k.seq, k.event_id) for k in keys] == [(e.seq, e.event_id) for e in chained]


def test_a_batch_smaller_than_the_inbox_leaves_the_rest_for_the_next(ledger: Ledger) -> None:
    for _ in range(6):
        post(ledger, [make_event(), make_event()])

    first = append_once(ledger.id, batch=5)
    made = append_pending(ledger.id, batch=5)

    assert first is not None
    assert first.entries == 6  # whole posts: the third reaches over the batch
    assert made == 6


def _put_into_inbox(ledger: Ledger, event: bytes) -> None:
    """Store what no API would accept, as a defect of ours might."""
    from audit.database import raw_cursor

    with raw_cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audit_inbox
                (ledger_id, received_at, count, event_ids, digests, source, events)
            VALUES (%s, %s, 1, %s, %s, %s, %s)
            """,
            (
                ledger.id,
                datetime.now(UTC),
                [uuid.uuid4()],
                uuid.uuid4().bytes * 2,
                b'{"scope":"events","via":"api"}',
                event,
            ),
        )
