"""How fast and how cheap the platform promises to be. Pure.

Held against what was measured by targets.py, and alerted on by alert_rules.py. Each is told in
docs/observability.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

APPEND_SECONDS: Final = 0.01
"""Of an entry, to be chained."""
HEALTH_SECONDS: Final = 0.01
CHAINED_SECONDS: Final = 5.0
"""From the receipt of an event to its chain."""
OPERATION_SECONDS: Final = 0.001
MOST_OVERHEAD: Final[Mapping[str, float]] = {
    "metrics": 0.02,
    "logging": 0.05,
    "tracing": 0.01,
    "all": 0.05,
}
"""Share of busy time by component."""
