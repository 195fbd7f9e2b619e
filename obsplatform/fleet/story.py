"""How an act is written down: a Story is one piece of work, told event by event on its own clock.

A story knows its agent, run and trace, fills in what every event of that agent says, and has a verb
for each thing agents do often: call a model, call a tool, ask for an approval, use data. Numbers of
`client_seq` are given at the end, by `deliver.py`, since they count over all stories of an agent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from obsplatform.fleet.agents import Agent, Model, Tool
from obsplatform.fleet.people import Person
from obsplatform.fleet.processing import Activity
from obsplatform.fleet.teller import Event as Event
from obsplatform.fleet.teller import Teller

TOOLS_POLICY = {"policy_id": "tools", "policy_version": "12"}
DATA_POLICY = {"policy_id": "data-access", "policy_version": "7"}
APPROVAL_POLICY = {"policy_id": "four-eyes", "policy_version": "3"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """What a person allowed: this tool, with these arguments, until then."""

    id: str
    arguments: str
    expires_at: str
    requested_by: str
    operation: str
    subject: str = ""


def digest(text: str) -> str:
    """Return the SHA-256 of a text in hex, for what an event keeps the hash of."""
    return hashlib.sha256(text.encode()).hexdigest()


def prompt_hash(agent: Agent, version: str) -> str:
    """Return the digest of the system prompt that came with a release."""
    return digest(f"{agent.id} {version} system prompt")


class Story(Teller):
    """One piece of work of one agent."""

    # --- Models ---

    def think(
        self,
        *,
        tokens: tuple[int, int] = (1200, 400),
        under: Activity | None = None,
        subjects: Sequence[str] = (),
        outcome: str = "success",
        error: str | None = None,
        model: Model | None = None,
        finish: str = "stop",
        **blocks: Any,
    ) -> str:
        """Call the chat model with about so many tokens in and out."""
        model = model or self.agent.chat_at(self.world.days_ago(self.at))
        return self._model_call(
            "llm.call",
            model,
            tokens,
            under=under,
            subjects=subjects,
            outcome=outcome,
            error=error,
            finish=finish,
            **blocks,
        )

    def look_up(self, *, under: Activity | None = None, subjects: Sequence[str] = ()) -> None:
        """Embed a question and retrieve passages for it."""
        assert self.agent.embed is not None, f"{self.agent.id} embeds nothing"
        assert self.agent.search is not None, f"{self.agent.id} retrieves nothing"
        self._model_call("llm.embed", self.agent.embed, (60, 0), under=under, subjects=subjects)
        self.wait(0.02, 0.1)
        self._model_call("llm.retrieve", self.agent.search, (40, 0), under=under, subjects=subjects)

    def _model_call(
        self,
        action: str,
        model: Model,
        tokens: tuple[int, int],
        *,
        under: Activity | None = None,
        subjects: Sequence[str] = (),
        outcome: str = "success",
        error: str | None = None,
        finish: str = "stop",
        **blocks: Any,
    ) -> str:
        read, wrote = (max(1, int(self.chance.lognormvariate(0, 0.45) * each)) for each in tokens)
        is_chat = action == "llm.call"
        took = 240 + wrote * self.chance.uniform(9, 16) if is_chat else self.chance.uniform(18, 140)
        self.wait(took / 1000)
        ok = outcome == "success"
        usage: dict[str, Any] = {"input_tokens": read}
        if is_chat:
            usage["output_tokens"] = wrote if ok else 0
            usage["cache_read_tokens"] = int(read * self.chance.choice((0, 0, 0.4, 0.8)))
        price = read * model.input_price + usage.get("output_tokens", 0) * model.output_price
        usage["cost_usd"] = round(price / 1_000_000, 6)
        call: dict[str, Any] = {
            "provider": model.provider,
            "name": model.name,
            "version": model.version,
            "operation": model.operation,
            "prompt_hash": self.word(64),
            "request_id": f"req_{self.word(16)}",
        }
        if is_chat:
            call["system_prompt_hash"] = prompt_hash(self.agent, self.version)
            call["temperature"] = 0.2
        if ok:
            call["response_hash"] = self.word(64)
            call["finish_reason"] = finish
        return self.tell(
            action,
            target=("model", model.name),
            outcome=outcome,
            duration_ms=round(took, 1),
            error={"type": error, "message": _SAID[error]} if error else None,
            model=call,
            usage=usage,
            **self._model_data(model, under, subjects),
            **blocks,
        )

    def _model_data(
        self, model: Model, under: Activity | None, subjects: Sequence[str]
    ) -> dict[str, Any]:
        if under is None:
            return {"data": {"classes": ["internal"], "external": True}}
        said: dict[str, Any] = {
            "data": {
                **under.use(),
                "external": True,
                "recipient": model.provider,
                "recipient_role": "processor",
                "encrypted_in_transit": True,
                **({"subject_ids": list(subjects)} if subjects else {"subject_count": 1}),
            },
            "decision": {"effect": "allow", **DATA_POLICY},
        }
        home = "US" if "phi" in under.classes else "DE"
        said["transfer"] = {"from_country": home, "to_country": model.country}
        if model.country == "US":
            said["transfer"]["mechanism"] = "adequacy"
        return said

    # --- Data ---

    def use_data(
        self,
        action: str,
        target: tuple[str, str],
        under: Activity,
        *,
        subjects: Sequence[str] = (),
        fields: int = 3,
        records: int = 1,
        purpose: str | None = None,
        outcome: str = "success",
        effect: str = "allow",
        actor: Mapping[str, Any] | Person | None = None,
        data: Mapping[str, Any] | None = None,
        decision: Mapping[str, Any] | None = None,
        **blocks: Any,
    ) -> str:
        """Read or change data of people under a registered activity."""
        said: dict[str, Any] = {
            **under.use(purpose=purpose),
            "fields": list(under.fields[:fields]),
            "record_count": records,
        }
        said["subject_ids" if subjects else "subject_count"] = list(subjects) or records
        verb = action.rpartition(".")[2]
        if verb in {"update", "delete"}:
            said["before_hash"] = self.word(64)
        if verb in {"create", "update"}:
            said |= {"after_hash": self.word(64), "encrypted_at_rest": True}
        if verb in {"export", "disclose", "transfer"}:
            said["encrypted_in_transit"] = True
        self.wait(0.03, 0.4)
        return self.tell(
            action,
            target=target,
            actor=actor,
            outcome=outcome,
            duration_ms=round(self.chance.lognormvariate(3.2, 0.6), 1),
            data={**said, **(data or {})},
            decision={"effect": effect, **DATA_POLICY, **(decision or {})},
            **blocks,
        )

    def remember(
        self,
        action: str,
        store: str,
        *,
        under: Activity | None = None,
        subjects: Sequence[str] = (),
        **blocks: Any,
    ) -> str:
        """Read, write, search or delete in the agent's memory."""
        data: dict[str, Any] = {"classes": ["internal"], "purpose": "agent_memory"}
        if under is not None:
            data = under.use() | {"subject_ids": list(subjects)}
        memory: dict[str, Any] = {"store": store, "type": "semantic", "key_hash": self.word(64)}
        if action == "memory.write":
            memory |= {"ttl_seconds": 30 * 86_400, "bytes": self.chance.randint(180, 5200)}
            data["encrypted_at_rest"] = True
        elif action in {"memory.read", "memory.search"}:
            memory["cache_hit"] = self.happens(0.6)
        return self.tell(
            action,
            target=("memory", store),
            duration_ms=round(self.chance.lognormvariate(2.2, 0.7), 1),
            memory=memory,
            data=data,
            decision={"effect": "allow", **DATA_POLICY},
            **blocks,
        )

    # --- Tools and approvals ---

    def call_tool(
        self,
        tool: Tool,
        target: tuple[str, str],
        *,
        outcome: str = "success",
        error: str | None = None,
        approval: Approval | None = None,
        effect: str = "allow",
        **blocks: Any,
    ) -> str:
        """Call a tool; with an approval, under it and with the arguments that were approved."""
        took = self.chance.uniform(*tool.seconds)
        self.wait(took)
        said: dict[str, Any] = {
            "name": tool.name,
            "server": tool.server,
            "kind": tool.kind,
            "risk": tool.risk,
            "side_effect": tool.side_effect,
            "destructive": tool.destructive,
            "call_id": f"call_{self.word(12)}",
            "arguments_hash": approval.arguments if approval else self.word(64),
        }
        if outcome == "success":
            said |= {"result_hash": self.word(64), "result_bytes": self.chance.randint(80, 9000)}
        decision: dict[str, Any] = {"effect": effect, **TOOLS_POLICY}
        if approval is not None:
            decision |= {
                "effect": "approved",
                "approval_id": approval.id,
                "requested_by": approval.requested_by,
            }
        trace = blocks.pop("trace", {})
        if tool.side_effect:
            operation = approval.operation if approval else f"op-{self.word(12)}"
            trace = {"operation_id": operation, **trace}
        return self.tell(
            "tool.invoke",
            target=target,
            outcome=outcome,
            duration_ms=round(took * 1000, 1),
            error={"type": error, "message": _SAID[error]} if error else None,
            tool=said,
            decision={**decision, **blocks.pop("decision", {})},
            trace=trace,
            severity="high" if tool.destructive else None,
            **blocks,
        )

    def request(self, subject: str, tool: Tool | None = None, **details: Any) -> Approval:
        """Ask a person to allow something."""
        approval = Approval(
            id=f"apr-{self.word(10)}",
            arguments=self.word(64),
            expires_at=self.later(hours=8),
            requested_by=self.agent.id,
            operation=f"op-{self.word(12)}",
            subject=subject,
        )
        self.tell(
            "approval.requested",
            target=("approval", subject),
            outcome="pending",
            decision={**self._asked(approval), "effect": "require_approval"},
            tool=self._asked_tool(approval, tool),
            trace={"operation_id": approval.operation},
            details=details or None,
        )
        return approval

    def answer(
        self,
        approval: Approval,
        by: Person,
        tool: Tool | None = None,
        *,
        action: str = "approval.granted",
        reason: str | None = None,
        **decision: Any,
    ) -> None:
        """Let a person grant or deny what was asked."""
        is_granted = action == "approval.granted"
        effect = "approved" if is_granted else "deny"
        self.tell(
            action,
            actor=by,
            target=("approval", approval.subject),
            outcome="success" if is_granted else "denied",
            decision={**self._asked(approval), "effect": effect, **decision},
            tool=self._asked_tool(approval, tool),
            trace={"operation_id": approval.operation},
            reason=reason,
        )

    def approved(
        self, subject: str, by: Person, tool: Tool | None = None, *, within: float = 900
    ) -> Approval:
        """Ask, and be allowed after at most so many seconds."""
        approval = self.request(subject, tool)
        self.wait(within / 20, within)
        self.answer(approval, by, tool)
        self.wait(0.5, 4)
        return approval

    def _asked(self, approval: Approval) -> dict[str, str]:
        return {
            "approval_id": approval.id,
            "requested_by": approval.requested_by,
            "expires_at": approval.expires_at,
            **APPROVAL_POLICY,
        }

    def _asked_tool(self, approval: Approval, tool: Tool | None) -> dict[str, Any] | None:
        if tool is None:
            return None
        return {
            "name": tool.name,
            "server": tool.server,
            "risk": tool.risk,
            "arguments_hash": approval.arguments,
        }

    # --- Runs ---

    def start(self, **blocks: Any) -> None:
        """Tell that the run begins."""
        self.tell("run.started", target=("run", self.run_id), **blocks)

    def finish(self, *, outcome: str = "success", error: str | None = None) -> None:
        """Tell that the run is over, with the time it took."""
        self.wait(0.05, 0.5)
        self.tell(
            "run.completed",
            target=("run", self.run_id),
            outcome=outcome,
            duration_ms=self.elapsed(),
            error={"type": error, "message": _SAID[error]} if error else None,
        )

    def decide(
        self,
        target: tuple[str, str],
        effect: str,
        *,
        reason: str | None = None,
        operation: str | None = None,
        **blocks: Any,
    ) -> str:
        """Tell what a policy said."""
        return self.tell(
            "decision.evaluated",
            target=target,
            outcome="denied" if effect == "deny" else "success",
            decision={"effect": effect, **DATA_POLICY},
            duration_ms=round(self.chance.uniform(0.4, 6), 2),
            reason=reason,
            trace={"operation_id": operation} if operation else {},
            **blocks,
        )


_SAID = {
    "timeout": "no answer within 30 s",
    "rate_limited": "429: too many requests, retry after 12 s",
    "provider_unavailable": "503 from the model provider",
    "context_length": "prompt is longer than the model's window",
    "validation_error": "field `amount` must be positive",
    "not_found": "no such record",
    "connection_reset": "connection reset by peer",
    "tests_failed": "3 of 412 tests failed",
    "account_closed": "the payee's account is closed",
    "out_of_budget": "stopped: the run spent more than its budget",
    "upstream_error": "502 from the upstream service",
}
