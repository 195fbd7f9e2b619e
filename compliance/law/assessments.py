"""Impact assessments (GDPR Art. 35), one row an activity. Pure.

An assessment counts when a person completed it with success. Whether one was needed is what the
register says of the activity's risk; what it does not say is not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from compliance.law import told as words
from compliance.law.activities import Activity
from compliance.law.observed import Observed, Seen
from compliance.law.told import Told
from compliance.report_content import LISTED, LawTable

COLUMNS: Final = ("Activity", "High risk", "Assessed", "By", "Risks found", "Result")


class Assessments:
    """Takes assessments in and holds them by activity."""

    def __init__(self, *, as_of: int) -> None:
        """Read assessments up to a moment, us."""
        self._as_of = as_of
        self._of: dict[str, list[Told]] = defaultdict(list)

    def see(self, told: Told) -> None:
        """Take an assessment in."""
        if told.at <= self._as_of:
            activity = told.text("data.processing_activity_id") or told.text("target.id")
            self._of[activity].append(told)

    def table(self, activities: list[Activity], observed: Observed) -> LawTable:
        """Return a row for each activity, and for assessments of what is no activity."""
        uses = observed.activities()
        known = {one.id for one in activities}
        others = [Activity(id=name, declared=None) for name in sorted(self._of.keys() - known)]
        every = [*activities, *others]
        rows = tuple(self._row(one, uses.get(one.id)) for one in every[:LISTED])
        return LawTable(
            id="dpias",
            title="Data protection impact assessments",
            article="GDPR Art. 35",
            intro=(
                "Each activity with its newest assessment by a person. An empty table: no "
                "activity is registered or was seen, and nothing was assessed."
            ),
            columns=COLUMNS,
            rows=rows,
            total=len(every),
            seqs=tuple(self._seqs(one) for one in every[:LISTED]),
        )

    def _newest(self, activity: Activity) -> Told | None:
        good = [one for one in self._of[activity.id] if one.is_by_human and _is_success(one)]
        return max(good, key=lambda one: one.order, default=None)

    def _is_before(self, activity: Activity, used: Seen) -> bool:
        """Tell whether an assessment stood before the first use that was seen."""
        good = [one for one in self._of[activity.id] if one.is_by_human and _is_success(one)]
        return any(one.seq < used.seq for one in good)

    def _row(self, activity: Activity, used: Seen | None) -> tuple[str, ...]:
        newest, told = self._newest(activity), activity.declared
        risk = "" if told is None else told.text("processing.high_risk")
        return (
            activity.id or words.NOT_RECORDED,
            words.or_not_recorded(risk),
            "none recorded" if newest is None else words.claimed(newest),
            "" if newest is None else newest.actor,
            "" if newest is None else _risks(newest),
            self._result(activity, newest, risk, used),
        )

    def _result(self, activity: Activity, newest: Told | None, risk: str, used: Seen | None) -> str:
        told = activity.declared
        if newest is not None:
            if told is not None and risk == "yes" and told.seq > newest.seq:
                return "assessed before it was last registered as high risk"
            if used is not None and not self._is_before(activity, used):
                return "assessed after its first use in the period"
            return "assessed"
        if risk == "no":
            return "registered as not high risk"
        if used is None:
            return "not assessed; not used in the period"
        return "used in the period without an assessment"

    def _seqs(self, activity: Activity) -> tuple[int, ...]:
        declared = [] if activity.declared is None else [activity.declared]
        return tuple(sorted({one.seq for one in (*self._of[activity.id], *declared)}))


def _is_success(told: Told) -> bool:
    return told.outcome == "success"


def _risks(told: Told) -> str:
    items, high = told.number("risk.items_count"), told.number("risk.high_count")
    if items is None:
        return words.NOT_RECORDED
    return f"{items:,}" if high is None else f"{items:,}, of them high: {high:,}"
