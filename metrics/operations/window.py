"""Choose the range that a page shows and the step of its charts. Pure.

Times are UTC; steps lie on whole multiples since 1970, so that two pages of one step agree, and a
chart has at most 120 of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MOST_STEPS: Final = 120
MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400

SPANS: Final[Mapping[str, tuple[str, int, int]]] = {
    "1h": ("1 hour", HOUR, MINUTE),
    "6h": ("6 hours", 6 * HOUR, 5 * MINUTE),
    "24h": ("24 hours", DAY, 15 * MINUTE),
    "7d": ("7 days", 7 * DAY, 3 * HOUR),
    "30d": ("30 days", 30 * DAY, 6 * HOUR),
}
"""By the word that an address has: what people call it, its seconds, the seconds of its step."""

LADDER: Final = (
    MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY,
)  # fmt: skip
"""Steps that a range of one's own may have, in seconds."""
LONGEST: Final = LADDER[-1] * MOST_STEPS
"""Seconds of the longest range."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TooLong(ValueError):
    """A range is longer than 120 days, or ends before it begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A range in steps of one length."""

    start: datetime
    """Where the first step begins."""
    step: int
    """Seconds."""
    places: int
    """How many steps there are."""
    now: datetime
    """The last step may not be over yet."""

    @property
    def end(self) -> datetime:
        """Return where the last step ends."""
        return self.moment(self.places)

    def moment(self, place: int) -> datetime:
        """Return where a step begins."""
        return self.start + timedelta(seconds=place * self.step)

    def moments(self) -> list[datetime]:
        """Return where each step begins."""
        return [self.moment(place) for place in range(self.places)]

    def seconds(self, place: int) -> float:
        """Return how much of a step is over: a second at least, so that rates are numbers."""
        gone = (self.now - self.moment(place)).total_seconds()
        return min(max(gone, 1.0), float(self.step))

    @property
    def whole_seconds(self) -> float:
        """Return how much of the range is over."""
        gone = (self.now - self.start).total_seconds()
        return min(max(gone, 1.0), float(self.step * self.places))

    def before(self) -> Window:
        """Return the range of the same length that ends where this one begins."""
        length = timedelta(seconds=self.step * self.places)
        return Window(start=self.start - length, step=self.step, places=self.places, now=self.start)


def span_window(span: str, now: datetime) -> Window:
    """Return the range that ends now; `span` is one of SPANS."""
    _, length, step = SPANS[span]
    end = _floor(now, step) + timedelta(seconds=step)
    places = length // step
    return Window(start=end - timedelta(seconds=length), step=step, places=places, now=now)


def own_window(first: datetime, last: datetime, now: datetime) -> Window:
    """Return the range from one moment to another, widened to whole steps. Raises TooLong."""
    length = (last - first).total_seconds()
    if length <= 0:
        raise TooLong("ends before it begins")
    if length > LONGEST:
        raise TooLong(f"is longer than {LONGEST // DAY} days")
    for step in LADDER:
        start = _floor(first, step)
        places = -((start - last) // timedelta(seconds=step))  # rounded up
        if places <= MOST_STEPS or step == LADDER[-1]:
            return Window(start=start, step=step, places=max(places, 1), now=now)
    raise AssertionError("the last step of the ladder is returned above")


def _floor(moment: datetime, step: int) -> datetime:
    gone = (moment - _EPOCH) // timedelta(seconds=step)
    return _EPOCH + gone * timedelta(seconds=step)
