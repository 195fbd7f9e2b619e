"""Say what state the items of a check give it: tolerance, waived items, pending ones. Pure.

Only what lies in the items: what an empty check means, guards and acts are judge.py's part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from compliance.definitions import Lens
from compliance.kinds.base import Item, Tested, View
from compliance.result import CheckResult, State


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The items of a leg with its waivers taken into account."""

    tested: Tested
    n: int
    f: int
    by_agent: Mapping[str, tuple[int, int]]
    waived: int = 0

    def state(self, lens: Lens) -> tuple[State, str, str]:
        """Return the state, the reason, and the agent that alone broke the tolerance."""
        if not 0 <= self.f <= self.n or self.tested.pending < 0:
            return "error", "its tallies contradict themselves: manage.py rebuild tallies", ""
        if self.n == 0:
            return "pending", f"{_many(self.tested.pending, 'item')} open, none decided yet", ""
        tolerance = lens.definition.get("tolerance") or {}
        is_broken, worst = _breaks(tolerance, self.n, self.f, self.by_agent)
        if is_broken:
            return "fail", self._fail_reason(worst), worst
        if self.waived and (self.f == 0 or self._would_fail(tolerance)):
            return "waived", f"{self.waived:,} of {self.n:,} failed and are waived", ""
        if self.f:
            return "pass", f"{self.f:,} of {self.n:,} failed, within the tolerance", ""
        only = "; by design only, before the period" if self.tested.design_only else ""
        return "pass", f"{_many(self.n, 'item')}, none failed{only}", ""

    def result(
        self, lens: Lens, view: View, state: State, reason: str, worst: str = ""
    ) -> CheckResult:
        """Return it as the result shows it."""
        tested = self.tested
        return CheckResult(
            check=lens.check,
            lens=lens.id,
            state=state,
            reason=reason,
            n=self.n,
            f=self.f,
            waived=self.waived,
            pending=tested.pending,
            few=tested.few,
            carried=tested.carried,
            restated=max((one.restated for one in view.counts().values()), default=0),
            design_only=tested.design_only,
            worst_agent=worst,
            digest=f"{tested.item_sum:064x}",
        )

    def _fail_reason(self, worst: str) -> str:
        if worst:
            n, f = self.by_agent[worst]
            return f"{f:,} of {n:,} failed of {worst} alone ({self.f:,} of {self.n:,} of all)"
        return f"{self.f:,} of {self.n:,} failed"

    def _would_fail(self, tolerance: Mapping[str, Any]) -> bool:
        by_agent = self.tested.by_agent or {}
        return _breaks(tolerance, self.n, self.tested.f, by_agent)[0]


def without_waived(
    lens: Lens, view: View, tested: Tested, waived: frozenset[str]
) -> CheckResult | None:
    """Judge a lens again without its waived items; None when no failing one is waived."""
    by_agent = {agent: list(counts) for agent, counts in (tested.by_agent or {}).items()}
    taken = 0
    for agent, weight in _waived_weights(lens, failing_in(view, tested), waived):
        taken += weight
        if agent in by_agent:
            by_agent[agent][1] -= weight
    if not taken:
        return None
    verdict = Verdict(
        tested=tested,
        n=tested.n,
        f=tested.f - taken,
        by_agent={agent: (n, f) for agent, (n, f) in by_agent.items()},
        waived=taken,
    )
    state, reason, worst = verdict.state(lens)
    return verdict.result(lens, view, state, reason, worst)


def _waived_weights(
    lens: Lens, failing: Sequence[Item], waived: frozenset[str]
) -> list[tuple[str, int]]:
    """Return agent and weight of all that is waived.

    A ban that was violated on several days fails once, and leaves F only with all its items.
    """
    if lens.kind != "forbid":
        return [(item.agent, item.weight) for item in failing if item.item in waived]
    bans: dict[int, list[Item]] = {}
    for item in failing:
        bans.setdefault(item.seq, []).append(item)
    return [
        (items[0].agent, 1) for items in bans.values() if all(item.item in waived for item in items)
    ]


def failing_in(view: View, tested: Tested) -> list[Item]:
    """Return the items of a span that failed, waived ones too, by day and id."""
    failing = {item.item: item for item in (*view.items("fail"), *tested.failing)}
    return sorted(failing.values(), key=lambda item: (item.day, item.item))


def _breaks(
    tolerance: Mapping[str, Any], n: int, f: int, by_agent: Mapping[str, tuple[int, int]]
) -> tuple[bool, str]:
    """Tell whether too many items failed, and which agent did it alone when not all together."""
    count, rate_text = tolerance.get("max_fail_count"), tolerance.get("max_fail_rate")
    if count is None and rate_text is None:
        return f > 0, ""
    rate = None if rate_text is None else Fraction(str(rate_text))
    if (count is not None and f > count) or (rate is not None and f > rate * n):
        return True, ""
    if not rate:
        return False, ""
    shares = [
        (Fraction(failed, items), agent)
        for agent, (items, failed) in by_agent.items()
        if items * rate >= 1 and failed > rate * items
    ]
    if not shares:
        return False, ""
    return True, min(shares, key=lambda share: (-share[0], share[1]))[1]


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
