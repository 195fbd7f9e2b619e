"""Accounting of disclosures of health information (45 CFR 164.528). Pure.

Listed is each successful data.disclose, data.export or data.transfer of data of class phi in the
period that left the organisation, or of which nobody said that it did not, for a purpose that the
section does not except. One that names no purpose is listed, since nothing excepts it. The check
PHI-04 looks at the same entries.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from compliance.law import told as words
from compliance.law.first_rows import FirstRows
from compliance.law.told import Told
from compliance.law.window import Window
from compliance.report_content import LawTable

ACTIONS: Final = frozenset({"data.disclose", "data.export", "data.transfer"})
EXCEPTED: Final = {
    "treatment": "treatment",
    "payment": "payment",
    "operations": "health care operations",
    "patient_request": "to the individual",
    "authorized_by_patient": "under an authorisation",
    "facility_directory": "the facility's directory",
    "involved_in_care": "persons involved in care",
    "limited_data_set": "a limited data set",
}
"""Purposes that 164.528(a)(1) leaves out, as events name them."""
COLUMNS: Final = (
    "Date", "Recipient", "Role", "Person", "What was disclosed", "Purpose", "Reason recorded",
    "Arrived",
)  # fmt: skip
MOST_FIELDS: Final = 12


class Disclosures:
    """Takes disclosures in and lists those that an accounting must name."""

    def __init__(self, window: Window) -> None:
        """Begin without any; look at the disclosures of a window."""
        self._window = window
        self._first = FirstRows()
        self._excepted: Counter[str] = Counter()

    def see(self, told: Told) -> None:
        """Take an entry of one of ACTIONS in."""
        if told.outcome != "success" or told.read("data.external") is False:
            return
        if not self._window.holds(told) or "phi" not in told.texts("data.classes"):
            return
        purpose = told.text("data.purpose")
        if purpose in EXCEPTED:
            self._excepted[purpose] += 1
        else:
            self._first.see(told)

    def table(self) -> LawTable:
        """Return the first disclosures by date."""
        listed = self._first.listed()
        return LawTable(
            id="disclosures",
            title="Accounting of disclosures",
            article="45 CFR 164.528",
            intro=(
                f"By date, for the period of this report. {self._excepted_words()} This is no "
                "individual's accounting: persons stand under pseudonyms, and one accounts to one "
                "person by asking for that person's export, for the six years before the request. "
                "Disclosures on paper or by voice are not in the ledger. An empty table: no "
                "disclosure that must be listed was recorded."
            ),
            columns=COLUMNS,
            rows=tuple(_row(told) for told in listed),
            total=self._first.total,
            seqs=tuple((told.seq,) for told in listed),
        )

    def _excepted_words(self) -> str:
        if not self._excepted:
            return "No disclosure for an excepted purpose was recorded either."
        total = sum(self._excepted.values())
        named = ", ".join(
            f"{EXCEPTED[purpose]} {count:,}" for purpose, count in sorted(self._excepted.items())
        )
        return f"Left out, as 164.528(a)(1) excepts them: {total:,} ({named})."


def _row(told: Told) -> tuple[str, ...]:
    return (
        words.moment(told.at),
        words.or_not_recorded(told.text("data.recipient")),
        words.or_not_recorded(told.text("data.recipient_role").replace("_", " ")),
        _persons(told),
        _what(told),
        words.or_not_recorded(told.text("data.purpose").replace("_", " ")),
        words.or_not_recorded(told.text("reason")),
        words.arrivals([told]),
    )


def _persons(told: Told) -> str:
    named = told.texts("data.subject_ids")
    if len(named) == 1:
        return named[0]
    if named:
        return f"{named[0]} and {len(named) - 1:,} more"
    count = told.number("data.subject_count")
    return words.NOT_RECORDED if count is None else f"{count:,}, not named"


def _what(told: Told) -> str:
    fields = told.texts("data.fields")
    named = ", ".join(fields[:MOST_FIELDS])
    if len(fields) > MOST_FIELDS:
        named += f" and {len(fields) - MOST_FIELDS:,} more"
    records = told.number("data.record_count")
    of = "" if records is None else f"{records:,} records" if records != 1 else "1 record"
    return words.joined((named, of), between="; ")
