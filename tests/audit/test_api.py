from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import api as reading
from audit import auth, query
from audit.ledgers import open_ledger
from audit.models import Head, Ledger
from audit.problems import as_problems
from audit.seal import seal
from audit.signer import make_key as make_signing_key
from tests.conftest import chain, entries, make_event, post

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


# --- The list -------------------------------------------------------------------------------------


def test_the_list_is_newest_first_and_goes_on_where_it_ended(ledger: Ledger, alice: Reader) -> None:
    chain(ledger, [make_event() for _ in range(4)])

    first = alice.get("entries?limit=2").json()
    second = alice.get(f"entries?limit=2&after={first['next']}").json()
    third = alice.get(f"entries?limit=2&after={second['next']}").json()

    assert [[item["seq"] for item in page["items"]] for page in (first, second, third)] == [
        [4, 3],
        [2, 1],
        [0],
    ]
    assert third["next"] is None


def test_an_item_is_the_entry_with_its_record_as_stored(ledger: Ledger, alice: Reader) -> None:
    *_, before, entry = chain(ledger, [make_event(duration_ms=1e21, details={"z": 1.5, "a": "ü"})])

    answer = alice.get("entries")
    item = answer.json()["items"][0]

    assert bytes(entry.record) in answer.content  # not a byte of it changes form
    assert item["record"] == entry.parsed()
    assert {name: item[name] for name in item if name != "record"} == {
        "ledger": ledger.name,
        "seq": 1,
        "hash": entry.hash,
        "prev": before.hash,
        "received_at": entry.parsed()["received_at"],
        "state": "chained",
    }


def test_a_filter_narrows_the_list(ledger: Ledger, alice: Reader) -> None:
    chain(ledger, [make_event(outcome=outcome) for outcome in ("success", "denied", "error")])

    found = alice.get("entries?outcome=denied&outcome=error").json()["items"]

    assert [item["record"]["event"]["outcome"] for item in found] == ["error", "denied"]


def test_what_cannot_be_read_is_named(alice: Reader) -> None:
    answer = alice.get("entries?agnet=alice&from=2026-11-20&limit=0&limit=1")

    said = assert_problem(answer, 400, "parameter")
    assert [error["name"] for error in said["errors"]] == ["agnet", "from", "limit"]
    assert all(error["name"] in said["detail"] for error in said["errors"])


def test_a_cursor_of_nobody_is_refused(alice: Reader) -> None:
    said = assert_problem(alice.get("entries?after=newest"), 400, "parameter")

    assert [error["name"] for error in said["errors"]] == ["after"]


