"""Say what a rule found in the last day, and when it would have fired. Reads only.

A look at every minute of the day at once (sql.py). The evaluator looks each 30 s, so when it fires
may differ by a step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from metrics.alert_rule import DAY, Rule
from metrics.alerting.look import Found, look
from metrics.alerting.sql import MINUTE

STATEMENT_TIMEOUT_MS: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Firing:
    """One time that an alert would have fired."""

    labels: tuple[str, ...]
    began: datetime
    ended: datetime | None
    """None of one that fires at the end of the day still."""
    highest: float
    """The value farthest to the side that fires."""


def past_day(rule: Rule, now: datetime) -> list[Found]:
    """Return what a rule found at each minute of the last day, the one of `now` the last.

    Raises what the database raises, a statement that takes more than ten seconds included.
    """
    last = now.replace(second=0, microsecond=0)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS:d}")
        return look(rule, first=last - DAY, last=last)


def firings(rule: Rule, found: Iterable[Found], *, last: datetime) -> list[Firing]:
    """Return when alerts fire, newest first, of what a rule finds each minute to `last`."""
    by_alert: defaultdict[tuple[str, ...], list[Found]] = defaultdict(list)
    for each in found:
        if each.holds:
            by_alert[each.labels].append(each)
    made = [
        fired
        for labels, held in by_alert.items()
        for stretch in _stretches(held)
        if (fired := _fired(rule, labels, stretch, last=last))
    ]
    return sorted(made, key=lambda each: each.began, reverse=True)


def _stretches(held: list[Found]) -> Iterable[list[Found]]:
    """Cut what held into stretches of minutes without a break."""
    stretch: list[Found] = []
    for each in held:
        if stretch and each.at - stretch[-1].at > MINUTE:
            yield stretch
            stretch = []
        stretch.append(each)
    if stretch:
        yield stretch


def _fired(
    rule: Rule, labels: tuple[str, ...], stretch: list[Found], *, last: datetime
) -> Firing | None:
    began = stretch[0].at + rule.lasts
    if stretch[-1].at < began:
        return None
    values = [each.value for each in stretch]
    return Firing(
        labels=labels,
        began=began,
        ended=None if stretch[-1].at == last else stretch[-1].at + MINUTE,
        highest=min(values) if rule.comparison == "<" else max(values),
    )
