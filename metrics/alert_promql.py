"""Say an alert rule in PromQL. Pure.

The expression gives a series for each alert that holds at a moment, with what was found as its
value; `for` and labels stand beside it in the file of rules (alert_file.py). What each function
means, in words: alert_rule.py.

Comparisons filter, so a quantile or a ratio that is not a number raises nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from metrics.alert_rule import DAY, UP, Aggregate, Rule
from metrics.families import BY_NAME

SPIKE_STEP: Final = timedelta(minutes=5)
"""How far apart the rates of a day lie that a spike is held against."""

_SUFFIXES: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_META: Final = frozenset("\\.+*?()|[]{}^$")


def promql(rule: Rule) -> str:
    """Return the expression of a rule that has no problems."""
    return f"{_found(rule)} {rule.comparison} {_limit(rule)}"


def duration(length: timedelta) -> str:
    """Return a duration as PromQL writes it, in the largest unit that divides it: `5m`, `1d`."""
    seconds = int(length.total_seconds())
    suffix, size = next(each for each in _SUFFIXES if seconds % each[1] == 0)
    return f"{seconds // size}{suffix}" if seconds else "0s"


def number(value: float) -> str:
    """Return a number without an exponent and without a fraction that says nothing."""
    return f"{value:.12f}".rstrip("0").rstrip(".")


def selector(name: str, match: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> str:
    """Return the series of a name whose labels have one of the values asked for."""
    if not match:
        return name
    return f"{name}{{{','.join(_matcher(label, values) for label, values in match)}}}"


def _matcher(label: str, values: tuple[str, ...]) -> str:
    if len(values) == 1:
        return f'{label}="{_quoted(values[0])}"'
    # Prometheus anchors a regular expression at both ends.
    return f'{label}=~"{_quoted("|".join(_literal(value) for value in values))}"'


def _literal(value: str) -> str:
    return "".join(f"\\{letter}" if letter in _META else letter for letter in value)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _limit(rule: Rule) -> str:
    if rule.function != "spike":
        return number(rule.threshold)
    day = f"({_rate(rule)})[{duration(DAY)}:{duration(SPIKE_STEP)}]"
    deviations = number(rule.threshold)
    return f"avg_over_time({day}) + {deviations} * stddev_over_time({day})"


def _found(rule: Rule) -> str:
    match rule.function:
        case "rate" | "spike":
            return _rate(rule)
        case "increase":
            asked = selector(rule.family, rule.match)
            return _over(rule, "sum", f"increase({asked}[{duration(rule.window)}])")
        case "quantile":
            return _quantile(rule)
        case "against_yesterday":
            return f"{_quantile(rule)} / {_quantile(rule, offset=DAY)}"
        case "ratio":
            part, whole = _flow(rule, rule.family, rule.match), _flow(rule, rule.of)
            return f"{part} / ({whole} > 0)"
        case "value":
            return _over(rule, rule.aggregate, selector(rule.family, rule.match))
        case "age":
            asked = f"time() - {selector(rule.family, rule.match)}"
            return _over(rule, rule.aggregate, asked)
        case "growth":
            asked = selector(rule.family, rule.match)
            before = f"{asked} offset {duration(rule.window)}"
            return _over(rule, rule.aggregate, f"{asked} - {before}")


def _rate(rule: Rule) -> str:
    asked = selector(rule.family, rule.match)
    return _over(rule, "sum", f"rate({asked}[{duration(rule.window)}])")


def _flow(rule: Rule, name: str, match: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> str:
    asked = selector(name, match)
    if name != UP and BY_NAME[name].kind == "counter":
        asked = f"rate({asked}[{duration(rule.window)}])"
    return _over(rule, "sum", asked)


def _quantile(rule: Rule, *, offset: timedelta = timedelta()) -> str:
    asked = f"{selector(f'{rule.family}_bucket', rule.match)}[{duration(rule.window)}]"
    if offset:
        asked += f" offset {duration(offset)}"
    labels = ", ".join((*rule.by, "le"))
    return f"histogram_quantile({number(rule.quantile)}, sum by ({labels}) (rate({asked})))"


def _over(rule: Rule, aggregate: Aggregate, asked: str) -> str:
    """Return the series that fit as one, or as one for each alert."""
    by = f" by ({', '.join(rule.by)}) " if rule.by else ""
    return f"{aggregate}{by}({asked})"
