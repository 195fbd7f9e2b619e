"""Read what checks found for a report: items in order, and what each day shows.

Answers `Rows` (report_reading.py) without holding all items at once: of the tables (TalliedRows, a
page of items at a time) and of memory (MemoryRows). Both give the same.
Never judges, never writes. The tables: tallied.py. Letters of a day: report_strips.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from compliance.definitions import Lens
from compliance.found_items import DERIVED, NO_ENTRY
from compliance.gather import Ledger, rows
from compliance.judge import Source, failing_items
from compliance.kinds.base import Item, Span
from compliance.memory import Memory
from compliance.report_reading import DayCounts
from compliance.tallied import EPOCH, Tallied, date_of, day_of, item_of

PAGE: Final = 5_000
"""Items that one statement fetches."""

_DAYS: Final = """
SELECT lens_id, day, sum(passed)::bigint, sum(failed)::bigint, sum(opened)::bigint
FROM compliance_tally
WHERE ledger_id = %(ledger)s
  AND day >= %(start)s
  AND day < %(end)s
  AND lens_id = ANY(%(lenses)s)
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
GROUP BY lens_id, day
"""
_ITEMS: Final = """
SELECT item, state, day, agent_id, environment, seq, other_seq, due, weight, why, evidence,
       is_restated
FROM compliance_item
WHERE ledger_id = %(ledger)s
  AND lens_id = %(lens)s
  AND state = %(state)s
  AND day >= %(start)s
  AND day < %(end)s
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
  AND (day, item) > (%(after_day)s, %(after_item)s COLLATE "C")
ORDER BY day, item
LIMIT %(most)s
"""


class TalliedRows:
    """The rows of one ledger in the tables. Use it inside of `tallied.steady()`."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger as its tallies stand."""
        self._ledger = ledger
        self._source = Tallied(ledger)

    @property
    def source(self) -> Source:
        """Return what judge.py reads."""
        return self._source

    def days(self, lenses: Collection[str], span: Span) -> Mapping[str, Mapping[int, DayCounts]]:
        """Return what each lens counts on the days of a span."""
        found: dict[str, dict[int, DayCounts]] = {lens: {} for lens in lenses}
        asked = self._asked(span) | {"lenses": sorted(lenses)}
        for lens, day, passed, failed, opened in rows(_DAYS, asked):
            found[lens][day_of(day)] = DayCounts(passed=passed, failed=failed, opened=opened)
        return found

    def failing(self, lens: Lens, span: Span) -> Iterator[Item]:
        """Yield the failing items of a span by day and id."""
        if lens.kind in DERIVED:
            return derived(self._source, lens, span)
        return self._kept(lens, span, "fail", date_of(span.start))

    def pending(self, lens: Lens, span: Span) -> Iterator[Item]:
        """Yield what is not decided yet."""
        return self._kept(lens, span, "pending", EPOCH)

    def _kept(self, lens: Lens, span: Span, state: str, first: Any) -> Iterator[Item]:
        asked = self._asked(span) | {
            "lens": lens.id,
            "state": state,
            "start": first,
            "after_day": first,
            "after_item": "",
            "most": PAGE,
        }
        while found := [item_of(row) for row in rows(_ITEMS, asked)]:
            yield from found
            if len(found) < PAGE:
                return
            asked |= {"after_day": date_of(found[-1].day), "after_item": found[-1].item}

    def _asked(self, span: Span) -> dict[str, Any]:
        return {
            "ledger": self._ledger.id,
            "start": date_of(span.start),
            "end": date_of(span.end),
            "environment": span.environment,
        }


class MemoryRows:
    """The rows of one ledger in memory."""

    def __init__(self, memory: Memory) -> None:
        """Take them as they stand."""
        self._memory = memory

    @property
    def source(self) -> Source:
        """Return what judge.py reads."""
        return self._memory

    def days(self, lenses: Collection[str], span: Span) -> Mapping[str, Mapping[int, DayCounts]]:
        """Return what each lens counts on the days of a span."""
        return {lens: self._of(lens, span) for lens in lenses}

    def failing(self, lens: Lens, span: Span) -> Iterator[Item]:
        """Yield the failing items of a span by day and id."""
        if lens.kind in DERIVED:
            return derived(self._memory, lens, span)
        return iter(self._memory.view(lens, span).items("fail"))

    def pending(self, lens: Lens, span: Span) -> Iterator[Item]:
        """Yield what is not decided yet."""
        return iter(self._memory.view(lens, span).items("pending"))

    def _of(self, lens: str, span: Span) -> dict[int, DayCounts]:
        found: dict[int, DayCounts] = {}
        for (day, environment, _), tally in self._memory.books[lens].tallies.items():
            is_shown = span.environment is None or environment in ("", span.environment)
            if is_shown and span.start <= day < span.end:
                into = found.setdefault(day, DayCounts())
                into.passed += tally.passed
                into.failed += tally.failed
                into.opened += tally.opened
        return found


def derived(source: Source, lens: Lens, span: Span) -> Iterator[Item]:
    """Yield the failing items of a kind that decides when it is read."""
    view = source.view(lens, span)
    kept: Sequence[str] = [item.item for item in view.items("fail")]
    for item in failing_items(lens, view):
        yield item if item.item in kept else replace(item, seq=NO_ENTRY)
