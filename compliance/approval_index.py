"""The index of what agents ask people to approve, and what became of it. A projection.

Read from `approval.requested`, `granted`, `denied` and `expired`, joined by the approval's id. The
first request of an id stands, so that nobody asks again under it for something else; the first
answer stands too. What the platform asks of itself (purges) has pages of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import psycopg

from compliance.gather import Batch

PLATFORM = "platform"
ANSWERS = {
    "approval.granted": "granted",
    "approval.denied": "denied",
    "approval.expired": "expired",
}
_REQUEST = "approval.requested"
_MENTION = b'"action":"approval.'
_LEDGER_BITS = 40
"""A seq has at most so many bits in an id: 10^12 entries."""


class _Party(msgspec.Struct):
    id: str


class _Target(msgspec.Struct):
    type: str = ""
    id: str = ""


class _Tool(msgspec.Struct):
    name: str = ""
    arguments_hash: str = ""
    risk: str = ""


class _Decision(msgspec.Struct):
    approval_id: str = ""
    requested_by: str = ""
    expires_at: str | None = None


class _Trace(msgspec.Struct):
    operation_id: str = ""


class _Event(msgspec.Struct):
    action: str
    agent: _Party
    actor: _Party
    occurred_at: str
    target: _Target = msgspec.field(default_factory=_Target)
    tool: _Tool = msgspec.field(default_factory=_Tool)
    decision: _Decision = msgspec.field(default_factory=_Decision)
    trace: _Trace = msgspec.field(default_factory=_Trace)
    reason: str = ""
    details: dict[str, Any] = {}


class _Record(msgspec.Struct):
    event: _Event


_decode = msgspec.json.Decoder(_Record).decode

_ASK = """
INSERT INTO compliance_approvalrequest (id, ledger_id, requested_seq, approval_id, agent_id,
    requested_by, actor_id, target_type, target_id, tool, arguments_hash, risk, operation_id,
    summary, reason, requested_at, expires_at, state, answered_by, answer)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::timestamptz,
    %s::timestamptz, 'open', '', '')
ON CONFLICT DO NOTHING
"""
# Only who asked may say that nobody answered.
_ANSWER = """
UPDATE compliance_approvalrequest
SET state = %s, answered_seq = %s, answered_by = %s, answered_at = %s::timestamptz, answer = %s
WHERE ledger_id = %s
  AND approval_id = %s
  AND state = 'open'
  AND (%s <> 'expired' OR agent_id = %s)
"""
_FORGET = """
DELETE FROM compliance_approvalrequest
WHERE ledger_id = %s
  AND requested_seq < %s
"""


class ApprovalIndex:
    """Who asked for what, and what was said; `manage.py rebuild approvals` makes the rows again."""

    name: ClassVar[str] = "approvals"
    tables: ClassVar[Sequence[str]] = ("compliance_approvalrequest",)

    def apply(self, cursor: psycopg.Cursor[Any], ledger_id: int, batch: Batch) -> None:
        """Note requests and answers, in the order of the entries."""
        for seq, record in batch:
            # Few entries are about approvals, and decoding is what this costs.
            if _MENTION not in record:
                continue
            event = _decode(record).event
            if not event.decision.approval_id:
                continue
            if event.action == _REQUEST and event.agent.id != PLATFORM:
                cursor.execute(_ASK, _asked(ledger_id, seq, event))
            elif event.action in ANSWERS:
                cursor.execute(_ANSWER, _answered(ledger_id, seq, event))

    def forget(self, cursor: psycopg.Cursor[Any], ledger_id: int, minimum: int) -> None:
        """Leave out requests below a minimum index, which were pruned."""
        cursor.execute(_FORGET, (ledger_id, minimum))


def request_id(ledger_id: int, seq: int) -> int:
    """Return the number of the request that an entry is."""
    return ledger_id << _LEDGER_BITS | seq


def _asked(ledger_id: int, seq: int, event: _Event) -> tuple[Any, ...]:
    decision, tool = event.decision, event.tool
    summary = event.details.get("summary", "")
    return (
        request_id(ledger_id, seq),
        ledger_id,
        seq,
        decision.approval_id,
        event.agent.id,
        decision.requested_by or event.actor.id,
        event.actor.id,
        event.target.type,
        event.target.id,
        tool.name,
        tool.arguments_hash,
        tool.risk,
        event.trace.operation_id,
        summary if isinstance(summary, str) else "",
        event.reason,
        event.occurred_at,
        decision.expires_at,
    )


def _answered(ledger_id: int, seq: int, event: _Event) -> tuple[Any, ...]:
    state = ANSWERS[event.action]
    return (
        state,
        seq,
        event.actor.id,
        event.occurred_at,
        event.reason,
        ledger_id,
        event.decision.approval_id,
        state,
        event.agent.id,
    )
