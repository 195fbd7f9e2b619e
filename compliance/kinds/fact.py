"""fact: the last word on each key holds until the next one. Pure.

Item = each entry of the population, kept itself. A span's items are those of its days and, per key,
the last before them, which is carried in: it was in force when the span began. The last is the one
that occurred last; of two at the same moment, the one with the higher seq.

Keys are kept apart by environment. An item belongs to an agent only when the key names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from compliance.items import MODULUS, item_digest
from compliance.kinds.base import Book, Entry, Item, Tested, View
from compliance.kinds.series import day_of, evidence_of, fields_of, named
from compliance.language.conditions import ALWAYS, compile_condition

PASSED: Final = "passed"
"""Keys of a fact's evidence beside the fields: whether it passes, its series, and when (us)."""
KEY: Final = "key"
MOMENT: Final = "moment"


class Fact:
    """One fact check, ready to run."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        """Take in the definition: `population`, `pass_when`, `key`, and its modifiers."""
        self._population = compile_condition(definition["population"])
        pass_when = definition.get("pass_when")
        self._pass_when = ALWAYS if pass_when is None else compile_condition(pass_when)
        self._by_arrival = definition.get("clock") == "received_at"
        self._key = fields_of(definition.get("key"))
        self._evidence = fields_of(definition.get("evidence"))

    def actions(self, actions: Mapping[str, str]) -> frozenset[str] | None:
        """Return the actions of its population."""
        return self._population.actions(actions)

    def slots(self, entry: Entry) -> Iterable[str]:
        """Return none: its items are kept, not remembered."""
        return ()

    def see(self, entry: Entry, book: Book) -> None:
        """Keep the entry when it is a fact, with whether it passes."""
        if not self._population.holds(entry):
            return
        passed = self._pass_when.holds(entry, entry)
        day = day_of(entry, by_arrival=self._by_arrival)
        book.keep(
            Item(
                item=str(entry.seq),
                state="fact",
                day=day,
                agent=entry.agent if "agent.id" in self._key else "",
                environment="" if self._by_arrival else entry.environment,
                seq=entry.seq,
                why="" if passed else "It does not say what the check asks of it.",
                evidence={
                    **evidence_of(entry, self._evidence),
                    PASSED: passed,
                    KEY: named([entry.read(path) for path in self._key]),
                    MOMENT: entry.received if self._by_arrival else entry.at,
                },
                is_restated=book.is_late(day),
            )
        )

    def expire(self, slot: str, value: Any, book: Book) -> None:
        """Never called: nothing of it is ever due."""
        raise AssertionError(f"fact has no slot, and {slot} expired")

    @staticmethod
    def tested(definition: Mapping[str, Any], view: View) -> Tested:
        """Say which facts of the span's days, and which in force when it began, pass."""
        own: list[Item] = []
        carried: dict[tuple[str, str], Item] = {}
        for item in view.items("fact"):
            if item.day >= view.span.start:
                own.append(item)
                continue
            assert item.evidence is not None, f"fact {item.item} was kept without its key"
            series = (item.environment, item.evidence[KEY])
            if series not in carried or _order(item) > _order(carried[series]):
                carried[series] = item
        return _tested([*carried.values(), *own], len(carried))


def _order(item: Item) -> tuple[int, int]:
    return (item.evidence or {})[MOMENT], item.seq


def _tested(items: list[Item], carried: int) -> Tested:
    by_agent: dict[str, tuple[int, int]] = {}
    digests = 0
    failing: list[Item] = []
    for item in sorted(items, key=lambda item: (item.day, item.item)):
        passed = (item.evidence or {})[PASSED] is True
        n, f = by_agent.get(item.agent, (0, 0))
        by_agent[item.agent] = (n + 1, f + (not passed))
        digests += item_digest(item.item, "pass" if passed else "fail", 1)
        if not passed:
            failing.append(replace(item, state="fail"))
    return Tested(
        n=len(items),
        f=len(failing),
        carried=carried,
        by_agent=by_agent,
        failing=tuple(failing),
        item_sum=digests % MODULUS,
    )
