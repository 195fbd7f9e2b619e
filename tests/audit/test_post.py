"""POST /api/v1/events: each row of the table of answers, through everything but the server.

Who may post what: test_post_trust.py. ?wait: test_post_wait.py. Ids that others give:
test_post_ids.py. Bad events: test_post_bad_events.py.
"""

from __future__ import annotations

import gzip
import json
import uuid
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection

from audit.append import append_pending
from audit.inflate import INFLATED_LIMIT, WIRE_LIMIT
from audit.models import Inbox, Ledger, Quarantine
from audit.post import EVENTS_LIMIT
from tests.audit.building import event_json
from tests.audit.posting import JSON, NDJSON, ApiKey, Sender, alice, fresh, stored
from tests.audit.tampering import AsRole
from tests.conftest import chain, entries, make_event

__all__ = ["alice", "fresh"]  # fixtures, which pytest finds by their names here


# --- 200, 202, 207 --------------------------------------------------------------------------------


def test_202_when_at_least_one_event_is_new(ledger: Ledger, alice: Sender) -> None:
    old, new = make_event(), make_event()
    chain(ledger, [old])

    status, said, answer = alice.post([old, new])

    assert status == 202
    assert answer["Content-Type"] == JSON
    assert {name: said[name] for name in ("received", "duplicate", "conflict", "rejected")} == {
        "received": 1, "duplicate": 1, "conflict": 0, "rejected": 0,
    }  # fmt: skip
    first, second = said["receipts"]
    assert (first["index"], first["id"], first["status"], first["seq"]) == (
        *(0, old["id"], "duplicate", 1),
    )
    assert second.keys() == {"index", "id", "status", "digest", "event_sha256", "error"}
    assert (second["index"], second["status"], second["error"]) == (1, "received", None)
    (held,) = Inbox.objects.filter(ledger=ledger)
    assert second["event_sha256"] == sha256(bytes(held.events)).hexdigest()
    assert second["digest"] == bytes(held.digests).hex()


def test_200_when_all_were_duplicates(ledger: Ledger, alice: Sender) -> None:
    event = make_event()
    chain(ledger, [event])

    status, said, _ = alice.post([event, event])

    assert (status, said["duplicate"]) == (200, 2)


def test_a_single_event_and_a_list_of_one_are_answered_alike(ledger: Ledger, alice: Sender) -> None:
    assert alice.status(make_event()) == (202, None)
    assert alice.status([make_event()]) == (202, None)
    assert len(stored(ledger)) == 2


def test_207_keeps_the_good_ones_in_the_order_sent(ledger: Ledger, alice: Sender) -> None:
    taken = make_event()
    chain(ledger, [taken])
    good = [make_event() for _ in range(3)]

    status, said, _ = alice.post(
        [good[0], make_event(outcome="?"), good[1], taken | {"outcome": "denied"}, good[2]]
    )

    assert status == 207
    assert [each["status"] for each in said["receipts"]] == [
        *("received", "rejected", "received", "conflict", "received")
    ]
    assert (said["received"], said["conflict"], said["rejected"]) == (3, 1, 1)
    assert [each["id"] for each in stored(ledger)] == [each["id"] for each in good]
    assert Quarantine.objects.filter(ledger=ledger).count() == 1


def test_ndjson_with_one_bad_line_keeps_the_good_ones(ledger: Ledger, alice: Sender) -> None:
    good = [make_event() for _ in range(4)]
    lines = [json.dumps(each).encode() for each in good]
    lines.insert(2, b'{"id":')
    lines.insert(1, b"   ")  # blank lines are no events

    status, said, _ = alice.post(b"\r\n".join(lines) + b"\n", media=NDJSON)

    assert status == 207
    assert [each["status"] for each in said["receipts"]] == [
        *("received", "received", "rejected", "received", "received")
    ]
    assert said["receipts"][2]["error"]["code"] == "not-json"
    assert [each["id"] for each in stored(ledger)] == [each["id"] for each in good]


