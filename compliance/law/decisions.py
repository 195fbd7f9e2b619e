"""Automated decisions about persons (GDPR Art. 22): which, by whom, with whom in the loop. Pure.

A decision is an entry decision.about_person of the period whose legal effect is not denied. A
person was in the loop when a human's own approval.granted came before it; what a decision says of
its oversight is a claim and stands beside. The check PD-08 reads the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from compliance.law import told as words
from compliance.law.first_rows import FirstRows
from compliance.law.told import Told
from compliance.law.window import Window
from compliance.report_content import LISTED, LawTable

COLUMNS: Final = (
    "When", "About", "Agent", "Decision", "Oversight claimed", "Person's own entry", "Ground",
    "Way to contest", "Result", "Arrived",
)  # fmt: skip
COUNT_COLUMNS: Final = (
    "Agent", "Decisions", "With a person's own entry", "On a ground, contestable",
    "Neither of the two", "Overruled later",
)  # fmt: skip
GROUNDS: Final = frozenset({"contract", "law", "explicit_consent"})
"""Art. 22(2), as events name them."""
SPECIAL: Final = frozenset({"special_category", "phi"})
"""The list `special` as it is shipped: data of Art. 9."""
SPECIAL_CONDITIONS: Final = frozenset({"explicit_consent", "substantial_public_interest"})
"""Art. 22(4)."""

_IN_LOOP: Final = "human_in_loop"


@dataclass(frozen=True, slots=True)
class _Decided:
    """What of a decision is needed to count it."""

    seq: int
    agent: str
    approval: str
    target: tuple[str, str]
    is_contestable: bool
    is_special_in_order: bool
    """No data of Art. 9, or a person in the loop, or a condition of Art. 22(4)."""


class Decisions:
    """Takes decisions, approvals and overrides in and holds what is known of the decisions."""

    def __init__(self, window: Window) -> None:
        """Begin without any; look at the decisions of a window."""
        self._window = window
        self._first = FirstRows()
        self._all: list[_Decided] = []
        self._approved: dict[str, int] = {}
        self._overruled: dict[tuple[str, str], int] = {}

    def see(self, told: Told) -> None:
        """Take a decision in."""
        if told.read("decision.legal_effect") is False:
            return
        if not self._window.holds(told):
            return
        self._first.see(told)
        self._all.append(_decided(told))

    def see_approval(self, told: Told) -> None:
        """Take an approval in; only a person's own counts."""
        approval = told.text("decision.approval_id")
        if approval and told.is_by_human:
            self._approved[approval] = min(told.seq, self._approved.get(approval, told.seq))

    def see_override(self, told: Told) -> None:
        """Take in that a person overruled an agent."""
        target = _target(told)
        if all(target):
            self._overruled[target] = max(told.seq, self._overruled.get(target, told.seq))

    def table(self) -> LawTable:
        """Return the first decisions of the period, each with what stands behind it."""
        listed = self._first.listed()
        return LawTable(
            id="decisions",
            title="Decisions about persons",
            article="GDPR Art. 22",
            intro=(
                "Decisions of the period with legal or similar effect, or of which nobody said "
                "that they have none, by time. What a decision says of its oversight is a claim; "
                "a person's own entry shows it. An empty table: no such decision was recorded."
            ),
            columns=COLUMNS,
            rows=tuple(self._row(told) for told in listed),
            total=self._first.total,
            seqs=tuple(self._seqs(told) for told in listed),
        )

    def counts(self) -> LawTable:
        """Return how many decisions each agent made, and what stands behind them."""
        counted: Counter[tuple[str, str]] = Counter()
        first: dict[str, int] = {}
        for one in self._all:
            first[one.agent] = min(one.seq, first.get(one.agent, one.seq))
            counted[one.agent, "all"] += 1
            counted[one.agent, self._kind(one)] += 1
            counted[one.agent, "overruled"] += self._overruled.get(one.target, -1) > one.seq
        names = ("all", "person", "ground", "neither", "overruled")
        agents = sorted(first)
        return LawTable(
            id="decision-counts",
            title="Decisions about persons, by agent",
            article="GDPR Art. 22",
            intro=(
                "Each decision stands in one of three columns: shown by a person's own entry; else "
                "on a ground of Art. 22(2) with a reason and a way to contest it; else neither."
            ),
            columns=COUNT_COLUMNS,
            rows=tuple(
                (words.or_not_recorded(agent), *(f"{counted[agent, name]:,}" for name in names))
                for agent in agents[:LISTED]
            ),
            total=len(agents),
            seqs=tuple((first[agent],) for agent in agents[:LISTED]),
        )

    def _kind(self, one: _Decided) -> str:
        if not one.is_special_in_order:
            return "neither"
        if self._approval(one) is not None:
            return "person"
        return "ground" if one.is_contestable else "neither"

    def _approval(self, one: _Decided) -> int | None:
        seq = self._approved.get(one.approval)
        return seq if seq is not None and seq < one.seq else None

    def _row(self, told: Told) -> tuple[str, ...]:
        one = _decided(told)
        approval = self._approval(one)
        return (
            words.moment(told.at),
            words.joined(one.target, between=" "),
            words.or_not_recorded(one.agent),
            words.joined(
                (told.text("decision.effect"), told.text("decision.reason")), between=": "
            ),
            words.or_not_recorded(told.text("decision.oversight")),
            "none" if approval is None else f"entry {approval:,}",
            words.or_not_recorded(told.text("decision.art22_ground")),
            words.or_not_recorded(told.text("decision.review_channel")),
            self._result(one),
            words.arrivals([told]),
        )

    def _result(self, one: _Decided) -> str:
        if not one.is_special_in_order:
            said = "data of Art. 9 without a condition of Art. 22(4)"
        else:
            said = {
                "person": "a person was in the loop",
                "ground": "on a ground, with a way to contest it",
                "neither": "no person's entry, and no ground with a way to contest it",
            }[self._kind(one)]
        return f"{said}; overruled later" if self._is_overruled(one) else said

    def _is_overruled(self, one: _Decided) -> bool:
        return self._overruled.get(one.target, -1) > one.seq

    def _seqs(self, told: Told) -> tuple[int, ...]:
        one = _decided(told)
        more = [self._approval(one)]
        if self._is_overruled(one):
            more.append(self._overruled[one.target])
        return tuple(sorted({told.seq, *(seq for seq in more if seq is not None)}))


def _decided(told: Told) -> _Decided:
    is_special = not SPECIAL.isdisjoint(told.texts("data.classes"))
    in_order = (
        not is_special
        or told.text("decision.oversight") == _IN_LOOP
        or told.text("data.art9_condition") in SPECIAL_CONDITIONS
    )
    is_contestable = (
        told.text("decision.art22_ground") in GROUNDS
        and bool(told.text("decision.review_channel"))
        and bool(told.text("decision.reason"))
    )
    return _Decided(
        seq=told.seq,
        agent=told.agent,
        approval=told.text("decision.approval_id"),
        target=_target(told),
        is_contestable=is_contestable,
        is_special_in_order=in_order,
    )


def _target(told: Told) -> tuple[str, str]:
    return (told.text("target.type"), told.text("target.id"))
