"""When an item of a followup is due: anchor, limit and extension. Pure.

due = anchor + limit. The anchor is a field of the population event (the first of a list that is
present); where it is missing, the event's own time. Of `case.*` fields nobody can claim a later
time than that of the case's first entry. The limit is `within`, `within_by` a field's value (a
value that is not listed has the shortest), or `deadline`: the end of a UTC year and some more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from compliance.kinds.base import DAY_US
from compliance.kinds.joins import Join, Readable
from compliance.kinds.series import fields_of
from compliance.language.durations import Duration, parse_duration
from compliance.language.errors import DefinitionError
from compliance.language.reading import us_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_UNWRITTEN: Final = 30
"""Days: what an oral statement of law enforcement can prolong (45 CFR 164.412(b))."""


def as_us(value: Any) -> int | None:
    """Return a timestamp field as us; None for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    try:
        return us_of(value)
    except (ValueError, TypeError):
        return None  # a field that is no time, or a time of no zone, is as good as missing


def anchored(event: Readable, fields: tuple[str, ...], *, at: int, case_began: int | None) -> int:
    """Return from when time runs: us. `case_began` is the first entry of the event's case."""
    for field in fields:
        value = as_us(event.read(field))
        if value is None:
            continue
        if field.startswith("case.") and case_began is not None:
            return min(value, case_began)
        return value
    if case_began is not None and any(field.startswith("case.") for field in fields):
        return case_began
    return at


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How long one has: exactly one of the three."""

    within: Duration | None
    by: tuple[str, Mapping[Any, Duration]] | None
    """A field, and the limit for each of its values."""
    year_of: tuple[str, Duration] | None
    """To the end of this field's year, and some more."""
    words: str

    @classmethod
    def of(cls, part: Mapping[str, Any]) -> Limit:
        """Read `within`, `within_by` or `deadline`. Raises DefinitionError when there is none."""
        if "within" in part:
            return cls(
                within=parse_duration(part["within"]), by=None, year_of=None, words=part["within"]
            )
        if "within_by" in part:
            rule = part["within_by"]
            limits = {value: parse_duration(text) for value, text in rule["map"].items()}
            words = f"its limit by {rule['field']}"
            return cls(within=None, by=(rule["field"], limits), year_of=None, words=words)
        if "deadline" in part:
            rule = part["deadline"]
            field, plus = rule["end_of_year_of"], parse_duration(rule["plus"])
            words = f"the year's end and {rule['plus']}"
            return cls(within=None, by=None, year_of=(field, plus), words=words)
        raise DefinitionError("a followup needs within, within_by or deadline")

    def due(self, event: Readable, anchor: int, *, at: int, case_began: int | None) -> int:
        """Return the deadline, us; what happens at it is in time."""
        if self.within is not None:
            return self.within.after(anchor)
        if self.by is not None:
            field, limits = self.by
            value = event.read(field)
            known = limits.get(value) if isinstance(value, str | int) else None
            if known is not None:
                return known.after(anchor)
            return min(limit.after(anchor) for limit in limits.values())
        assert self.year_of is not None, "one of the three is set"
        field, plus = self.year_of
        year = anchored(event, (field,), at=at, case_began=case_began)
        return plus.after(_end_of_year(year))


def _end_of_year(at: int) -> int:
    """Return the last microsecond of a time's UTC year."""
    year = (_EPOCH + timedelta(microseconds=at)).year
    # Not the next year's first moment less one: an event may claim the last year there is.
    last = datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    return (last - _EPOCH) // timedelta(microseconds=1)


class Extension:
    """What may prolong a deadline: a recorded event that arrived while it was still running.

    One event prolongs, the one that prolongs the most: an extension is not taken twice.
    """

    def __init__(self, rule: Mapping[str, Any]) -> None:
        """Take in `when`, `by` or `by_field`, and `only_if_within`."""
        self.join = Join(rule["when"], name="extend")
        if ("by" in rule) == ("by_field" in rule):
            raise DefinitionError("extend needs either by or by_field")
        self._by = parse_duration(rule["by"]) if "by" in rule else None
        self._field: str = rule.get("by_field", "")
        only = rule.get("only_if_within")
        self._only = parse_duration(only) if only is not None else None

    def kept_fields(self, entry: Any) -> dict[str, Any]:
        """Return what to keep of an extending entry."""
        kept = self.join.kept_fields(entry, "candidate")
        for path in (self._field, "case.delay_written"):
            if path and (value := entry.read(path)) is not None:
                kept[path] = value
        return kept

    def prolonged(self, record: Mapping[str, Any], kept: Mapping[str, Any]) -> int:
        """Return the deadline with this extension; the old one when it does not count."""
        due: int = record["due"]
        both_loaded_later = kept["is_backfill"] and record["event"]["is_backfill"]
        if kept["at"] > due or (kept["received"] > due and not both_loaded_later):
            return due
        if self._only is not None and kept["at"] > self._only.after(record["anchor"]):
            return due
        if self._by is not None:
            return max(due, self._by.after(record["base"]))
        days = kept.get(self._field)
        if isinstance(days, bool) or not isinstance(days, int) or days < 1:
            return due
        if kept.get("case.delay_written") is not True:
            days = min(days, _MOST_UNWRITTEN)
        base: int = record["base"]
        return max(due, base + days * DAY_US)


def anchor_fields(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that a followup's time may run from."""
    return fields_of(definition.get("anchor"))
