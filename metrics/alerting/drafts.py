"""Read a rule as somebody typed it, and write one so that it can be typed again. Pure.

Durations are 90s, 5m, 1h or 1d; labels to match `status=error|denied, stage=chained`; labels to
tell alerts apart `agent, tool`. Each error names its field and the way out. The shape of a rule:
metrics/alert_rule.py; what has no minutes is refused here, since the platform could not evaluate
it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Final

from metrics.alert_promql import duration, number
from metrics.alert_rule import Rule
from metrics.alerting.minutes import lacking
from metrics.alerting.stored_rule import WrongRule, from_data

MOST_CHARACTERS: Final = {"summary": 200, "description": 1_000}
OWN_RUNBOOK: Final = "own"
"""The runbook of a rule that people made and that names none."""

_DURATION: Final = re.compile(r"(\d{1,6}) ?(s|m|min|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A rule as it was typed, a text for each field."""

    name: str = ""
    group: str = "agents"
    family: str = ""
    function: str = "rate"
    comparison: str = ">"
    threshold: str = ""
    window: str = "5m"
    lasts: str = "5m"
    match: str = ""
    by: str = ""
    of: str = ""
    quantile: str = "0.95"
    aggregate: str = "max"
    severity: str = "warning"
    summary: str = ""
    description: str = ""
    runbook: str = ""


FIELDS: Final = tuple(each.name for each in fields(Draft))


def draft_of(rule: Rule) -> Draft:
    """Return a rule as it would be typed."""
    return Draft(
        name=rule.name,
        group=rule.group,
        family=rule.family,
        function=rule.function,
        comparison=rule.comparison,
        threshold=number(rule.threshold) or "0",
        window=duration(rule.window),
        lasts=duration(rule.lasts),
        match=", ".join(f"{label}={'|'.join(values)}" for label, values in rule.match),
        by=", ".join(rule.by),
        of=rule.of,
        quantile=number(rule.quantile),
        aggregate=rule.aggregate,
        severity=rule.severity,
        summary=rule.summary,
        description=rule.description,
        runbook=rule.runbook,
    )


def read_draft(draft: Draft) -> Rule:
    """Return the rule that was typed. Raises WrongRule with every field that is wrong."""
    errors: dict[str, str] = {}
    data: dict[str, Any] = {
        name: getattr(draft, name).strip()
        for name in FIELDS
        if name not in {"threshold", "quantile", "window", "lasts", "match", "by"}
    }
    data["runbook"] = data["runbook"] or OWN_RUNBOOK
    for name, read in (
        ("threshold", _number),
        ("quantile", _number),
        ("window", _seconds),
        ("lasts", _seconds),
        ("match", _match),
        ("by", _names),
    ):
        try:
            data[name] = read(getattr(draft, name).strip())
        except ValueError as error:
            errors[name] = str(error)
    for name, most in MOST_CHARACTERS.items():
        if len(data[name]) > most:
            errors[name] = f"has at most {most} characters"
    if not data["family"]:
        errors["family"] = "is needed: which family it watches"
    # What could not be read is held by what certainly can, so that all other errors are said too.
    stand_in = {name: _STAND_IN[name] for name in errors if name in _STAND_IN}
    try:
        rule = from_data({**data, **stand_in})
    except WrongRule as wrong:
        raise WrongRule(wrong.errors | errors) from None
    if errors := errors or lacking(rule):
        raise WrongRule(errors)
    return rule


_STAND_IN: Final[Mapping[str, Any]] = {
    "threshold": 0.0,
    "quantile": 0.95,
    "window": 300,
    "lasts": 0,
    "match": {},
    "by": [],
}


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        raise ValueError("is a number, such as 0.1 or 1000000") from None


def _seconds(text: str) -> int:
    found = _DURATION.fullmatch(text or "0s")
    if found is None:
        raise ValueError("is a duration such as 90s, 5m, 1h or 1d")
    return int(timedelta(seconds=int(found[1]) * _SECONDS[found[2]]).total_seconds())


def _names(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _match(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for piece in _names(text):
        label, equals, values = piece.partition("=")
        named = [each.strip() for each in values.split("|") if each.strip()]
        if not equals or not label.strip() or not named:
            raise ValueError("is like status=error|denied, with commas between labels")
        if label.strip() in found:
            raise ValueError(f"names {label.strip()} twice; put its values together with |")
        found[label.strip()] = named
    return found
