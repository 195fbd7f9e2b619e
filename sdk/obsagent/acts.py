"""From acts of an agent to events: runs, tools, models, memory, workflows, data. Owns their shapes.

Each act is a context manager that measures and records once, when it ends: `success`, `error` with
the exception's type, `denied` for what may not be, `failure` when told so. It works in `with` and
in `async with`. With a `tracing` it has a span too, see act_spans.py. What was passed in and what
came out leaves the process as digests alone.

    with acts.run(mode="chat"):
        with acts.tool("send-letter", arguments={"to": 7}, risk="high") as call:
            call.result(send(7))

Blocks an act does not know are passed on by name: `acts.tool("x", decision={"policy_id": "p1"})`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import Token
from hashlib import sha256
from typing import Any, TypeVar

from obsagent import context
from obsagent.act_spans import ActSpan
from obsagent.approvals import Approval
from obsagent.canonical import digest_of, hashed
from obsagent.client import Client, Recorded
from obsagent.errors import ApprovalDenied
from obsagent.event import check, error_of, failure_of, new_id
from obsagent.tracing import Tracing

_Act = TypeVar("_Act", bound="Act")


class Act:
    """One act that is going on. Recorded when it ends, once."""

    def __init__(self, acts: Acts, action: str, fields: dict[str, Any]) -> None:
        self.id = new_id()
        """The event's id; what happens within can name it as `causation_id`."""
        self.recorded: Recorded | None = None
        self._client = acts.client
        self._tracing = acts.tracing
        self._span: ActSpan | None = None
        self._action = action
        self._fields = fields
        self._outcome: str | None = None
        self._started = 0.0
        self._token: Token[context.Fields] | None = None

    # What the act is told on the way

    def set(self: _Act, **fields: Any) -> _Act:
        """Add to the event: a block as a dict joins what is there; another field replaces it."""
        for name, value in fields.items():
            old = self._fields.get(name)
            if isinstance(old, dict) and isinstance(value, dict):
                self._fields[name] = {**old, **value}
            else:
                self._fields[name] = value
        return self

    def outcome(self: _Act, outcome: str, *, reason: str | None = None) -> _Act:
        """Say how it went, instead of what leaving the block would say."""
        self._outcome = outcome
        if reason is not None:
            self._fields["reason"] = reason
        return self

    def fail(self: _Act, error_type: str, message: str = "") -> _Act:
        """Say that it failed, without an exception."""
        error = failure_of(error_type, message, self._client.redactor)
        self._fields["error"] = error if message else {"type": error["type"]}
        return self.outcome("failure")

    # Its beginning and end

    def _surroundings(self) -> dict[str, Any]:
        """Return the blocks that events within this act carry."""
        return {}

    def _beginning(self) -> tuple[str, dict[str, Any]] | None:
        """Return the event that tells of its beginning, if any."""
        return None

    def _begin(self) -> None:
        around = self._surroundings()
        if around:
            self._token = context.enter(**around)
        self._started = time.perf_counter()

    def _refuse_what_cannot_be_recorded(self) -> None:
        """Raise EventInvalid before the act, not after it."""
        check(self._client.make(self._ended_as("success"), outcome="success", **self._fields))

    def _event(self, error: BaseException | None) -> tuple[str, dict[str, Any]]:
        took = (time.perf_counter() - self._started) * 1_000
        fields = dict(self._fields)
        fields.setdefault("duration_ms", round(took, 3))
        outcome = self._outcome
        if error is not None:
            if outcome is None:
                outcome = "denied" if isinstance(error, _REFUSALS) else "error"
            fields.setdefault("error", error_of(error, self._client.redactor))
        return outcome or "success", fields

    def _open_span(self) -> None:
        tracing = self._tracing()
        if tracing is not None:
            agent = self._fields.get("agent") or {}
            given = agent if isinstance(agent, str) else agent.get("id")
            agent_id = given or self._client.agent_id
            span = ActSpan(
                tracing, event_id=self.id, action=self._action, fields=self._fields,
                agent_id=agent_id,
            )  # fmt: skip
            self.set(trace=span.trace())
            self._span = span

    def _end(self, outcome: str, fields: dict[str, Any]) -> None:
        if self._span is not None:
            self._span.end(outcome, fields)
            self._span = None
        if self._token is not None:
            context.leave(self._token)
            self._token = None

    def __enter__(self: _Act) -> _Act:
        self._refuse_what_cannot_be_recorded()
        self._open_span()
        beginning = self._beginning()
        if beginning is not None:
            try:
                self._client.event(beginning[0], **beginning[1])
            except BaseException as error:
                self._end("error", {"error": error_of(error, self._client.redactor)})
                raise
        self._begin()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        outcome, fields = self._event(error)
        try:
            self.recorded = self._client.event(
                self._ended_as(outcome), outcome=outcome, id=self.id, **fields
            )
        finally:
            self._end(outcome, fields)

    async def __aenter__(self: _Act) -> _Act:
        self._refuse_what_cannot_be_recorded()
        self._open_span()
        beginning = self._beginning()
        if beginning is not None:
            try:
                await self._client.aevent(beginning[0], **beginning[1])
            except BaseException as error:
                self._end("error", {"error": error_of(error, self._client.redactor)})
                raise
        self._begin()
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        outcome, fields = self._event(error)
        try:
            self.recorded = await self._client.aevent(
                self._ended_as(outcome), outcome=outcome, id=self.id, **fields
            )
        finally:
            self._end(outcome, fields)

    def _ended_as(self, outcome: str) -> str:
        """Return the action that this act is, once it has ended so."""
        return self._action


