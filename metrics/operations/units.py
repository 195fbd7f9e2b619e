"""Say a value in its unit, as people read it. Pure. Its twin in browsers: obs/charts.js."""

from __future__ import annotations

from typing import Final

from metrics.operations.chart import Unit

NOTHING: Final = "none"

_SUFFIXES: Final[dict[Unit, str]] = {
    "per_minute": "/min",
    "per_hour": "/h",
    "per_second": "/s",
    "bytes_per_second": "/s",
    "cores": " cores",
}
_THOUSAND: Final = 1_000
_PLACES: Final = ((100.0, 0), (10.0, 1), (1.0, 2))
_CENT: Final = 0.01
_MINUTES, _HOURS, _DAYS = 120.0, 7_200.0, 172_800.0  # seconds from which the next unit is said


def said(value: float | None, unit: Unit) -> str:
    """Return the value with its unit, three digits of it; `none` where there is none."""
    if value is None:
        return NOTHING
    if unit == "ratio":
        return f"{number(value * 100)} %"
    if unit == "seconds":
        return _duration(value)
    if unit == "usd":
        return _dollars(value)
    if unit in {"bytes", "bytes_per_second"}:
        return _bytes(value) + _SUFFIXES.get(unit, "")
    return number(value) + _SUFFIXES.get(unit, "")


def number(value: float) -> str:
    """Return three digits that say something, thousands separated: 1,234, 12.3, 0.0457."""
    if value == 0:
        return "0"
    size = abs(value)
    for least, places in _PLACES:
        if size >= least:
            text = f"{value:,.{places}f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3g}"


def _duration(seconds: float) -> str:
    size = abs(seconds)
    if 0 < size < 1:
        return f"{number(seconds * _THOUSAND)} ms"
    if size < _MINUTES:
        return f"{number(seconds)} s"
    if size < _HOURS:
        return f"{number(seconds / 60)} min"
    if size < _DAYS:
        return f"{number(seconds / 3_600)} h"
    return f"{number(seconds / 86_400)} d"


def _dollars(usd: float) -> str:
    if 0 < abs(usd) < _CENT:
        return f"${usd:.2g}"
    return f"${usd:,.2f}"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < _THOUSAND:
            return f"{number(size)} {unit}"
        size /= _THOUSAND
    return f"{number(size)} TB"
