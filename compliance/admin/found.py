"""Read what checks found, for pages: counts a day, kept items, people's acts. Only reads.

Every statement walks an index of the tallies (compliance/sql/0001_tallies.sql) and ends at a fixed
count; none counts rows. What is read is how the tallies stand now, which may be later than a sealed
result: `reach` says how far they are. Judging: judge.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from audit.database import rows
from compliance.definitions import Kind
from compliance.result import LAST

PAGE_ROWS: Final = 25
STRIP_DAYS: Final = 60
"""Days that a history strip shows, the newest of the period."""
MOST_ACTS: Final = 500
"""The newest acts that a page looks through."""
_BATCH: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_DAYS: Final = """
SELECT lens_id, day, sum(passed), sum(failed), sum(opened), sum(closed),
       max(restated_seq)
FROM compliance_tally
WHERE ledger_id = %(ledger)s
  AND lens_id = ANY(%(lenses)s)
  AND day >= %(start)s
  AND day < %(end)s
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
  AND (%(agent)s::text IS NULL OR agent_id IN (%(agent)s, ''))
GROUP BY lens_id, day
ORDER BY lens_id, day
"""
_COLUMNS: Final = """
SELECT item, state, day, environment, agent_id, seq, other_seq, due, weight, why, evidence,
       is_restated
FROM compliance_item
WHERE ledger_id = %(ledger)s
  AND lens_id = %(lens)s
"""
_ITEMS: Final = (
    _COLUMNS
    + """
  AND state = %(state)s
  AND day >= %(start)s
  AND day < %(end)s
  AND (%(environment)s::text IS NULL OR environment IN (%(environment)s, ''))
  AND (%(agent)s::text IS NULL OR agent_id IN (%(agent)s, ''))
"""
)
_OLDER: Final = """
  AND (%(day)s::date IS NULL OR (day, item) < (%(day)s, %(item)s))
ORDER BY day DESC, item DESC
LIMIT %(most)s
"""
_NEWER: Final = """
  AND (day, item) > (%(day)s, %(item)s)
