"""Read what checks found out of the tables: the rows of a ledger as an evaluation asks for them.

`Tallied` is the Source of judge.py over the projection `tallies` (tally.py). Counts are added up by
Postgres, a row an agent and lens, so that a year costs what its days cost and not its entries;
kept items, buckets and marks are read when a kind asks for them. Reads the rows that
are there and never an entry. The same rows in memory: memory.py.

The projection goes on while somebody reads. Inside `steady()` every question is answered from one
moment, which an evaluation needs: its counts and its head must belong together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Final

import msgspec
from django.db import connection, transaction

from compliance.definitions import Lens
from compliance.gather import Ledger, rows
from compliance.items import MODULUS
from compliance.judge import Facts
from compliance.kinds.base import Bucket, Counts, Item, ItemState, Span
from compliance.people import Act

EPOCH: Final = date(1970, 1, 1)
_EPOCH_DAY: Final = EPOCH.toordinal()

_FACTS = """
SELECT born, clock, next_seq, head_hash
FROM compliance_clock
WHERE ledger_id = %s
"""
_LENSES = """
SELECT lens_id, first_seq
FROM compliance_lens
WHERE ledger_id = %s
"""
# What belongs to no agent or to no environment belongs to each of them.
_COUNTS = """
SELECT lens_id, agent_id, sum(passed)::bigint, sum(failed)::bigint, sum(opened)::bigint,
       sum(closed)::bigint, sum(decided_sum), sum(open_sum)
FROM compliance_tally
WHERE ledger_id = %(ledger)s
  AND day >= %(start)s
  AND day < %(end)s
  AND lens_id = ANY(%(lenses)s)
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
  AND (%(agent)s::text IS NULL OR agent_id IN (%(agent)s, ''))
GROUP BY lens_id, agent_id
"""
# Apart from the sums: counting distinct days among them would sort a year of rows.
_RESTATED = """
SELECT lens_id, agent_id, count(DISTINCT day)
FROM compliance_tally
WHERE ledger_id = %(ledger)s
  AND restated_seq IS NOT NULL
  AND day >= %(start)s
  AND day < %(end)s
  AND lens_id = ANY(%(lenses)s)
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
  AND (%(agent)s::text IS NULL OR agent_id IN (%(agent)s, ''))
GROUP BY lens_id, agent_id
"""
# Of days before the span only what is still open matters, and most rows never opened anything.
_BEFORE = """
SELECT lens_id, agent_id, sum(opened)::bigint, sum(closed)::bigint, sum(open_sum)
FROM compliance_tally
WHERE ledger_id = %(ledger)s
  AND (opened <> 0 OR closed <> 0)
  AND day < %(start)s
  AND lens_id = ANY(%(lenses)s)
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
  AND (%(agent)s::text IS NULL OR agent_id IN (%(agent)s, ''))
GROUP BY lens_id, agent_id
"""
_MARKS = """
SELECT day, latest
FROM compliance_tally
WHERE ledger_id = %s
  AND lens_id = %s
  AND day < %s
  AND latest IS NOT NULL
ORDER BY day
"""
_BUCKETS = """
SELECT day, series, agent_id, environment, numerator, denominator
FROM compliance_bucket
WHERE ledger_id = %(ledger)s
  AND lens_id = %(lens)s
  AND day >= %(start)s
  AND day < %(end)s
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
  AND (%(agent)s::text IS NULL OR agent_id IN (%(agent)s, ''))
ORDER BY day, series, environment, agent_id
"""
_ITEMS = """
SELECT item, state, day, agent_id, environment, seq, other_seq, due, weight, why, evidence,
       is_restated
FROM compliance_item
WHERE ledger_id = %(ledger)s
  AND lens_id = %(lens)s
  AND state = %(state)s
  AND day >= %(start)s
  AND day < %(end)s
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
  AND (%(agent)s::text IS NULL OR agent_id IN (%(agent)s, ''))
ORDER BY day, item
"""
_DAYS = """
SELECT coalesce(sum(entries), 0)::bigint, coalesce(sum(backfilled), 0)::bigint
FROM compliance_day
WHERE ledger_id = %s
  AND day >= %s
  AND day < %s
