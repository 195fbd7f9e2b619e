"""Draw the clocks that laws set: of each breach and request, how much of its time went by. Pure.

Every clock has its own length (72 hours, 60 days, a month), so a row is drawn in shares of its time
allowed: the line `due` is where it ends. Ended in time is a solid bar, late is dark beyond the line
with a cross, still running is hatched. Late ones stand first, then the earliest due.

Clocks: report_content.Clock. Shapes: svg.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from compliance.renderers.blocks import Chart, Column, Table
from compliance.renderers.svg import (
    SMALL,
    TEXT,
    WIDTH,
    box,
    cross,
    drawing,
    hatch,
    path,
    short,
    stroke,
    words,
)
from compliance.renderers.written import elapsed, many, moment
from compliance.report_content import Clock, ReportContent

MOST: Final = 20
"""Clocks of a kind that are drawn; the table has them all."""
_LABEL: Final = 140.0
_DUE: Final = 200.0  # from the start to where the time allowed ends
_OVER: Final = 1.3  # shares that are drawn; beyond it an arrow's head says that it goes on
_ROW: Final = 20.0
_KINDS: Final = (("breach", "Breach notices"), ("request", "Requests of data subjects"))


def clocks(content: ReportContent) -> Chart | None:
    """Return the clocks of breaches and requests; None when there are none."""
    found = sorted(content.law.clocks, key=lambda one: (not one.is_late, one.due_at, one.case))
    if not found:
        return None
    as_of = content.cover.as_of
    parts: list[str] = []
    y = 4.0
    for kind, title in _KINDS:
        of_kind = [one for one in found if one.kind == kind]
        if of_kind:
            drawn, y = _panel(of_kind, title=title, top=y, as_of=as_of)
            parts += drawn
    text = _told(found)
    return Chart(
        title="Clocks of breaches and requests",
        svg=drawing([*parts, *_legend(y + 12)], height=y + 20, told=text),
        text=text,
        table=_table(found, as_of),
    )


def _panel(
    found: Sequence[Clock], *, title: str, top: float, as_of: str
) -> tuple[list[str], float]:
    drawn = found[:MOST]
    more = len(found) - len(drawn)
    said = title + (f", {len(drawn):,} of {len(found):,}" if more else "")
    parts = [words(0, top + 11, said, is_bold=True)]
    parts.append(words(_LABEL + _DUE, top + 11, "due", fill="quiet", size=SMALL, anchor="middle"))
    y = top + 18
    for one in drawn:
        parts += _row(one, y, as_of)
        y += _ROW
    line = stroke([(_LABEL + _DUE, top + 15), (_LABEL + _DUE, y)])
    return [*parts, path([line], line="ink", width=1.2)], y + 12


def _row(one: Clock, y: float, as_of: str) -> list[str]:
    used = _used(one, as_of)
    on_time = min(used, 1.0) * _DUE
    height = _ROW - 8
    parts = [
        words(0, y + 10, short(one.case, _LABEL - 10, size=SMALL), size=SMALL),
        path([box(_LABEL, y + 1, _DUE, height)], line="line", width=0.8),
    ]
    if one.ended_at:
        parts.append(path([box(_LABEL, y + 1, on_time, height)], fill="pale"))
    else:
        parts.append(path([hatch(_LABEL, y + 1, on_time, height)], line="accent", width=0.9))
        parts.append(path([box(_LABEL, y + 1, on_time, height)], line="accent", width=0.9))
    end = _LABEL + on_time
    if one.is_late:
        over = max((min(used, _OVER) - 1.0) * _DUE, 3.0)
        end = _LABEL + _DUE + over
        parts.append(path([box(_LABEL + _DUE, y + 1, over, height)], fill="fail"))
        parts.append(path([cross(end + 9, y + 1 + height / 2, 4)], line="fail", width=1.8))
        end += 16
    told = f"{_state(one)}, {elapsed(one.started_at, one.ended_at or as_of)} of {_allowed(one)}"
    at = max(end, _LABEL + _DUE) + 8
    parts.append(words(at, y + 10, short(told, WIDTH - at, size=SMALL), fill="quiet", size=SMALL))
    return parts


def _used(one: Clock, as_of: str) -> float:
    """Return which share of the time allowed went by; more than 1 is late."""
    start, due = datetime.fromisoformat(one.started_at), datetime.fromisoformat(one.due_at)
    end = datetime.fromisoformat(one.ended_at or as_of)
    allowed = (due - start).total_seconds()
    if allowed <= 0:
        return 1.0
    return max((end - start).total_seconds() / allowed, 0.0)


def _allowed(one: Clock) -> str:
    return elapsed(one.started_at, one.due_at)


def _state(one: Clock) -> str:
    if one.is_late:
        return "late" if one.ended_at else "late, running"
    return "in time" if one.ended_at else "running"


def _legend(y: float) -> list[str]:
    parts, x = [], 0.0
    for word in ("ended in time", "still running", "beyond its due time"):
        if word == "ended in time":
            parts.append(path([box(x, y - 9, 16, 10)], fill="pale"))
        elif word == "still running":
            parts.append(path([hatch(x, y - 9, 16, 10)], line="accent", width=0.9))
            parts.append(path([box(x, y - 9, 16, 10)], line="accent", width=0.9))
        else:
            parts.append(path([box(x, y - 9, 16, 10)], fill="fail"))
        parts.append(words(x + 21, y, word, fill="quiet", size=SMALL))
        x += 21 + len(word) * TEXT / 2 + 24
    return parts


def _told(found: Sequence[Clock]) -> str:
    late = sum(one.is_late for one in found)
    running = sum(not one.ended_at for one in found)
    return (
        f"{many(len(found), 'clock')}: {late:,} late, {running:,} still running; each bar is the "
        "share of the time allowed that went by."
    )


def _table(found: Sequence[Clock], as_of: str) -> Table:
    return Table(
        title="Clocks of breaches and requests",
        columns=(
            Column(title="Case", share=3, look="code"),
            Column(title="Kind", share=1),
            Column(title="What", share=3),
            Column(title="Started (UTC)", share=2, look="time"),
            Column(title="Due (UTC)", share=2, look="time"),
            Column(title="Ended (UTC)", share=2, look="time"),
            Column(title="Took", share=2),
            Column(title="State", share=1, look="state"),
        ),
        rows=tuple(
            (
                one.case,
                one.kind,
                one.label,
                moment(one.started_at),
                moment(one.due_at),
                moment(one.ended_at),
                elapsed(one.started_at, one.ended_at or as_of),
                _state(one),
            )
            for one in found
        ),
    )
