"""each: every event of the population is an item, and passes by what it says itself. Pure.

Decided when it is seen and never changed. It belongs to the day on which it occurred, or arrived
when the check goes by `clock: received_at`; then all environments are one.
`treat_denied_as: pass`: an act that was denied passes, as the control worked; `fail`: it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from compliance.kinds.base import Book, Counted, Entry, Failing, Narrowed, Steady, Tested, View
from compliance.kinds.counted import counted
from compliance.kinds.failing import evidence_by, fail
from compliance.kinds.narrowing import Known, narrowed, steady_on
from compliance.kinds.series import day_of, fields_of
from compliance.language.comparing import Holds
from compliance.language.conditions import ALWAYS, NEVER, compile_condition
from compliance.language.errors import DefinitionError

_WHY = "It does not say what the check asks of it."
_WHY_DENIED = "It was denied, and the check counts that as a failure."


class Each:
    """One each, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition: `population`, `pass_when`, and its modifiers."""
        self._population = compile_condition(definition["population"])
        pass_when = definition.get("pass_when")
        self._pass_when = ALWAYS if pass_when is None else compile_condition(pass_when)
        self._by_arrival = definition.get("clock") == "received_at"
        self._denied = definition.get("treat_denied_as")
        if self._denied not in (None, "pass", "fail"):
            raise DefinitionError(f"treat_denied_as: {self._denied} is neither pass nor fail")
        self._evidence = fields_of(definition.get("evidence"))
        self._failing = _failings(evidence_by(self._evidence))

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its population."""
        return self._population.actions(actions)

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return none: it remembers nothing."""
        return ()

    def see(self, entry: Entry, book: Book) -> None:
        """Decide the entry when it is of the population."""
        if not self._population.holds(entry):
            return
        found = self._judge(entry, self._pass_when.holds, self._failing)
        day = day_of(entry, by_arrival=self._by_arrival)
        environment = "" if self._by_arrival else entry.environment
        if found is True:
            book.decide(day, entry.agent, environment, str(entry.seq), passed=True)
        else:
            fail(entry, book, found, day=day, environment=environment)

    def see_only(self, known: Known) -> Narrowed | None:
        """Return what does as `see` for entries of this shape; None: it does nothing."""
        population = narrowed(self._population, known)
        if population is None:
            return None
        says = narrowed(self._pass_when, known)
        by: Counted = "arrived" if self._by_arrival else "occurred"
        may_be_denied = not known.tells("outcome") or known.read("outcome") == "denied"
        if population is says is ALWAYS and (self._denied is None or not may_be_denied):
            return Narrowed(see=None, counted=by)
        is_of_it, judge = population.holds, self._judge
        says_enough = NEVER.holds if says is None else says.holds
        failings = _failings(evidence_by(self._evidence, known))
        says_less = failings[0]

        def judged(entry: Entry, _book: Book) -> Failing | bool:
            return is_of_it(entry) and judge(entry, says_enough, failings)

        def judged_all(entry: Entry, _book: Book) -> Failing | bool:
            return judge(entry, says_enough, failings)

        def asked(entry: Entry, _book: Book) -> Failing | bool:
            return says_enough(entry, entry) or says_less

        denied = () if self._denied is None else ("outcome",)
        paths = steady_on(known, population, says or NEVER, denied)
        steady = None if paths is None else Steady(paths=paths)
        is_plain = self._denied is None or not may_be_denied
        see = judged if population is not ALWAYS else asked if is_plain else judged_all
        return Narrowed(see=see, counted=by, steady=steady)

    def _judge(
        self, entry: Entry, says_enough: Holds, failings: tuple[Failing, Failing]
    ) -> Failing | Literal[True]:
        """Say whether an event of the population passes."""
        says_less, was_denied = failings
        if self._denied is not None and entry.read("outcome") == "denied":
            return True if self._denied == "pass" else was_denied
        return True if says_enough(entry, entry) else says_less

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Never called: nothing of it is ever due."""
        raise AssertionError(f"each has no slot, and {slot} expired")

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Say what was counted in the span."""
        return counted(view)


def _failings(evidence: Callable[[Mapping[str, Any]], dict[str, Any]]) -> tuple[Failing, Failing]:
    """Return how an entry fails that says too little, and one that was denied."""
    return Failing(why=_WHY, evidence=evidence), Failing(why=_WHY_DENIED, evidence=evidence)
