"""Remember what lenses come to, for as long as they come to the same. Pure.

An agent does the same things over and over: it asks the same model with the same key for the same
activity. What a check says of such an entry rests on a few of its fields and on what was filed
before it, a registration or an approval, which comes seldom. So the verdicts on one combination of
values are kept, and hold until something is filed in one of the slots that they rest on; the book
knows which (`watch`). A lens whose verdict rests on more is asked with each entry.

Which lenses may be kept, and on which fields they rest, is told by the kinds (`Steady` in
kinds/base.py); who drives this: engine.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol

from compliance.kinds.base import Counted, Entry, Failing, Steady

_MOST: Final = 1_024
"""Combinations of values that are kept of one shape."""
_RESTLESS: Final = 2
"""A field that has a value of its own in one of so many combinations, or in more, is no name of
anything that comes again: an id, a hash."""


class Forgetting(Protocol):
    """Where it is counted how often all verdicts were forgotten."""

    forgotten: int


class Asked(NamedTuple):
    """A lens that looks at the entries of one shape."""

    bit: int
    """Which of the judged it is (`passes.Looking`); 0 where it counts by itself."""
    see: Callable[..., Any]
    book: Any
    by: Counted


class Verdict(NamedTuple):
    """What lenses come to, for entries of one shape that say the same."""

    since: int
    """`Timer.forgotten` when it was found; once that has gone up, it holds no more."""
    at: int
    """Of the entry that it was found with, us: for an earlier one it may be another."""
    passed: int
    failed: int
    """Bits."""
    kept: tuple[tuple[Failing, Asked], ...]
    """How the entries fail, and whom."""
    again: tuple[Asked, ...]
    """Lenses that are not in it, and are to be asked with each entry."""


class Verdicts:
    """The verdicts on the entries of one shape."""

    __slots__ = ("_always", "_paths", "_steady", "by_values", "values_of")

    def __init__(self) -> None:
        self._steady: tuple[tuple[Asked, Steady], ...] = ()
        self._always: tuple[Asked, ...] = ()
        self._paths: tuple[str, ...] = ()
        self.by_values: dict[Any, Verdict] = {}
        self.values_of: Callable[[Mapping[str, Any]], Any] = _nothing
        """Of the fields of an entry, what its verdict is kept under."""

    def __bool__(self) -> bool:
        """Tell whether there is any lens."""
        return bool(self._steady or self._always)

    def add(self, asked: Asked, steady: Steady | None) -> None:
        """Have one more lens look at the entries."""
        if steady is None:
            self._always += (asked,)
        else:
            self._keep((*self._steady, (asked, steady)))

    def judge(self, entry: Entry, timer: Forgetting) -> Verdict:
        """Ask the steady lenses, return what they come to, and keep what will be the same."""
        always = self._always
        told = [(asked, asked.see(entry, asked.book)) for asked, _ in self._steady]
        if len(self.by_values) >= _MOST:
            self._thin_out()
        else:
            self._remember(entry, told, timer)
        return _verdict(told, always, entry.at, timer.forgotten)

    def _remember(self, entry: Entry, told: Sequence[tuple[Asked, Any]], timer: Forgetting) -> None:
        """Keep what others come to that say the same, for as long as it stays."""
        values = self.values_of(entry.fields)
        staying: list[tuple[Asked, Any]] = []
        again: list[Asked] = []
        for (asked, steady), (_, found) in zip(self._steady, told, strict=True):
            slots = steady.rests(entry, asked.book)
            if slots is None:
                again.append(asked)
            else:
                staying.append((asked, found))
                asked.book.watch(slots, self.by_values, values)
        kept = (*again, *self._always)
        self.by_values[values] = _verdict(staying, kept, entry.at, timer.forgotten)

    def _thin_out(self) -> None:
        """Forget all verdicts, and keep no more of what rests on fields that nothing repeats."""
        several = len(self._paths) > 1
        columns = list(zip(*self.by_values, strict=True)) if several else [tuple(self.by_values)]
        many = len(self.by_values) // _RESTLESS
        restless = {
            path
            for path, values in zip(self._paths, columns, strict=True)
            if len(set(values)) >= many
        }
        gone = tuple(one for one, steady in self._steady if not restless.isdisjoint(steady.paths))
        self._keep(tuple(one for one in self._steady if restless.isdisjoint(one[1].paths)))
        self._always += gone

    def _keep(self, steady: tuple[tuple[Asked, Steady], ...]) -> None:
        self._steady = steady
        self._paths = tuple(sorted({path for _, each in steady for path in each.paths}))
        self.values_of = itemgetter(*self._paths) if self._paths else _nothing
        self.by_values.clear()


def _nothing(_fields: Mapping[str, Any]) -> None:
    """Return what stands for no value."""


def _verdict(
    told: Iterable[tuple[Asked, Any]], again: tuple[Asked, ...], at: int, since: int
) -> Verdict:
    passed = failed = 0
    kept: list[tuple[Failing, Asked]] = []
    for asked, found in told:
        if found is True:
            passed |= asked.bit
        elif found:
            failed |= asked.bit
            kept.append((found, asked))
    return Verdict(since, at, passed, failed, tuple(kept), again)
