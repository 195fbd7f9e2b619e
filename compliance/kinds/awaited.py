"""One item of a followup: what is remembered of it, and whether a match is good. Pure.

The record of an item is a plain object in its slot: `item`, `part`, `seq`, `day`, `agent`,
`environment`, the `event`'s fields, its `evidence`, `state` (pending, pass, fail), the day on which
it was `decided`, whether it was `opened`, `anchor`, `base` and `due` (us; `base` is the deadline
before any extension), the match that came too `late`, and whether it is `restated`.
Who moves it from state to state: followup.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from compliance.kinds.base import Item
from compliance.kinds.deadlines import Limit
from compliance.kinds.joins import Join
from compliance.language.conditions import Condition, compile_condition

PEOPLE: Final = frozenset({"case", "change", "decision"})
"""Categories in which people act: their word must arrive in time, too."""
GRACE_US: Final = 3_600_000_000

Record: TypeAlias = dict[str, Any]
"""One item as its slot holds it."""

_PLAIN: Final = frozenset({"seq", "at", "received"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One variant, or the check itself when it has none."""

    name: str
    when: Condition | None
    join: Join
    limit: Limit


def condition_of(definition: Mapping[str, Any], *names: str) -> Condition | None:
    """Return the first of these conditions that a definition has."""
    for name in names:
        if definition.get(name) is not None:
            return compile_condition(definition[name])
    return None


def limits_of(definition: Mapping[str, Any], variant: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return where the limit stands: in the variant, else in the check."""
    names = ("within", "within_by", "deadline")
    return variant if any(name in variant for name in names) else definition


def in_time(record: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
    """Say whether a match occurred by the deadline, and arrived in time where people act."""
    due: int = record["due"]
    if kept["at"] > due:
        return False
    if kept["category"] not in PEOPLE or kept["received"] <= due + GRACE_US:
        return True
    return bool(kept["is_backfill"] and record["event"]["is_backfill"])


def says(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a match says, without when."""
    return {field: value for field, value in kept.items() if field not in _PLAIN}


def kept_item(record: Mapping[str, Any], why: str) -> Item:
    """Return the item as it is kept: failing, or pending."""
    is_failed = record["state"] == "fail"
    late = record["late"]
    return Item(
        item=record["item"],
        state="fail" if is_failed else "pending",
        day=record["decided"] if is_failed else record["day"],
        agent=record["agent"],
        environment=record["environment"],
        seq=record["seq"],
        other_seq=None if late is None else late["seq"],
        due=record["due"],
        why=why,
        evidence=record["evidence"],
        is_restated=record["restated"],
    )