def test_gzip_is_inflated(ledger: Ledger, alice: Sender) -> None:
    events = [make_event() for _ in range(3)]

    status, said, _ = alice.post(
        gzip.compress(json.dumps(events).encode()), Content_Encoding="gzip"
    )

    assert (status, said["received"]) == (202, 3)


# --- 400 and 422 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-json"),
        (b"hello", "not-json"),
        (b"[{}", "not-json"),
        (b"[]", "empty"),
        (b"[{},]", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b"{} {}", "not-json"),
    ],
)
def test_400_for_a_body_that_is_no_json_or_holds_nothing(
    alice: Sender, body: bytes, code: str
) -> None:
    assert alice.status(body) == (400, code)


def test_400_for_ndjson_without_a_line_and_gzip_that_is_none(alice: Sender) -> None:
    assert alice.status(b"\n \n", media=NDJSON) == (400, "empty")
    assert alice.status(b"[]", Content_Encoding="gzip") == (400, "gzip")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?wait=sealed!", "parameter"),
        ("?wait=", None),
        ("?backfill=1", "parameter"),
        ("?backfill=TRUE", "parameter"),
        ("?backfill=false", None),
        ("?dry_run=true", "parameter"),
        ("?wait=chained&x=%00", "parameter"),
    ],
)
def test_400_for_a_parameter_that_is_none(alice: Sender, query: str, code: str | None) -> None:
    expected = (202, None) if code is None else (400, code)

    assert alice.status(make_event(), query=query) == expected


def test_422_when_no_event_is_acceptable_names_path_and_limit(
    ledger: Ledger, alice: Sender
) -> None:
    status, said, _ = alice.post([make_event(outcome="?"), make_event(agent={"id": "a" * 201})])
    assert (status, said["code"]) == (422, "no-event-accepted")
    assert [each["error"]["path"] for each in said["receipts"]] == ["$.outcome", "$.agent.id"]
    assert "200" in said["receipts"][1]["error"]["message"]

    status, said, _ = alice.post(make_event(outcome="?"))
    assert (status, said["code"]) == (422, "bad-value")
    assert said["detail"].startswith("$.outcome: one of: ")
    assert stored(ledger) == []


# --- 409 ------------------------------------------------------------------------------------------


def test_409_for_a_single_event_whose_id_is_taken(ledger: Ledger, alice: Sender) -> None:
    event = make_event()
    chain(ledger, [event])

    status, said, _ = alice.post(event | {"outcome": "denied"})

    assert (status, said["code"]) == (409, "id-conflict")
    assert said["receipts"][0]["status"] == "conflict"
    assert Quarantine.objects.filter(ledger=ledger).count() == 1
    assert len(entries(ledger)) == 2


# --- 413 and 415 ----------------------------------------------------------------------------------


def test_413_beyond_each_of_the_three_limits(alice: Sender) -> None:
    assert alice.status(b" " * (WIRE_LIMIT + 1)) == (413, "body-too-large")
    big = gzip.compress(b" " * (INFLATED_LIMIT + 1), 1)
    assert alice.status(big, Content_Encoding="gzip") == (413, "body-too-large")
    many = b"[" + b",".join([b"{}"] * (EVENTS_LIMIT + 1)) + b"]"
    assert alice.status(many) == (413, "too-many-events")
    assert alice.status(b"{}\n" * (EVENTS_LIMIT + 1), media=NDJSON) == (413, "too-many-events")


def test_as_many_events_as_the_limit_are_taken(ledger: Ledger, alice: Sender) -> None:
    lines = [event_json(id=str(uuid.uuid4())) for _ in range(EVENTS_LIMIT)]

    status, said, _ = alice.post(b"\n".join(lines), media=NDJSON)

    assert (status, said["received"]) == (202, EVENTS_LIMIT)
    assert Inbox.objects.get(ledger=ledger).count == EVENTS_LIMIT


