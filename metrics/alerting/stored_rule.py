"""Write a rule down as JSON data, and read it back. Pure.

The members are the fields of metrics.alert_rule.Rule; durations are whole seconds, `match` is an
object of lists. A field that has its default may be left out, and one that a rule does not have is
refused: a rule that is read halfway would watch something else than whoever wrote it meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import timedelta
from typing import Any, Final, get_args

from metrics.alert_rule import Aggregate, Comparison, Function, Group, Rule, Severity, faults

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "group": get_args(Group),
    "function": get_args(Function),
    "comparison": get_args(Comparison),
    "severity": get_args(Severity),
    "aggregate": get_args(Aggregate),
}
"""Fields that take one of a few words."""
_DURATIONS: Final = frozenset({"lasts", "window"})
_NUMBERS: Final = frozenset({"threshold", "quantile"})
_MOST_SECONDS: Final = 7 * 86_400
"""A window or a time to wait of more than a week is a slip of the pen."""


class WrongRule(Exception):
    """What was written is no rule that can be evaluated. `errors`: by field, what is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(dict(errors))
        self.errors = dict(errors)

    def __str__(self) -> str:
        """Read as a line."""
        return "; ".join(f"{field}: {said}" for field, said in self.errors.items())


def as_data(rule: Rule) -> dict[str, Any]:
    """Return a rule as JSON data, every field of it."""
    return {
        each.name: int(value.total_seconds())
        if isinstance(value := getattr(rule, each.name), timedelta)
        else {label: list(values) for label, values in value}
        if each.name == "match"
        else list(value)
        if isinstance(value, tuple)
        else value
        for each in fields(rule)
    }


def from_data(data: object) -> Rule:
    """Return the rule that was written down. Raises WrongRule with every field that is wrong."""
    if not isinstance(data, Mapping):
        raise WrongRule({"rule": "is an object with the fields of a rule"})
    known = {each.name: each for each in fields(Rule)}
    errors = {str(name): "is no field of a rule; remove it" for name in data if name not in known}
    read: dict[str, Any] = {}
    for name, each in known.items():
        if name in data:
            try:
                read[name] = _read(name, data[name])
            except ValueError as error:
                errors[name] = str(error)
        elif each.default is MISSING:
            errors[name] = "is needed"
    if errors:
        raise WrongRule(errors)
    rule = Rule(**read)
    for field, said in faults(rule):
        errors.setdefault(field, said)
    if errors:
        raise WrongRule(errors)
    return rule


def _read(name: str, value: object) -> object:
    """Return the value of a field. Raises ValueError with what is wrong."""
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(f"is one of {', '.join(_CHOICES[name])}")
        return value
    if name in _DURATIONS:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_SECONDS:
            raise ValueError(f"is a number of whole seconds, 0 to {_MOST_SECONDS}")
        return timedelta(seconds=value)
    if name in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("is a number")
        return float(value)
    if name == "by":
        return _words(value)
    if name == "match":
        if not isinstance(value, Mapping):
            raise ValueError("is an object: labels, each with a list of values")
        return tuple((str(label), _words(values)) for label, values in value.items())
    if not isinstance(value, str):
        raise ValueError("is a text")
    return value


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("is a list of texts")
    return tuple(value)
