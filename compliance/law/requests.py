"""What data subjects asked for, and whether it was answered in time (GDPR Art. 12(3), 15-22). Pure.

A request is an entry dsr.received. It is answered by dsr.completed, or by dsr.refused with a
reason, within a month; an extension with a reason that came within that month adds two. The check
DSR-01 counts the same. A case that was answered and never received has a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from compliance.kinds.base import DAY_US
from compliance.kinds.deadlines import Extension
from compliance.language.durations import parse_duration
from compliance.law import told as words
from compliance.law.cases import Case, Cases
from compliance.law.duties import Duty, Task, settled
from compliance.law.told import NOT_RECORDED, Told
from compliance.law.window import Window

WITHIN: Final = "P1M"
"""GDPR Art. 12(3), first sentence."""
EXTENSION: Final = "P2M"
"""GDPR Art. 12(3), second sentence."""
ARTICLES: Final = {
    "access": "Art. 15",
    "rectification": "Art. 16",
    "erasure": "Art. 17",
    "restriction": "Art. 18",
    "portability": "Art. 20",
    "objection": "Art. 21",
}
COLUMNS: Final = (
    "Case", "Right", "Received", "Identity checked", "Due", "Extended", "Answered", "Days",
    "Recipients told", "State", "Arrived",
)  # fmt: skip

_MONTH: Final = parse_duration(WITHIN)
_LONGER: Final = Extension(
    {
        "when": {
            "all": [
                ["action", "eq", "dsr.extended"],
                ["case.id", "eq", "@case.id"],
                ["reason", "exists", True],
            ]
        },
        "by": EXTENSION,
        "only_if_within": WITHIN,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request and what became of it."""

    row: tuple[str, ...]
    """COLUMNS."""
    duty: Duty | None
    """None: nobody recorded that it was received, so no clock runs."""
    seqs: tuple[int, ...]


class Requests:
    """Takes entries in and holds the requests they tell of."""

    def __init__(self) -> None:
        """Begin without any."""
        self._cases = Cases("dsr.", opening=("dsr.received",))

    def see(self, told: Told) -> None:
        """Take an entry of a case in."""
        self._cases.see(told)

    def of(self, window: Window) -> list[Request]:
        """Return the requests that were open, or had an entry, in a window, by time."""
        return [
            request
            for case in self._cases.of(window.environment)
            for request in _requests(case, window)
        ]


def _requests(case: Case, window: Window) -> Iterator[Request]:
    received = case.all_of("dsr.received")
    for told in received:
        if told.at < window.end and told.at <= window.as_of:
            request = _request(case, told, as_of=window.as_of)
            if _stood(case, request.duty, window):
                yield request
    if not received and any(window.has(step.at) for step in case.steps):
        yield _unreceived(case, as_of=window.as_of)


def _request(case: Case, received: Told, *, as_of: int) -> Request:
    # Nothing counts that was chained before the request itself.
    later = [step for step in case.steps if step.seq > received.seq]
    answers = [step for step in later if _is_answer(step)]
    extends = [step for step in case.steps if _extends(step)]
    right = received.text("case.dsr_type")
    duty = settled(
        Task(
            case=case.name,
            whom=right or "a request of no recorded kind",
            article="GDPR Art. 12(3)",
            limit="one month",
            unit="days",
            opening=received,
            started=received.at,
            base=words.bounded(_MONTH.after(received.at)),
            answers=answers,
            extension=_LONGER,
            extends=extends,
        ),
        as_of=as_of,
    )
    done, due = duty.done, duty.due
    assert due is not None, "a month is always counted"
    row = (
        case.name,
        _right_words(right),
        words.moment(received.at),
        _identity(case, done, as_of=as_of),
        words.day(due),
        _extended(extends, received, due, as_of=as_of),
        "not yet" if done is None else words.moment(done.at),
        "" if done is None else f"{max(done.at // DAY_US - received.at // DAY_US, 0):,}",
        _recipients(case, as_of=as_of),
        _state(duty),
        words.arrivals(case.known(as_of)),
    )
    return Request(row=row, duty=duty, seqs=case.seqs(until=as_of))


def _unreceived(case: Case, *, as_of: int) -> Request:
    """Return a case of which only the answer, or something in between, was recorded."""
    answers = [step for step in case.steps if _is_answer(step) and step.at <= as_of]
    right = case.newest_said("case.dsr_type", until=as_of)
    done = answers[0] if answers else None
    row = (
        case.name,
        _right_words(right),
        NOT_RECORDED,
        _identity(case, done, as_of=as_of),
        "no clock: nobody recorded when it came",
        "",
        "not yet" if done is None else words.moment(done.at),
        "",
        _recipients(case, as_of=as_of),
        "open" if done is None else _WORDS[done.action],
        words.arrivals(case.known(as_of)),
    )
    return Request(row=row, duty=None, seqs=case.seqs(until=as_of))


_WORDS: Final = {"dsr.completed": "completed", "dsr.refused": "refused, with a reason"}


def _state(duty: Duty) -> str:
    if duty.done is None:
        return duty.state
    return f"{_WORDS[duty.done.action]}; {duty.state}"


def _is_answer(step: Told) -> bool:
    return step.action == "dsr.completed" or (
        step.action == "dsr.refused" and bool(step.text("reason"))
    )


def _extends(step: Told) -> bool:
    return step.action == "dsr.extended" and bool(step.text("reason"))


def _stood(case: Case, duty: Duty | None, window: Window) -> bool:
    if duty is None or duty.done is None or duty.done.at >= window.start:
        return True
    return any(window.has(step.at) for step in case.steps)


def _right_words(right: str) -> str:
    if not right:
        return NOT_RECORDED
    article = ARTICLES.get(right)
    return f"{right} ({article})" if article else right


def _identity(case: Case, done: Told | None, *, as_of: int) -> str:
    checked = case.first("dsr.identity_verified")
    if checked is None or checked.at > as_of:
        return NOT_RECORDED
    late = ", after the answer" if done is not None and checked.at > done.at else ""
    return words.moment(checked.at) + late


def _extended(extends: list[Told], received: Told, due: int, *, as_of: int) -> str:
    """Return the extension that counts, or why one does not."""
    known = [step for step in extends if step.at <= as_of]
    if not known:
        return "no"
    is_counted = due > _MONTH.after(received.at)
    said = f"{words.moment(known[0].at)}: {known[0].text('reason')}"
    return said if is_counted else f"{said}; came too late to count"


def _recipients(case: Case, *, as_of: int) -> str:
    """Return whether those who had got the data were told (Art. 19)."""
    done = [step for step in case.all_of("dsr.completed") if step.at <= as_of]
    count = next((n for step in done if (n := step.number("case.recipients_count"))), 0)
    told = case.first("dsr.recipients_notified")
    if told is not None and told.at <= as_of:
        return words.moment(told.at)
    return f"{count:,}, not recorded that they were" if count else "none recorded"
