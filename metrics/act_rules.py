"""What permissions, security, data, files, services and measures add to metrics. Pure.

Which rule is whose: rules.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from metrics import agent_families as agents
from metrics import ledger_families as ledgers
from metrics import platform_families as platform
from metrics.folding import Folding
from metrics.labels import NONE, normalise

_DECIDED: Final = {
    "allow": "granted", "approved": "granted", "deny": "denied", "require_approval": "requested",
}  # fmt: skip


def permission(fold: Folding) -> None:
    """Count a permission that was asked for, given or refused."""
    action: str = fold.event["action"]
    decision: str | None
    if action == "decision.evaluated":
        decision = _DECIDED.get(fold.block("decision").get("effect", ""))
    else:
        decision = action.partition(".")[2]
    if decision is None:
        fold.refuse(agents.PERMISSIONS, "missing")
    else:
        fold.count(agents.PERMISSIONS, (action, decision))


def security(fold: Folding) -> None:
    """Count an event of security."""
    severity = fold.event.get("severity", "info")
    fold.count(agents.SECURITY_EVENTS, (fold.event["action"], severity))


def login(fold: Folding) -> None:
    """Count a try to sign in, which is an event of security too."""
    security(fold)
    method = fold.label("auth_method", fold.block("auth").get("method"))
    fold.count(ledgers.AUTH_ATTEMPTS, (method, fold.status))


def data_used(fold: Folding) -> None:
    """Count a use of data."""
    basis = fold.label("lawful_basis", fold.block("data").get("legal_basis"))
    fold.count(agents.DATA_ACCESS, (fold.verb(), basis))


def checkpoint(fold: Folding) -> None:
    """Count a checkpoint, or an interruption."""
    fold.count(agents.CHECKPOINTS, (fold.event["action"], fold.status))


def file(fold: Folding) -> None:
    """Count a use of a file."""
    fold.count(agents.FILE_OPERATIONS, (fold.verb(), fold.status))


def queried(fold: Folding) -> None:
    """Observe a query."""
    said = fold.block("labels").get("operation")
    operation = "query" if said is None else fold.label("db_operation", said)
    fold.took(agents.DB_SECONDS, (operation,))


def service_called(fold: Folding) -> None:
    """Count a call of a service that is no model."""
    provider = fold.label("provider", _provider(fold.block("target")))
    fold.count(agents.EXTERNAL_API_CALLS, (provider, fold.status))


def _provider(target: Mapping[str, Any]) -> str | None:
    """Return who offers a service: the target's system, else its id up to the first slash."""
    system: str | None = target.get("system")
    if system is not None:
        return system
    target_id: str = target.get("id", "")
    return target_id.partition("://")[2].partition("/")[0] or target_id.partition("/")[0] or None


def sampled(fold: Folding) -> None:
    """Set what an agent says of its own process."""
    said = fold.block("resource")
    fold.say(platform.AGENT_CPU, (fold.agent,), said.get("cpu_ratio"))
    fold.say(platform.AGENT_PROCESS_MEMORY, (fold.agent,), said.get("memory_bytes"))


def measured(fold: Folding) -> None:
    """Add a measure of an agent's own, if an administrator has allowed it as it stands."""
    said = fold.block("measure")
    allowed = fold.known.allowed(said.get("name", ""), fold.received_us)
    labels: Mapping[str, str] = said.get("labels", {})
    if (
        allowed is None
        or allowed.kind != said.get("type")
        or not labels.keys() <= set(allowed.labels)
    ):
        fold.guard(platform.CUSTOM_REFUSED, (fold.label("custom", said.get("name")),))
        return
    name = normalise(allowed.name)
    values = (
        name,
        *(
            fold.label(f"custom.{name}.{label}", labels[label]) if label in labels else NONE
            for label in allowed.labels
        ),
    )
    value = said.get("value")
    if allowed.kind == "histogram":
        fold.observe(agents.CUSTOM_SECONDS, values, value)
        return
    family = agents.CUSTOM_GAUGE if allowed.kind == "gauge" else agents.CUSTOM_COUNTER
    whole = fold.whole(family, value, is_signed=allowed.kind == "gauge")
    if whole is None:
        return
    if allowed.kind == "gauge":
        fold.set(family, values, whole)
    else:
        fold.count(family, values, whole)
