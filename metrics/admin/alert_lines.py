"""How the pages of alert rules say what they show: lines of lists, the chart, times of firing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from django.conf import settings

from audit.database import rows
from metrics.alert_rule import DAY, Rule
from metrics.alerting.in_force import Standing
from metrics.alerting.look import Found
from metrics.alerting.minutes import lacking
from metrics.alerting.past_day import Firing
from metrics.alerting.words import in_words, said_duration, said_value

WIDTH: Final = 720
HEIGHT: Final = 160
CHART_STEP: Final = timedelta(minutes=10)
_ROOM: Final = 1.1
"""How much higher the chart is than what it shows."""

_NOW = """
SELECT rule, labels::text, value, holds_since, fires_since, looked_at
FROM metrics_alert
ORDER BY fires_since NULLS LAST, holds_since, rule, labels
"""
_LOOKS = "SELECT rule, looked_at, milliseconds, error FROM metrics_alertlook"


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertLine:
    """An alert that holds now."""

    rule: str
    labels: str
    severity: str
    state: str
    """`fires`, or `holds` while it has not lasted long enough."""
    value: str
    holds_since: datetime
    fires_since: datetime | None
    looked_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How the evaluator's last look at a rule went."""

    at: datetime
    milliseconds: float
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleLine:
    """A rule in the list."""

    standing: Standing
    state: str
    """`fires`, `holds`, `quiet`, `off`, `broken`, `elsewhere`, `not_here` or `unseen`."""
    words: str
    lasts: str
    look: Look | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What the chart shows at one moment."""

    at: datetime
    value: str
    limit: str
    holds: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """What a rule found in a day: of several alerts the one farthest to the side that fires."""

    lines: list[str]
    """Points of SVG polylines, one a stretch with figures."""
    limits: list[str]
    """The same of the limit."""
    held: list[tuple[str, str]]
    """Where it held: x and width."""
    top: str
    """The figure at the upper edge."""
    said: str
    first: datetime
    last: datetime
    rows: list[Row]
    """The table behind it, the newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FiringLine:
    """One time that it would have fired."""

    labels: str
    began: datetime
    ended: datetime | None
    lasted: float | None
    """Seconds."""
    highest: str


def alerts_now(rules: Mapping[str, Standing]) -> list[AlertLine]:
    """Return what holds now, what fires first; nothing where Prometheus evaluates."""
    if not settings.ALERTS_EVALUATE:
        return []  # rows of before would stand there for ever
    found = []
    for name, text, value, holds, fires, looked in rows(_NOW):
        standing = rules.get(name)
        rule = standing.rule if standing else None
        labels: dict[str, str] = msgspec.json.decode(text)
        found.append(
            AlertLine(
                rule=name,
                labels=said_labels(labels),
                severity=rule.severity if rule else "",
                state="fires" if fires else "holds",
                value=said_value(rule, value) if rule else f"{value:g}",
                holds_since=holds,
                fires_since=fires,
                looked_at=looked,
            )
        )
    return found


def looks() -> dict[str, Look]:
    """Return how the last look at each rule went, by name."""
    return {
        name: Look(at=at, milliseconds=milliseconds, error=error)
        for name, at, milliseconds, error in rows(_LOOKS)
    }


def rule_line(standing: Standing, look: Look | None, alerts: Sequence[AlertLine]) -> RuleLine:
    """Return a rule as the list shows it."""
    rule = standing.rule
    return RuleLine(
        standing=standing,
        state=_state(standing, look, {each.state for each in alerts}),
        words=in_words(rule) if rule else standing.error,
        lasts=said_duration(rule.lasts) if rule else "",
        look=look,
    )


def _state(standing: Standing, look: Look | None, alerts: set[str]) -> str:
    if standing.error or (look and look.error):
        return "broken"
    rule = standing.rule
    if not standing.is_on or rule is None:
        return "off"
    if lacking(rule):
        return "elsewhere"
    if not settings.ALERTS_EVALUATE:
        return "not_here"
    for state in ("fires", "holds"):
        if state in alerts:
            return state
    return "quiet" if look else "unseen"


def said_labels(labels: Mapping[str, str]) -> str:
    """Return labels as a line."""
    return ", ".join(f"{label} {value}" for label, value in labels.items())


def firing_line(rule: Rule, firing: Firing) -> FiringLine:
    """Return one time that a rule would have fired, as pages say it."""
    ended = firing.ended
    return FiringLine(
        labels=said_labels(dict(zip(rule.by, firing.labels, strict=True))),
        began=firing.began,
        ended=ended,
        lasted=(ended - firing.began).total_seconds() if ended else None,
        highest=said_value(rule, firing.highest),
    )


def chart_of(rule: Rule, found: Sequence[Found], last: datetime) -> Chart | None:
    """Return the chart of what a rule found each minute of the day that ended at `last`.

    Of each `CHART_STEP` the worst stands. None when it found nothing.
    """
    first = last - DAY
    worst: dict[int, Found] = {}
    for each in found:
        place = (each.at - first) // CHART_STEP
        before = worst.get(place)
        if before is None or _is_worse(rule, each, before):
            worst[place] = each
    if not worst:
        return None
    top = max(max(each.value, each.limit) for each in worst.values()) * _ROOM or 1.0
    width = CHART_STEP / DAY * WIDTH

    def y(figure: float) -> float:
        return HEIGHT - max(0.0, min(figure / top, 1.0)) * HEIGHT

    def lines(figure: Callable[[Found], float]) -> list[str]:
        """Draw a step for each place, and nothing where there is no figure."""
        made: list[list[str]] = [[]]
        for place in range(DAY // CHART_STEP + 1):
            if place not in worst:
                made.append([])
                continue
            height, left = y(figure(worst[place])), place * width
            made[-1] += [f"{left:.1f},{height:.1f}", f"{left + width:.1f},{height:.1f}"]
        return [" ".join(line) for line in made if line]

    level = f"{y(rule.threshold):.1f}"
    is_level = all(each.limit == rule.threshold for each in worst.values())
    held = sorted(place for place, each in worst.items() if each.holds)
    return Chart(
        lines=lines(lambda each: each.value),
        limits=[f"0,{level} {WIDTH},{level}"] if is_level else lines(lambda each: each.limit),
        held=[(f"{place * width:.1f}", f"{width:.1f}") for place in held],
        top=said_value(rule, top),
        said=f"it held in {len(held)} of {len(worst)} stretches of ten minutes",
        first=first,
        last=last,
        rows=[
            Row(
                at=each.at,
                value=said_value(rule, each.value),
                limit=said_value(rule, each.limit),
                holds=each.holds,
            )
            for _, each in sorted(worst.items(), reverse=True)
        ],
    )


def _is_worse(rule: Rule, one: Found, other: Found) -> bool:
    if one.holds != other.holds:
        return one.holds
    if rule.comparison == "<" or (rule.comparison == "==" and rule.threshold == 0):
        return one.value < other.value
    return one.value - one.limit > other.value - other.limit
