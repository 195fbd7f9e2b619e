"""Count the entries that pass, and those that fail, for all lenses at once. Pure.

Nearly every entry passes nearly every check that looks at it, and those of one agent and day pass
the same ones. So they are counted together, once for all lenses that they pass, and are spread over
the lenses' tallies when somebody wants to read these; and so are those that fail, whose items the
books keep one by one. Sums of digests may be added in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol, TypeAlias

from compliance.items import item_digest
from compliance.kinds.base import Counted


class Tallying(Protocol):
    """A book, as far as passes are spread over it."""

    def add_passed(
        self, day: int, agent: str, environment: str, passed: int, digests: int, late_seq: int
    ) -> None:
        """Count entries that passed, with the sum of their digests.

        `late_seq`: the newest of them that came after its day was over; -1: none did.
        """

    def add_failed(
        self, day: int, agent: str, environment: str, failed: int, digests: int, late_seq: int
    ) -> None:
        """Count entries that failed, likewise."""


class Looking:
    """The lenses that look at entries of one shape and count them, each by its own day.

    Which of the judged ones an entry passes, and which it fails, is told by the bits of a number:
    1 for the first, 2 for the second, 4 for the third.
    """

    __slots__ = ("judged", "passing")

    def __init__(self) -> None:
        self.passing: tuple[tuple[Tallying, Counted], ...] = ()
        """Books of the lenses that each of them passes, and by which day they count."""
        self.judged: tuple[tuple[Tallying, Counted], ...] = ()
        """Those of the lenses that some of them pass and some fail."""

    def judged_in(self, bits: int) -> Iterator[tuple[Tallying, Counted]]:
        """Yield the books that the bits name, and by which day they count."""
        for place, judged in enumerate(self.judged):
            if bits >> place & 1:
                yield judged


_Key: TypeAlias = tuple[Looking, int, int, str, str, int, int]
_NEVER: Final = -1


class Passes:
    """What was decided and is not in the tallies yet."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[_Key, list[int]] = {}

    def add(
        self,
        looking: Looking,
        occurred: int,
        arrived: int,
        agent: str,
        environment: str,
        passed: int,
        failed: int,
        seq: int,
        item: str,
        *,
        is_late: bool,
        arrived_late: bool,
    ) -> None:
        """Count one entry under its item. `passed` and `failed`: bits of the judged.

        `occurred` and `arrived`: its days; `is_late` and `arrived_late`: that they were over.
        """
        key = (looking, occurred, arrived, agent, environment, passed, failed)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0, 0, 0, _NEVER, _NEVER]
        counts[0] += 1
        if passed or looking.passing:
            counts[1] += item_digest(item, "pass", 1)
        if failed:
            counts[2] += item_digest(item, "fail", 1)
        if is_late:
            counts[3] = seq
        if arrived_late:
            counts[4] = seq

    def settle(self) -> None:
        """Bring all of it into the tallies."""
        if not self._counts:
            return
        counts, self._counts = self._counts, {}
        for key, (count, passing, failing, late, arrived_late) in counts.items():
            looking, occurred, arrived, agent, environment, passed, failed = key
            rows: dict[Counted, tuple[int, str, str, int]] = {
                "occurred": (occurred, agent, environment, late),
                "arrived": (arrived, agent, "", arrived_late),
                "ledger": (arrived, "", "", arrived_late),
            }
            for book, by in (*looking.passing, *looking.judged_in(passed)):
                day, of_agent, where, late_seq = rows[by]
                book.add_passed(day, of_agent, where, count, passing, late_seq)
            for book, by in looking.judged_in(failed):
                day, of_agent, where, late_seq = rows[by]
                book.add_failed(day, of_agent, where, count, failing, late_seq)
