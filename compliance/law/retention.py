"""For how long entries are kept, against the six years of 45 CFR 164.316(b)(2)(i). Pure.

Read from audit.retention_reported, which the platform chains each day: what it said last up to
`as_of`, and the least it said in the period.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from compliance.law import told as words
from compliance.law.told import NOT_RECORDED, Told
from compliance.law.window import Window
from compliance.report_content import LISTED, LawTable

ACTION: Final = "audit.retention_reported"
SIX_YEARS: Final = 2_192
"""Days: six years with two leap days in them are the longest."""
COLUMNS: Final = ("What", "Kept for (days)", "Six years", "Reported")


class Retention:
    """Takes the platform's reports of retention in."""

    def __init__(self, window: Window) -> None:
        """Look at a window, of whatever environment, and at the newest report up to `as_of`."""
        self._window = window
        self._newest: Told | None = None
        self._least: Told | None = None

    def see(self, told: Told) -> None:
        """Take a report in."""
        if told.at > self._window.as_of or told.outcome != "success":
            return
        if self._newest is None or told.order > self._newest.order:
            self._newest = told
        days = told.number("integrity.retention_days")
        if days is None or not self._window.has(told.at):
            return
        known = self._least
        least = None if known is None else known.number("integrity.retention_days")
        if known is None or least is None or (days, told.order) < (least, known.order):
            self._least = told

    def table(self) -> LawTable:
        """Return what the newest report says is kept for how long."""
        newest = self._newest
        found = [] if newest is None else list(_kept(newest))
        rows = tuple(
            (what, f"{days:,}", _against(days), words.claimed(newest))
            for what, days in found[:LISTED]
            if newest is not None
        )
        return LawTable(
            id="retention",
            title="How long entries are kept",
            article="45 CFR 164.316(b)(2)(i)",
            intro=(
                "As the platform reported it last. Entries that are the record of an action which "
                "the rule asks to document fall under the six years; keeping all of them is the "
                "safe reading. An empty table: nothing was reported."
            ),
            columns=COLUMNS,
            rows=rows,
            total=len(found),
            seqs=tuple((newest.seq,) for _ in rows if newest is not None),
        )

    def statement(self) -> str:
        """Say in a sentence whether entries are kept six years."""
        newest = self._newest
        days = None if newest is None else newest.number("integrity.retention_days")
        if newest is None or days is None:
            return (
                "Six years: how long entries are kept is not recorded, so nothing shows that they "
                "are kept for the six years of 45 CFR 164.316(b)(2)(i)."
            )
        said = (
            f"Six years: every entry is kept for {days:,} days (entry {newest.seq:,}); "
            f"45 CFR 164.316(b)(2)(i) asks {SIX_YEARS:,} days of required documentation, "
        )
        said += "which this covers." if days >= SIX_YEARS else "which this does not cover."
        oldest = newest.number("integrity.oldest_seq")
        if oldest:
            said += f" Entries before {oldest:,} were purged."
        least = None if self._least is None else self._least.number("integrity.retention_days")
        if least is not None and least < days:
            said += f" In the period it was {least:,} days for a time."
        return said


def _kept(newest: Told) -> Iterator[tuple[str, int]]:
    """Yield what is kept for how many days: every entry, then longer policies by name."""
    days = newest.number("integrity.retention_days")
    if days is not None:
        yield "every entry", days
    for path, noun in (("details.categories", "category"), ("details.data_classes", "data class")):
        policies = newest.read(path)
        if not isinstance(policies, Mapping):
            continue
        for name, kept in sorted(policies.items(), key=lambda one: str(one[0])):
            if isinstance(kept, int) and not isinstance(kept, bool):
                yield f"{noun} {words.words(name) or NOT_RECORDED}", kept


def _against(days: int) -> str:
    return "covered" if days >= SIX_YEARS else f"{SIX_YEARS - days:,} days short"
