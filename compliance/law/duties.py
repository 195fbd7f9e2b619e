"""What somebody had to be told or answered by when, and whether that was so. Pure.

Deadlines are counted by the code that the checks use (compliance/kinds), so that a table and a
check never disagree about a day: calendar months end with their day, a claimed start is never
later than the first entry of its case, an extension counts only while the deadline still runs, and
what people did counts only when its record came in time as well.

Limits are those of the law. A customer may set stricter ones for the checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from compliance.kinds.awaited import in_time
from compliance.kinds.deadlines import Extension
from compliance.law import told as words
from compliance.law.told import Told
from compliance.report_content import Clock
from compliance.result import time_text

Unit = Literal["hours", "days"]

_SPELLED: Final = {"hours": words.hours, "days": words.days}


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """One thing to be done in a case."""

    case: str
    whom: str
    """Who had to be told, or what had to be done."""
    article: str
    limit: str
    """In words: `72 hours`; `without undue delay` where the law names no number."""
    started: int
    due: int | None
    """us; None: the law names no number."""
    done: Told | None
    """What fulfilled it, up to `as_of`; in time or not."""
    extended: Told | None
    """What prolonged the deadline."""
    is_late: bool
    state: str
    steps: tuple[Told, ...]
    """What began it, prolonged it and fulfilled it."""

    @property
    def seqs(self) -> tuple[int, ...]:
        """Return the entries that it rests on, in the order of the ledger."""
        return tuple(sorted({step.seq for step in self.steps}))

    def clock(self, kind: Literal["breach", "request"]) -> Clock | None:
        """Return it as a clock; None where the law names no number."""
        if self.due is None:
            return None
        return Clock(
            kind=kind,
            case=self.case,
            started_at=time_text(self.started),
            due_at=time_text(self.due),
            ended_at="" if self.done is None else time_text(self.done.at),
            is_late=self.is_late,
            label=f"{self.case}: {self.whom}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A duty before it is known whether it was fulfilled."""

    case: str
    whom: str
    article: str
    limit: str
    unit: Unit
    opening: Told
    """The entry with which the duty began to exist."""
    started: int
    base: int | None
    """The deadline before any extension, us."""
    answers: Sequence[Told]
    """What could fulfil it."""
    extension: Extension | None = None
    extends: Sequence[Told] = ()
    extend_field: str = ""
    """The field of an extending entry that says by how many days."""


def settled(task: Task, *, as_of: int) -> Duty:
    """Return a duty with what became of it up to a moment (us)."""
    due, used = _due(task)
    record = {"due": due, "event": {"is_backfill": task.opening.is_backfill}}
    fits = sorted(task.answers, key=lambda told: told.order)
    known = [told for told in fits if told.at <= as_of]
    after = next((told for told in fits if told.at > as_of), None)
    if due is None:
        good = known[0] if known else None
    else:
        good = next((told for told in known if in_time(record, told.kept)), None)
    # What was recorded only after the deadline says nothing while that still runs.
    is_over = due is None or as_of > due
    done = good or (known[0] if known and is_over else None)
    is_late = due is not None and is_over and good is None
    state = _state(task, due=due, done=done, is_good=good is not None, as_of=as_of)
    if done is None and known:
        said = words.moment(known[0].at)
        state += f"; said to be done {said}, recorded only on {words.day(known[0].received)}"
    elif done is None and after is not None:
        state += f"; done {words.moment(after.at)}, after the period"
    told = [one for one in (task.opening, used, done) if one is not None]
    return Duty(
        case=task.case,
        whom=task.whom,
        article=task.article,
        limit=task.limit,
        started=task.started,
        due=due,
        done=done,
        extended=used,
        is_late=is_late,
        state=state,
        steps=tuple(told),
    )


def _due(task: Task) -> tuple[int | None, Told | None]:
    """Return the deadline, and the extension that it rests on."""
    due, used = task.base, None
    if task.extension is None or due is None:
        return due, used
    record: dict[str, Any] = {
        "base": task.base,
        "anchor": task.started,
        "event": {"is_backfill": task.opening.is_backfill},
    }
    for told in sorted(task.extends, key=lambda told: told.seq):
        longer = task.extension.prolonged({**record, "due": due}, _extending(told, task))
        if longer > due:
            due, used = words.bounded(longer), told
    return due, used


def _extending(told: Told, task: Task) -> Mapping[str, Any]:
    kept = told.kept
    for path in (task.extend_field, "case.delay_written"):
        if path:
            kept[path] = told.read(path)
    return kept


def _state(task: Task, *, due: int | None, done: Told | None, is_good: bool, as_of: int) -> str:
    spelled = _SPELLED[task.unit]
    if done is not None:
        took = spelled(done.at - task.started)
        if due is None:
            return f"done after {took}"
        if is_good:
            return f"in time, after {took}"
        if done.at <= due:
            return (
                f"late: said to be done after {took}, but recorded only on "
                f"{words.day(done.received)}, past the limit"
            )
        return f"late: after {took}, {spelled(done.at - due)} past the limit"
    if due is None:
        return "not done yet"
    if as_of > due:
        return f"overdue since {words.moment(due)}"
    return f"running; due {words.moment(due)}"
