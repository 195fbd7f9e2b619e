"""Say which alert rules stand: those that the platform ships, and what people made of them.

A row of `metrics_alertrule` stands in the place of the shipped rule of its name, or is one of
people's own. Rows are written by changing.py alone. A row that cannot be read, as when a version
took away what it rests on, is said with its error; of a shipped rule what is shipped stands
meanwhile, so that nothing goes unwatched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from metrics.alert_rule import Rule
from metrics.alert_rules import RULES
from metrics.alerting.minutes import lacking
from metrics.alerting.stored_rule import WrongRule, from_data
from metrics.models import AlertRule

Origin: TypeAlias = Literal["shipped", "changed", "own"]

SHIPPED: Final = {rule.name: rule for rule in RULES}
"""The rules of the platform, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One rule as it stands."""

    name: str
    rule: Rule | None
    """None of one of people's own that cannot be read."""
    origin: Origin
    is_on: bool
    changed_at: datetime | None = None
    """None of one that nobody has changed."""
    changed_by: str = ""
    error: str = ""
    """Why the row cannot be read."""

    @property
    def in_force(self) -> Rule | None:
        """The rule, where it is on and can be read."""
        return self.rule if self.is_on else None


def standing() -> list[Standing]:
    """Return every rule, shipped ones first in their order, then people's own by name."""
    rows = {row.name: row for row in AlertRule.objects.order_by("name")}
    found = [_shipped(rule, rows.pop(rule.name, None)) for rule in RULES]
    return [*found, *(_of_row(row, None) for row in rows.values())]


def standing_of(name: str) -> Standing | None:
    """Return one rule by its name; None when there is none."""
    return next((each for each in standing() if each.name == name), None)


def rules_in_force() -> list[Rule]:
    """Return the rules that are on, TargetDown included, which Prometheus alone can evaluate."""
    return [rule for each in standing() if (rule := each.in_force) is not None]


def rules_to_evaluate() -> list[Rule]:
    """Return the rules that are on and that minute history can answer."""
    return [rule for rule in rules_in_force() if not lacking(rule)]


def _shipped(rule: Rule, row: AlertRule | None) -> Standing:
    if row is None:
        return Standing(name=rule.name, rule=rule, origin="shipped", is_on=True)
    return _of_row(row, rule)


def _of_row(row: AlertRule, shipped: Rule | None) -> Standing:
    error, rule = "", shipped
    try:
        rule = from_data(row.rule)
    except WrongRule as wrong:
        error = str(wrong)
    origin: Origin = "own" if shipped is None else "shipped" if rule == shipped else "changed"
    return Standing(
        name=row.name,
        rule=rule,
        origin=origin,
        is_on=row.is_on,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
        error=error,
    )
