"""Lay the report of a profile out as rows of a table: frames with their shares, or a plan. Pure.

A request or a task was sampled: each frame of its stack has the milliseconds in which it was seen,
and those of its own, in which nothing it called was. A statement has its text, how often it ran
and Postgres' plan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

MOST_ROWS: Final = 2_000
_DEEPEST: Final = 24
"""Steps that names stand in; deeper frames stand below each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame of a stack."""

    depth: int
    indent: int
    name: str
    place: str
    """File and line."""
    ms: float
    own_ms: float
    """Without what it called."""
    share: float
    """Of the whole, in per cent."""
    own_share: float
    is_hot: bool
    """It has more time of its own than any other frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a profile says."""

    frames: tuple[Frame, ...] = ()
    left_out: int = 0
    """Frames beyond the most that are shown."""
    statement: str = ""
    plan: str = ""
    count: int = 0
    """How often the statement ran."""
    sampled_ms: float = 0.0
    """What the outermost frames add up to."""


def read_report(report: Mapping[str, Any], duration_ms: float) -> Report:
    """Return the rows of a report; one that is not as ours are has none."""
    if "statement" in report:
        plan = report.get("plan")
        count = report.get("count")
        return Report(
            statement=str(report["statement"]),
            plan=plan if isinstance(plan, str) else json.dumps(plan, indent=2) if plan else "",
            count=count if isinstance(count, int) else 0,
        )
    roots = _frames(report.get("frames"))
    sampled = sum(_ms(each) for each in roots)
    whole = max(sampled, duration_ms, 0.001)
    rows, left_out = _rows(roots, whole)
    hottest = max((each.own_ms for each in rows), default=0.0)
    return Report(
        frames=tuple(replace(each, is_hot=0 < each.own_ms == hottest) for each in rows),
        left_out=left_out,
        sampled_ms=sampled,
    )


def _rows(roots: list[Mapping[str, Any]], whole: float) -> tuple[list[Frame], int]:
    """Return each frame before those it called, slowest first. No recursion: stacks are deep."""
    rows: list[Frame] = []
    left_out = 0
    waiting = [(each, 0) for each in reversed(_slowest_first(roots))]
    while waiting:
        frame, depth = waiting.pop()
        called = _frames(frame.get("children"))
        waiting.extend((each, depth + 1) for each in reversed(_slowest_first(called)))
        if len(rows) == MOST_ROWS:
            left_out += 1
            continue
        ms = _ms(frame)
        own = max(ms - sum(_ms(each) for each in called), 0.0)
        file, line = str(frame.get("file", "")), frame.get("line")
        rows.append(
            Frame(
                depth=depth,
                indent=min(depth, _DEEPEST),
                name=str(frame.get("name", "")),
                place=f"{file}:{line}" if file and line else file,
                ms=ms,
                own_ms=own,
                share=round(100 * ms / whole, 1),
                own_share=round(100 * own / whole, 1),
                is_hot=False,
            )
        )
    return rows, left_out


def _frames(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _slowest_first(frames: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(frames, key=_ms, reverse=True)


def _ms(frame: Mapping[str, Any]) -> float:
    found = frame.get("ms")
    return float(found) if isinstance(found, (int, float)) else 0.0
