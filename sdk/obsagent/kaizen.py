"""From `record_audit` with Kaizen's action names to events of the schema. Pure.

    tool_execute       tool.invoke              permission_grant   approval.granted
    checkpoint_save    agent.checkpoint_saved   permission_deny    approval.denied
    checkpoint_load    agent.checkpoint_loaded  interrupt_triggered  agent.interrupted

An action of the schema is taken as it is; any other becomes `x.<service>.<action>`. The actor is
`user_id`, a human, else the agent. `details` stay as they are sent, redacted as ever; what of them
the schema has a field for is put there too. `approval.granted` and `approval.denied` need a key
with governance:write: an agent's own key is refused, since it must not approve itself.
"""

from __future__ import annotations

import re
from typing import Any

from obsagent.canonical import digest_of
from obsagent.event import without_none
from obsagent.schema import ACTIONS

ACTION_NAMES = {
    "tool_execute": "tool.invoke",
    "tool_invoke": "tool.invoke",
    "llm_request": "llm.call",
    "permission_request": "approval.requested",
    "permission_grant": "approval.granted",
    "permission_deny": "approval.denied",
    "checkpoint_save": "agent.checkpoint_saved",
    "checkpoint_load": "agent.checkpoint_loaded",
    "interrupt_triggered": "agent.interrupted",
    "agent_execute_start": "run.started",
    "agent_execute": "run.completed",
    "agent_loop": "loop.completed",
    "memory_store": "memory.write",
    "memory_retrieve": "memory.read",
    "memory_search": "memory.search",
    "memory_delete": "memory.delete",
    "workflow_execute": "workflow.completed",
    "node_execute": "workflow.step_completed",
    "file_read": "file.read",
    "file_write": "file.written",
    "file_delete": "file.deleted",
    "db_query": "db.queried",
    "api_call": "api.called",
    "login_failed": "auth.login",
}

_TARGETS = {
    "tool_call": ("tool", ("tool_name", "tool", "name")),
    "llm_call": ("model", ("model", "model_name")),
    "memory": ("memory", ("store", "memory_type", "key")),
    "workflow": ("workflow", ("workflow_id", "node_id", "name")),
    "decision": ("tool", ("tool_name", "permission", "resource")),
    "data_access": ("data", ("resource", "table", "data_subject")),
}
_RISKS = {"SAFE": "low", "LOW": "low", "MODERATE": "medium", "MEDIUM": "medium",
          "HIGH": "high", "CRITICAL": "critical"}  # fmt: skip
_SEVERITIES = {"high": "high", "critical": "critical"}


def action_of(name: str, service: str) -> str:
    """Return the action that a name means."""
    known = ACTION_NAMES.get(name.replace("/", "_"), name)
    if known in ACTIONS or re.fullmatch(r"x(?:\.[A-Za-z0-9_-]+){2,}", known):
        return known
    return f"x.{_word(service)}.{_word(name)}"[:100]


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or "unnamed"


def event_of(
    *, service: str, agent_id: str, action: str, details: dict[str, Any], result: str,
    user_id: str | None, metadata: dict[str, Any] | None,
) -> tuple[str, dict[str, Any]]:  # fmt: skip
    """Return the action and the fields of the event that a call of `record_audit` means."""
    meant = action_of(action, service)
    category = ACTIONS.get(meant, "action")
    human = {"type": "human", "id": user_id} if user_id else None
    fields: dict[str, Any] = {
        "outcome": result,
        "agent": {"id": agent_id},
        "actor": human or {"type": "agent", "id": agent_id},
        "target": _target(category, details, agent_id),
        "details": without_none({**details, "metadata": metadata}) or None,
        "duration_ms": details.get("duration_ms"),
    }
    risk = _RISKS.get(str(details.get("danger_level", "")).upper())
    if category == "tool_call":
        fields["tool"] = without_none(
            {
                "name": fields["target"]["id"],
                "risk": risk,
                "result_bytes": details.get("result_size"),
                "arguments_hash": digest_of(details.get("parameters", {})),
            }
        )
    elif category == "decision":
        fields["decision"] = without_none({"approval_id": details.get("approval_id")})
    fields["severity"] = _SEVERITIES.get(risk or "")
    if result in ("failure", "error"):
        fields["error"] = without_none(
            {
                "type": str(details.get("error_type", "unknown"))[:200],
                "message": str(details["error"])[:2000] if "error" in details else None,
            }
        )
    return meant, {name: value for name, value in fields.items() if value not in (None, {})}


def _target(category: str, details: dict[str, Any], agent_id: str) -> dict[str, str]:
    kind, names = _TARGETS.get(category, ("agent", ("target", "resource")))
    for name in names:
        value = details.get(name)
        if value:
            return {"type": kind, "id": str(value)[:200]}
    return {"type": kind, "id": "unnamed"} if kind != "agent" else {"type": "agent", "id": agent_id}
