"""Collect the entries of breaches and of requests by case. Pure.

A case is every entry of its kind that names it, in the order of their times. An entry without
`case.id` stands as a case of its own, since nothing ties it to another. Whether a case counts for
an environment is decided by the entries that open it: the platform's own, which answer a request,
have none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from compliance.law.told import PLATFORM, Told


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One breach or request, as its entries tell it."""

    id: str
    """As recorded; empty: its only entry names no case."""
    steps: tuple[Told, ...]
    """By time; never empty."""
    named: tuple[tuple[int, int], ...]
    """`(seq, us)` of every entry, of whatever kind, that names this case."""

    @property
    def name(self) -> str:
        """Return what tables call it."""
        return self.id or f"no case named (entry {self.steps[0].seq:,})"

    def began(self, by: Told) -> int:
        """Return the earliest time, us, of what was chained of this case up to an entry."""
        return min([at for seq, at in self.named if seq <= by.seq] + [by.at])

    def all_of(self, *actions: str) -> list[Told]:
        """Return its entries of these actions, by time."""
        return [step for step in self.steps if step.action in actions]

    def first(self, *actions: str) -> Told | None:
        """Return the earliest entry of these actions."""
        return next(iter(self.all_of(*actions)), None)

    def known(self, until: int) -> list[Told]:
        """Return its entries up to a moment, us, by time."""
        return [step for step in self.steps if step.at <= until]

    def newest_said(self, path: str, *, until: int) -> str:
        """Return what the newest entry up to a moment says at a path; empty: none says it."""
        said = [step.text(path) for step in self.known(until)]
        return next((one for one in reversed(said) if one), "")

    def seqs(self, *, until: int) -> tuple[int, ...]:
        """Return the entries that it rests on, up to a moment, in the order of the ledger."""
        return tuple(sorted(step.seq for step in self.known(until)))


class Cases:
    """Takes entries in one by one and holds the cases that they tell of."""

    def __init__(self, prefix: str, *, opening: Collection[str]) -> None:
        """Collect the actions that begin with `prefix`; `opening` are those that open a case."""
        self._prefix = prefix
        self._opening = frozenset(opening)
        self._steps: dict[str, list[Told]] = defaultdict(list)
        self._alone: list[Told] = []
        self._named: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def see(self, told: Told) -> None:
        """Take an entry in: a step of a case, or another that names it."""
        case_id = told.text("case.id")
        if case_id:
            self._named[case_id].append((told.seq, told.at))
        if not told.action.startswith(self._prefix):
            return
        if case_id:
            self._steps[case_id].append(told)
        else:
            self._alone.append(told)

    def of(self, environment: str | None) -> list[Case]:
        """Return the cases of an environment, None for all, by when they began."""
        found = [case for case in self._all() if self._is_of(case, environment)]
        return sorted(found, key=lambda case: (case.steps[0].order, case.id))

    def _all(self) -> Iterator[Case]:
        for case_id, steps in self._steps.items():
            in_order = tuple(sorted(steps, key=lambda told: told.order))
            yield Case(id=case_id, steps=in_order, named=tuple(self._named[case_id]))
        for told in self._alone:
            yield Case(id="", steps=(told,), named=())

    def _is_of(self, case: Case, environment: str | None) -> bool:
        if not environment:
            return True
        opening = [step for step in case.steps if step.action in self._opening]
        told = opening or [step for step in case.steps if step.agent != PLATFORM] or case.steps
        return any(step.environment == environment for step in told)
