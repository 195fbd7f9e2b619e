"""Count the entries that pass, and those that fail, for all lenses at once. Pure.

Nearly every entry passes nearly every check that looks at it, and those of one agent and day pass
the same ones. So they are counted together, once for all lenses that they pass, and are spread over
the lenses' tallies when somebody wants to read these; and so are those that fail, whose items the
books keep one by one. Sums of digests may be added in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

from compliance.items import item_digest


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
    """The lenses that look at entries of one shape and count them by the same day.

    Which of the judged ones an entry passes, and which it fails, is told by the bits of a number:
    1 for the first, 2 for the second, 4 for the third.
    """

    __slots__ = ("judged", "passing")

    def __init__(self) -> None:
        self.passing: tuple[Tallying, ...] = ()
        """Books of the lenses that each of them passes."""
        self.judged: tuple[tuple[Callable[..., Any], Any], ...] = ()
        """`(see, book)` of those that must be asked."""

    def judged_in(self, bits: int) -> Iterator[Tallying]:
        """Yield the books that the bits name."""
        for place, (_, book) in enumerate(self.judged):
            if bits >> place & 1:
                yield book


_Key: TypeAlias = tuple[int, str, str, Looking, int, int]


class Passes:
    """What was decided and is not in the tallies yet."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[_Key, list[int]] = {}

    def add(
        self,
        day: int,
        agent: str,
        environment: str,
        looking: Looking,
        passed: int,
        failed: int,
        seq: int,
        is_late: bool,
    ) -> None:
        """Count one entry; its item is its seq. `passed` and `failed`: bits of the judged."""
        key = (day, agent, environment, looking, passed, failed)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0, 0, 0, -1]
        counts[0] += 1
        item = str(seq)
        if passed or looking.passing:
            counts[1] += item_digest(item, "pass", 1)
        if failed:
            counts[2] += item_digest(item, "fail", 1)
        if is_late:
            counts[3] = seq

    def settle(self) -> None:
        """Bring all of it into the tallies."""
        if not self._counts:
            return
        counts, self._counts = self._counts, {}
        for key, (count, passing, failing, late_seq) in counts.items():
            day, agent, environment, looking, passed, failed = key
            for book in (*looking.passing, *looking.judged_in(passed)):
                book.add_passed(day, agent, environment, count, passing, late_seq)
            for book in looking.judged_in(failed):
                book.add_failed(day, agent, environment, count, failing, late_seq)
