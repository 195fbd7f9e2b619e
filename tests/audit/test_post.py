"""POST /api/v1/events: each row of the table of answers, through everything but the server."""

from __future__ import annotations

import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections
from django.test import Client

from audit import auth, cloudevents
from audit.actions import ACTIONS
from audit.admit import forget_limits
from audit.append import append_pending
from audit.auth import forget_keys
from audit.inflate import INFLATED_LIMIT, WIRE_LIMIT
from audit.models import AgentKey, Entry, Inbox, Ledger, Quarantine
from audit.post import EVENTS_LIMIT
from audit.seal import seal
from audit.sealed import sealed_size
from audit.signer import make_key
from tests.audit.building import event_json, full_event, with_tail
from tests.conftest import chain, entries, make_event

ApiKey: TypeAlias = Callable[..., str]
AsRole: TypeAlias = Callable[[str], psycopg.Connection[Any]]

JSON = "application/json"
NDJSON = "application/x-ndjson"
BAD_EVENTS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "bad_events.json").read_text()
)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
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


@contextmanager
def appending(ledger: Ledger, *, then: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Chain what comes in, in a thread, as the loop of `append_pending --follow` does."""
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            while not done.is_set():
                append_pending(ledger.id)
                then()
                time.sleep(0.01)
        except BaseException as error:  # told below, where the test fails with it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=60)
    assert not failures, failures


def stored(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the events that wait in the inbox."""
    found = Inbox.objects.filter(ledger=ledger).order_by("id")
    return [json.loads(line) for each in found for line in bytes(each.events).split(b"\n")]


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


# --- 401 and 403 ----------------------------------------------------------------------------------


def test_401_says_what_is_wanted(ledger: Ledger, alice: Sender) -> None:
    answer = Client().post("/api/v1/events", data=b"{}", content_type=JSON)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert json.loads(answer.content)["code"] == "key-missing"

    key = AgentKey.objects.get(ledger=ledger)
    auth.revoke_key(key, by="Bob")
    status, said, answer = alice.post(make_event())
    assert (status, said["code"], answer["WWW-Authenticate"]) == (401, "key-revoked", "Bearer")
    assert "Wrong" not in answer.content.decode()
    alice.token = alice.token[:-1]
    assert alice.status(make_event()) == (401, "key-malformed")


def test_an_anonymous_sender_never_makes_us_inflate(alice: Sender) -> None:
    alice.token = "none"

    assert alice.status(b"no gzip", Content_Encoding="gzip") == (401, "key-malformed")


@pytest.mark.parametrize("scopes", [("entries:read",), ("reports:write", "alerts:write")])
def test_403_for_a_key_that_may_write_nothing(
    ledger: Ledger, api_key: ApiKey, scopes: tuple[str, ...]
) -> None:
    assert Sender(api_key(ledger, *scopes)).status(make_event()) == (403, "scope-missing")


def test_403_when_the_scope_of_every_event_is_missing_and_207_when_of_one(
    ledger: Ledger, alice: Sender
) -> None:
    judged = make_event(category="decision", action="approval.granted")

    assert alice.status(judged) == (403, "scope-missing")
    assert alice.status([judged, judged]) == (403, "scope-missing")
    status, said, _ = alice.post([judged, make_event()])
    assert (status, said["rejected"], said["received"]) == (207, 1, 1)
    assert said["receipts"][0]["error"]["path"] == "$.action"


# The rule of events that only some may post, written out from the specification once more.
GOVERNANCE_WORDS = [
    "audit.review_completed",
    "approval.granted",
    "approval.denied",
    "access_review.",
    "vendor.",
    "tool.registered",
    "model.registered",
    "processing.",
    "dsr.",
    "breach.",
    "change.approved",
    "legal_hold.",
    "dpia.",
    "risk.",
    "policy.relaxed",
    "override.applied",
    "agent.registered",
    "agent.scope_granted",
    "agent.kill_switch_tested",
    "identity.",
    "credential.",
    "alert.dismissed",
    "incident.",
    "vulnerability.",
    "restriction.",
    "objection.",
    "consent.",
    "change.tested",
    "change.reviewed",
    "evaluation.",
    "model.removed",
    "tool.removed",
]


def allowed(action: str, scopes: set[str]) -> bool:
    """Tell whether a key with these scopes may post the action, as section 3 of the events says."""
    families = tuple(word for word in GOVERNANCE_WORDS if word.endswith("."))
    if action in GOVERNANCE_WORDS or action.startswith(families):
        return "governance:write" in scopes
    if action.startswith("audit."):
        return False
    if action.startswith(("backup.", "monitor.")) or (
        action.startswith("system.") and action != "system.resource_sampled"
    ):
        return "ops:write" in scopes
    return bool(scopes & {"events:write", "governance:write"})


@pytest.mark.parametrize(
    "scopes",
    [
        {"events:write"},
        {"governance:write"},
        {"ops:write"},
        {"events:write", "ops:write"},
        {"events:write", "governance:write", "ops:write"},
    ],
    ids=lambda scopes: " ".join(sorted(scopes)),
)
def test_each_action_is_taken_from_the_scopes_that_may_say_it(
    ledger: Ledger, api_key: ApiKey, scopes: set[str]
) -> None:
    sender = Sender(api_key(ledger, *scopes))
    events = [
        make_event(
            category=category,
            action=action,
            data={"subject_ids": ["carol"], "consent_id": "c1"},
            tool=None,
        )
        for action, category in ACTIONS.items()
    ]

    _, said, _ = sender.post(events)

    taken = {
        event["action"]
        for event, each in zip(events, said["receipts"], strict=True)
        if each["status"] == "received"
    }
    assert taken == {action for action in ACTIONS if allowed(action, scopes)}
    refused = {each["error"]["code"] for each in said["receipts"] if each["error"]}
    assert refused <= {"scope-missing"}


@pytest.mark.parametrize(
    ("scopes", "trust"),
    [
        (("events:write",), "events"),
        (("events:write", "ops:write"), "ops"),
        (("events:write", "governance:write"), "governance"),
        (("events:write", "governance:write", "ops:write"), "governance"),
    ],
)
def test_the_record_says_how_far_its_key_was_trusted(
    ledger: Ledger, api_key: ApiKey, scopes: tuple[str, ...], trust: str
) -> None:
    token = api_key(ledger, *scopes)
    Sender(token).post(make_event())

    append_pending(ledger.id)

    source = entries(ledger)[-1].parsed()["source"]
    assert source == {"key": token.split("_")[2], "scope": trust, "via": "api"}


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


# --- ?wait and ?backfill --------------------------------------------------------------------------


def test_waiting_for_the_chain_gives_seq_and_hash(ledger: Ledger, alice: Sender) -> None:
    events = [make_event() for _ in range(3)]

    with appending(ledger):
        status, said, _ = alice.post(events, query="?wait=chained")
        again, _, _ = alice.post(events, query="?wait=chained")

    assert (status, again) == (200, 200)
    chained = {str(each.event_id): each for each in entries(ledger)}
    for each in said["receipts"]:
        entry = chained[each["id"]]
        assert (each["seq"], each["hash"], each["state"]) == (entry.seq, entry.hash, "chained")


def test_waiting_in_vain_is_answered_202_after_the_longest_time(
    alice: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The default is bound when the function is made, so it is the bound one that is shortened.
    monkeypatch.setattr("audit.wait.wait_until_chained.__kwdefaults__", {"longest": 0.05})

    status, said, _ = alice.post(make_event(), query="?wait=chained")

    assert status == 202
    assert said["receipts"][0]["state"] == "received"


def test_waiting_for_the_seal_gives_what_a_checkpoint_covers(
    ledger: Ledger, alice: Sender, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path
    make_key(ledger.name, origin=ledger.origin)

    with appending(ledger, then=lambda: seal(ledger)):
        status, said, _ = alice.post([make_event() for _ in range(3)], query="?wait=sealed")
        chained, later, _ = alice.post(make_event(), query="?wait=chained")

    assert (status, chained) == (200, 200)
    assert [each["state"] for each in said["receipts"]] == ["sealed"] * 3
    assert max(each["seq"] for each in said["receipts"]) < sealed_size(ledger.id)
    assert later["receipts"][0]["state"] == "chained"


def test_waiting_in_vain_for_the_seal_is_202_and_says_what_is_chained(
    ledger: Ledger, alice: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.wait.wait_until_sealed.__kwdefaults__", {"longest": 1.0})

    with appending(ledger):
        status, said, _ = alice.post(make_event(), query="?wait=sealed")

    assert status == 202
    assert said["receipts"][0]["state"] == "chained"


def test_waiting_with_a_bad_neighbour_is_207_with_the_good_one_chained(
    ledger: Ledger, alice: Sender
) -> None:
    with appending(ledger):
        status, said, _ = alice.post([make_event(), b"?".decode()], query="?wait=chained")

    assert status == 207
    assert [each.get("state") for each in said["receipts"]] == ["chained", None]


def test_when_half_the_threads_wait_the_next_does_not(
    alice: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiters = threading.BoundedSemaphore(1)
    monkeypatch.setattr("audit.post._waiters", waiters)
    assert waiters.acquire(blocking=False)

    status, said, _ = alice.post(make_event(), query="?wait=chained")

    assert status == 202
    assert "state" not in said["receipts"][0]


def test_history_is_marked_and_needs_its_scope(
    ledger: Ledger, alice: Sender, api_key: ApiKey
) -> None:
    assert alice.status(make_event(), query="?backfill=true") == (403, "scope-missing")
    historian = Sender(api_key(ledger, "events:write", "events:backfill"))

    assert historian.status(make_event(), query="?backfill=true") == (202, None)
    assert historian.status(make_event(), query="?backfill=false") == (202, None)

    append_pending(ledger.id)
    old, new = entries(ledger)[-2:]
    assert (old.is_backfill, new.is_backfill) == (True, False)
    assert old.parsed()["source"]["backfill"] is True
    assert "backfill" not in new.parsed()["source"]


def test_the_scope_of_history_alone_may_post_nothing(ledger: Ledger, api_key: ApiKey) -> None:
    sender = Sender(api_key(ledger, "events:backfill"))

    assert sender.status(make_event(), query="?backfill=true") == (403, "scope-missing")


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


# --- Ids that others give -------------------------------------------------------------------------


def test_an_idempotency_key_makes_ids_so_that_a_retry_is_a_duplicate(
    ledger: Ledger, alice: Sender
) -> None:
    own = make_event()
    events = [make_event(id=None), own, make_event(id=None)]

    _, first, _ = alice.post(events, Idempotency_Key="order 7")
    append_pending(ledger.id)
    status, second, _ = alice.post(events, Idempotency_Key="order 7")
    _, other, _ = alice.post(events, Idempotency_Key="order 8")

    ids = [each["id"] for each in first["receipts"]]
    root = uuid.uuid5(uuid.NAMESPACE_URL, ledger.name)
    assert ids == [
        *(str(uuid.uuid5(root, "order 7#0")), own["id"], str(uuid.uuid5(root, "order 7#2")))
    ]
    assert status == 200
    assert [each["id"] for each in second["receipts"]] == ids
    assert [each["status"] for each in other["receipts"]] == ["received", "duplicate", "received"]


@pytest.mark.parametrize("key", ["k" * 256, "naïve", "a\tb"])
def test_an_idempotency_key_is_short_and_printable(alice: Sender, key: str) -> None:
    assert alice.status(make_event(), Idempotency_Key=key) == (400, "idempotency-key")


def cloudevent(event: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "order ☃ 7",
        "source": "/shop/eu",
        "type": "tool.invoke",
        "data": {name: value for name, value in event.items() if name != "id"},
    } | attributes


def expected_id(ledger: Ledger, source: str = "/shop/eu", sent: str = "order ☃ 7") -> str:
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, ledger.name), f"{source}\n{sent}"))


def test_a_structured_cloudevent_is_one_event(ledger: Ledger, alice: Sender) -> None:
    body = cloudevent(make_event(action=None, category=None), type="tool_call.tool.invoke")

    status, said, _ = alice.post(body, media="application/cloudevents+json; charset=utf-8")

    assert (status, said["receipts"][0]["id"]) == (202, expected_id(ledger))
    append_pending(ledger.id)
    record = entries(ledger)[-1].parsed()
    assert record["source"]["id"] == "order ☃ 7"
    assert (record["event"]["action"], record["event"]["category"]) == ("tool.invoke", "tool_call")


def test_a_batch_of_cloudevents_keeps_the_good_ones(ledger: Ledger, alice: Sender) -> None:
    own = str(uuid.uuid4())
    batch = [
        cloudevent(make_event(), id=own),
        cloudevent(make_event(), specversion="0.3"),
        cloudevent(make_event(), id="8"),
    ]

    status, said, _ = alice.post(batch, media="application/cloudevents-batch+json")

    assert status == 207
    assert [each["id"] for each in said["receipts"]] == [own, None, expected_id(ledger, sent="8")]
    append_pending(ledger.id)
    sources = [each.parsed()["source"].get("id") for each in entries(ledger)[1:]]
    assert sources == [None, "8"]


def test_a_binary_cloudevent_has_its_attributes_in_headers(ledger: Ledger, alice: Sender) -> None:
    event = make_event(id=None, target={"type": "tool"})
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "order%20%E2%98%83%207",
        "ce-source": "/shop/eu",
        "ce-type": "tool.invoke",
        "ce-subject": "search",
        "ce-myextension": "kept",
    }

    status, said, _ = alice.post(event, **headers)

    assert (status, said["receipts"][0]["id"]) == (202, expected_id(ledger))
    append_pending(ledger.id)
    held = entries(ledger)[-1].parsed()["event"]
    assert held["target"]["id"] == "search"
    assert held["details"]["cloudevent"] == {"myextension": "kept"}


def test_a_cloudevents_retry_is_a_duplicate(ledger: Ledger, alice: Sender) -> None:
    body = cloudevent(make_event())
    media = "application/cloudevents+json"
    assert alice.status(body, media=media) == (202, None)
    append_pending(ledger.id)

    assert alice.status(body, media=media) == (200, None)


def test_a_cloudevent_that_is_none_names_the_attribute(alice: Sender) -> None:
    media = "application/cloudevents+json"
    body = cloudevent(make_event())
    del body["source"]

    status, said, _ = alice.post(body, media=media)

    assert status == 422
    assert said["receipts"][0]["error"]["path"] == "$.source"
    assert alice.status(b"[]", media=media)[0] == 422
    assert alice.status(b"nothing", media=media)[0] in {400, 422}


def test_the_namespace_of_ids_is_UUIDv5_of_the_ledgers_name_among_URLs() -> None:
    assert cloudevents.namespace("main") == uuid.UUID("66fa465b-ce52-52eb-899b-e24ce53a959b")


# --- Cookies --------------------------------------------------------------------------------------


def test_a_signed_in_person_is_nobody_here(ledger: Ledger, alice: Sender) -> None:
    person = get_user_model().objects.create_superuser(f"root-{uuid.uuid4().hex[:8]}")
    alice.client.force_login(person)
    before = dict(alice.client.cookies.items())
    assert before, "the session's cookie is sent along"

    answer = alice.client.post("/api/v1/events", data=json.dumps(make_event()), content_type=JSON)
    assert answer.status_code == 401
    assert not answer.cookies
    assert alice.status(make_event()) == (202, None)

    append_pending(ledger.id)
    assert "user" not in entries(ledger)[-1].parsed()["source"]


def test_no_csrf_token_is_asked_for_and_no_other_origin_invited(alice: Sender) -> None:
    alice.client = Client(enforce_csrf_checks=True)

    status, _, answer = alice.post(make_event(), Origin="https://evil.example")

    assert status == 202
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


# --- Bad input ------------------------------------------------------------------------------------


def raw(case: dict[str, Any]) -> bytes:
    """Return the bytes of a bad event of the corpus."""
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    if "raw" in case:
        return bytes(case["raw"].encode())
    return with_tail(bytes.fromhex(case["tail_hex"]) if "tail_hex" in case else case["tail"])


def test_no_bad_event_costs_its_neighbours_or_an_error_of_ours(
    ledger: Ledger, alice: Sender
) -> None:
    for case in BAD_EVENTS:
        bad = raw(case)
        if b"\n" in bad or not bad.strip():
            continue  # no line of its own
        first, last = make_event(), make_event()
        lines = [json.dumps(first).encode(), bad, json.dumps(last).encode()]

        status, said, _ = alice.post(b"\n".join(lines), media=NDJSON)

        assert status == 207, case["name"]
        assert [each["status"] for each in said["receipts"]] == [
            *("received", "rejected", "received")
        ], case["name"]
        error = said["receipts"][1]["error"]
        assert (error["code"], error["path"]) == (case["code"], case["path"]), case["name"]
        assert error["message"]
    append_pending(ledger.id)
    assert not Quarantine.objects.filter(ledger=ledger).exists()


@pytest.mark.parametrize("case", BAD_EVENTS, ids=[each["name"] for each in BAD_EVENTS])
def test_a_bad_event_alone_is_a_problem_that_names_its_place(
    ledger: Ledger, alice: Sender, case: dict[str, Any]
) -> None:
    status, said, _ = alice.post(raw(case))

    assert status in {400, 422}
    assert said["detail"]
    assert stored(ledger) == []


def test_a_wrong_type_in_any_field_is_refused_and_never_an_error_of_ours(
    ledger: Ledger, alice: Sender
) -> None:
    wrong: list[Any] = [
        None,
        [],
        {},
        "",
        "x" * 70_000,
        -1,
        2**63,
        1.5,
        True,
        [[]],
        {"a": {}},
        "\u2028",
    ]
    events = []
    for name in full_event():
        for value in wrong:
            event = full_event() | {"id": str(uuid.uuid4()), "action": "tool.invoke"}
            events.append(event | {name: value})

    for start in range(0, len(events), 40):
        status, said, _ = alice.post(events[start : start + 40])
        assert status in {202, 207, 422}
        assert {each["status"] for each in said["receipts"]} <= {"received", "rejected"}

    append_pending(ledger.id)
    assert not Quarantine.objects.filter(ledger=ledger).exists()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" + b"0," * 1_000_000 + b"0]",
        b'{"details":{' + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}}",
        b'"' + b"\\u0000" * 500_000 + b'"',
        b"1" * 4_000_000,
        b"1e" + b"9" * 1_000_000,
        b"\0" * 1_000_000,
    ],
    ids=["open", "nested list", "nested object", "numbers", "keys", "NULs", "digits", "power", "0"],
)
def test_a_json_bomb_is_refused(ledger: Ledger, alice: Sender, body: bytes) -> None:
    status, _, _ = alice.post(body)

    assert status in {400, 413, 422}
    assert stored(ledger) == []
    assert Entry.objects.filter(ledger=ledger).count() == 1
