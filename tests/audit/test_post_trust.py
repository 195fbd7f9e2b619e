"""Who may post what: keys, their scopes, how far each is trusted, and no cookie."""

from __future__ import annotations

import json
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from audit import auth
from audit.actions import ACTIONS
from audit.append import append_pending
from audit.models import AgentKey, Ledger
from tests.audit.posting import JSON, ApiKey, Sender, alice, fresh
from tests.conftest import entries, make_event

__all__ = ["alice", "fresh"]  # fixtures, which pytest finds by their names here


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
