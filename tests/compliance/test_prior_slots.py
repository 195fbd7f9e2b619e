"""prior: what is left out of slots never made a difference, and whichever fits serves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.kinds.base import DAY_US
from compliance.language.reading import EntryView
from tests.compliance.building import entry, lens, run
from tests.compliance.priors import SECOND, T0

_EVENTS = st.lists(
    st.tuples(st.sampled_from("mmmvtto"), st.integers(0, 8), st.sampled_from("xy")), max_size=14
)
_DAY = 10 * SECOND


@pytest.mark.parametrize("within", [None, "PT20S", "P1M"])
@pytest.mark.parametrize("has_void", [False, True])
@given(events=_EVENTS)
def test_what_is_left_out_of_slots_never_made_a_difference(
    within: str | None, has_void: bool, events: list[tuple[str, int, str]]
) -> None:
    # m, o: matches that differ in what they say; v: a void; t: an event to be judged.
    definition: dict[str, Any] = {
        "kind": "prior",
        "population": {"all": [["action", "eq", "change.deployed"]]},
        "match": {
            "all": [
                ["action", "in", ["change.approved", "change.tested"]],
                ["change.id", "eq", "@change.id"],
            ]
        },
    }
    if within:
        definition["within"] = within
    if has_void:
        definition["unless_between"] = {
            "all": [["action", "eq", "change.rolled_back"], ["change.id", "eq", "@change.id"]]
        }
    step = 10 * SECOND if within != "P1M" else 9 * DAY_US
    actions = {
        "m": "change.approved",
        "o": "change.tested",
        "v": "change.rolled_back",
        "t": "change.deployed",
    }
    entries = [
        entry(seq, actions[what], {"change.id": change}, at=T0 + at * step)
        for seq, (what, at, change) in enumerate(events)
    ]
    memory = run(definition, entries)

    expected = [
        one.seq for one in entries if one.action == "change.deployed"
        and not _serves(one, entries, within, has_void)
    ]  # fmt: skip
    found = sorted(item.seq for item in memory.books[lens(definition).id].items.values())
    assert expected == found


def _serves(event: EntryView, entries: list[EntryView], within: str | None, has_void: bool) -> bool:
    """Say it as the grammar does, over all entries."""
    from compliance.language.durations import parse_duration

    since = parse_duration(within).before(event.at) if within else -(2**62)
    same = [
        one
        for one in entries
        if one.seq < event.seq and one.read("change.id") == event.read("change.id")
    ]
    voids = [one.seq for one in same if has_void and one.action == "change.rolled_back"]
    return any(
        one.action in ("change.approved", "change.tested")
        and since <= one.at <= event.at
        and not any(void > one.seq for void in voids)
        for one in same
    )


@pytest.mark.parametrize("has_void", [False, True])
@given(
    events=st.lists(
        st.tuples(st.sampled_from("mmmvtt"), st.integers(0, 6), st.integers(0, 6)), max_size=14
    )
)
def test_of_many_that_share_a_slot_whichever_fits_serves(
    has_void: bool, events: list[tuple[str, int, int]]
) -> None:
    # m: an approval that holds until a time of its own, so that the newest may be over before an
    # older one; v: a void; t: an event to be judged.
    definition: dict[str, Any] = {
        "kind": "prior",
        "population": {"all": [["action", "eq", "llm.call"]]},
        "match": {
            "all": [
                ["action", "eq", "vendor.approved"],
                ["target.id", "eq", "@model.provider"],
                ["vendor.valid_until", "gte", "@occurred_at"],
            ]
        },
    }
    ended = {"all": [["action", "eq", "vendor.ended"], ["target.id", "eq", "@model.provider"]]}
    if has_void:
        definition["unless_between"] = ended
    entries = []
    for seq, (what, at, until) in enumerate(events):
        time = T0 + at * SECOND
        if what == "t":
            entries.append(entry(seq, "llm.call", {"model.provider": "V"}, at=time))
        elif what == "v":
            entries.append(entry(seq, "vendor.ended", {"target.id": "V"}, at=time))
        else:
            valid = {"target.id": "V", "vendor.valid_until": f"2026-10-04T10:00:0{until}.000000Z"}
            entries.append(entry(seq, "vendor.approved", valid, at=time))
    memory = run(definition, entries)

    expected = []
    for seq, (what, at, _) in enumerate(events):
        if what != "t":
            continue
        before = list(enumerate(events[:seq]))
        voided = max((place for place, one in before if one[0] == "v" and has_void), default=-1)
        if not any(
            place > voided and one[0] == "m" and one[1] <= at <= one[2] for place, one in before
        ):
            expected.append(seq)
    found = sorted(item.seq for item in memory.books[lens(definition).id].items.values())
    assert expected == found
