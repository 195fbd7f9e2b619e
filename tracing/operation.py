"""Tell what a span does, whichever convention its sender follows. Pure.

The first that says it wins: GenAI's `gen_ai.operation.name`, OpenInference's and OpenLLMetry's kind
of span, MCP's method, the plain names. What it says beside: semconv.py. The table for people:
docs/otlp.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tracing.attributes import LONGEST_NAME

_OPENINFERENCE: Final = {
    "AGENT": "invoke_agent",
    "TOOL": "execute_tool",
    "LLM": "chat",
    "EMBEDDING": "embeddings",
    "RETRIEVER": "retrieval",
    "CHAIN": "chain",
    "RERANKER": "rerank",
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluate",
    "PROMPT": "prompt",
}
_OPENLLMETRY: Final = {
    "workflow": "invoke_workflow",
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "task": "task",
}
_OTHER_SPELLINGS: Final = {"vector_db_retrieve": "retrieval"}  # OpenLLMetry's, of a retriever
_REQUEST_TYPES: Final = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "rerank": "rerank",
}
HANDOFF: Final = "handoff to "
"""How OpenInference begins the name of a span that hands work to another agent."""

_OLD_NAMES: Final = {
    "agent.execute": "invoke_agent",
    "agent.loop": "loop",
    "tool.execute": "execute_tool",
    "llm.generate": "chat",
    "workflow.execute": "invoke_workflow",
    "planning.plan": "plan",
    "orchestration.cycle": "orchestrate",
}
_OLD_FAMILIES: Final = {
    "memory": {
        **dict.fromkeys(("store", "write", "add"), "create_memory"),
        **dict.fromkeys(("update", "upsert"), "update_memory"),
        **dict.fromkeys(("retrieve", "read", "get"), "read_memory"),
        **dict.fromkeys(("search", "query"), "search_memory"),
        **dict.fromkeys(("delete", "remove"), "delete_memory"),
    },
    "goal": {
        **dict.fromkeys(("create", "created"), "create_goal"),
        **dict.fromkeys(("start", "started"), "start_goal"),
        **dict.fromkeys(("complete", "completed"), "complete_goal"),
        **dict.fromkeys(("fail", "failed"), "fail_goal"),
    },
    "file": {"read": "read_file", "write": "write_file", "delete": "delete_file"},
    "db": dict.fromkeys(("query", "execute", "read", "write"), "query_db"),
}


def operation_of(name: str, said: Mapping[str, Any]) -> str:
    """Return what a span does, as `gen_ai.operation.name` spells it; empty when it is not said."""
    found = said.get("gen_ai.operation.name")
    if type(found) is str and found:
        operation = found.lower()[:LONGEST_NAME]
        return _OTHER_SPELLINGS.get(operation, operation)
    found = said.get("openinference.span.kind")
    if type(found) is str and found.upper() in _OPENINFERENCE:
        return "handoff" if _is_handoff(name, said) else _OPENINFERENCE[found.upper()]
    found = said.get("traceloop.span.kind")
    if type(found) is str and found.lower() in _OPENLLMETRY:
        return _OPENLLMETRY[found.lower()]
    found = said.get("llm.request.type")
    if type(found) is str and found.lower() in _REQUEST_TYPES:
        return _REQUEST_TYPES[found.lower()]
    if said.get("mcp.method.name") == "tools/call":
        return "execute_tool"
    if "gen_ai.completion.0.role" in said or "gen_ai.completion.0.content" in said:
        return "chat"
    return _by_name(name, said)


def _is_handoff(name: str, said: Mapping[str, Any]) -> bool:
    """OpenInference tells a handoff as a TOOL that has no name but its span's."""
    return name.startswith(HANDOFF) and "tool.name" not in said


def _by_name(name: str, said: Mapping[str, Any]) -> str:
    """Read the plain names: `tool.execute`, `memory.store`, `node.<id>`."""
    family, _, act = name.partition(".")
    if name in _OLD_NAMES:
        return _OLD_NAMES[name]
    if family in _OLD_FAMILIES:
        return _OLD_FAMILIES[family].get(act, "")
    if family == "node" and ("node.type" in said or "workflow.id" in said):
        return "execute_step"
    return ""
