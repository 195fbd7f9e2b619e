"""What an alert rule is: of which family, what is made of it, when that is too much. Pure.

The shape alone, and what makes one wrong; which rules the platform ships: alert_rules.py. A rule is
data, so that it can be edited and means the same wherever it is evaluated: alert_promql.py says it
in PromQL. What `function` makes, in words; rates are by the second, and of a family's series all
that fit `match` are taken together, by the labels in `by`:

- `rate`: how often, over `window`; `increase`: how much came in `window`.
- `quantile`: below what the share `quantile` of the observations of `window` lies.
- `ratio`: the part of `of` that `family` is; of counters as they grew in `window`, of gauges as
  they stand. Where `of` is nothing there is no ratio, and no alert.
- `value`: how a gauge stands, by `aggregate`; `age`: how long the time that it says is past.
- `growth`: how much higher a gauge stands than `window` ago.
- `against_yesterday`: how many times the quantile is what it was a day ago.
- `spike`: the rate; `threshold` is how many standard deviations above the mean of the day it may
  lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Final, Literal, TypeAlias

from metrics.families import BY_NAME
from metrics.family import CLOSED, Family

Function: TypeAlias = Literal[
    "rate", "increase", "quantile", "ratio", "value", "age", "growth", "against_yesterday", "spike"
]
Comparison: TypeAlias = Literal[">", "<", "=="]
Severity: TypeAlias = Literal["warning", "critical"]
Aggregate: TypeAlias = Literal["max", "min", "sum"]
"""What several series that fit make together; for the worst of them `min` where less is worse."""
Group: TypeAlias = Literal["agents", "models", "ledger", "compliance", "platform"]
Shown: TypeAlias = Literal["number", "seconds", "percent"]

KINDS: Final[Mapping[Function, frozenset[str]]] = {
    "rate": frozenset({"counter"}),
    "increase": frozenset({"counter"}),
    "quantile": frozenset({"histogram"}),
    "ratio": frozenset({"counter", "gauge"}),
    "value": frozenset({"gauge"}),
    "age": frozenset({"gauge"}),
    "growth": frozenset({"gauge"}),
    "against_yesterday": frozenset({"histogram"}),
    "spike": frozenset({"counter"}),
}
"""What kinds of family each function can be made of."""

DAY: Final = timedelta(days=1)
"""How far back `against_yesterday` and `spike` look."""
UP: Final = "up"
"""Prometheus' own gauge of each target, 1 when it was scraped: the one name that is not ours."""
UP_LABELS: Final = ("job", "instance")

_NAME = re.compile(r"[A-Z][A-Za-z0-9]{2,63}")
_PLACE = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One alert rule."""

    name: str
    """As the alert is called; no two rules share it."""
    group: Group
    family: str
    """Name of a family, or `UP`."""
    function: Function
    threshold: float
    """In the family's unit; of a ratio 0 to 1, of a spike in deviations."""
    severity: Severity
    summary: str
    """One line; `{label}` stands for a label of `by`, `{value}` for what was found."""
    description: str
    """What it means, with the same places."""
    runbook: str
    """The page in docs/runbooks that says what to do, without `.md`; rules may share one."""
    comparison: Comparison = ">"
    lasts: timedelta = timedelta()
    """How long it must hold without a break before the alert fires."""
    match: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Labels, each with the values that it may have."""
    by: tuple[str, ...] = ()
    """Labels that tell alerts apart."""
    window: timedelta = timedelta(minutes=5)
    of: str = ""
    """The whole that a ratio is of; its series are not narrowed by `match`."""
    quantile: float = 0.95
    aggregate: Aggregate = "max"
    """For `value`, `age` and `growth`."""

    @property
    def is_of_prometheus(self) -> bool:
        """Whether it rests on what Prometheus alone knows, so that nobody else can evaluate it."""
        return self.family == UP

    @property
    def shows(self) -> Shown:
        """How a person reads the value."""
        unit = "" if self.is_of_prometheus else BY_NAME[self.family].unit
        if self.function == "ratio" or (self.function == "value" and unit == "ratio"):
            return "percent"
        is_duration = self.function in ("quantile", "value", "growth") and unit == "seconds"
        return "seconds" if self.function == "age" or is_duration else "number"


Fault: TypeAlias = tuple[str, str]
"""A field of a rule, and what is wrong with it in a sentence."""


def problems(rule: Rule) -> list[str]:
    """Return what is wrong with a rule, each in a sentence; nothing when it can be evaluated."""
    return [said for _, said in faults(rule)]


def faults(rule: Rule) -> list[Fault]:
    """Return what is wrong with a rule, by the field that is to be changed."""
    if rule.is_of_prometheus:
        return [*_own_faults(rule), *_label_faults(rule, UP_LABELS)]
    family = BY_NAME.get(rule.family)
    if family is None:
        return [("family", f"there is no family {rule.family}")]
    return [
        *_own_faults(rule),
        *_family_faults(rule, family),
        *_label_faults(rule, family.labels),
    ]


def _own_faults(rule: Rule) -> Iterator[Fault]:
    if not _NAME.fullmatch(rule.name):
        yield "name", "a name is a capital, then letters and digits, 3 to 64 in all"
    if rule.window <= timedelta() or rule.window.microseconds:
        yield "window", "a window is at least a second, in whole seconds"
    if rule.lasts < timedelta() or rule.lasts.microseconds:
        yield "lasts", "how long it lasts is nothing or more, in whole seconds"
    if not 0 < rule.quantile < 1:
        yield "quantile", "a quantile lies between 0 and 1"
    if not isfinite(rule.threshold):
        yield "threshold", "a threshold is a finite number"
    if rule.function == "spike" and rule.comparison != ">":
        yield "comparison", "a spike is more than before, so it compares with >"
    if (rule.function == "ratio") != bool(rule.of):
        yield "of", "a ratio, and nothing else, has a whole that it is of"
    for field in ("summary", "description"):
        text = getattr(rule, field)
        unknown = {*_PLACE.findall(text)} - {*rule.by, "value"}
        if unknown or not text:
            yield field, f"its words are empty, or name what it does not have: {sorted(unknown)}"
        elif {*"{}"} & {*_PLACE.sub("", text)}:
            yield field, "its words have a brace that belongs to no place, such as {value}"


def _family_faults(rule: Rule, family: Family) -> Iterator[Fault]:
    if family.kind not in KINDS[rule.function]:
        yield "function", f"{rule.function} cannot be made of {family.name}, a {family.kind}"
    if rule.function == "age" and not family.name.endswith("_timestamp_seconds"):
        yield "function", f"{family.name} says no time, so it has no age"
    if not rule.of:
        return
    whole = BY_NAME.get(rule.of)
    if whole is None or whole.kind != family.kind:
        yield "of", f"{rule.of} is no family of the kind of {family.name}"
    elif set(rule.by) - set(whole.labels):
        yield "by", f"{rule.of} lacks a label by which it is asked: {', '.join(rule.by)}"


def _label_faults(rule: Rule, labels: tuple[str, ...]) -> Iterator[Fault]:
    asked = [label for label, _ in rule.match]
    for field, named in (("match", asked), ("by", rule.by)):
        for label in sorted({*named} - set(labels)):
            yield field, f"{rule.family} has no label {label}"
        if len(named) != len(set(named)):
            yield field, "a label is named twice"
    for label, values in rule.match:
        wrong = set(values) - set(CLOSED.get(label, values))
        if not values or wrong:
            said = f"{label} is asked for no value, or for one that it never has: {sorted(wrong)}"
            yield "match", said