"""
# With the schema: while a rebuild goes on, its own empty table of the name would answer.
_ACTS = """
SELECT act
FROM public.compliance_act
WHERE ledger_id = %s
ORDER BY seq
"""

_read_act: Final = msgspec.json.Decoder(Act).decode


class LensNotTallied(LookupError):
    """The tallies of a ledger hold nothing of a lens: the catalogue is newer than they are."""

    def __init__(self, ledger: str, check: str) -> None:
        super().__init__(
            f"the tallies of {ledger} do not hold {check} as it is in force now; "
            "they are rebuilt soon by themselves, or at once by: manage.py rebuild tallies"
        )
        self.ledger = ledger
        self.check = check


@contextmanager
def steady() -> Iterator[None]:
    """Answer every question inside from one moment, however the projection goes on.

    Begins a transaction of its own that only reads, so call it outside of any.
    """
    assert not connection.in_atomic_block, "a steady reading is a transaction of its own"
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


class Tallied:
    """The rows of one ledger. Make a new one for each evaluation."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._views: dict[tuple[str, Span], TalliedView] = {}

    def span_facts(self) -> Facts:
        """Return where the tallies stand, which may be a moment behind the ledger's head."""
        found = rows(_FACTS, (self._ledger.id,))
        if not found:
            return Facts(ledger=self._ledger.name, born=None, clock=0, head_seq=-1, head_hash="")
        ((born, clock, next_seq, head_hash),) = found
        return Facts(
            ledger=self._ledger.name,
            born=born,
            clock=clock,
            head_seq=next_seq - 1,
            head_hash=bytes(head_hash).hex(),
        )

    def prepare(self, lenses: Iterable[Lens], span: Span) -> None:
        """Fetch the counts of these lenses together. Raises LensNotTallied."""
        wanted = {each.id: each for each in lenses if (each.id, span) not in self._views}
        if not wanted:
            return
        if self._seen_from:  # before the first entry everything is held: nothing
            for missing in wanted.keys() - self._seen_from.keys():
                raise LensNotTallied(self._ledger.name, wanted[missing].check)
        asked = self._asked(span) | {"lenses": sorted(wanted)}
        within: dict[str, dict[str, Counts]] = defaultdict(dict)
        before: dict[str, dict[str, Counts]] = defaultdict(dict)
        restated = {(lens_id, agent): days for lens_id, agent, days in rows(_RESTATED, asked)}
        for lens_id, agent, *counts in rows(_COUNTS, asked):
            passed, failed, opened, closed, decided, open_sum = counts
            late = restated.get((lens_id, agent), 0)
            within[lens_id][agent] = _counts(
                passed, failed, opened, closed, decided, open_sum, late
            )
        for lens_id, agent, opened, closed, open_sum in rows(_BEFORE, asked):
            before[lens_id][agent] = _counts(0, 0, opened, closed, 0, open_sum, 0)
        for lens_id in wanted:
            self._views[lens_id, span] = TalliedView(
                span=span,
                asked=self._asked(span) | {"lens": lens_id},
                within=within[lens_id],
                earlier=before[lens_id],
            )

    def view(self, lens: Lens, span: Span) -> TalliedView:
        """Return the rows of one lens, as far as the span may see them. Raises LensNotTallied."""
        self.prepare([lens], span)
        return self._views[lens.id, span]

    def day_counts(self, start: int, end: int) -> tuple[int, int]:
        """Return the entries of the days [start, end), and how many of them were backfilled."""
        ((entries, backfilled),) = rows(_DAYS, (self._ledger.id, date_of(start), date_of(end)))
        return entries, backfilled

    def acts(self) -> Sequence[Act]:
        """Return people's acts up to the head, in the order of the ledger."""
        return acts_of(self._ledger.id)

    @cached_property
    def _seen_from(self) -> dict[str, int]:
        return dict(rows(_LENSES, (self._ledger.id,)))

    def _asked(self, span: Span) -> dict[str, Any]:
        return {
            "ledger": self._ledger.id,
            "start": date_of(span.start),
            "end": date_of(span.end),
            "environment": span.environment,
            "agent": span.agent,
        }


def acts_of(ledger_id: int) -> list[Act]:
    """Return the acts that the tallies hold of a ledger, in its order."""
    return [_read_act(act) for (act,) in rows(_ACTS, (ledger_id,))]


def date_of(day: int) -> date:
    """Return a day since 1970 as a date."""
    return date.fromordinal(_EPOCH_DAY + day)  # asked for every item that is written


def day_of(day: date) -> int:
    """Return a date as days since 1970."""
    return (day - EPOCH).days


@dataclass(kw_only=True, slots=True)
class TalliedView:
    """The rows of one lens in one span; counts are there, the rest is read when asked for."""

    span: Span
    asked: dict[str, Any]
    within: dict[str, Counts]
    earlier: dict[str, Counts]
    _items: dict[ItemState, Sequence[Item]] = field(default_factory=dict)

    def counts(self) -> Mapping[str, Counts]:
        """Return what was counted in the span, by agent."""
        return self.within

    def before(self) -> Mapping[str, Counts]:
        """Return what was opened and closed before the span, by agent; nothing else of then."""
        return self.earlier

    def marks(self) -> Sequence[tuple[int, int]]:
        """Return `(day, latest us)` of each day with a match up to the span's end, in order."""
        found = rows(_MARKS, (self.asked["ledger"], self.asked["lens"], self.asked["end"]))
        return [(day_of(day), latest) for day, latest in found]

    def buckets(self) -> Sequence[Bucket]:
        """Return the buckets of the span's days."""
        return [
            Bucket(
                day=day_of(day),
                series=series,
                agent=agent,
                environment=environment,
                numerator=numerator,
                denominator=denominator,
            )
            for day, series, agent, environment, numerator, denominator in rows(
                _BUCKETS, self.asked
            )
        ]

    def items(self, state: ItemState) -> Sequence[Item]:
        """Return kept items by day and id: pending and facts from before the span as well."""
        if state not in self._items:
            asked = self.asked if state == "fail" else self.asked | {"start": EPOCH}
            self._items[state] = [item_of(row) for row in rows(_ITEMS, asked | {"state": state})]
        return self._items[state]


def item_of(row: Sequence[Any]) -> Item:
    """Return a kept item from the columns that `_ITEMS` names, in their order."""
    item, state, day, agent, environment, seq, other_seq, due, weight, why, evidence, late = row
    return Item(
        item=item,
        state=state,
        day=day_of(day),
        agent=agent,
        environment=environment,
        seq=seq,
        other_seq=other_seq,
        due=due,
        weight=weight,
        why=why,
        evidence=msgspec.json.decode(evidence),
        is_restated=late,
    )


def _counts(
    passed: int,
    failed: int,
    opened: int,
    closed: int,
    decided_sum: Any,
    open_sum: Any,
    restated: int,
) -> Counts:
    return Counts(
        passed=passed,
        failed=failed,
        opened=opened,
        closed=closed,
        decided_sum=int(decided_sum) % MODULUS,
        open_sum=int(open_sum) % MODULUS,
        restated=restated,
    )
