"""Count the entries that pass, for all lenses at once. Pure.

Nearly every entry passes nearly every check that looks at it, and those of one agent and day pass
the same ones. So they are counted together, once for all lenses that they pass, and are spread over
the lenses' tallies when somebody wants to read these. Sums of digests may be added in any order.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from compliance.items import item_digest


class Tallying(Protocol):
    """A book, as far as passes are spread over it."""

    def add_passed(
        self, day: int, agent: str, environment: str, passed: int, digests: int, late_seq: int
    ) -> None:
        """Count entries that passed, with the sum of their digests.

        `late_seq`: the newest of them that came after its day was over; -1: none did.
        """


_Key: TypeAlias = tuple[int, str, str, tuple[Tallying, ...]]


class Passes:
    """What has passed and is not in the tallies yet."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[_Key, list[int]] = {}

    def add(
        self,
        day: int,
        agent: str,
        environment: str,
        books: tuple[Tallying, ...],
        seq: int,
        is_late: bool,
    ) -> None:
        """Count one entry for all of these books; its item is its seq."""
        key = (day, agent, environment, books)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0, 0, -1]
        counts[0] += 1
        counts[1] += item_digest(str(seq), "pass", 1)
        if is_late:
            counts[2] = seq

    def settle(self) -> None:
        """Bring all of it into the tallies."""
        if not self._counts:
            return
        counts, self._counts = self._counts, {}
        for (day, agent, environment, books), (passed, digests, late_seq) in counts.items():
            for book in books:
                book.add_passed(day, agent, environment, passed, digests, late_seq)
