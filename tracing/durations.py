"""Write and read durations as people do: `1.2 ms`, `3 min 20 s`; `200ms`, `1.5s`. Pure.

Spans last from nanoseconds to hours, so a page needs more steps than the desk's seconds. Used by
the pages of traces and by their filters; templates/static/obs/waterfall.js writes the same.
"""

from __future__ import annotations

import re
from typing import Final

_NS: Final = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000,
              "min": 60_000_000_000, "h": 3_600_000_000_000}  # fmt: skip
_STEPS: Final = (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000))
_MINUTE: Final = _NS["min"]
_HOUR: Final = _NS["h"]
_WRITTEN: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?(ns|us|µs|ms|s|min|h)?", re.ASCII)
MOST_NS: Final = 2**63 - 1


def format_duration(ns: int) -> str:
    """Return a duration in nanoseconds with three figures: 850 ns, 1.20 ms, 3 min 20 s, 2 h 5 min.

    What is below zero carries its sign.
    """
    if ns < 0:
        return f"-{format_duration(-ns)}"
    if ns >= 2 * _HOUR:
        minutes = round(ns / _MINUTE)
        return f"{minutes // 60:,} h {minutes % 60} min"
    if ns >= 2 * _MINUTE:
        seconds = round(ns / 1e9)
        return f"{seconds // 60} min {seconds % 60} s"
    for unit, length in _STEPS:
        if ns >= 0.9995 * length:  # what rounds to a whole one is written as one
            return f"{_figures(ns / length)} {unit}"
    return f"{ns} ns"


def _figures(number: float) -> str:
    """Return at least three figures, and no more after the point than those need."""
    places = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{places}f}"


def parse_duration(text: str) -> int:
    """Return the nanoseconds that a person typed; seconds where no unit stands.

    Raises ValueError for what is none, or is longer than a table holds.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise ValueError("is a duration such as 200ms, 1.5s or 2min")
    whole, _, part = found[1].partition(".")
    unit = _NS[found[2] or "s"]
    ns = int(whole) * unit + int(part.ljust(9, "0") or 0) * unit // 1_000_000_000
    if ns > MOST_NS:
        raise ValueError("is longer than any span")
    return ns
