"""prior: something must have happened before."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.kinds.base import DAY_US
from compliance.language.reading import EntryView
from compliance.memory import Memory
from tests.compliance.building import counts, entry, lens, person, run, us

AT = "2026-10-04T10:00:00Z"
SECOND = 1_000_000
T0 = us(AT)
DEPLOYED: dict[str, Any] = {
    "kind": "prior",
    "population": {"all": [["action", "eq", "change.deployed"]]},
    "match": {
        "all": [
            ["action", "eq", "change.approved"],
            ["change.id", "eq", "@change.id"],
            ["actor.type", "eq", "human"],
        ]
    },
    "within": "P30D",
}


def _approved(seq: int, at: Any = AT, change: str = "C", **rest: Any) -> EntryView:
    return entry(
        seq, "change.approved", {"change.id": change}, at=at, **{**person("alice"), **rest}
    )


def _deployed(seq: int, at: Any = AT, change: str = "C", **rest: Any) -> EntryView:
    return entry(seq, "change.deployed", {"change.id": change}, at=at, **rest)


def _why(memory: Memory) -> list[str]:
    (lens_id,) = memory.lenses
    return [item.why for item in memory.books[lens_id].items.values()]


def test_an_earlier_match_lets_it_pass() -> None:
    assert counts(run(DEPLOYED, [_approved(0), _deployed(1)])) == (1, 0, 0)


def test_without_a_match_it_fails() -> None:
    memory = run(DEPLOYED, [_approved(0, change="D"), _deployed(1)])

    assert counts(memory) == (1, 1, 0)
    assert _why(memory) == ["No earlier entry matches it."]


def test_without_any_such_event_it_cannot_tell() -> None:
    assert counts(run(DEPLOYED, [_approved(0)])) == (0, 0, 0)


def test_a_match_that_is_chained_later_comes_too_late_whatever_time_it_claims() -> None:
    assert counts(run(DEPLOYED, [_deployed(0), _approved(1, at=T0 - SECOND)])) == (1, 1, 0)


def test_a_match_that_occurred_later_is_none_though_it_was_chained_before() -> None:
    assert counts(run(DEPLOYED, [_approved(0, at=T0 + 1), _deployed(1)])) == (1, 1, 0)
    assert counts(run(DEPLOYED, [_approved(0, at=T0), _deployed(1)])) == (1, 0, 0)


def test_the_window_ends_exactly_at_its_edge() -> None:
    edge = T0 - 30 * DAY_US

    assert counts(run(DEPLOYED, [_approved(0, at=edge), _deployed(1)])) == (1, 0, 0)
    beyond = run(DEPLOYED, [_approved(0, at=edge - 1), _deployed(1)])
    assert counts(beyond) == (1, 1, 0)
    assert _why(beyond) == ["Entry 0 matches, but is more than P30D older."]


def test_a_calendar_month_ends_with_the_last_day_of_a_shorter_one() -> None:
    month = {**DEPLOYED, "within": "P1M"}
    deployed = _deployed(1, at="2026-03-31T10:00:00Z")
    span = {"start": "2026-03-01", "end": "2026-04-01"}

    edge = run(month, [_approved(0, at="2026-02-28T10:00:00Z"), deployed])
    assert counts(edge, **span) == (1, 0, 0)
    beyond = run(month, [_approved(0, at="2026-02-28T09:59:59.999999Z"), deployed])
    assert counts(beyond, **span) == (1, 1, 0)


def test_without_a_limit_any_time_before_will_do() -> None:
    ever = {name: value for name, value in DEPLOYED.items() if name != "within"}

    assert counts(run(ever, [_approved(0, at="2001-01-01"), _deployed(1)])) == (1, 0, 0)


def test_an_old_match_is_not_forgotten_for_a_newer_one() -> None:
    # The deployment is older than the second approval: only the first can serve it.
    entries = [_approved(0, at=T0 - DAY_US), _approved(1, at=T0 + DAY_US), _deployed(2)]

    assert counts(run(DEPLOYED, entries)) == (1, 0, 0)


def test_who_only_says_that_it_is_human_approves_nothing() -> None:
    claims = _approved(0, actor={"type": "human", "id": "alice"}, source={"scope": "events"})

    assert counts(run(DEPLOYED, [claims, _deployed(1)])) == (1, 1, 0)


def test_a_match_of_any_environment_serves_and_items_stay_apart() -> None:
    entries = [_approved(0, environment="staging"), _deployed(1), _deployed(2, change="D",
               environment="staging")]  # fmt: skip
    memory = run(DEPLOYED, entries)

    assert counts(memory, environment="prod") == (1, 0, 0)
    assert counts(memory, environment="staging") == (1, 1, 0)


def test_a_late_event_is_judged_by_what_was_chained_before_it_and_restates_its_day() -> None:
    late = _deployed(1, at=T0, received=T0 + 3 * DAY_US)
    memory = run(DEPLOYED, [_approved(0, at=T0 - SECOND), late, _deployed(2, change="D")])
    first = entry(0, "agent.started", at=T0)
    failed = run(DEPLOYED, [first, _deployed(1, at=T0, received=T0 + 3 * DAY_US)])

    assert counts(memory) == (2, 1, 0)
    (item,) = failed.books[lens(DEPLOYED).id].items.values()
    assert item.is_restated


def test_pass_when_is_needed_beside_the_match() -> None:
    strict = {**DEPLOYED, "pass_when": {"all": [["change.author", "exists", True]]}}
    memory = run(strict, [_approved(0), _deployed(1)])

    assert counts(memory) == (1, 1, 0)
    assert _why(memory) == ["It does not say what the check asks of it."]


@pytest.mark.parametrize("name", ["pass_now_when", "match_waived_when"])
def test_the_match_is_lifted_and_pass_when_is_not(name: str) -> None:
    lifted = {
        **DEPLOYED,
        name: {"all": [["change.emergency", "eq", True]]},
        "pass_when": {"all": [["change.author", "exists", True]]},
    }
    authored = {"change.id": "C", "change.emergency": True, "change.author": "bob"}
    bare = {"change.id": "C", "change.emergency": True}
    entries = [
        entry(0, "change.deployed", authored, at=AT),
        entry(1, "change.deployed", bare, at=AT),
    ]

    assert counts(run(lifted, entries)) == (2, 1, 0)


def test_each_of_several_matches_is_needed() -> None:
    erasure = {"case.id": "7", "case.dsr_type": "erasure"}
    deleted = entry(0, "data.delete", {"case.id": "7"}, at=AT)
    forgotten = entry(1, "memory.delete", {"case.id": "7"}, at=AT)
    done = entry(2, "dsr.completed", erasure, at=AT)

    assert counts(run("DSR-02", [deleted, forgotten, done])) == (1, 0, 0)
    assert counts(run("DSR-02", [deleted, done])) == (1, 1, 0)


# ---------------------------------------------------------------------------- unless_between


def _registered(seq: int, at: Any = AT, agent: str = "a") -> EntryView:
    return entry(seq, "agent.registered", {"agent.owner": "ops"}, at=at, agent=agent, **person("o"))


def _retired(seq: int, at: Any = AT, agent: str = "a") -> EntryView:
    return entry(seq, "agent.retired", at=at, agent=agent)


def test_a_void_between_ends_what_was_allowed() -> None:
    memory = run("MON-03", [_registered(0), _retired(1), entry(2, "llm.call", at=AT)])

    # The retirement itself is the act of a registered agent.
    assert counts(memory) == (2, 1, 0)
    assert _why(memory) == ["Entry 1 ended what an earlier entry had allowed."]


def test_a_void_of_another_ends_nothing() -> None:
    entries = [_registered(0), _registered(1, agent="b"), _retired(2, agent="b")]

    assert counts(run("MON-03", [*entries, entry(3, "llm.call", at=AT)])) == (2, 0, 0)


def test_after_a_void_another_match_serves_again() -> None:
    entries = [_registered(0), _retired(1), _registered(2), entry(3, "llm.call", at=AT)]

    assert counts(run("MON-03", entries)) == (2, 0, 0)


def test_the_order_of_the_ledger_says_what_lies_between_and_not_what_entries_claim() -> None:
    # A retirement that claims to be older than the registration still follows it.
    entries = [_registered(0), _retired(1, at="2020-01-01"), entry(2, "llm.call", at=AT)]

    assert counts(run("MON-03", entries), start="2026-10-01") == (1, 1, 0)


def test_an_older_match_serves_an_old_event_when_a_void_lies_before_both() -> None:
    # Found by trying: after the void, 2 is the older and 3 the newer match; only 2 serves 4.
    entries = [
        _registered(0, at=T0),
        _retired(1, at=T0),
        _registered(2, at=T0 + 5),
        _registered(3, at=T0 + 10),
        entry(4, "llm.call", at=T0 + 7),
    ]

    assert counts(run("MON-03", entries)) == (2, 0, 0)


# ---------------------------------------------------------------------------- latest


def _activity(seq: int, at: Any, purposes: list[str]) -> EntryView:
    fields = {"data.processing_activity_id": "P", "processing.purposes": purposes}
    return entry(seq, "processing.activity_changed", fields, at=at, **person("dpo"))


def _used(seq: int, at: Any, purpose: str = "billing") -> EntryView:
    fields = {
        "data.processing_activity_id": "P",
        "data.purpose": purpose,
        "data.classes": ["pii"],
    }
    return entry(seq, "data.read", fields, at=at)


def test_only_the_newest_entry_counts() -> None:
    narrowed = [_activity(0, T0, ["billing"]), _activity(1, T0 + 1, ["support"])]
    memory = run("PD-05", [*narrowed, _used(2, T0 + 2), _used(3, T0 + 3, "support")])

    assert counts(memory) == (2, 1, 0)
    assert _why(memory) == ["Entry 1, the newest of its kind, does not match it."]


def test_for_an_older_event_the_newest_is_the_one_that_was_earlier() -> None:
    entries = [_activity(0, T0, ["billing"]), _activity(1, T0 + 10, ["support"])]

    assert counts(run("PD-05", [*entries, _used(2, T0 + 5), _used(3, T0 + 10)])) == (2, 1, 0)


def test_equal_entries_are_remembered_once() -> None:
    entries = [_activity(seq, T0 + seq, ["billing"]) for seq in range(50)]
    memory = run("PD-05", entries)

    ((_, slot),) = memory.books[lens("PD-05").id].slots.items()
    assert [one["seq"] for one in slot] == [0]


# ---------------------------------------------------------------------------- bind, single_use


def _approval(seq: int, at: Any = AT, **more: Any) -> EntryView:
    fields = {
        "decision.approval_id": "A",
        "decision.requested_by": "bot",
        "decision.expires_at": "2026-10-30T00:00:00.000000Z",
        "tool.name": "wire",
        "tool.arguments_hash": "1" * 64,
        **more,
    }
    return entry(seq, "approval.granted", fields, at=at, **person("alice"))


def _call(seq: int, at: Any = AT, **more: Any) -> EntryView:
    fields = {
        "decision.approval_id": "A",
        "decision.requested_by": "bot",
        "tool.name": "wire",
        "tool.risk": "high",
        "tool.arguments_hash": "1" * 64,
        **more,
    }
    return entry(seq, "tool.invoke", fields, at=at)


def test_an_approval_binds_the_arguments_it_was_given_for() -> None:
    swapped = _call(1, **{"tool.arguments_hash": "2" * 64})

    assert counts(run("TOOL-01", [_approval(0), swapped])) == (1, 1, 0)
    assert counts(run("TOOL-01", [_approval(0), _call(1)])) == (1, 0, 0)


def test_what_binds_must_be_there_on_both_sides() -> None:
    bare = {"tool.arguments_hash": None}
    approval, call = _approval(0, **bare), _call(1, **bare)

    assert counts(run("TOOL-01", [approval, call])) == (1, 1, 0)


def test_one_approval_serves_one_call() -> None:
    memory = run("TOOL-01", [_approval(0), _call(1), _call(2)])

    assert counts(memory) == (2, 1, 0)
    assert _why(memory) == ["Entry 0 matches, but has served another event."]


def test_two_approvals_serve_two_calls() -> None:
    assert counts(run("TOOL-01", [_approval(0), _approval(1), _call(2), _call(3)])) == (2, 0, 0)


def test_a_retry_of_one_operation_is_the_same_use() -> None:
    again = {"trace.operation_id": "op-1"}
    entries = [_approval(0), _call(1, **again), _call(2, **again), _call(3)]

    assert counts(run("TOOL-01", entries)) == (3, 1, 0)


def test_a_call_that_fails_by_itself_takes_no_approval() -> None:
    late = _call(1, at="2026-10-06T10:00:00Z")  # the approval is older than a day by then

    assert counts(run("TOOL-01", [_approval(0), late, _call(2)])) == (2, 1, 0)


def test_nobody_approves_what_they_asked_for() -> None:
    own = {"decision.requested_by": "alice"}

    assert counts(run("TOOL-01", [_approval(0, **own), _call(1, **own)])) == (1, 1, 0)


# ---------------------------------------------------------------------------- derive


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


# ---------------------------------------------------------------------------- what is left out


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
