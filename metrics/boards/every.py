"""The list of all boards, D1 to D12, in order. Pure.

To add a board, write it in a file of its own and name it here; `make boards` writes its files.
"""

from __future__ import annotations

from typing import Final

from metrics.boards import (
    d01_agents,
    d02_api,
    d03_system,
    d04_errors,
    d05_resources,
    d06_monitoring,
    d07_performance,
    d08_audit,
    d09_overview,
    d10_cost,
    d11_users,
    d12_one_agent,
)  # fmt: skip
from metrics.boards.shape import Board

BOARDS: Final[tuple[Board, ...]] = tuple(
    each.BOARD
    for each in (
        d01_agents, d02_api, d03_system, d04_errors, d05_resources, d06_monitoring,
        d07_performance, d08_audit, d09_overview, d10_cost, d11_users, d12_one_agent,
    )
)  # fmt: skip
