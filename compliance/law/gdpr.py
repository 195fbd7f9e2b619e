"""What the GDPR asks to be shown beside the controls. Pure.

The record of processing activities with what is observed beside what is declared (Art. 30), impact
assessments (Art. 35), requests of data subjects (Art. 12 to 22), decisions about persons (Art. 22),
consents and objections, and the breach register with its clocks (Art. 33 and 34).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from compliance.language.fields import ACTIONS as ALL
from compliance.law import activities as record
from compliance.law import requests as asked
from compliance.law.assessments import Assessments
from compliance.law.breach_tables import breach_tables
from compliance.law.breaches import Breaches
from compliance.law.choices import ACTS as CHOICES
from compliance.law.choices import Choices
from compliance.law.clocks import listed_clocks
from compliance.law.decisions import Decisions
from compliance.law.observed import USES, Observed
from compliance.law.told import NOT_RECORDED, Told, words
from compliance.law.window import Window
from compliance.people import Act
from compliance.report_content import LISTED, Difference, Law, LawTable
from compliance.standing import standing

REGISTRATIONS: Final = frozenset({"processing.activity_registered", "processing.activity_changed"})
OFFICER: Final = "Art.37-39"
"""The control under which management states who the data protection officer is."""
CASES: Final = frozenset(action for action, category in ALL.items() if category == "case")
"""Every action that may name a case: a case begins with the first of them."""
OTHERS: Final = frozenset({"decision.about_person", "approval.granted", "override.applied"})
ACTIONS: Final = CASES | OTHERS | USES


class GdprFacts:
    """Takes entries in and says what the GDPR asks of them."""

    def __init__(self, window: Window) -> None:
        """Look at a window."""
        self._window = window
        self._breaches = Breaches()
        self._requests = asked.Requests()
        self._register = record.Register(as_of=window.as_of)
        self._assessments = Assessments(as_of=window.as_of)
        self._decisions = Decisions(window)
        self._choices = Choices(window)
        self.observed = Observed(window)

    def takers(self) -> Mapping[str, Callable[[Told], None]]:
        """Return who takes which action in; those of USES go to `observed`."""
        return {
            **dict.fromkeys(CASES, self._see_case),
            "decision.about_person": self._decisions.see,
            "approval.granted": self._decisions.see_approval,
            "override.applied": self._decisions.see_override,
        }

    def found(self, acts: Sequence[Act], result: Mapping[str, Any]) -> Law:
        """Return the tables, clocks, differences and sentences."""
        declared = self._register.activities(self.observed.activities())
        differences = record.differences(declared, self.observed)
        as_of = self._window.as_of
        officer = _officer(acts, str(result.get("framework", "")), as_of)
        requests = self._requests.of(self._window)
        breaches = breach_tables(self._breaches.of("gdpr", self._window), "gdpr", as_of=as_of)
        asking = (one.duty.clock("request") for one in requests if one.duty is not None)
        clocks, more = listed_clocks(
            [*breaches.clocks, *(clock for clock in asking if clock is not None)]
        )
        return Law(
            tables=(
                record.overview(declared, self.observed, differences),
                *record.details(declared, self.observed, officer=officer),
                self._assessments.table(declared, self.observed),
                _request_table(requests),
                self._decisions.counts(),
                self._decisions.table(),
                self._choices.table(),
                breaches.register,
                breaches.notices,
            ),
            clocks=clocks,
            differences=tuple(differences[:LISTED]),
            statements=(*_cut(differences), *breaches.notes, *more),
        )

    def _see_case(self, told: Told) -> None:
        self._breaches.see(told)
        self._requests.see(told)
        if told.action in REGISTRATIONS:
            self._register.see(told)
        elif told.action == "dpia.completed":
            self._assessments.see(told)
        elif told.action in CHOICES:
            self._choices.see(told)


def _cut(differences: Sequence[Difference]) -> tuple[str, ...]:
    """Say how many differences there are when not all are listed."""
    if len(differences) <= LISTED:
        return ()
    return (
        f"Differences: the first {LISTED:,} of {len(differences):,} are listed; the record of "
        "activities counts all of them.",
    )


def _request_table(requests: Sequence[asked.Request]) -> LawTable:
    return LawTable(
        id="requests",
        title="Requests of data subjects",
        article="GDPR Art. 12(3), 15 to 22",
        intro=(
            "Each request that was open or had an entry in the period, by when it came. It is due "
            "at the end of the day a month later; an extension with a reason within that month "
            "adds two. Times are those that people gave; Arrived: on which day the record came, "
            "where that is more than a day apart. An empty table: no request was recorded."
        ),
        columns=asked.COLUMNS,
        rows=tuple(one.row for one in requests[:LISTED]),
        total=len(requests),
        seqs=tuple(one.seqs for one in requests[:LISTED]),
    )


def _officer(acts: Sequence[Act], framework: str, as_of: int) -> str:
    """Return what management stated of the data protection officer."""
    signed = standing(acts, framework=framework, as_of=as_of).statements.get(OFFICER, ())
    texts = {act.seq: words(act.details.get("text")) for act in acts}
    newest = max(signed, key=lambda one: one.seq, default=None)
    if newest is None:
        return f"{NOT_RECORDED}: no statement for {OFFICER} is signed"
    return f"{texts.get(newest.seq) or NOT_RECORDED} (statement, entry {newest.seq:,})"
