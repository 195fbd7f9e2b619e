"""What agents ask of people: listed, answered once, by another person, bound to the arguments."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import Error, connection
from django.test import Client

from audit.append import append_pending
from audit.models import Entry, Ledger
from audit.project import catch_up, projections, rebuild
from compliance.acting import ActRefused
from compliance.approval_answer import answer_request
from compliance.models import ApprovalAnswer, ApprovalRequest
from tests.compliance.people.desk import account, administrator, as_person, officer
from tests.conftest import GOVERNANCE, chain, entries, make_event

HASH = "a" * 64


def asking(**fields: Any) -> dict[str, Any]:
    """Return a request as the SDK sends it."""
    said: dict[str, Any] = {
        "category": "decision",
        "action": "approval.requested",
        "outcome": "pending",
        "target": {"type": "tool", "id": "pay"},
        "tool": {"name": "pay", "arguments_hash": HASH, "risk": "high"},
        "decision": {
            "approval_id": str(uuid.uuid4()),
            "effect": "require_approval",
            "requested_by": "u-19",
            "expires_at": (datetime.now(UTC) + timedelta(hours=2)).isoformat(),
        },
        "trace": {"operation_id": "op-1"},
        "details": {"summary": "Pay 500 EUR to supplier 7"},
        "reason": "invoice 88",
    }
    return make_event(**said | fields)


def requested(ledger: Ledger, **fields: Any) -> ApprovalRequest:
    """Let an agent ask, and return the request as the desk has it."""
    event = asking(**fields)
    chain(ledger, [event])
    indexed(ledger)
    return ApprovalRequest.objects.get(ledger=ledger, approval_id=event["decision"]["approval_id"])


def indexed(ledger: Ledger) -> None:
    """Chain what waits and let the projection read it."""
    append_pending(ledger.id)
    catch_up(ledger.id, projections()["approvals"])


def last_event(ledger: Ledger) -> dict[str, Any]:
    """Return the newest event of a ledger."""
    append_pending(ledger.id)
    return event_of(entries(ledger)[-1])


def event_of(entry: Entry) -> dict[str, Any]:
    """Return the event that an entry holds."""
    event: dict[str, Any] = json.loads(bytes(entry.record))["event"]
    return event


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- The verb ------------------------------------------------------------------------------------


def test_a_yes_names_the_tool_and_the_digest_that_were_asked(ledger: Ledger) -> None:
    request = requested(ledger)
    grace = officer()

    answer_request(request, is_granted=True, reason="known supplier", by=grace)

    event = last_event(ledger)
    assert event["action"] == "approval.granted"
    assert event["actor"] == {"type": "human", "id": grace.name}
    assert event["tool"] == {"name": "pay", "arguments_hash": HASH}
    assert event["decision"]["approval_id"] == request.approval_id
    assert event["decision"]["requested_by"] == "u-19"
    assert event["decision"]["expires_at"] > event["occurred_at"]
    assert event["trace"]["operation_id"] == "op-1"
    assert event["reason"] == "known supplier"


def test_the_projection_reads_the_answer(ledger: Ledger) -> None:
    request = requested(ledger)
    grace = officer()
    answer_request(request, is_granted=False, reason="too much", by=grace)

    indexed(ledger)

    request.refresh_from_db()
    assert (request.state, request.answered_by, request.answer) == (
        "denied",
        grace.name,
        "too much",
    )


def test_who_asked_never_grants_and_may_say_no(ledger: Ledger) -> None:
    asker = officer()
    request = requested(
        ledger,
        decision={"approval_id": str(uuid.uuid4()), "requested_by": asker.name},
    )

    with pytest.raises(ActRefused, match="another person"):
        answer_request(request, is_granted=True, reason="mine", by=asker)
    answer_request(request, is_granted=False, reason="no longer", by=asker)

    assert last_event(ledger)["action"] == "approval.denied"


def test_postgres_refuses_a_yes_of_who_asked_too(ledger: Ledger) -> None:
    asker = officer()
    request = requested(
        ledger,
        decision={"approval_id": str(uuid.uuid4()), "requested_by": asker.name},
    )

    with pytest.raises(Error, match="another person grants it"):
        ApprovalAnswer.objects.create(
            ledger=ledger,
            approval_id=request.approval_id,
            is_granted=True,
            reason="mine",
            user_id=asker.id,
            answered_by="somebody else",
        )


def test_an_account_without_the_right_answers_nothing(ledger: Ledger) -> None:
    request = requested(ledger)

    with pytest.raises(ActRefused, match="right"):
        answer_request(request, is_granted=True, reason="yes", by=as_person(account("auditor")))


def test_the_first_answer_stands(ledger: Ledger) -> None:
    request = requested(ledger)
    answer_request(request, is_granted=True, reason="yes", by=officer())

    with pytest.raises(ActRefused, match="answered it since"):
        answer_request(request, is_granted=False, reason="no", by=administrator())
    indexed(ledger)
    request.refresh_from_db()
    with pytest.raises(ActRefused, match="granted already"):
        answer_request(request, is_granted=False, reason="no", by=administrator())

    assert [event_of(each)["action"] for each in entries(ledger)].count("approval.denied") == 0


def test_what_is_too_late_is_not_granted(ledger: Ledger) -> None:
    decision = {"approval_id": str(uuid.uuid4()), "expires_at": "2026-01-01T00:00:00Z"}
    request = requested(ledger, decision=decision)

    with pytest.raises(ActRefused, match="time has passed"):
        answer_request(request, is_granted=True, reason="yes", by=officer())


def test_an_answer_needs_a_reason(ledger: Ledger) -> None:
    with pytest.raises(ActRefused, match="say why"):
        answer_request(requested(ledger), is_granted=True, reason=" ", by=officer())


def test_an_answer_is_never_changed_or_taken_back(
    ledger: Ledger, superuser: psycopg.Connection[Any]
) -> None:
    request = requested(ledger)
    answer_request(request, is_granted=True, reason="yes", by=officer())

    for statement in (
        "UPDATE compliance_approvalanswer SET is_granted = false WHERE ledger_id = %s",
        "DELETE FROM compliance_approvalanswer WHERE ledger_id = %s",
    ):
        with pytest.raises(psycopg.DatabaseError, match="never deleted"):
            superuser.execute(statement, [ledger.id])


# --- The projection ------------------------------------------------------------------------------


def test_the_first_request_of_an_id_stands(ledger: Ledger) -> None:
    """Else an agent could ask for something small and, once a person looks, for more."""
    request = requested(ledger)
    again = asking(
        decision={"approval_id": request.approval_id},
        tool={"name": "pay", "arguments_hash": "b" * 64},
    )
    chain(ledger, [again])
    indexed(ledger)

    (kept,) = ApprovalRequest.objects.filter(ledger=ledger)
    assert kept.arguments_hash == HASH


def test_only_who_asked_says_that_nobody_answered(ledger: Ledger) -> None:
    request = requested(ledger)
    expired = asking(
        action="approval.expired",
        outcome="failure",
        decision={"approval_id": request.approval_id},
    )
    chain(ledger, [expired | {"id": str(uuid.uuid4()), "agent": {"id": "mallory"}}])
    indexed(ledger)
    request.refresh_from_db()
    assert request.state == "open"

    chain(ledger, [expired])
    indexed(ledger)
    request.refresh_from_db()
    assert request.state == "expired"


def test_an_answer_by_a_key_of_governance_counts_too(ledger: Ledger) -> None:
    request = requested(ledger)
    granted = asking(
        action="approval.granted",
        outcome="success",
        actor={"type": "human", "id": "grace"},
        decision={"approval_id": request.approval_id},
    )
    chain(ledger, [granted], sender=GOVERNANCE)
    indexed(ledger)

    request.refresh_from_db()
    assert (request.state, request.answered_by) == ("granted", "grace")


def test_what_the_platform_asks_of_itself_is_not_listed(ledger: Ledger) -> None:
    chain(ledger, [asking(agent={"id": "platform"})])
    indexed(ledger)

    assert not ApprovalRequest.objects.filter(ledger=ledger).exists()


def test_a_rebuild_makes_the_same_rows_under_the_same_numbers(ledger: Ledger) -> None:
    for _ in range(3):
        requested(ledger)
    answer_request(requested(ledger), is_granted=True, reason="yes", by=officer())
    indexed(ledger)
    before = list(ApprovalRequest.objects.filter(ledger=ledger).order_by("id").values())

    rebuild(ledger, projections()["approvals"])

    assert before == list(ApprovalRequest.objects.filter(ledger=ledger).order_by("id").values())


def test_requests_go_with_the_entries_that_were_pruned(ledger: Ledger) -> None:
    first, second = requested(ledger), requested(ledger)

    with connection.cursor() as cursor:
        projections()["approvals"].forget(  # type: ignore[attr-defined]
            cursor.cursor, ledger.id, second.requested_seq
        )

    kept = ApprovalRequest.objects.filter(ledger=ledger).values_list("id", flat=True)
    assert (first.id in kept, second.id in kept) == (False, True)


# --- The pages -----------------------------------------------------------------------------------


def test_the_list_shows_what_waits_until_it_is_answered(ledger: Ledger) -> None:
    request = requested(ledger)
    client = signed_in(account("compliance officer"))
    page = f"/admin/compliance/approvalrequest/?ledger={ledger.name}"

    open_before = client.get(page).content.decode()
    answered = client.post(
        f"/admin/compliance/approvalrequest/{request.id}/grant/", {"reason": "fine"}, follow=True
    )
    open_after = client.get(page).content.decode()

    assert "Pay 500 EUR to supplier 7" in open_before
    assert "has granted it" in answered.content.decode()
    assert "Pay 500 EUR to supplier 7" not in open_after
    assert last_event(ledger)["action"] == "approval.granted"


def test_a_page_says_what_is_asked_and_offers_both_answers(ledger: Ledger) -> None:
    request = requested(ledger)
    client = signed_in(account("administrator"))

    page = client.get(f"/admin/compliance/approvalrequest/{request.id}/change/").content.decode()

    assert "alice-agent asks to use pay" in page
    assert HASH in page
    assert page.count("<form") >= 2


def test_who_may_only_look_is_not_let_to_answer(ledger: Ledger) -> None:
    request = requested(ledger)
    client = signed_in(account("auditor"))

    page = client.get(f"/admin/compliance/approvalrequest/{request.id}/change/")
    refused = client.post(
        f"/admin/compliance/approvalrequest/{request.id}/grant/", {"reason": "fine"}
    )

    assert "Your role does not answer" in page.content.decode()
    assert refused.status_code == 403


def test_a_refused_answer_says_why_beside_its_form(ledger: Ledger) -> None:
    request = requested(ledger)
    client = signed_in(account("compliance officer"))

    refused = client.post(f"/admin/compliance/approvalrequest/{request.id}/deny/", {"reason": ""})

    assert refused.status_code == 409
    assert "say why" in refused.content.decode().lower()
    assert ApprovalAnswer.objects.filter(ledger=ledger).count() == 0
