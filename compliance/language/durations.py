"""Durations and decimals as checks write them, and what they mean on the calendar. Pure.

`PT24H`, `PT15M`, `PT60S` and `P30D` are exact; `P1M` and `P1Y` are calendar months in UTC: the
same day number, or the last day of a shorter month. A deadline in months ends with its day, as the
law counts (Regulation 1182/71, Article 3); a look back in months keeps the time of day.

Moments are whole microseconds since 1970 in UTC.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Final

from compliance.language.errors import DefinitionError

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
LONGEST_DAYS: Final = 37_200
"""A hundred years and a little: longer is a typing error."""

_EXACT: Final = {"H": 3_600 * SECOND_US, "M": 60 * SECOND_US, "S": SECOND_US}
_FORM: Final = re.compile(
    r"P(?:T(?P<time>[1-9]\d{0,8})(?P<unit>[HMS])|(?P<date>[1-9]\d{0,8})(?P<span>[DMY]))"
)
_DECIMAL: Final = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _ONE_US
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _ONE_US


@dataclass(frozen=True, slots=True)
class Duration:
    """A stretch of time: exact, or a number of calendar months."""

    text: str
    exact_us: int | None
    """us; None for months and years."""
    months: int = 0

    def after(self, us: int) -> int:
        """Return the deadline this long after a moment; in months, the last us of its day."""
        if self.exact_us is not None:
            return us + self.exact_us
        moment = _moved(us, self.months)
        return moment - moment % DAY_US + DAY_US - 1

    def before(self, us: int) -> int:
        """Return the moment this long before; in months, at the same time of day."""
        if self.exact_us is not None:
            return us - self.exact_us
        return _moved(us, -self.months)

    def __str__(self) -> str:
        """Return it as it was written."""
        return self.text


@lru_cache(maxsize=512)
def parse_duration(text: str) -> Duration:
    """Return the duration that a text such as `PT24H`, `P30D` or `P1M` names.

    Raises DefinitionError for anything else, and for more than a hundred years.
    """
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise DefinitionError(
            f'"{text}" is no duration; write PT24H, PT15M, PT60S, P30D, P1M or P1Y, one unit each'
        )
    if found["unit"]:
        duration = Duration(text, int(found["time"]) * _EXACT[found["unit"]])
    elif found["span"] == "D":
        duration = Duration(text, int(found["date"]) * DAY_US)
    else:
        months = int(found["date"]) * (12 if found["span"] == "Y" else 1)
        duration = Duration(text, None, months)
    days = duration.months * 31 if duration.exact_us is None else duration.exact_us // DAY_US
    if days > LONGEST_DAYS:
        raise DefinitionError(f'"{text}" is longer than a hundred years')
    return duration


def decimal(text: str | int | float) -> Fraction:
    """Return the exact value of a decimal as it is written: `0.005` is 5/1000.

    A float stands for its shortest text. Raises DefinitionError for what is no plain decimal.
    """
    written = text if isinstance(text, str) else repr(text)
    if isinstance(text, bool) or not _DECIMAL.fullmatch(written):
        raise DefinitionError(f'"{text}" is no decimal; write digits such as 0.005')
    return Fraction(written)


def _moved(us: int, months: int) -> int:
    moment = _EPOCH + timedelta(microseconds=us)
    place = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(place, 12)
    if not 1 <= year <= 9999:
        # An agent may claim any time; it must not stop the reading of a ledger.
        return _FIRST if year < 1 else _LAST
    day = min(moment.day, monthrange(year, month + 1)[1])
    return (moment.replace(year=year, month=month + 1, day=day) - _EPOCH) // _ONE_US
