"""Write numbers, days, times, durations and lists as a report prints them. Pure.

The one place where a report turns a value into words, so that one page says it as the next does.
Takes the texts of the content (`2026-10-04`, `2026-10-04T00:00:00.000000Z`) and whole numbers; all
times are UTC. Numbers of a score are text already and are never rounded again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

NONE: Final = "—"
"""Stands where there is nothing to say: no value, or a count that has no meaning."""
NO_SCORE: Final = "no score"
_LENGTH: Final = re.compile(r"P(?:(\d+)([DMY])|T(\d+)([HMS]))")
_LENGTH_WORD: Final = re.compile(rf"\b{_LENGTH.pattern}\b")
_OTHERS: Final = re.compile(r"_other \(([\d,]+) more\)")
_ENTRY: Final = re.compile(r"\b([Ee]ntry) (\d+)\b")
_LENGTHS: Final = {
    "D": "day",
    "M": "month",
    "Y": "year",
    "TH": "hour",
    "TM": "minute",
    "TS": "second",
}
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def number(value: int) -> str:
    """Return a whole number with its thousands apart: 1,312."""
    return f"{value:,}"


def many(value: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 entry`, `1,312 entries`; `plural` where no s will do."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def short_name(name: str) -> str:
    """Return what people call a framework: its name without what stands in brackets."""
    return name.partition(" (")[0]


def score(value: str | None) -> str:
    """Return a number of a score as the result shows it."""
    return NO_SCORE if value is None else value


def day(text: str) -> str:
    """Return a day: 4 October 2026; of no day NONE."""
    if not text:
        return NONE
    read = date.fromisoformat(text[:10])
    return f"{read.day} {read:%B %Y}"


def time(text: str) -> str:
    """Return a moment to the second: 4 October 2026, 13:05:12 UTC; of none NONE."""
    return f"{moment(text)} UTC" if text else NONE


def moment(text: str) -> str:
    """Return a moment for a column whose title names UTC: 4 October 2026, 13:05:12."""
    return f"{day(text)}, {text[11:19]}" if text else NONE


def period(start: str, end: str) -> str:
    """Return [start, end) with its last day included: 1 to 31 October 2026."""
    first, last = date.fromisoformat(start), date.fromisoformat(end) - timedelta(days=1)
    if first >= last:
        return day(start)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {day(last.isoformat())}"
    if first.year == last.year:
        return f"{first.day} {first:%B} to {day(last.isoformat())}"
    return f"{day(start)} to {day(last.isoformat())}"


def days_in(start: str, end: str) -> int:
    """Return how many days [start, end) has."""
    return (date.fromisoformat(end) - date.fromisoformat(start)).days


def elapsed(start: str, end: str) -> str:
    """Return how long it was from one moment to another in its two largest units.

    `2 days 5 hours`, `45 minutes`, `0 seconds`; seconds are cut, never rounded up. An end before
    its start is said: `2 hours before`.
    """
    began, ended = datetime.fromisoformat(start), datetime.fromisoformat(end)
    if ended < began:
        return f"{_spoken(int((began - ended).total_seconds()))} before"
    return _spoken(int((ended - began).total_seconds()))


def limit(value: str) -> str:
    """Return the value of a limit: a duration in words (`PT72H`: 72 hours), all else as it is."""
    found = _LENGTH.fullmatch(value)
    if found is None:
        return value
    days, of_days, hours, of_hours = found.groups()
    unit = _LENGTHS[of_days or f"T{of_hours}"]
    return many(int(days or hours), unit)


def with_limits(text: str) -> str:
    """Return a sentence with the durations in it in words: `within PT24H`: within 24 hours."""
    return _LENGTH_WORD.sub(lambda found: limit(found.group()), text)


def sentence(text: str) -> str:
    """Return what a test said of an item, durations and numbers of entries as a report has them."""
    return _ENTRY.sub(lambda found: f"{found[1]} {int(found[2]):,}", with_limits(text))


def listed(values: Iterable[str], *, most: int = 12) -> str:
    """Return values as a line: `a, b and 3 more`; NONE when there are none."""
    given = list(values)
    if not given:
        return NONE
    more = len(given) - most
    return ", ".join(given[:most]) + (f" and {more:,} more" if more > 0 else "")


def counted(value: str) -> str:
    """Return a value that entries were counted by; of the line for all others, how many they are.

    `_other (60 more)` of the content reads `60 others`.
    """
    found = _OTHERS.fullmatch(value)
    if found is None:
        return value or NONE
    return "1 other" if found[1] == "1" else f"{found[1]} others"


def rest(shown: int, total: int, annex: str) -> str:
    """Return where the rest of a listing is; empty when all of it stands here."""
    if total <= shown:
        return ""
    return f"The first {shown:,} of {total:,}; all of them are in {annex}."


def rest_in_ledger(shown: int, total: int) -> str:
    """Return that the rest of a listing stands in the ledger; empty when all of it is here."""
    if total <= shown:
        return ""
    return (
        f"The first {shown:,} of {total:,}; the ledger holds the others, and its evidence bundle "
        "hands them out."
    )


def _spoken(seconds: int) -> str:
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(many(count, unit))
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 seconds"
