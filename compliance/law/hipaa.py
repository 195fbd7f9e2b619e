"""What HIPAA asks to be shown beside the controls. Pure.

The specifications with their reasonings, the breach log with its notices (45 CFR 164.408, 164.414),
the accounting of disclosures (164.528) and how long entries are kept (164.316(b)(2)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from compliance.language.fields import ACTIONS as ALL
from compliance.law.breach_tables import breach_tables
from compliance.law.breaches import Breaches
from compliance.law.clocks import listed_clocks
from compliance.law.disclosures import ACTIONS as DISCLOSING
from compliance.law.disclosures import Disclosures
from compliance.law.retention import ACTION as RETENTION
from compliance.law.retention import Retention
from compliance.law.specifications import reasonings, specifications
from compliance.law.told import Told
from compliance.law.window import Window
from compliance.people import Act
from compliance.report_content import Law
from compliance.standing import standing

CASES: Final = frozenset(action for action, category in ALL.items() if category == "case")
"""Every action that may name a case: a case begins with the first of them."""
ACTIONS: Final = CASES | DISCLOSING | {RETENTION}


class HipaaFacts:
    """Takes entries in and says what HIPAA asks of them."""

    def __init__(self, window: Window) -> None:
        """Look at a window."""
        self._window = window
        self._breaches = Breaches()
        self._disclosures = Disclosures(window)
        self._retention = Retention(window)

    def takers(self) -> Mapping[str, Callable[[Told], None]]:
        """Return who takes which action in."""
        return {
            **dict.fromkeys(CASES, self._breaches.see),
            **dict.fromkeys(DISCLOSING, self._disclosures.see),
            RETENTION: self._retention.see,
        }

    def found(self, acts: Sequence[Act], result: Mapping[str, Any]) -> Law:
        """Return the tables, clocks and sentences."""
        as_of = self._window.as_of
        stands = standing(acts, framework=str(result.get("framework", "")), as_of=as_of)
        cases = self._breaches.of("hipaa", self._window)
        told = breach_tables(cases, "hipaa", as_of=as_of)
        clocks, more = listed_clocks(told.clocks)
        return Law(
            tables=(
                specifications(result, stands),
                reasonings(result, stands, acts),
                told.register,
                told.notices,
                self._disclosures.table(),
                self._retention.table(),
            ),
            clocks=clocks,
            statements=(self._retention.statement(), *told.notes, *more),
        )
