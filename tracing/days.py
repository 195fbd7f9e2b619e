"""Know which days of spans and lines are kept, and see to it that a day has its partitions.

A day is made when its first span comes, if the timer has not made it before; what is older than is
kept, or further ahead than a day, has no place. Who drops days: retain.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from audit.database import rows

AHEAD: Final = timedelta(days=1)
"""How far a sender's clock may be ahead."""

_MAKE = "SELECT tracing_make_days(%s, %s)"
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY_NS: Final = 86_400 * 1_000_000_000

_known: set[date] = set()  # made once and for all, until retention drops them


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The days that are kept."""

    first: date
    last: date

    def holds(self, day: date) -> bool:
        """Tell whether a day is kept."""
        return self.first <= day <= self.last

    def __str__(self) -> str:
        """Read as part of a sentence."""
        return f"{self.first} to {self.last}"


def window(now: datetime, *, keep_days: int) -> Window:
    """Return the days that are kept now."""
    return Window(
        first=now.astimezone(UTC).date() - timedelta(days=keep_days),
        last=(now.astimezone(UTC) + AHEAD).date(),
    )


def day_of(ns: int) -> date | None:
    """Return the day of nanoseconds since 1970; None beyond what a bigint holds."""
    if not 0 < ns < 2**63:
        return None
    return date.fromordinal(_EPOCH + ns // _DAY_NS)


def make(days: Iterable[date]) -> None:
    """Make the partitions of these days, in a transaction of its own, unless they are known."""
    for day in set(days) - _known:
        rows(_MAKE, (day, day))
        _known.add(day)


def forget() -> None:
    """Forget which days there are: one that was known is gone."""
    _known.clear()
