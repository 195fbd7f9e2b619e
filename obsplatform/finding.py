"""What a health check found: the shape that every check of readiness.py returns. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Status: TypeAlias = Literal["ok", "degraded", "critical"]
"""How bad a finding is; only `critical` answers 503."""

MOST_TOLD: Final = 3  # problems that one finding spells out


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check found."""

    status: Status
    detail: str
    """For those who may see it; holds no secret."""


def told(problems: list[str], *, fine: str, status: Status = "degraded") -> Finding:
    """Return the first of the problems and how many more there are; ok when there are none."""
    if not problems:
        return Finding(status="ok", detail=fine)
    more = f"; and {len(problems) - MOST_TOLD} more" if len(problems) > MOST_TOLD else ""
    return Finding(status=status, detail="; ".join(problems[:MOST_TOLD]) + more)
