"""Ask a person before an act, and wait for the answer. Owns requests and what counts as a yes.

    approval.requested ─ a person at the desk ─▶ approval.granted or approval.denied ─▶ the agent

A request names the tool and the digest of its arguments; an answer counts only for both, so nobody
approves one thing and does another. The answer is an entry of the ledger, read with a key that has
entries:read; a key of an agent cannot write one. Nobody in time is a no: approval.expired.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from obsagent import context
from obsagent.canonical import digest_of
from obsagent.client import Client
from obsagent.errors import ApprovalDenied, ApprovalTimeout, NotDelivered
from obsagent.event import moment, new_id
from obsagent.trail import Entry

ANSWERS = ["approval.granted", "approval.denied"]
VALID_SECONDS = 24 * 3_600
"""How long a granted approval may be used, unless told otherwise."""

_FIRST_LOOK, _SLOWEST_LOOK = 0.5, 5.0
_CLOCKS_APART = timedelta(hours=1)  # how far the desk's clock and ours may differ


class Approval:
    """A request, and once it is answered, the answer."""

    def __init__(
        self, client: Client, *, tool: str, arguments_hash: str, requested_by: str,
        operation_id: str, expires_at: datetime,
    ) -> None:  # fmt: skip
        self.id = new_id()
        self.tool = tool
        self.arguments_hash = arguments_hash
        self.requested_by = requested_by
        self.operation_id = operation_id
        self.expires_at = expires_at
        self.entry: Entry | None = None
        """The entry that grants it; None until then."""
        self._client = client
        self._asked_at = datetime.now(timezone.utc)

    def wait(self, timeout: float = VALID_SECONDS) -> Approval:
        """Wait for a person's yes for at most so many seconds and return the approval.

        Raises ApprovalDenied for a no, and for a yes to something else; ApprovalTimeout when nobody
        has answered. While the platform cannot be reached it goes on asking.
        """
        ends = time.monotonic() + timeout
        pause = _FIRST_LOOK
        while not self._is_granted():
            left = ends - time.monotonic()
            if left <= 0:
                self._client.event("approval.expired", **self._expired())
                raise ApprovalTimeout(f"nobody answered approval {self.id} in {timeout:.0f} s")
            time.sleep(min(left, random.uniform(pause / 2, pause)))
            pause = min(_SLOWEST_LOOK, pause * 1.5)
        return self

    async def await_(self, timeout: float = VALID_SECONDS) -> Approval:
        """Wait without holding up the loop; else as `wait`."""
        ends = time.monotonic() + timeout
        pause = _FIRST_LOOK
        loop = asyncio.get_running_loop()
        while not await loop.run_in_executor(None, self._is_granted):
            left = ends - time.monotonic()
            if left <= 0:
                await self._client.aevent("approval.expired", **self._expired())
                raise ApprovalTimeout(f"nobody answered approval {self.id} in {timeout:.0f} s")
            await asyncio.sleep(min(left, random.uniform(pause / 2, pause)))
            pause = min(_SLOWEST_LOOK, pause * 1.5)
        return self

    def refuse_other(self, tool: str, arguments_hash: str) -> None:
        """Raise ApprovalDenied unless this was granted, for this tool and these arguments."""
        if self.entry is None:
            raise ApprovalDenied(f"approval {self.id} was not granted")
        if (tool, arguments_hash) != (self.tool, self.arguments_hash):
            raise ApprovalDenied(f"approval {self.id} is for other arguments", entry=self.entry)
        if datetime.now(timezone.utc) > self.expires_at:
            raise ApprovalDenied(f"approval {self.id} has expired", entry=self.entry)

    def decision(self) -> dict[str, Any]:
        """Return the block `decision` of the act that was approved."""
        return {
            "approval_id": self.id,
            "effect": "approved",
            "requested_by": self.requested_by,
        }

    def _is_granted(self) -> bool:
        """Look for the answer; raises ApprovalDenied for a no."""
        try:
            found = self._answer()
        except NotDelivered as failure:
            if failure.status is not None and failure.status in (401, 403):
                raise  # waiting would not help: the key may not read
            return False
        if found is None:
            return False
        event = found["record"]["event"]
        if event["action"] != "approval.granted" or event.get("outcome") != "success":
            raise ApprovalDenied(event.get("reason") or "a person said no", entry=found)
        tool, actor = event.get("tool", {}), event.get("actor", {})
        if (tool.get("name"), tool.get("arguments_hash")) != (self.tool, self.arguments_hash):
            raise ApprovalDenied("what was approved is something else", entry=found)
        if actor.get("type") != "human" or actor.get("id") == self.requested_by:
            raise ApprovalDenied("approved by who asked, or by no person", entry=found)
        until = event.get("decision", {}).get("expires_at")
        if until is not None:
            self.expires_at = datetime.fromisoformat(until.replace("Z", "+00:00"))
        self.entry = found
        return True

    def _answer(self) -> Entry | None:
        since = self._asked_at - _CLOCKS_APART
        for entry in self._client.trail.entries(action=ANSWERS, from_=since):
            record = entry["record"] or {}
            decision = record.get("event", {}).get("decision", {})
            if decision.get("approval_id") == self.id:
                return entry
        return None

    def _expired(self) -> dict[str, Any]:
        return {**self._fields(), "outcome": "failure", "error": {"type": "ApprovalTimeout"}}

    def _fields(self) -> dict[str, Any]:
        return {
            "target": {"type": "tool", "id": self.tool},
            "tool": {"name": self.tool, "arguments_hash": self.arguments_hash},
            "decision": {
                "approval_id": self.id,
                "requested_by": self.requested_by,
                "expires_at": moment(self.expires_at),
            },
            "trace": {**context.trace_of_span(), "operation_id": self.operation_id},
        }


class Approvals:
    """What people are asked on behalf of one agent."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def request(
        self, tool: str, arguments: Any, *, summary: str, reason: str | None = None,
        risk: str = "high", requested_by: str | None = None, operation_id: str | None = None,
        valid_seconds: float = VALID_SECONDS,
    ) -> Approval:  # fmt: skip
        """Ask for an act's approval; `wait` for it on what is returned.

        `arguments` are hashed as `acts.tool` hashes them and never sent: `summary` is what the
        person reads. `requested_by` is who wants the act, by default the human whose act it is,
        else the agent; that person cannot grant it.
        """
        made = self._made(tool, arguments, requested_by, operation_id, valid_seconds)
        self._client.event("approval.requested", **self._asking(made, summary, reason, risk))
        return made

    async def arequest(
        self, tool: str, arguments: Any, *, summary: str, reason: str | None = None,
        risk: str = "high", requested_by: str | None = None, operation_id: str | None = None,
        valid_seconds: float = VALID_SECONDS,
    ) -> Approval:  # fmt: skip
        """Ask for an act's approval, as `request`."""
        made = self._made(tool, arguments, requested_by, operation_id, valid_seconds)
        await self._client.aevent("approval.requested", **self._asking(made, summary, reason, risk))
        return made

    def _made(
        self, tool: str, arguments: Any, requested_by: str | None, operation_id: str | None,
        valid_seconds: float,
    ) -> Approval:  # fmt: skip
        return Approval(
            self._client,
            tool=tool,
            arguments_hash=digest_of({} if arguments is None else arguments),
            requested_by=requested_by or self._client.acts_for(),
            operation_id=operation_id or new_id(),
            expires_at=datetime.now(timezone.utc) + timedelta(seconds=valid_seconds),
        )

    @staticmethod
    def _asking(made: Approval, summary: str, reason: str | None, risk: str) -> dict[str, Any]:
        fields = made._fields()
        fields["tool"]["risk"] = risk
        fields["decision"]["effect"] = "require_approval"
        return {**fields, "outcome": "pending", "reason": reason, "details": {"summary": summary}}
