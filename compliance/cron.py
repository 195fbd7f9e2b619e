"""Say when a schedule runs and which days it then covers. Pure: no clock, no database.

When: five fields of cron (minute, hour, day of month, month, day of week) on the clock of a named
zone, read as Debian's cron reads them. Where clocks go forward, a run at a time that is skipped
comes with the first minute after; where they go back, a run at a time that comes twice comes the
first time only. That is so for fixed times. With `*` in the minute or the hour it runs by elapsed
time, in each of the two equal hours and in none that is skipped.

What: whole UTC days that were over when it was due. The zone says when it runs and never what it
covers. Rows and verbs: schedule.py, slots.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MOST_CRON: Final = 100
"""Characters of the longest expression."""

PRESETS: Final[Mapping[str, tuple[str, str]]] = {
    "0 6 1 * *": ("Each month, on the 1st at 06:00", "last_month"),
    "0 6 * * 1": ("Each week, on Monday at 06:00", "last_week"),
    "0 6 1 1,4,7,10 *": ("Each quarter, on its first day at 06:00", "last_quarter"),
    "0 6 * * *": ("Each day at 06:00", "last_day"),
}
"""Usual expressions: each in words, and the period that goes with it."""

PERIODS: Final[Mapping[str, str]] = {
    "last_day": "The day before",
    "last_week": "The week before, Monday to Sunday",
    "last_month": "The month before",
    "last_quarter": "The quarter before",
    "last_year": "The year before",
    "last_30_days": "The 30 days before",
    "last_90_days": "The 90 days before",
    "last_365_days": "The 365 days before",
}
"""What a run covers, in words."""

_ROLLING: Final[Mapping[str, int]] = {
    "last_day": 1,
    "last_30_days": 30,
    "last_90_days": 90,
    "last_365_days": 365,
}
_FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
_YEARS: Final = 8
"""29 February comes within eight years, also around 2100."""


class CronRefused(Exception):
    """An expression or a zone says no time. `field` is `cron` or `zone`, `message` the way out."""

    def __init__(self, *, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message


def read_cron(text: str) -> str:
    """Return an expression with single blanks between its fields. Raises CronRefused."""
    fields = text.split()
    if len(text) > MOST_CRON or len(fields) != len(_FIELDS):
        raise CronRefused(
            field="cron",
            message=f"give five fields ({', '.join(_FIELDS)}), such as 0 6 1 * * for 06:00 on the "
            f"1st; this has {len(fields)}",
        )
    for place, (field, word) in enumerate(zip(fields, _FIELDS, strict=True)):
        alone = ["*"] * len(_FIELDS)
        alone[place] = field
        if _is_wrong(" ".join(alone)):
            raise CronRefused(
                field="cron", message=f"{field!r} is no {word}; see docs/schedules.md"
            )
    cron = " ".join(fields)
    if _is_wrong(cron):
        raise CronRefused(
            field="cron",
            message=f"{cron!r} never runs: no month of it has such a day; L is the last day of a "
            "month",
        )
    return cron


def _is_wrong(cron: str) -> bool:
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return True
    return False


def read_zone(name: str) -> ZoneInfo:
    """Return the zone of a name such as `Europe/Berlin`. Raises CronRefused."""
    if name not in zones():
        raise CronRefused(
            field="zone", message="give a zone of the IANA list, such as Europe/Berlin or UTC"
        )
    return ZoneInfo(name)


@cache
def zones() -> tuple[str, ...]:
    """Return the names of all zones, in order."""
    return tuple(sorted(available_timezones()))


def runs(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    """Yield the times at which it is due after a moment, in UTC, each once and in order.

    Endless, unless none comes any more within eight years. Raises CronRefused.
    """
    local = read_zone(zone)
    last = after.astimezone(UTC)
    gives_up = timedelta(days=366 * _YEARS)
    for due in CronSim(read_cron(cron), after.astimezone(local)):
        found = due.astimezone(UTC)
        if found - last > gives_up:
            return
        # A time that comes twice is counted once, and two that a skipped hour joins are one.
        if found > last:
            yield found
            last = found


def next_runs(cron: str, zone: str, after: datetime, count: int = 5) -> list[datetime]:
    """Return the next times at which it is due, in UTC, oldest first. Raises CronRefused.

    Fewer than `count` only when it never runs again.
    """
    found: list[datetime] = []
    for due in runs(cron, zone, after):
        found.append(due)
        if len(found) >= count:
            break
    return found


def period_of(period: str, due_at: datetime, zone: str = "UTC") -> tuple[date, date]:
    """Return first day and the day after the last of what a run covers.

    Whole UTC days that were over at `due_at`. `zone` is taken so that no caller has to know that
    it changes nothing.
    """
    today = due_at.astimezone(UTC).date()
    if period in _ROLLING:
        return today - timedelta(days=_ROLLING[period]), today
    if period == "last_week":
        end = today - timedelta(days=today.weekday())
        return end - timedelta(days=7), end
    if period == "last_month":
        end = today.replace(day=1)
        return (end - timedelta(days=1)).replace(day=1), end
    if period == "last_quarter":
        end = date(today.year, today.month - (today.month - 1) % 3, 1)
        start_year, start_month = divmod(end.year * 12 + end.month - 1 - 3, 12)
        return date(start_year, start_month + 1, 1), end
    assert period == "last_year", f"{period} is none of {', '.join(PERIODS)}"
    return date(today.year - 1, 1, 1), date(today.year, 1, 1)
