"""Hold together what one report is made of, while it is made: definitions, result, acts, evidence.

Pure: a `Reading` only names things, `Rows` only says what is asked of rows. Who makes it:
report_build.py; who reads it, each for its parts of the content: report_people.py,
report_checks.py, report_found.py, report_facts.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Protocol

from compliance.definitions import Catalogue, Framework, Lens
from compliance.judge import Source
from compliance.kinds.base import DAY_US, Item, Span
from compliance.lenses import Settings
from compliance.people import Act
from compliance.report_evidence import Evidence
from compliance.result import FrameworkResult, as_json, day_of
from compliance.standing import Standing


@dataclass(kw_only=True, slots=True)
class DayCounts:
    """What one lens counts on one day."""

    passed: int = 0
    failed: int = 0
    opened: int = 0


class Rows(Protocol):
    """The rows of one ledger, as a report needs them."""

    @property
    def source(self) -> Source:
        """Return what judge.py reads."""

    def days(self, lenses: Collection[str], span: Span) -> Mapping[str, Mapping[int, DayCounts]]:
        """Return what each lens counts on the days of a span; days of nothing are left out."""

    def failing(self, lens: Lens, span: Span) -> Iterator[Item]:
        """Yield the failing items of a span by day and id; waived ones are among them.

        A failing day of a cadence or bucket of a rate is about no entry: its seq is NO_ENTRY.
        """

    def pending(self, lens: Lens, span: Span) -> Iterator[Item]:
        """Yield the items begun before the end of a span that no entry up to the head decides."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a report is made of."""

    catalogue: Catalogue
    framework: Framework
    settings: Settings
    acts: Sequence[Act]
    """Up to the head, in its order."""
    stands: Standing
    """What stands of them at the end of what can be judged."""
    span: Span
    result: FrameworkResult
    earlier: FrameworkResult | None
    """The same framework over the period before, of as many days; None: not observed."""
    lenses: Mapping[str, Lens]
    """Every lens of `result.checks`, by id."""
    rows: Rows
    evidence: Evidence

    @cached_property
    def told(self) -> dict[str, Any]:
        """Return the result as JSON, the digest included."""
        return as_json(self.result)

    @cached_property
    def act_of(self) -> Mapping[int, Act]:
        """Return acts by their seq."""
        return {act.seq: act for act in self.acts}

    @property
    def last_day(self) -> int:
        """Return the last day that can be judged."""
        return max(self.span.observed_from, -(-self.span.as_of // DAY_US) - 1)


def day_said(said: Mapping[str, Any], name: str) -> int | None:
    """Return a date that an entry names as a day since 1970; None when it names none."""
    try:
        return day_of(date.fromisoformat(str(said.get(name) or "")))
    except ValueError:
        return None


def text_said(said: Mapping[str, Any], name: str) -> str:
    """Return a text that an entry says; empty when it says none."""
    value = said.get(name)
    return "" if value is None else str(value)
