"""cadence: something must happen at least once in every stretch of time. Pure.

Item = UTC day d of the period; it passes when a match lies in (end of d - `every`, end of d].
While the ledger is younger than `every` it passes when there is a match, and else is pending.
`also_fail_when`: such an entry fails by itself (item `also/<seq>`) until a person has closed a
finding about it.

Only the latest match of each day is remembered, and it is enough: it decides every window that
ends with that day or later. An event at exactly midnight belongs to the day before, as the window
is closed at its end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from compliance.items import MODULUS, item_digest
from compliance.kinds.base import DAY_US, Entry, Item, Tested, View
from compliance.kinds.base import Book as Book
from compliance.kinds.series import day_of, evidence_of
from compliance.language.conditions import compile_condition
from compliance.language.durations import Duration, parse_duration

CLOSING: Final = "audit.finding_closed"


class Cadence:
    """One cadence, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition: `match`, `every`, and `also_fail_when` where there is one."""
        self._match = compile_condition(definition["match"], people=True)
        parse_duration(definition["every"])
        self._by_arrival = definition.get("clock") == "received_at"
        also = definition.get("also_fail_when")
        self._also = None if also is None else compile_condition(also)
        self._evidence = tuple(definition.get("evidence", ()))

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its matches, and of what else fails it or ends that."""
        wanted = self._match.actions(actions)
        if wanted is None or self._also is None:
            return wanted
        also = self._also.actions(actions)
        return None if also is None else wanted | also | {CLOSING}

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return the slot of the entry that a finding closes."""
        if self._also is not None and entry.action == CLOSING:
            subject = entry.read("case.subject_event")
            if isinstance(subject, str):
                return (f"also/{subject}",)
        return ()

    def see(self, entry: Entry, book: Book) -> None:
        """Mark a match; keep what fails by itself, and let it go when its finding is closed."""
        if self._match.holds(entry):
            at = entry.received if self._by_arrival else entry.at
            book.mark((at - 1) // DAY_US, at)
        if self._also is None:
            return
        if entry.action == CLOSING:
            self._close(entry, book)
        if self._also.holds(entry):
            self._fail(entry, book)

    def _fail(self, entry: Entry, book: Book) -> None:
        item = f"also/{entry.seq}"
        book.keep(
            Item(
                item=item,
                state="fail",
                day=day_of(entry, by_arrival=self._by_arrival),
                agent="",
                environment="",
                seq=entry.seq,
                why=f"{entry.action} fails the check until a person closes a finding about it.",
                evidence=evidence_of(entry, self._evidence),
            )
        )
        event_id = entry.read("id")
        if isinstance(event_id, str):
            book.put(f"also/{event_id}", item)

    def _close(self, entry: Entry, book: Book) -> None:
        subject = entry.read("case.subject_event")
        if not entry.is_by_person or not isinstance(subject, str):
            return
        item = book.get(f"also/{subject}")
        if item is not None:
            book.release(item)
            book.drop(f"also/{subject}")

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Nothing here waits for a time."""
        raise AssertionError(f"a cadence puts nothing with a due, but {slot} came due")

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Judge each day of the span that has begun."""
        span, every = view.span, parse_duration(definition["every"])
        latest = [at for _, at in view.marks()]
        failing = []
        n = pending = digests = 0
        for day in range(max(span.start, span.observed_from), span.end):
            if day * DAY_US >= span.as_of:
                break
            state = _judged(day, latest, every, span.as_of, span.born)
            name = _date(day)
            digests += item_digest(name, state, 1)
            if state == "pending":
                pending += 1
                continue
            n += 1
            if state == "fail":
                failing.append(_missed(day, name, definition["every"]))
        also = view.items("fail")
        digests += sum(item_digest(item.item, "fail", item.weight) for item in also)
        f = len(failing) + len(also)
        n += len(also)
        in_span = bisect_right(latest, span.as_of) - bisect_right(latest, span.start * DAY_US)
        return Tested(
            n=n,
            f=f,
            pending=pending,
            design_only=n > f and in_span == 0,
            by_agent={"": (n, f)} if n else {},
            failing=tuple(failing),
            item_sum=digests % MODULUS,
        )


def _judged(day: int, latest: list[int], every: Duration, as_of: int, born: int) -> str:
    end = (day + 1) * DAY_US
    opens = every.before(end)
    newest = bisect_right(latest, min(end, as_of)) - 1
    if newest >= 0 and latest[newest] > opens:
        return "pass"
    return "pending" if end > as_of or born > opens else "fail"


def _missed(day: int, name: str, every: str) -> Item:
    return Item(
        item=name,
        state="fail",
        day=day,
        agent="",
        environment="",
        seq=0,
        why=f"No match in the {every} up to the end of this day.",
    )


def _date(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