ORDER BY day, item
LIMIT %(most)s
"""
_ONE: Final = _COLUMNS + "  AND item = %(item)s"
_LENSES: Final = """
SELECT lens_id, check_id, kind, definition, first_seq
FROM compliance_lens
WHERE ledger_id = %s AND lens_id = ANY(%s)
"""
_REACH: Final = "SELECT clock, born, next_seq FROM compliance_clock WHERE ledger_id = %s"
_ACTS: Final = """
SELECT seq, action, at, act
FROM compliance_act
WHERE ledger_id = %s
ORDER BY seq DESC
LIMIT %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Narrowed:
    """Which rows a page may see: of one ledger, some days, an environment, an agent."""

    ledger_id: int
    start: date
    end: date
    """The day after the last."""
    environment: str | None
    agent: str | None

    @classmethod
    def of(cls, ledger_id: int, result: Mapping[str, Any]) -> Narrowed:
        """Return the rows that a result is about."""
        return cls(
            ledger_id=ledger_id,
            start=date.fromisoformat(result["from"]),
            end=date.fromisoformat(result["to"]),
            environment=result["environment"],
            agent=result["agent"],
        )

    def parameters(self, **more: Any) -> dict[str, Any]:
        """Return what every statement here is given."""
        return {
            "ledger": self.ledger_id,
            "start": self.start,
            "end": self.end,
            "environment": self.environment,
            "agent": self.agent,
            **more,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """What one lens found on one UTC day."""

    day: date
    passed: int = 0
    failed: int = 0
    opened: int = 0
    closed: int = 0
    restated_seq: int | None = None
    """The entry that changed this day after it was over."""

    @property
    def word(self) -> str:
        """Return `fail`, `pass`, `open` or `nothing`, the worst first."""
        if self.failed:
            return "fail"
        if self.passed:
            return "pass"
        return "open" if self.opened else "nothing"

    @property
    def letter(self) -> str:
        """Return what stands in a cell beside its colour."""
        return {"fail": "F", "pass": "P", "open": "O", "nothing": "·"}[self.word]

    @property
    def said(self) -> str:
        """Return the day in words."""
        if self.failed:
            found = f"{self.failed:,} of {self.passed + self.failed:,} failed"
        elif self.passed:
            found = f"{self.passed:,} passed"
        elif self.opened:
            found = f"{self.opened:,} opened, none decided"
        else:
            found = "nothing was decided"
        return f"{found}, restated" if self.restated_seq is not None else found

    @property
    def next_day(self) -> date:
        """Return the day after it."""
        return self.day + timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One item that is kept by itself."""

    item: str
    state: str
    day: date
    environment: str
    agent: str
    seq: int | None
    """None: the item is a day or a bucket, and no single entry."""
    other_seq: int | None
    due: datetime | None
    weight: int
    why: str
    evidence: dict[str, Any]
    is_restated: bool

    @property
    def about(self) -> str:
        """Return what it is about when it is no entry: its day, and the series of it."""
        day, _, series = self.item.partition("/")
        named = series if day == self.day.isoformat() else ""
        return f"the whole day, {named}" if named else "the whole day"

    @property
    def place(self) -> str:
        """Return where it stands in a list, for `after` and `before`."""
        return f"{self.day.isoformat()}~{self.item}"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptPage:
    """Up to 25 items, the newest day first, and the places that lead to its neighbours."""

    rows: list[Kept]
    newer: str | None
    older: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningLens:
    """A lens as the tallies run it."""

    check: str
    kind: Kind
    definition: dict[str, Any]
    first_seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How far the tallies of a ledger are."""

    clock: datetime
    born: datetime
    next_seq: int

    @property
    def last_seq(self) -> int:
        """Return the last entry they have read."""
        return self.next_seq - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One act of a person, as its entry says it."""

    seq: int
    action: str
    at: datetime
    actor: str
    reason: str
    details: dict[str, Any]


def days_of(lenses: Sequence[str], look: Narrowed) -> dict[str, dict[date, Day]]:
    """Return what each lens found, by day; days without a row are left out."""
    found: dict[str, dict[date, Day]] = {lens: {} for lens in lenses}
    if not lenses:
        return found
    for lens, day, passed, failed, opened, closed, restated in rows(
        _DAYS, look.parameters(lenses=list(lenses))
    ):
        found[lens][day] = Day(
            day=day,
            passed=int(passed),
            failed=int(failed),
            opened=int(opened),
            closed=int(closed),
            restated_seq=restated,
        )
    return found


def items_page(
    lens: str, look: Narrowed, *, state: str, after: str = "", before: str = ""
) -> KeptPage:
    """Return a page of kept items, the newest day first.

    Pending items stand on the day of their event, so those that began before the period are asked
    for, too. Raises ValueError for a place that is none.
    """
    more = {"lens": lens, "state": state, "most": PAGE_ROWS + 1}
    parameters = look.parameters(**more)
    if state == "pending":
        parameters["start"] = date.min
    parameters["day"], parameters["item"] = _place(before or after)
    if before:
        found = [_kept(row) for row in rows(_ITEMS + _NEWER, parameters)]
        shown = found[:PAGE_ROWS][::-1]
        return KeptPage(
            rows=shown,
            newer=shown[0].place if len(found) > PAGE_ROWS else None,
            older=shown[-1].place if shown else None,
        )
    found = [_kept(row) for row in rows(_ITEMS + _OLDER, parameters)]
    shown = found[:PAGE_ROWS]
    return KeptPage(
        rows=shown,
        newer=shown[0].place if shown and after else None,
        older=shown[-1].place if len(found) > PAGE_ROWS else None,
    )


def all_items(lens: str, look: Narrowed, *, state: str) -> Iterator[Kept]:
    """Yield every kept item of the period in this state, the newest day first."""
    parameters = look.parameters(lens=lens, state=state, most=_BATCH, day=None, item="")
    if state == "pending":
        parameters["start"] = date.min
    while found := [_kept(row) for row in rows(_ITEMS + _OLDER, parameters)]:
        yield from found
        parameters |= {"day": found[-1].day, "item": found[-1].item}


def one_item(lens: str, ledger_id: int, item: str) -> Kept | None:
    """Return an item by its id; None when it is not kept (it passed, or there is none)."""
    found = rows(_ONE, {"ledger": ledger_id, "lens": lens, "item": item})
    return _kept(found[0]) if found else None


def running_lenses(ledger_id: int, lenses: Sequence[str]) -> dict[str, RunningLens]:
    """Return those of the lenses that the tallies run; others are of another catalogue."""
    return {
        lens: RunningLens(
            check=check, kind=kind, definition=json.loads(definition), first_seq=first_seq
        )
        for lens, check, kind, definition, first_seq in rows(_LENSES, (ledger_id, list(lenses)))
    }


def reach(ledger_id: int) -> Reach | None:
    """Return how far the tallies are; None before their first entry."""
    found = rows(_REACH, (ledger_id,))
    if not found:
        return None
    clock, born, next_seq = found[0]
    return Reach(clock=moment(clock), born=moment(born), next_seq=next_seq)


def acts_about(ledger_id: int, **named: str) -> list[Told]:
    """Return the newest acts whose details name all of these, such as control="CC6.1"."""
    found = []
    for seq, action, at, text in rows(_ACTS, (ledger_id, MOST_ACTS)):
        act = json.loads(text)
        details = act.get("details") or {}
        if all(details.get(name) == value for name, value in named.items()):
            found.append(
                Told(
                    seq=seq,
                    action=action,
                    at=moment(at),
                    actor=str(act.get("actor") or ""),
                    reason=str(act.get("reason") or ""),
                    details=details,
                )
            )
    return found


def strip_start(look: Narrowed) -> date:
    """Return the first day that a history strip of a period shows."""
    return max(look.start, look.end - timedelta(days=STRIP_DAYS))


def strip(days: Mapping[date, Day], look: Narrowed) -> list[Day]:
    """Return a day each of the period, oldest first, at most the newest STRIP_DAYS."""
    first = strip_start(look)
    return [
        days.get(each) or Day(day=each)
        for each in (first + timedelta(days=n) for n in range((look.end - first).days))
    ]


def _kept(row: Sequence[Any]) -> Kept:
    (
        item,
        state,
        day,
        environment,
        agent,
        seq,
        other,
        due,
        weight,
        why,
        evidence,
        is_restated,
    ) = row
    read = json.loads(evidence) if evidence else {}
    return Kept(
        item=item,
        state=state,
        day=day,
        environment=environment,
        agent=agent,
        seq=seq,
        other_seq=other,
        due=None if due is None else moment(due),
        weight=weight,
        why=why,
        evidence=read if isinstance(read, dict) else {},
        is_restated=is_restated,
    )


def _place(text: str) -> tuple[date | None, str]:
    if not text:
        return None, ""
    day, mark, item = text.partition("~")
    if not mark:
        raise ValueError("a place in the list is a day and an item")
    return date.fromisoformat(day), item.replace("\0", "")


def moment(us: int) -> datetime:
    """Return microseconds since 1970 as a time."""
    return _EPOCH + timedelta(microseconds=min(us, LAST))
