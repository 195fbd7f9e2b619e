"""What the front page says of scores: one card a framework, drawn from sealed postures alone.

Reads the newest postures of a ledger in two statements, whatever their age; computes no score.
The page: obsplatform.front. The pages that cards lead to: scores.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from compliance.admin.words import (
    Change,
    band_badge,
    changes,
    first_command,
    headline,
    short_name,
)
from compliance.in_force import catalogue_in_force
from compliance.models import Snapshot
from compliance.posture import posture_days

TREND_DAYS: Final = 30
MOST_CHANGES: Final = 4
"""Changed legs that a card lists; the rest are counted."""
MOST_READ: Final = 400
"""Postures looked through for the trends of all frameworks, the newest first."""
CHART_WIDTH: Final = 240
CHART_HEIGHT: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One day's posture in a trend."""

    day: date
    """The last day of its period."""
    evidenced: str | None
    snapshot: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """The postures of the last 30 days that have one, oldest first."""

    points: tuple[Point, ...]

    @property
    def line(self) -> str:
        """Return the scored points as an SVG polyline."""
        return " ".join(f"{one.x:g},{one.y:g}" for one in self.points if one.evidenced)

    @property
    def last(self) -> Point:
        """Return the newest one."""
        return self.points[-1]

    @property
    def said(self) -> str:
        """Return the trend in words, for readers of text."""
        scored = [one for one in self.points if one.evidenced]
        if not scored:
            return "no posture of these days has a score"
        if len(scored) == 1:
            return f"one day so far: {scored[0].evidenced} on {scored[0].day}"
        first, last = scored[0], scored[-1]
        return f"{first.evidenced} on {first.day}, {last.evidenced} on {last.day}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One framework on the front page and in the list of scores."""

    framework: str
    name: str
    url: str
    result: dict[str, Any]
    snapshot: Snapshot
    badge: str
    headline: str
    caps: list[CapLine]
    trend: Trend
    changes: list[ChangeLine]
    more_changes: int
    compared_with: date | None
    """The last day of the posture before; None when there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CapLine:
    """One leg that caps, with where to read on."""

    control: str
    leg: str
    state: str
    cap: int
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeLine:
    """One changed leg, with where to read on."""

    change: Change
    url: str


def cards(ledger_id: int, ledger: str) -> list[Card]:
    """Return a card for each framework that has a posture in the ledger, by name.

    Those that do not apply stand last.
    """
    newest = _newest_by_framework(ledger_id)
    if not newest:
        return []
    wanted = [row.id for rows in newest.values() for row in rows[:2]]
    results = {row.id: row.as_json() for row in Snapshot.objects.filter(id__in=wanted)}
    names = {each.id: short_name(each.name) for each in catalogue_in_force().frameworks.values()}
    found = [
        _card(names.get(framework, framework), rows, results, query=urlencode({"ledger": ledger}))
        for framework, rows in newest.items()
    ]
    return sorted(found, key=lambda card: (bool(card.result["not_in_force"]), card.name))


def first_line(ledger: str, framework: str = "soc2") -> str:
    """Return the shell line that computes what the first posture will say."""
    start, end = posture_days(timezone.now().date())
    return first_command(framework, ledger, start, end)


def cap_lines(result: Mapping[str, Any], query: str) -> list[CapLine]:
    """Return the legs that cap a result, each with its page."""
    return [
        CapLine(
            control=one["control"],
            leg=one["leg"],
            state=one["state"],
            cap=one["cap"],
            url=leg_url(result["framework"], one["control"], one["leg"], query),
        )
        for one in result["numbers"]["capped_by"]
    ]


def leg_url(framework: str, control: str, leg: str, query: str) -> str:
    """Return the page of a leg: its check's, or the control's for a statement."""
    if leg == "statement":
        page = reverse("admin:compliance_score_control", args=[framework, control])
        return f"{page}?{query}#statement" if query else f"{page}#statement"
    page = reverse("admin:compliance_score_check", args=[framework, leg])
    more = urlencode({"control": control}) if control else ""
    asked = "&".join(part for part in (query, more) if part)
    return f"{page}?{asked}" if asked else page


def trend(rows: Sequence[Snapshot]) -> Trend:
    """Return the trend of postures that are given newest first; of one day the newest counts."""
    last = rows[0].end_day
    by_day: dict[date, Snapshot] = {}
    for row in rows:
        if (last - row.end_day).days < TREND_DAYS:
            by_day.setdefault(row.end_day, row)
    step = CHART_WIDTH / (TREND_DAYS - 1)
    return Trend(
        points=tuple(
            Point(
                day=row.end_day - timedelta(days=1),
                evidenced=row.evidenced,
                snapshot=str(row.id),
                x=round(CHART_WIDTH - (last - row.end_day).days * step, 1),
                y=round(CHART_HEIGHT * (1 - float(row.evidenced or 0) / 100), 1),
            )
            for row in sorted(by_day.values(), key=lambda row: row.end_day)
        )
    )


def _newest_by_framework(ledger_id: int) -> dict[str, list[Snapshot]]:
    """Return the newest postures of each framework, the newest first, one a day, no results."""
    found: dict[str, list[Snapshot]] = defaultdict(list)
    postures = Snapshot.objects.filter(ledger_id=ledger_id, kind="posture", environment="prod")
    for row in postures.newest_first().defer("result")[:MOST_READ]:
        if not any(row.end_day == other.end_day for other in found[row.framework]):
            found[row.framework].append(row)
    return found


def _card(
    name: str, rows: Sequence[Snapshot], results: Mapping[Any, dict[str, Any]], *, query: str
) -> Card:
    snapshot = rows[0]
    result = results[snapshot.id]
    before = rows[1] if len(rows) > 1 else None
    changed = changes(results[before.id], result) if before else []
    framework = snapshot.framework
    return Card(
        framework=framework,
        name=name,
        url=f"{reverse('admin:compliance_score_framework', args=[framework])}?{query}",
        result=result,
        snapshot=snapshot,
        badge=band_badge(result),
        headline=headline(name, result),
        caps=cap_lines(result, query),
        trend=trend(rows),
        changes=[
            ChangeLine(change=one, url=leg_url(framework, one.control, one.leg, query))
            for one in changed[:MOST_CHANGES]
        ],
        more_changes=max(len(changed) - MOST_CHANGES, 0),
        compared_with=before.end_day - timedelta(days=1) if before else None,
    )
