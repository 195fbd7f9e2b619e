"""Grant or deny what an agent asks for; check TOOL-01 reads the entry. A person's act.

The entry names the approval, the tool and the digest of its arguments as they were asked, so that
it serves that call and no other. Who asked never grants: here, and in Postgres
(compliance/sql/0006_approvals.sql). One answer each, whoever is first.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction

from compliance.acting import MOST_REASON, ActRefused, Person, read_text, refusals
from compliance.gather import format_time, receive_own
from compliance.models import ApprovalAnswer, ApprovalRequest

VALID: Final = timedelta(hours=24)
"""How long a granted approval serves when the request does not say."""


def answer_request(
    request: ApprovalRequest, *, is_granted: bool, reason: str, by: Person
) -> ApprovalAnswer:
    """Answer a request with a reason; leaves approval.granted or approval.denied.

    Raises ActRefused: answered before, too late to grant, by who asked, by who may not.
    """
    reason = read_text("reason", reason, missing="say why", most=MOST_REASON)
    now = datetime.now(UTC)
    if request.state != "open":
        raise ActRefused(field="act", message=f"this request is {request.state} already")
    if is_granted and request.is_over(now):
        raise ActRefused(field="act", message="its time has passed; the agent has to ask again")
    if is_granted and by.name in (request.requested_by, request.actor_id):
        raise ActRefused(field="act", message="you asked for this; another person grants it")
    with refusals(), transaction.atomic():
        try:
            with transaction.atomic():
                made = ApprovalAnswer.objects.create(
                    ledger=request.ledger,
                    approval_id=request.approval_id,
                    is_granted=is_granted,
                    reason=reason,
                    user_id=by.id,
                    answered_by=by.name,
                )
        except IntegrityError as error:
            raise ActRefused(
                field="act", message="somebody has answered it since you opened this page"
            ) from error
        _leave(request, is_granted=is_granted, reason=reason, by=by, now=now)
    return made


def _leave(
    request: ApprovalRequest, *, is_granted: bool, reason: str, by: Person, now: datetime
) -> None:
    decision = {
        "approval_id": request.approval_id,
        "effect": "approved" if is_granted else "deny",
        "requested_by": request.requested_by,
    }
    if is_granted:
        decision["expires_at"] = format_time(request.expires_at or now + VALID)
    blocks: dict[str, Any] = {"decision": decision}
    tool = {"name": request.tool, "arguments_hash": request.arguments_hash}
    if told := {name: value for name, value in tool.items() if value}:
        blocks["tool"] = told
    if request.operation_id:
        blocks["trace"] = {"operation_id": request.operation_id}
    receive_own(
        request.ledger,
        "approval.granted" if is_granted else "approval.denied",
        by=by.name,
        reason=reason,
        target={"type": request.target_type, "id": request.target_id},
        **blocks,
    )
