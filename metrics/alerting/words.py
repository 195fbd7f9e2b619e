"""Say rules, figures and durations as people read them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from metrics.alert_promql import duration
from metrics.alert_rule import Rule, Shown

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))
_BIG: Final = 1_000
_TIMES: Final = {">": "more than", "<": "less than", "==": "exactly"}


def said_of(rule: Rule, text: str, labels: Mapping[str, str], value: float) -> str:
    """Return words of a rule with its places filled in."""
    return text.format_map(
        {**dict.fromkeys(rule.by, ""), **labels, "value": said_value(rule, value)}
    )


def said_value(rule: Rule, value: float) -> str:
    """Return a figure of a rule in the measure in which people read it."""
    return said_figure(rule.shows, value)


def said_figure(shows: Shown, value: float) -> str:
    """Return a figure: 12 %, 3 min, 1.2 s, 24 ms, 1,234,567, 0.2."""
    if shows == "percent":
        return f"{value * 100:.3g}\u00a0%"
    if shows == "seconds":
        return said_seconds(value)
    return f"{value:,.0f}" if abs(value) >= _BIG else f"{value:.4g}"


def said_seconds(seconds: float) -> str:
    """Return a duration in the unit that fits it."""
    for unit, length in _UNITS:
        if abs(seconds) >= 2 * length:
            return f"{seconds / length:,.3g} {unit}"
    return f"{seconds * 1_000:.3g} ms" if 0 < abs(seconds) < 1 else f"{seconds:.3g} s"


def in_words(rule: Rule) -> str:
    """Return what a rule fires at, in a sentence."""
    where = "".join(f" where {label} is {' or '.join(values)}" for label, values in rule.match)
    each = f", for each {' and '.join(rule.by)}" if rule.by else ""
    lasts = f", and that has lasted {said_duration(rule.lasts)}" if rule.lasts else ""
    return f"Fires when {_measured(rule)}{where} is {_bound(rule)}{each}{lasts}."


def said_duration(length: timedelta) -> str:
    """Return a duration as rules write it, such as 5m; nothing of none."""
    return duration(length) if length else "at once"


def _measured(rule: Rule) -> str:
    window = f"{duration(rule.window)}"
    share = f"{rule.quantile * 100:.4g} %"
    return {
        "rate": f"the rate of {rule.family} over {window}",
        "increase": f"what came of {rule.family} in {window}",
        "quantile": f"what {share} of {rule.family} of {window} lie below",
        "ratio": f"{rule.family} as a part of {rule.of} over {window}",
        "value": f"the {_AGGREGATES[rule.aggregate]} of {rule.family}",
        "age": f"the {_AGGREGATES[rule.aggregate]} age of {rule.family}",
        "growth": f"the {_AGGREGATES[rule.aggregate]} growth of {rule.family} in {window}",
        "against_yesterday": f"what {share} of {rule.family} of {window} lie below, by that of "
        "a day ago,",
        "spike": f"the rate of {rule.family} over {window}",
    }[rule.function]


_AGGREGATES: Final = {"max": "greatest", "min": "least", "sum": "sum"}


def _bound(rule: Rule) -> str:
    if rule.function == "spike":
        return f"more than {rule.threshold:g} standard deviations above its mean of the day"
    limit = said_value(rule, rule.threshold)
    if rule.function == "rate":
        limit += " a second"
    if rule.function == "against_yesterday":
        limit += " times as much"
    return f"{_TIMES[rule.comparison]} {limit}"
