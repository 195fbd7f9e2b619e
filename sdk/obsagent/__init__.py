"""One line in an agent: audit events, traces, metrics and logs for the platform.

Begin with `Observability`, or with `Client` when only the audit trail is wanted. What is imported
here is imported when it is asked for, so that `import obsagent` costs an agent next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obsagent.acts import Acts
    from obsagent.approvals import Approvals
    from obsagent.client import Client, Recorded
    from obsagent.context import acting_for
    from obsagent.observability import (
        Observability,
        ObservabilityManager,
        enable_observability,
    )

__version__ = "0.1.0"

_HOMES = {
    "Acts": "acts",
    "Approvals": "approvals",
    "Client": "client",
    "Observability": "observability",
    "ObservabilityManager": "observability",
    "Recorded": "client",
    "acting_for": "context",
    "enable_observability": "observability",
}

__all__ = [
    "Acts",
    "Approvals",
    "Client",
    "Observability",
    "ObservabilityManager",
    "Recorded",
    "__version__",
    "acting_for",
    "enable_observability",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
