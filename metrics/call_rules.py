"""What calls of tools, models, memories and workflows add to metrics. Pure.

Which rule is whose: rules.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from metrics import agent_families as agents
from metrics.family import TOKEN_TYPES
from metrics.folding import Folding


def tool_invoked(fold: Folding) -> None:
    """Count a call of a tool."""
    said = fold.block("tool")
    tool = fold.label("tool", said.get("name"))
    fold.count(agents.TOOL_CALLS, (tool, fold.status, fold.environment))
    fold.work(f"tool {tool}")
    fold.took(agents.TOOL_SECONDS, (tool,))
    fold.observe(agents.TOOL_RESULT_BYTES, (tool,), said.get("result_bytes"))
    if fold.status == "error":
        fold.count(agents.TOOL_ERRORS, (tool, fold.error_type()))


def model_asked(fold: Folding) -> None:
    """Count a request to a model, its tokens and what it cost."""
    said = fold.block("model")
    pair = fold.names.learn_model(said.get("provider"), said.get("name"))
    fold.count(agents.LLM_REQUESTS, (*pair, fold.status, fold.environment))
    fold.took(agents.LLM_SECONDS, pair)
    tokens = _tokens(fold, pair)
    _cost(fold, pair, tokens)


def _tokens(fold: Folding, pair: tuple[str, str]) -> Mapping[str, int]:
    usage, tokens = fold.block("usage"), {}
    for kind in TOKEN_TYPES:
        said = usage.get(f"{kind}_tokens")
        if said is None and (kind != "input" or "output_tokens" in usage):
            continue  # that neither input nor output is told is said once
        number = fold.whole(agents.LLM_TOKENS, said)
        if number is not None:
            tokens[kind] = number
            fold.count(agents.LLM_TOKENS, (*pair, kind), number)
            fold.work("tokens", number)
    return tokens


def _cost(fold: Folding, pair: tuple[str, str], tokens: Mapping[str, int]) -> None:
    said = fold.block("usage").get("cost_usd")
    nano: int | None
    if said is None:
        nano = fold.price(tokens)
        if nano is None:
            fold.refuse(agents.LLM_COST, "missing")
    else:
        nano = fold.whole(agents.LLM_COST, said)
    if nano is not None:
        fold.count(agents.LLM_COST, (*pair, fold.environment), nano)
        fold.spend(nano, provider=pair[0], model=pair[1])
        fold.work("nano", nano)


def remembered(fold: Folding) -> None:
    """Count a use of an agent's memory."""
    said, operation = fold.block("memory"), fold.verb()
    memory_type = fold.label("memory_type", said.get("type"))
    fold.count(agents.MEMORY_OPERATIONS, (operation, memory_type, fold.status))
    fold.took(agents.MEMORY_SECONDS, (operation, memory_type))
    if (hit := said.get("cache_hit")) is not None:
        cache = fold.label("cache", said.get("store"))
        fold.count(agents.CACHE_REQUESTS, (cache, "hit" if hit else "miss"))
    fold.say(agents.AGENT_MEMORY_BYTES, (fold.agent, memory_type), said.get("bytes"))


def _workflow(fold: Folding) -> str:
    said = fold.block("workflow")
    return fold.label("workflow", said.get("name", said.get("id")))


def workflow_ended(fold: Folding) -> None:
    """Count a workflow that was completed or failed."""
    workflow = _workflow(fold)
    fold.count(agents.WORKFLOW_EXECUTIONS, (workflow, fold.ended()))
    fold.took(agents.WORKFLOW_SECONDS, (workflow,))


def step_ended(fold: Folding) -> None:
    """Count a step of a workflow that was completed or failed."""
    step_type = fold.label("node_type", fold.block("workflow").get("step_type"))
    fold.count(agents.WORKFLOW_NODES, (_workflow(fold), step_type, fold.ended()))
