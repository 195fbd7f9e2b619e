"""What a span of each kind of act is called, and the attributes that say what it is. Pure.

OpenTelemetry's conventions for generative AI where they have a word for it. What is None is for
whoever opens the span to leave out. Spans: tracing.py; those of acts: act_spans.py.
"""

from __future__ import annotations

from typing import Any

Named = tuple[str, dict[str, Any]]
"""A span's name and its attributes."""

_OPERATIONS = {"completion": "text_completion", "embedding": "embeddings"}


def agent(agent_id: str) -> Named:
    """Name the span of a run."""
    return f"invoke_agent {agent_id}", {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": agent_id,
        "gen_ai.agent.name": agent_id,
    }


def tool(name: str, *, call_id: str | None) -> Named:
    """Name the span of a tool's call."""
    return f"execute_tool {name}", {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.id": call_id,
    }


def llm(model: str, *, provider: str | None, operation: str) -> Named:
    """Name the span of a model's call; `operation` in our words or the conventions'."""
    said = _OPERATIONS.get(operation, operation)
    return f"{said} {model}", {
        "gen_ai.operation.name": said,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }


def memory(operation: str, *, memory_type: str | None) -> Named:
    """Name the span of a use of a memory."""
    return f"memory.{operation}", {"memory.operation": operation, "memory.type": memory_type}


def workflow(workflow_id: str) -> Named:
    """Name the span of a workflow."""
    return f"invoke_workflow {workflow_id}", {
        "gen_ai.operation.name": "invoke_workflow",
        "workflow.id": workflow_id,
    }


def node(node_id: str, *, node_type: str | None) -> Named:
    """Name the span of a workflow's step."""
    return f"node.{node_id}", {"node.id": node_id, "node.type": node_type}


def act(action: str, fields: dict[str, Any], *, agent_id: str) -> Named:
    """Name the span of an act as it would be recorded; of what has no convention, by its action."""
    about = {name: fields.get(name) or {} for name in ("tool", "model", "memory", "workflow")}
    if action == "run.completed":
        return agent(agent_id)
    if action == "tool.invoke" and about["tool"].get("name"):
        return tool(about["tool"]["name"], call_id=about["tool"].get("call_id"))
    if action.startswith("llm.") and about["model"].get("name"):
        return _llm(**about["model"])
    if action.startswith("memory."):
        return memory(action.partition(".")[2], memory_type=about["memory"].get("type"))
    if action.startswith("workflow.step_") and about["workflow"].get("step_id"):
        block = about["workflow"]
        return node(block["step_id"], node_type=block.get("step_type"))
    if action.startswith("workflow.") and about["workflow"].get("id"):
        return workflow(about["workflow"]["id"])
    return action.rstrip("._"), {}


def _llm(name: str, provider: str | None = None, operation: str = "chat", **_: Any) -> Named:
    return llm(name, provider=provider, operation=operation)


USAGE = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
}
"""What a model used, by our names."""
