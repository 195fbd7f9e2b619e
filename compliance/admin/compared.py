"""Say what is different between two reports of a framework: numbers, controls and why, what rules.

Pure: takes the sealed results as JSON (compliance.result.as_json), so two reports of last year
compare as they did then. Page: reports.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Result = Mapping[str, Any]

NUMBERS: Final = (
    ("evidenced", "Evidenced"),
    ("tested", "Tested"),
    ("coverage", "Coverage"),
    ("cap", "Cap"),
    ("band", "Band"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One thing in both results."""

    name: str
    before: str
    after: str
    """Empty where a result has none."""

    @property
    def is_changed(self) -> bool:
        """Tell whether the two differ."""
        return self.before != self.after


@dataclass(frozen=True, kw_only=True, slots=True)
class LegPair:
    """A leg of a control that changed: what it says in both results."""

    leg: str
    state_before: str
    state_after: str
    """Empty: it is not in that result."""
    counts_before: str
    counts_after: str
    reason: str
    """Why it is in its later state; of a leg that is gone, in its earlier one."""

    @property
    def is_changed(self) -> bool:
        """Tell whether state or counts differ."""
        before = (self.state_before, self.counts_before)
        return before != (self.state_after, self.counts_after)


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlPair:
    """A control whose state is another one, with its legs."""

    control: str
    title: str
    before: str
    after: str
    legs: tuple[LegPair, ...]
    """Those that differ, in the order of the later result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two results of one framework side by side."""

    numbers: tuple[Pair, ...]
    controls: tuple[ControlPair, ...]
    unchanged: int
    """Controls whose state is the same."""
    rules: tuple[Pair, ...]
    """Hashes of catalogue, limits, lists and acts, and the versions."""

    @property
    def same_rules(self) -> bool:
        """Tell whether both were judged by the same rules."""
        return not any(each.is_changed for each in self.rules)


def compare(before: Result, after: Result) -> Comparison:
    """Return what differs, the later result's order first and what is gone after it."""
    old = {each["id"]: each for each in before["controls"]}
    new = {each["id"]: each for each in after["controls"]}
    changed = tuple(
        _control(old.get(name), new.get(name))
        for name in (*new, *(name for name in old if name not in new))
        if _state(old.get(name)) != _state(new.get(name))
    )
    return Comparison(
        numbers=tuple(
            Pair(name=word, before=_number(before, key), after=_number(after, key))
            for key, word in NUMBERS
        ),
        controls=changed,
        unchanged=len(old.keys() | new.keys()) - len(changed),
        rules=_rules(before, after),
    )


def _control(old: Result | None, new: Result | None) -> ControlPair:
    shown = new or old
    assert shown is not None, "a name comes from one of the two"
    legs_old = {leg["id"]: leg for leg in (old or {}).get("legs", ())}
    legs_new = {leg["id"]: leg for leg in (new or {}).get("legs", ())}
    names = (*legs_new, *(name for name in legs_old if name not in legs_new))
    legs = tuple(_leg(name, legs_old.get(name), legs_new.get(name)) for name in names)
    return ControlPair(
        control=shown["id"],
        title=shown["title"],
        before=_state(old),
        after=_state(new),
        legs=tuple(each for each in legs if each.is_changed),
    )


def _leg(name: str, old: Result | None, new: Result | None) -> LegPair:
    shown = new or old
    assert shown is not None, "a name comes from one of the two"
    return LegPair(
        leg=name,
        state_before=_state(old),
        state_after=_state(new),
        counts_before=_counts(old),
        counts_after=_counts(new),
        reason=shown["reason"],
    )


def _state(found: Result | None) -> str:
    return "" if found is None else found["state"]


def _counts(leg: Result | None) -> str:
    """Return population, failures and what is open, as `120 items, 4 failed, 2 pending`."""
    if leg is None:
        return ""
    said = [f"{leg['n']:,} item{'' if leg['n'] == 1 else 's'}", f"{leg['f']:,} failed"]
    if leg["pending"]:
        said.append(f"{leg['pending']:,} pending")
    if leg["waived"]:
        said.append(f"{leg['waived']:,} waived")
    return ", ".join(said)


def _rules(before: Result, after: Result) -> tuple[Pair, ...]:
    names = (*after["hashes"], *(each for each in before["hashes"] if each not in after["hashes"]))
    hashes = [
        Pair(
            name=name,
            before=before["hashes"].get(name, ""),
            after=after["hashes"].get(name, ""),
        )
        for name in sorted(set(names))
    ]
    version = Pair(name="version", before=before["version"], after=after["version"])
    return (version, *hashes)


def _number(result: Result, key: str) -> str:
    value = result["numbers"][key]
    return "none" if value is None else str(value)
