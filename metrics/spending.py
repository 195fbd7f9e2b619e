"""Reckon a budget: its period, what is used of it, what a straight line says. Pure.

Days are UTC days, a week begins on Monday. Money is US dollars as Decimal. Rows and acts:
budgets.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, Literal

Period = Literal["day", "week", "month"]

_NANO: Final = Decimal(1_000_000_000)
_CENT: Final = Decimal("0.01")
_MICRO: Final = Decimal("0.000001")
_WHOLE: Final = Decimal(100)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """How a budget stands at a moment of its period."""

    first: date
    """The first day of the period."""
    last: date
    """Its last day."""
    usd: Decimal
    """What may be spent in it."""
    used: Decimal
    forecast: Decimal
    """What will be used at its end if it goes on as it went since its start."""
    days: tuple[tuple[date, Decimal], ...]
    """What each day that has begun has cost."""

    @property
    def left(self) -> Decimal:
        """Return what may still be spent; below zero when too much was."""
        return self.usd - self.used

    @property
    def ratio(self) -> Decimal:
        """Return how much of it is used, 1 when all is."""
        return self.used / self.usd

    @property
    def percent(self) -> int:
        """Return the same as people read it, rounded down so that 100 is all of it."""
        return int(self.ratio * _WHOLE)

    @property
    def word(self) -> str:
        """Return `over`, `heading_over` or `within`."""
        if self.used > self.usd:
            return "over"
        return "heading_over" if self.forecast > self.usd else "within"


def bounds(period: Period, today: date) -> tuple[date, date]:
    """Return the first and the last day of the period that a day is in."""
    if period == "day":
        return today, today
    if period == "week":
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=6)
    first = today.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def reckon(
    period: Period, usd: Decimal, nano_by_day: Mapping[date, int], now: datetime
) -> Spending:
    """Return how a budget stands. `nano_by_day` holds nano-dollars; other days are left aside."""
    now = now.astimezone(UTC)
    first, last = bounds(period, now.date())
    days = tuple(
        (day, dollars(nano_by_day.get(day, 0)))
        for day in (first + timedelta(days=n) for n in range((now.date() - first).days + 1))
    )
    used = sum(nano for day, nano in nano_by_day.items() if first <= day <= now.date())
    begin = datetime.combine(first, time(), tzinfo=UTC)
    whole = (last - first + timedelta(days=1)).total_seconds()
    gone = max((now - begin).total_seconds(), 1.0)
    return Spending(
        first=first,
        last=last,
        usd=usd,
        used=dollars(used),
        forecast=dollars(round(used * whole / gone)),
        days=days,
    )


def dollars(nano: int) -> Decimal:
    """Return nano-dollars as dollars."""
    return Decimal(nano) / _NANO


def cents(usd: Decimal) -> str:
    """Return dollars as people read them: $1,234.50; what is under a cent with more places."""
    sign, usd = ("-", -usd) if usd < 0 else ("", usd)
    if 0 < usd < _CENT:
        return f"{sign}${usd.quantize(_MICRO):f}".rstrip("0").rstrip(".")
    return f"{sign}${usd.quantize(_CENT):,}"