_REFUSALS = (PermissionError, ApprovalDenied)


class ToolCall(Act):
    """A call of a tool; tell its result."""

    def result(self, value: Any) -> Any:
        """Note what the tool gave back, as a digest and a size; return it."""
        written = hashed(value)  # the tool has done its work: what it gave must not raise here
        self.set(tool={"result_hash": sha256(written).hexdigest(), "result_bytes": len(written)})
        return value


class ModelCall(Act):
    """A call of a model; tell its response and what it used."""

    def response(self, value: Any, *, finish_reason: str | None = None) -> Any:
        """Note what the model answered, as a digest; return it."""
        digest = sha256(hashed(value)).hexdigest()
        self.set(model={"response_hash": digest, "finish_reason": finish_reason})
        return value

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        cost_usd: float | None = None,
    ) -> None:
        """Note how many tokens it took, and what they cost in US dollars."""
        self.set(
            usage={
                "input_tokens": input_tokens,
                "output_tokens": output_tokens,
                "cache_read_tokens": cache_read_tokens,
                "reasoning_tokens": reasoning_tokens,
                "cost_usd": cost_usd,
            }
        )


class RunAct(Act):
    """A run of the agent: run.started now, run.completed at its end; events within carry it."""

    def _surroundings(self) -> dict[str, Any]:
        return {"run": self._fields["run"]}

    def _beginning(self) -> tuple[str, dict[str, Any]]:
        return "run.started", {"run": self._fields["run"]}


class WorkflowAct(Act):
    """A workflow, or a step of one: an event when it begins and one when it ends."""

    def _surroundings(self) -> dict[str, Any]:
        return {"workflow": self._fields["workflow"]}

    def _beginning(self) -> tuple[str, dict[str, Any]]:
        told = {name: self._fields[name] for name in ("workflow", "target")}
        return f"{self._action}started", told

    def _ended_as(self, outcome: str) -> str:
        if outcome == "success":
            return f"{self._action}completed"
        return f"{self._action}failed"


