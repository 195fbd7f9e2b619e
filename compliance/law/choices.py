"""Consents, objections and restrictions of the period, counted by purpose (GDPR Art. 7, 18, 21)."""

from __future__ import annotations

from typing import Final

from compliance.law import told as words
from compliance.law.told import Told
from compliance.law.window import Window
from compliance.report_content import LISTED, LawTable

ACTS: Final = {
    "consent.given": "consent given",
    "consent.withdrawn": "consent withdrawn",
    "objection.upheld": "objection upheld",
    "restriction.applied": "restriction applied",
    "restriction.lifted": "restriction lifted",
}
COLUMNS: Final = ("Purpose", "What", "Entries", "First", "Last")


class Choices:
    """Takes what persons chose in and counts it."""

    def __init__(self, window: Window) -> None:
        """Begin without any; look at the acts of a window."""
        self._window = window
        self._found: dict[tuple[str, str], _Counted] = {}

    def see(self, told: Told) -> None:
        """Take an act in."""
        if not self._window.holds(told):
            return
        key = (told.text("data.purpose"), told.action)
        known = self._found.get(key)
        if known is None:
            self._found[key] = _Counted(told)
        else:
            known.see(told)

    def table(self) -> LawTable:
        """Return the counts by purpose and act."""
        order = list(ACTS)
        keys = sorted(self._found, key=lambda key: (key[0], order.index(key[1])))
        listed = [(key, self._found[key]) for key in keys[:LISTED]]
        return LawTable(
            id="consents",
            title="Consents, objections and restrictions",
            article="GDPR Art. 7, 18 and 21",
            intro=(
                "Acts of the period by purpose. Whether processing stopped after each is what the "
                "check PD-03 judges. An empty table: none was recorded."
            ),
            columns=COLUMNS,
            rows=tuple(
                (
                    words.or_not_recorded(purpose),
                    ACTS[action],
                    f"{one.entries:,}",
                    words.day(one.first[0]),
                    words.day(one.last[0]),
                )
                for (purpose, action), one in listed
            ),
            total=len(keys),
            seqs=tuple((tuple(sorted({one.first[1], one.last[1]}))) for _, one in listed),
        )


class _Counted:
    """How many entries, and the first and last of them as `(us, seq)`."""

    __slots__ = ("entries", "first", "last")

    def __init__(self, told: Told) -> None:
        self.entries = 1
        self.first = self.last = told.order

    def see(self, told: Told) -> None:
        self.entries += 1
        self.first = min(self.first, told.order)
        self.last = max(self.last, told.order)
