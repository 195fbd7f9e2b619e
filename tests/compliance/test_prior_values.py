"""prior with derive: a value is an item when it is new, or once each day."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from compliance.kinds.base import DAY_US
from compliance.language.reading import EntryView
from compliance.memory import Memory
from tests.compliance.building import counts, entry, lens, person, run
from tests.compliance.priors import AT, SECOND, T0


def _model(seq: int, name: str, at: Any = AT, **rest: Any) -> EntryView:
    return entry(seq, "llm.call", {"model.name": name}, at=at, **rest)


def _deployment(seq: int, to: str, agent: str = "a", at: Any = AT) -> EntryView:
    return entry(seq, "change.deployed", {"change.object_id": agent, "change.to": to}, at=at)


def test_a_first_value_is_no_change_and_a_new_one_is() -> None:
    memory = run("CHG-02", [_model(0, "m1"), _model(1, "m1"), _model(2, "m2"), _model(3, "m1")])

    assert counts(memory) == (1, 1, 0)
    (item,) = memory.books[lens("CHG-02").id].items.values()
    assert item.item == "2/model.name"
    assert item.evidence is not None
    assert item.evidence["derived.old"] == "m1"
    assert item.evidence["derived.value"] == "m2"


def test_a_change_with_its_record_passes() -> None:
    entries = [_model(0, "m1"), _deployment(1, "m2"), _model(2, "m2")]

    assert counts(run("CHG-02", entries)) == (1, 0, 0)


def test_each_agent_and_each_environment_has_its_own_first_value() -> None:
    entries = [
        _model(0, "m1"),
        _model(1, "m2", agent="b"),
        _model(2, "m2", environment="staging"),
        _model(3, "m2"),
    ]

    assert counts(run("CHG-02", entries)) == (1, 1, 0)


def _sent(seq: int, to: str, at: Any) -> EntryView:
    fields = {"data.recipient": to, "data.external": True}
    return entry(seq, "data.disclose", fields, at=at)


def _reviewed(seq: int, vendor: str, at: Any) -> EntryView:
    fields = {"target": {"type": "vendor", "id": vendor}}
    return entry(seq, "vendor.reviewed", fields, at=at, **person("alice"))


def test_a_value_is_one_item_each_day() -> None:
    days = [T0, T0 + SECOND, T0 + DAY_US, T0 + 3 * DAY_US, T0 + 2 * DAY_US, T0 + 2 * DAY_US]
    entries = [_reviewed(0, "acme", T0)] + [
        _sent(seq, "acme", at) for seq, at in enumerate(days, 1)
    ]
    memory = run("VND-01", entries)

    assert counts(memory) == (4, 0, 0)
    assert _days_remembered(memory) == [[T0 // DAY_US, T0 // DAY_US + 3]]


def test_each_value_is_judged_by_its_own_match() -> None:
    entries = [_reviewed(0, "acme", T0), _sent(1, "acme", T0), _sent(2, "other", T0)]

    assert counts(run("VND-01", entries)) == (2, 1, 0)


@given(st.lists(st.integers(0, 12), max_size=30))
def test_days_are_items_once_in_whatever_order_they_come(days: list[int]) -> None:
    entries = [_sent(seq, "acme", T0 + day * DAY_US) for seq, day in enumerate(days)]
    memory = run("VND-01", entries)

    assert counts(memory)[0] == len(set(days))
    stretches = _days_remembered(memory)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(stretches))


def _days_remembered(memory: Memory) -> list[list[int]]:
    slots = memory.books[lens("VND-01").id].slots
    return next((value for slot, value in slots.items() if slot.startswith("d/")), [])
