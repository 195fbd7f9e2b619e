"""When who works: the shape of a week, and moments drawn from it."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate

_OFFICE = (0, 0, 0, 0, 0, 1, 4, 14, 22, 24, 22, 14, 12, 20, 22, 18, 10, 4, 2, 1, 1, 0, 0, 0)
_DAILY = (1, 1, 0, 0, 1, 3, 8, 14, 18, 20, 20, 18, 17, 17, 16, 16, 17, 18, 16, 12, 9, 6, 4, 2)
_OHIO = (4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 8, 18, 22, 22, 20, 14, 18, 20, 18, 12, 8, 6)
_BANK = (0, 0, 0, 0, 0, 2, 16, 20, 22, 18, 12, 8, 10, 14, 10, 4, 0, 0, 0, 0, 0, 0, 0, 0)
_NIGHT = (14, 22, 24, 18, 10, 4, 3, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2, 2, 3, 3, 4, 5, 7, 10)

WEEKS: Mapping[str, tuple[Sequence[int], Sequence[float]]] = {
    "office": (_OFFICE, (1.0, 1.1, 1.15, 1.1, 0.8, 0.04, 0.02)),
    "daily": (_DAILY, (1.25, 1.05, 1.0, 1.0, 1.0, 0.5, 0.4)),
    "ohio": (_OHIO, (1.2, 1.1, 1.0, 1.0, 0.8, 0.06, 0.02)),
    "bank": (_BANK, (0.9, 0.9, 1.0, 1.3, 1.4, 0.0, 0.0)),
    "night": (_NIGHT, (1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 1.1)),
}
"""Weight of each hour (UTC), and of each day from Monday."""


class Week:
    """Draws moments between two times, as dense as the week is then."""

    def __init__(self, name: str, *, start: datetime, end: datetime, chance: random.Random) -> None:
        by_hour, by_day = WEEKS[name]
        hours = int((end - start).total_seconds() // 3600)
        self._hours = [start + timedelta(hours=number) for number in range(max(1, hours))]
        weights = [by_hour[hour.hour] * by_day[hour.weekday()] for hour in self._hours]
        self._sums = list(accumulate(weights))
        assert self._sums[-1] > 0, f"nobody of {name} works between {start} and {end}"
        self._chance = chance

    def moment(self) -> datetime:
        """Return one moment; some days are busier than their weekday says."""
        drawn = self._chance.random() * self._sums[-1]
        hour = self._hours[bisect(self._sums, drawn)]
        return hour + timedelta(seconds=self._chance.random() * 3600)
