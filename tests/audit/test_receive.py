"""Receiving: a receipt for each event in the order sent, its id, and who sent it.

Retries and conflicts: test_receive_retries.py. What is never stored: test_receive_secrets.py.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from hashlib import sha256

import pytest
import rfc8785
from django.db import transaction

from audit.append import append_pending
from audit.models import Inbox, Ledger, Quarantine, SubjectKey
from audit.quarantine import CONFLICT
from audit.receive import Incoming, Sender, new_event_id, receive, receive_own
from tests.audit.receiving import receive_one, receiving_ledger, statuses, stored
from tests.conftest import EVENTS, GOVERNANCE, chain, entries, make_event, post

# --- Receipts -------------------------------------------------------------------------------------


def test_receipts_stand_in_the_order_sent_whatever_became_of_each(ledger: Ledger) -> None:
    known, taken, fresh = make_event(), make_event(), make_event()
    chain(ledger, [known, taken])

    receipts = post(
        ledger,
        [
            make_event(outcome="maybe"),
            fresh,
            known,
            taken | {"outcome": "denied"},
            b"{",
            fresh,
            make_event(category="change", action="change.approved"),
        ],
    )

    assert statuses(receipts) == [
        *("rejected", "received", "duplicate", "conflict", "rejected", "duplicate", "rejected")
    ]
    assert [each.index for each in receipts] == list(range(7))
    assert [each.id for each in receipts] == [
        *(None, fresh["id"], known["id"], taken["id"], None, fresh["id"], None)
    ]
    assert [each.seq for each in receipts] == [None, None, 0, None, None, None, None]
    assert [each.error and each.error["code"] for each in receipts] == [
        *("bad-value", None, None, "id-conflict", "not-json", None, "scope-missing")
    ]
    assert [each["id"] for each in stored(ledger)] == [fresh["id"]]


def test_one_post_is_one_row_with_its_events_in_order(ledger: Ledger) -> None:
    events = [make_event() for _ in range(5)]

    receipts = post(ledger, events)

    row = Inbox.objects.get(ledger=ledger)
    assert (row.count, [str(each) for each in row.event_ids]) == (5, [e["id"] for e in events])
    assert bytes(row.digests).hex() == "".join(each.digest or "" for each in receipts)
    assert [each.event_sha256 for each in receipts] == [
        sha256(line).hexdigest() for line in bytes(row.events).split(b"\n")
    ]
    assert (row.request_id, row.source_ids) == ("test", None)


def test_a_post_of_which_nothing_is_accepted_leaves_no_row(ledger: Ledger) -> None:
    receipts = post(ledger, [b"", b"[]", make_event(agent={})])

    assert statuses(receipts) == ["rejected"] * 3
    assert not Inbox.objects.filter(ledger=ledger).exists()
    assert not Quarantine.objects.filter(ledger=ledger).exists()


def test_an_event_twice_in_one_post_is_stored_once(ledger: Ledger) -> None:
    event = make_event()
    reordered = json.dumps(dict(reversed(event.items())), indent=3).encode()

    receipts = post(ledger, [event, reordered, event])

    assert statuses(receipts) == ["received", "duplicate", "duplicate"]
    assert len(stored(ledger)) == 1
    append_pending(ledger.id)
    assert len(entries(ledger)) == 1


def test_two_contents_under_one_id_in_one_post_are_both_kept(ledger: Ledger) -> None:
    event = make_event()
    other = event | {"outcome": "failure"}

    receipts = post(ledger, [event, other, other, event])

    assert statuses(receipts) == ["received", "conflict", "conflict", "duplicate"]
    kept = Quarantine.objects.get(ledger=ledger)  # one row per id and digest
    assert (kept.reason, kept.error, kept.key_id) == ("conflict", CONFLICT, "testkey1")
    assert json.loads(bytes(kept.event)) == other
    assert str(kept.event_id) == event["id"]


def test_two_posts_before_chaining_are_both_received_and_chained_once(ledger: Ledger) -> None:
    event = make_event()

    assert statuses(post(ledger, [event]) + post(ledger, [event])) == ["received", "received"]

    append_pending(ledger.id)
    assert len(entries(ledger)) == 1
    assert statuses(post(ledger, [event])) == ["duplicate"]


def test_ids_of_one_ledger_mean_nothing_in_another(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    other = receiving_ledger()

    assert statuses(post(other, [event | {"outcome": "failure"}])) == ["received"]


def test_events_are_lost_together_with_the_callers_transaction(ledger: Ledger) -> None:
    def break_off() -> None:
        with transaction.atomic():
            post(ledger, [make_event(data={"subject_ids": ["carol"]})])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()

    assert stored(ledger) == []
    assert not SubjectKey.objects.filter(ledger=ledger).exists()


# --- Ids ------------------------------------------------------------------------------------------


def test_an_event_without_an_id_is_given_one_and_told_which(ledger: Ledger) -> None:
    first, second = post(ledger, [make_event(id=None), make_event(id=None)])

    assert [each["id"] for each in stored(ledger)] == [first.id, second.id]
    assert first.id != second.id
    assert uuid.UUID(first.id).version == 7


def test_new_ids_are_UUIDv7_of_now_and_never_repeat() -> None:
    before = int(datetime.now(UTC).timestamp() * 1000)
    made = [new_event_id() for _ in range(2000)]
    after = int(datetime.now(UTC).timestamp() * 1000)

    assert len(set(made)) == 2000
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    assert all(before <= each.int >> 80 <= after for each in made)


def test_a_default_id_counts_only_where_the_event_has_none(ledger: Ledger) -> None:
    default = uuid.uuid4()
    event = make_event()

    without = receive_one(
        ledger, Incoming(raw=json.dumps(make_event(id=None)).encode(), default_id=default)
    )
    own = receive_one(ledger, Incoming(raw=json.dumps(event).encode(), default_id=default))

    assert (without.id, own.id) == (str(default), event["id"])


def test_an_id_in_capitals_or_without_hyphens_is_the_same_id(ledger: Ledger) -> None:
    event = make_event()
    chain(ledger, [event])
    capitals = event | {"id": event["id"].upper()}
    bare = event | {"id": event["id"].replace("-", "")}

    assert statuses(post(ledger, [capitals, bare])) == ["duplicate", "duplicate"]


# --- Source ---------------------------------------------------------------------------------------


def test_the_record_says_who_sent_it(ledger: Ledger) -> None:
    senders = [
        EVENTS,
        GOVERNANCE,
        Sender(via="api", scope="ops", scopes=EVENTS.scopes, key="opskey01", ip="192.0.2.7"),
        Sender(via="api", scope="events", scopes=EVENTS.scopes, key="oldkey01", backfill=True),
        Sender(via="admin", scope="governance", scopes=GOVERNANCE.scopes, user="Alice"),
    ]
    for sender in senders:
        post(ledger, [make_event()], sender=sender)
    receive_one(ledger, Incoming(raw=json.dumps(make_event()).encode(), source_id="order ☃ 7"))
    receive_own(ledger, "audit.config_changed")
    receive_own(ledger, "audit.config_changed", by="Bob")

    append_pending(ledger.id)

    assert [each.parsed()["source"] for each in entries(ledger)] == [
        {"key": "testkey1", "scope": "events", "via": "api"},
        {"key": "testkey2", "scope": "governance", "via": "api"},
        {"ip": "192.0.2.7", "key": "opskey01", "scope": "ops", "via": "api"},
        {"backfill": True, "key": "oldkey01", "scope": "events", "via": "api"},
        {"scope": "governance", "user": "Alice", "via": "admin"},
        {"id": "order ☃ 7", "key": "testkey1", "scope": "events", "via": "api"},
        {"scope": "server", "via": "server"},
        {"scope": "governance", "user": "Bob", "via": "admin"},
    ]
    for each in entries(ledger):
        assert rfc8785.dumps(each.parsed()) == bytes(each.record)


def test_only_the_post_with_foreign_ids_keeps_them_each_with_its_event(ledger: Ledger) -> None:
    receive(
        [
            Incoming(raw=json.dumps(make_event()).encode(), source_id=source_id)
            for source_id in (None, "seven", None)
        ],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=EVENTS,
        received_at=datetime.now(UTC),
    )

    append_pending(ledger.id)

    assert [each.parsed()["source"].get("id") for each in entries(ledger)] == [None, "seven", None]


def test_a_foreign_id_stays_as_it_was_sent_whatever_an_array_or_json_makes_of_it(
    ledger: Ledger,
) -> None:
    odd = ['"', "\\", '\\"', "{a,b}", "NULL", " ", "a\nb", "c\td", "é☃", ","]
    sender = Sender(
        via="api", scope="events", scopes=EVENTS.scopes, key="oldkey01", ip="::1", backfill=True
    )
    receive(
        [Incoming(raw=json.dumps(make_event()).encode(), source_id=each) for each in odd],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=sender,
        received_at=datetime.now(UTC),
    )

    append_pending(ledger.id)

    assert [each.parsed()["source"] for each in entries(ledger)] == [
        sender.as_dict() | {"id": each} for each in odd
    ]
    for each in entries(ledger):
        assert rfc8785.dumps(each.parsed()) == bytes(each.record)


def test_an_act_of_the_platform_is_an_event_like_any_other(ledger: Ledger) -> None:
    receipt = receive_own(
        ledger, "audit.exported", target={"type": "ledger", "id": "x"}, details={"n": 1}
    )

    append_pending(ledger.id)

    event = entries(ledger)[0].parsed()["event"]
    assert event["id"] == receipt.id
    assert (event["category"], event["agent"]) == ("audit", {"id": "platform"})
    assert event["actor"] == {"type": "system", "id": "platform"}
