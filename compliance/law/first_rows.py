"""Keep the first rows of what may be long, in any order of arrival, and count all of it. Pure."""

from __future__ import annotations

from heapq import heappush, heappushpop
from typing import Final

from compliance.law.told import Told
from compliance.report_content import LISTED


class FirstRows:
    """The LISTED earliest entries of many, by their time and place; memory does not grow."""

    __slots__ = ("_kept", "total")

    def __init__(self) -> None:
        """Begin without any."""
        self._kept: Final[list[tuple[int, int, Told]]] = []
        self.total = 0

    def see(self, told: Told) -> None:
        """Take an entry in."""
        self.total += 1
        # A heap of negated places: its first is the latest kept, and the next one to go.
        place = (-told.at, -told.seq, told)
        if len(self._kept) < LISTED:
            heappush(self._kept, place)
        else:
            heappushpop(self._kept, place)

    def listed(self) -> list[Told]:
        """Return the kept entries by their time."""
        return sorted((told for _, _, told in self._kept), key=lambda told: told.order)