def test_a_list_that_takes_too_long_says_how_to_narrow_it(
    ledger: Ledger, alice: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain(ledger, [make_event() for _ in range(3)])
    monkeypatch.setattr(reading, "LIST_SECONDS", 0.05)
    monkeypatch.setattr(query.EntryFilter, "apply", slowly(query.EntryFilter.apply))

    said = assert_problem(alice.get("entries"), 422, "query-too-slow")

    assert "Narrow it" in said["detail"]


def slowly(apply: Any) -> Any:
    """Make each row of a list cost Postgres a second."""
    from django.db.models import F
    from django.db.models.expressions import RawSQL

    def slow(self: query.EntryFilter, rows: Any) -> Any:
        seconds = RawSQL("(SELECT 1 FROM pg_sleep(1))", [])
        return apply(self, rows).annotate(slept=seconds).filter(slept=F("slept"))

    return slow


# --- The stream -----------------------------------------------------------------------------------


def test_the_stream_gives_every_record_byte_for_byte_oldest_first(
    ledger: Ledger, alice: Reader
) -> None:
    chained = chain(ledger, [make_event(details={"n": n, "é": "\u2028"}) for n in range(250)])

    answer = alice.get("entries", Accept=NDJSON)
    lines = streamed(answer)

    assert answer["Content-Type"] == NDJSON
    assert [line["seq"] for line in lines] == list(range(251))
    assert [line["record"].encode() for line in lines] == [bytes(entry.record) for entry in chained]
    assert all(
        sha256(b"\0" + line["record"].encode()).hexdigest() == line["hash"] for line in lines
    )


def test_the_stream_of_a_filter_holds_its_matches_alone(ledger: Ledger, alice: Reader) -> None:
    chain(ledger, [make_event(run={"id": f"run-{n % 3}"}) for n in range(9)])

    lines = streamed(alice.get("entries?run=run-1", Accept=NDJSON))

    assert [line["seq"] for line in lines] == [2, 5, 8]


def test_a_stream_without_a_match_is_empty(alice: Reader) -> None:
    assert streamed(alice.get("entries?agent=nobody", Accept=NDJSON)) == []


def test_a_growing_ledger_ends_the_stream_where_it_began(
    ledger: Ledger, alice: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "CHUNK", 2)
    monkeypatch.setattr(reading, "_LINES_AT_ONCE", 1)
    chain(ledger, [make_event() for _ in range(4)])

    answer = alice.get("entries", Accept=NDJSON)
    chain(ledger, [make_event() for _ in range(5)])

    assert [line["seq"] for line in streamed(answer)] == [0, 1, 2, 3, 4]


def test_a_stream_that_breaks_says_so_in_its_last_line(
    ledger: Ledger, alice: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "CHUNK", 2)
    monkeypatch.setattr(reading, "_LINES_AT_ONCE", 1)
    chain(ledger, [make_event() for _ in range(4)])
    running = iter(alice.get("entries", Accept=NDJSON).streaming_content)

    lines = [next(running), next(running)]
    end_connection()
    lines.append(next(running))

    assert [json.loads(line).get("seq") for line in lines] == [0, 1, None]
    assert json.loads(lines[-1])["code"] == "stream-broken"
    with pytest.raises(DatabaseError):
        next(running)
    connection.close()


def end_connection() -> None:
    """End the connection that this thread has, as a failing server would."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ((pid,),) = cursor.fetchall()
        with pytest.raises(DatabaseError):
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


def test_a_stream_has_no_pages(alice: Reader) -> None:
    said = assert_problem(alice.get("entries?limit=5&after=3", Accept=NDJSON), 400, "parameter")

    assert {error["name"] for error in said["errors"]} == {"limit", "after"}


def test_the_first_choice_of_the_client_decides(ledger: Ledger, alice: Reader) -> None:
    chain(ledger, [make_event()])

    for accepted, kind in (
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/json, application/x-ndjson", "application/json"),
        ("application/x-ndjson, application/json;q=0.5", NDJSON),
    ):
        assert alice.get("entries", Accept=accepted)["Content-Type"] == kind


# --- One entry, one event, the ledger -----------------------------------------------------------


def test_an_entry_has_two_addresses(ledger: Ledger, alice: Reader) -> None:
    chained = chain(ledger, [make_event(), make_event()])

    by_seq = alice.get(f"entries/{ledger.name}/1").json()
    by_hash = alice.get(f"entries/by-hash/{chained[1].hash.upper()}").json()

    assert by_seq == by_hash
    assert by_seq["prev"] == chained[0].hash


@pytest.mark.parametrize("place", ["9", str(2**63 - 1)])
def test_an_entry_beyond_the_end_is_not_found(ledger: Ledger, alice: Reader, place: str) -> None:
    assert_problem(alice.get(f"entries/{ledger.name}/{place}"), 404, "not-found")


@pytest.mark.parametrize("place", ["-1", "x", str(2**63), "1.5"])
def test_a_seq_that_is_none_is_refused(ledger: Ledger, alice: Reader, place: str) -> None:
    said = assert_problem(alice.get(f"entries/{ledger.name}/{place}"), 400, "parameter")

    assert [error["name"] for error in said["errors"]] == ["seq"]


def test_a_hash_of_nothing_is_not_found(alice: Reader) -> None:
    assert_problem(alice.get("entries/by-hash/" + "0" * 64), 404, "not-found")
    assert_problem(alice.get("entries/by-hash/0"), 400, "parameter")


def test_an_event_is_received_then_chained(ledger: Ledger, alice: Reader) -> None:
    event = make_event()
    post(ledger, [make_event(), event, make_event()])
    before = alice.get(f"events/{event['id']}").json()

    chain(ledger, [])
    after = alice.get(f"events/{event['id'].upper()}").json()

    assert before == {
        "id": event["id"],
        "ledger": ledger.name,
        "state": "received",
        "seq": None,
        "hash": None,
        "reason": None,
        "purge": None,
    }
    assert after == before | {"state": "chained", "seq": 2, "hash": entries(ledger)[2].hash}


def test_what_a_checkpoint_covers_is_sealed_everywhere(
    ledger: Ledger, alice: Reader, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path
    make_signing_key(ledger.name, origin=ledger.origin)
    old, new = make_event(), make_event()
    chain(ledger, [old])
    seal(ledger)
    sealed = Head.objects.get(ledger=ledger).size
    chain(ledger, [new])

    assert alice.get(f"events/{old['id']}").json()["state"] == "sealed"
    assert alice.get(f"events/{new['id']}").json()["state"] == "chained"
    for item in alice.get("entries").json()["items"]:
        assert item["state"] == ("sealed" if item["seq"] < sealed else "chained")
    assert alice.get(f"entries/{ledger.name}/0").json()["state"] == "sealed"


def test_an_event_whose_id_was_taken_by_other_content_stays_chained(
    ledger: Ledger, alice: Reader
) -> None:
    event = make_event()
    chain(ledger, [event])
    post(ledger, [event | {"outcome": "denied"}])

    assert alice.get(f"events/{event['id']}").json()["state"] == "chained"


def test_an_event_that_could_not_be_chained_is_quarantined(
    ledger: Ledger, alice: Reader, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    lost = uuid.uuid4()
    as_role("web").execute(
        "INSERT INTO audit_quarantine"
        " (received_at, ledger_id, event_id, digest, reason, error, source, event)"
        " VALUES (%s, %s, %s, %s, 'refused', '22P05', '{}', '{}')",
        [timezone.now(), ledger.id, lost, bytes(32)],
    )

    said = alice.get(f"events/{lost}").json()

    assert (said["state"], said["reason"], said["seq"]) == ("quarantined", "refused", None)


def test_an_event_nobody_knows_is_not_found(alice: Reader) -> None:
    assert_problem(alice.get(f"events/{uuid.uuid4()}"), 404, "not-found")
    assert_problem(alice.get("events/7"), 400, "parameter")


def test_the_ledger_of_the_key_is_listed_with_its_head(ledger: Ledger, api_key: ApiKey) -> None:
    reader = Reader(api_key(ledger, "entries:read"))
    empty = reader.get("ledgers").json()
    chained = chain(ledger, [make_event()])
    filled = reader.get("ledgers").json()

    assert empty["items"] == [
        {"name": ledger.name, "size": 0, "hash": "0" * 64, "received_at": None, "minimum_index": 0}
    ]
    assert filled == {
        "items": [
            {
                "name": ledger.name,
                "size": 2,
                "hash": chained[1].hash,
                "received_at": chained[1].parsed()["received_at"],
                "minimum_index": 0,
            }
        ],
        "next": None,
    }


# --- A record that somebody damaged ---------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"[" * 60_000, b'{"a":NaN}', b"7"])
def test_a_damaged_record_is_shown_as_its_bytes(
    ledger: Ledger,
    alice: Reader,
    as_role: Callable[[str], psycopg.Connection[Any]],
    damage: bytes,
) -> None:
    add_damaged(as_role("superuser"), ledger, damage)

    item = alice.get(f"entries/{ledger.name}/1").json()
    _, line = streamed(alice.get("entries", Accept=NDJSON))

    assert item["record"] is None
    assert item["record_base64"]
    assert line["record"] == (None if damage[0] > 127 else damage.decode())


def add_damaged(superuser: psycopg.Connection[Any], ledger: Ledger, record: bytes) -> None:
    """Add entry 1 with a record that no code of ours would write."""
    with superuser.transaction():
        superuser.execute(
            """
            INSERT INTO audit_entry (
                seq, received_at, occurred_at, ledger_id, is_backfill, event_id, hash, agent_id,
                actor_id, category, action, outcome, severity, environment, record
            )
            SELECT 1, received_at, occurred_at, ledger_id, is_backfill, %s, sha256(%s), agent_id,
                actor_id, category, action, outcome, severity, environment, %s
            FROM audit_entry
            WHERE ledger_id = %s AND seq = 0
            """,
            [uuid.uuid4(), record, record, ledger.id],
        )
        superuser.execute("UPDATE audit_head SET size = 2 WHERE ledger_id = %s", [ledger.id])


# --- Who may read ---------------------------------------------------------------------------------

GETS = (
    "entries",
    "entries/{ledger}/0",
    "entries/by-hash/" + "0" * 64,
    "events/" + str(uuid.UUID(int=7)),
    "ledgers",
)


@pytest.mark.parametrize("address", GETS)
def test_without_a_key_nothing_is_read(ledger: Ledger, address: str) -> None:
    answer = Client().get("/api/v1/" + address.format(ledger=ledger.name))

    assert_problem(answer, 401, "key-missing")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("address", GETS)
def test_a_key_that_may_only_write_reads_nothing(
    ledger: Ledger, api_key: ApiKey, address: str
) -> None:
    bob = Reader(api_key(ledger, "events:write"))

    assert_problem(bob.get(address.format(ledger=ledger.name)), 403, "scope-missing")


def test_an_unknown_key_is_told_nothing_of_itself(ledger: Ledger) -> None:
    _, token = auth.mint()

    answer = Reader(token).get("entries")

    assert_problem(answer, 401, "key-unknown")
    assert token not in answer.content.decode()


def test_a_key_reads_its_own_ledger_only(ledger: Ledger, alice: Reader) -> None:
    other = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    event = make_event()
    (secret,) = chain(other, [event])

    for name in (other.name, "no.such.ledger"):
        assert_problem(alice.get(f"entries?ledger={name}"), 403, "wrong-ledger")
        assert_problem(
            alice.get(f"entries?ledger={ledger.name}&ledger={name}"), 403, "wrong-ledger"
        )
        assert_problem(alice.get(f"entries/{name}/0"), 403, "wrong-ledger")
        assert_problem(alice.get(f"entries?ledger={name}", Accept=NDJSON), 403, "wrong-ledger")
    assert_problem(alice.get(f"entries/by-hash/{secret.hash}"), 404, "not-found")
    assert_problem(alice.get(f"events/{event['id']}"), 404, "not-found")
    assert {item["ledger"] for item in alice.get("entries").json()["items"]} == {ledger.name}


def test_cookies_open_nothing_and_none_is_set(
    ledger: Ledger, alice: Reader, django_user_model: Any
) -> None:
    root = django_user_model.objects.create_superuser(f"root-{uuid.uuid4().hex}")
    signed_in = Client()
    signed_in.force_login(root)

    with CaptureQueriesContext(connection) as queries:
        assert_problem(signed_in.get("/api/v1/entries"), 401, "key-missing")
    assert not queries.captured_queries  # the session was not even looked up
    for address in ("entries", "docs", "openapi.json", "nowhere"):
        answer = alice.get(address, Origin="https://elsewhere.example")
        assert not answer.cookies
        assert "Access-Control-Allow-Origin" not in answer


# --- Problems -------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["", "nowhere", "entries/", "entries/a/b/c", "../v2/entries"])
def test_an_address_that_is_none_is_a_problem(alice: Reader, address: str) -> None:
    assert_problem(alice.get(address), 404, "not-found")


@pytest.mark.parametrize("address", ["entries", "ledgers", "nowhere", "events/7"])
def test_reading_changes_nothing_whatever_the_method(alice: Reader, address: str) -> None:
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(alice.client, method)(f"/api/v1/{address}")

        if address == "nowhere":
            assert_problem(answer, 404, "not-found")
        else:
            said = assert_problem(answer, 405, "method-not-allowed")
            assert answer["Allow"] == "GET"
            assert "GET" in said["detail"]


def test_getting_the_address_of_posts_is_a_problem(alice: Reader) -> None:
    assert_problem(alice.get("events"), 405, "method-not-allowed")


def test_a_wrong_host_is_a_problem(alice: Reader) -> None:
    assert_problem(alice.get("entries", Host="^"), 400, "bad-request")


def test_too_many_parameters_are_a_problem(alice: Reader) -> None:
    many = "&".join(f"x{n}=1" for n in range(1500))

    assert_problem(alice.get(f"entries?{many}"), 400, "bad-request")


def test_a_database_that_breaks_off_is_503_with_the_way_back(ledger: Ledger, alice: Reader) -> None:
    alice.get("ledgers")  # the key is remembered now
    end_connection()

    answer = alice.get("ledgers")
    connection.close()

    assert_problem(answer, 503, "database")
    assert answer["Retry-After"] == "1"


def test_a_defect_of_ours_is_told_without_its_traceback() -> None:
    def fails(_request: HttpRequest) -> HttpResponse:
        raise RuntimeError("hunter2")

    answer = as_problems(fails)(RequestFactory().get("/api/v1/entries"))

    assert_problem(answer, 500, "internal-error")
    assert isinstance(answer, HttpResponse)
    assert b"hunter2" not in answer.content
