"""Spans for tests of pure code: as little of one as a computation asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Shaped:
    """A span by its times and what it says."""

    span_id: str
    parent_id: str = ""
    start_ns: int = 0
    duration_ns: int = MS
    name: str = "step"
    operation: str = ""
    subject: str = ""
    agent_id: str = "alice-agent"
    arguments_sha256: str = ""
    is_error: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()


def of(span_id: str, parent_id: str = "", start: int = 0, end: int = 1) -> Shaped:
    """Return a span from `start` to `end`, in milliseconds."""
    return Shaped(
        span_id=span_id, parent_id=parent_id, start_ns=start * MS, duration_ns=(end - start) * MS
    )