@pytest.mark.parametrize(
    "media", ["text/plain", "", "application/xml", "application/jsonx", "multipart/form-data"]
)
def test_415_for_another_type(alice: Sender, media: str) -> None:
    assert alice.status(b"{}", media=media or "  ") == (415, "media-type")


def test_415_for_another_encoding(alice: Sender) -> None:
    assert alice.status(b"{}", Content_Encoding="br") == (415, "encoding")


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_types_case_and_parameters_do_not_matter(alice: Sender, media: str) -> None:
    assert alice.status(make_event(), media=media) == (202, None)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_405_names_the_method_to_use(alice: Sender, method: str) -> None:
    answer = getattr(alice.client, method)("/api/v1/events")

    assert answer.status_code == 405
    assert "POST" in answer["Allow"]


# --- 429 and 503 ----------------------------------------------------------------------------------


def test_429_over_the_rate_and_over_the_quota(ledger: Ledger, api_key: ApiKey) -> None:
    slow = Sender(api_key(ledger, "events:write", events_per_second=1))
    assert slow.status([make_event(), make_event()]) == (202, None)
    assert slow.status([make_event(), make_event()]) == (429, "rate")

    few = Sender(api_key(ledger, "events:write", events_per_day=1))
    assert few.status([make_event(), make_event()]) == (429, "quota")
    assert few.status(make_event()) == (202, None)


def test_503_when_the_ledger_is_read_only(ledger: Ledger, alice: Sender, as_role: AsRole) -> None:
    as_role("owner").execute(
        "UPDATE audit_ledger SET is_read_only = true WHERE id = %s", (ledger.id,)
    )

    assert alice.status(make_event()) == (503, "ledger-read-only")
    assert stored(ledger) == []


def test_503_when_the_connection_is_lost_and_the_retry_is_harmless(
    ledger: Ledger, alice: Sender, as_role: AsRole
) -> None:
    first, second = make_event(), make_event()
    assert alice.status(first) == (202, None)
    superuser = as_role("superuser")
    superuser.execute(
        "SELECT pg_terminate_backend(%s, 5000)", (connection.connection.info.backend_pid,)
    )

    status, said, _ = alice.post([first, second])
    assert (status, said["code"]) == (503, "database")
    assert "send the same events" in said["detail"]

    connection.close()  # as the next request of a server does by itself
    assert alice.status([first, second]) == (202, None)
    append_pending(ledger.id)
    assert [str(each.event_id) for each in entries(ledger)[1:]] == [first["id"], second["id"]]


def test_503_when_the_insert_fails_and_nothing_is_half_done(
    ledger: Ledger, alice: Sender, as_role: AsRole
) -> None:
    event, conflicting = make_event(), make_event()
    chain(ledger, [conflicting])
    alice.status(make_event(id="?"))  # the key is remembered from here on
    owner = as_role("owner")
    body = [event, conflicting | {"outcome": "denied"}]
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    try:
        with owner.transaction():
            owner.execute("LOCK TABLE audit_quarantine IN ACCESS EXCLUSIVE MODE")
            assert alice.status(body) == (503, "database")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")

    assert stored(ledger) == []  # the insert into the inbox went back with the other
    assert alice.status(body) == (207, None)
    assert [each["id"] for each in stored(ledger)] == [event["id"]]


# --- What is kept with an event -------------------------------------------------------------------


def test_the_senders_address_is_recorded_only_where_configured(
    ledger: Ledger, alice: Sender, settings: Any
) -> None:
    alice.post(make_event())
    settings.RECORD_IP = True
    alice.post(make_event())

    append_pending(ledger.id)

    without, with_it = [each.parsed()["source"] for each in entries(ledger)[-2:]]
    assert "ip" not in without
    assert with_it["ip"] == "127.0.0.1"


def test_request_and_trace_stand_in_the_inbox(ledger: Ledger, alice: Sender) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    alice.post(make_event(), traceparent=parent, X_Request_ID="request-7")

    row = Inbox.objects.get(ledger=ledger)
    assert row.traceparent == parent
    assert row.request_id
