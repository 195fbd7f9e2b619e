"""The upper edges of every histogram, infinity left out. Pure.

Edges may be added and never taken away: rules and dashboards of others rest on them, and rows keep
one count an edge. Which family has which: families.py.
"""

from __future__ import annotations

from typing import Final

AGENT: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TOOL: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0)
LLM: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
MEMORY: Final = (0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
WORKFLOW: Final = (1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
HTTP: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAG: Final = (*HTTP, 30.0, 60.0, 600.0, 3600.0)
APPEND: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
CHECK: Final = (0.001, 0.005, 0.01, 0.1, 1.0)
"""All of the above in seconds."""

RATIO: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
COUNTS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
BYTES: Final = (
    256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0,
)  # fmt: skip