class Acts:
    """The acts of one agent, recorded by its client."""

    def __init__(
        self, client: Client, *, tracing: Callable[[], Tracing | None] | None = None
    ) -> None:
        """Make acts; each has a span of the `tracing` there is when it begins."""
        self.client = client
        self.tracing = tracing or _no_tracing

    def run(
        self, run_id: str | None = None, *, mode: str | None = None, task_id: str | None = None,
        goal_id: str | None = None, **fields: Any,
    ) -> RunAct:  # fmt: skip
        """Begin a run of the agent; a run within a run names it as its parent."""
        outer = context.current().get("run", {}).get("id")
        run = _some(
            id=run_id or new_id(), parent_id=outer, mode=mode, task_id=task_id, goal_id=goal_id
        )
        return RunAct(self, "run.completed", {"run": run, **fields})

    def tool(
        self, name: str, *, arguments: Any = None, kind: str = "function",
        server: str | None = None, risk: str | None = None, destructive: bool | None = None,
        side_effect: bool | None = None, call_id: str | None = None,
        operation_id: str | None = None, approval: Approval | None = None, **fields: Any,
    ) -> ToolCall:  # fmt: skip
        """Call a tool. `arguments` are hashed and never sent; `risk` low, medium, high, critical.

        `operation_id` names the effect, so that one denied and done all the same is found. An
        `approval` must be of these very arguments, else ApprovalDenied.
        """
        tool = _some(
            name=name, kind=kind, server=server, risk=risk, destructive=destructive,
            side_effect=side_effect, call_id=call_id or new_id(),
            arguments_hash=digest_of({} if arguments is None else arguments),
        )  # fmt: skip
        if approval is not None:
            approval.refuse_other(name, tool["arguments_hash"])
            operation_id = operation_id or approval.operation_id
            fields["decision"] = {**approval.decision(), **fields.get("decision", {})}
        if operation_id is not None:
            fields["trace"] = {
                **context.trace_of_span(), **fields.get("trace", {}), "operation_id": operation_id
            }  # fmt: skip
        fields.setdefault("target", {"type": "tool", "id": name})
        return ToolCall(self, "tool.invoke", {"tool": tool, **fields})

    def llm(
        self, model: str, *, provider: str, operation: str = "chat", prompt: Any = None,
        system_prompt: Any = None, version: str | None = None, temperature: float | None = None,
        request_id: str | None = None, **fields: Any,
    ) -> ModelCall:  # fmt: skip
        """Call a model; prompts are hashed and never sent.

        `operation` is chat, completion, embedding, retrieval, image or speech.
        """
        block = _some(
            provider=provider, name=model, version=version, operation=operation,
            temperature=temperature, request_id=request_id,
            prompt_hash=None if prompt is None else digest_of(prompt),
            system_prompt_hash=None if system_prompt is None else digest_of(system_prompt),
        )  # fmt: skip
        action = {"embedding": "llm.embed", "retrieval": "llm.retrieve"}.get(operation, "llm.call")
        fields.setdefault("target", {"type": "model", "id": model})
        return ModelCall(self, action, {"model": block, **fields})

    def memory(
        self, operation: str, *, store: str, type: str, key: Any = None,
        size: int | None = None, cache_hit: bool | None = None,
        ttl_seconds: float | None = None, **fields: Any,
    ) -> Act:  # fmt: skip
        """Use a memory: `operation` is write, read, search, delete or export; keys are hashed."""
        block = _some(
            store=store, type=type, key_hash=None if key is None else digest_of(key),
            bytes=size, cache_hit=cache_hit, ttl_seconds=ttl_seconds,
        )  # fmt: skip
        fields.setdefault("target", {"type": "memory", "id": store})
        return Act(self, f"memory.{operation}", {"memory": block, **fields})

    def workflow(
        self, workflow_id: str, *, name: str | None = None, run_id: str | None = None,
        **fields: Any,
    ) -> WorkflowAct:  # fmt: skip
        """Run a workflow: workflow.started, then completed or failed."""
        block = _some(id=workflow_id, name=name, run_id=run_id or new_id())
        fields.setdefault("target", {"type": "workflow", "id": workflow_id})
        return WorkflowAct(self, "workflow.", {"workflow": block, **fields})

    def step(
        self, step_id: str, *, step: str | None = None, step_type: str | None = None,
        attempt: int | None = None, **fields: Any,
    ) -> WorkflowAct:  # fmt: skip
        """Run a step of the workflow around it: step_started, then step_completed or failed."""
        around = context.current().get("workflow", {})
        block = {
            **around,
            **_some(step_id=step_id, step=step, step_type=step_type, attempt=attempt),
        }
        fields.setdefault("target", {"type": "workflow", "id": block.get("id", step_id)})
        return WorkflowAct(self, "workflow.step_", {"workflow": block, **fields})

    def data_access(
        self, operation: str, *, target_type: str, target_id: str, purpose: str,
        classes: list[str], legal_basis: str | None = None,
        subject_ids: list[str] | None = None, record_count: int | None = None,
        **fields: Any,
    ) -> Act:  # fmt: skip
        """Touch data: read, create, update, delete, export, disclose, transfer, infer, anonymize.

        `classes` are words such as pii, phi, internal; subjects become pseudonyms on the platform.
        """
        data = _some(
            classes=classes, purpose=purpose, legal_basis=legal_basis, subject_ids=subject_ids,
            record_count=record_count,
        )  # fmt: skip
        fields["data"] = {**data, **fields.get("data", {})}
        fields.setdefault("target", {"type": target_type, "id": target_id})
        return Act(self, f"data.{operation}", fields)

    def plan(self, *, quality: float | None = None, steps: int | None = None, **fields: Any) -> Act:
        """Make a plan; `quality` is from 0 to 1."""
        return Act(self, "plan.created", {"plan": _some(quality=quality, steps=steps), **fields})

    def act(self, action: str, **fields: Any) -> Act:
        """Do anything else that docs/events.md names, measured like the others."""
        return Act(self, action, fields)


def _no_tracing() -> None:
    return None


def _some(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
