"""prior: something must have happened before, and nothing in between that ends it.

Used once: test_prior_once.py. Values: test_prior_values.py. Slots: test_prior_slots.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from compliance.kinds.base import DAY_US
from compliance.language.reading import EntryView
from tests.compliance.building import counts, entry, lens, person, run
from tests.compliance.priors import AT, SECOND, T0, whys

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


def test_an_earlier_match_lets_it_pass() -> None:
    assert counts(run(DEPLOYED, [_approved(0), _deployed(1)])) == (1, 0, 0)


def test_without_a_match_it_fails() -> None:
    memory = run(DEPLOYED, [_approved(0, change="D"), _deployed(1)])

    assert counts(memory) == (1, 1, 0)
    assert whys(memory) == ["No earlier entry matches it."]


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
    assert whys(beyond) == ["Entry 0 matches, but is more than P30D older."]


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
    assert whys(memory) == ["It does not say what the check asks of it."]


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
    assert whys(memory) == ["Entry 1 ended what an earlier entry had allowed."]


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
    assert whys(memory) == ["Entry 1, the newest of its kind, does not match it."]


def test_for_an_older_event_the_newest_is_the_one_that_was_earlier() -> None:
    entries = [_activity(0, T0, ["billing"]), _activity(1, T0 + 10, ["support"])]

    assert counts(run("PD-05", [*entries, _used(2, T0 + 5), _used(3, T0 + 10)])) == (2, 1, 0)


def test_equal_entries_are_remembered_once() -> None:
    entries = [_activity(seq, T0 + seq, ["billing"]) for seq in range(50)]
    memory = run("PD-05", entries)

    ((_, slot),) = memory.books[lens("PD-05").id].slots.items()
    assert [one["seq"] for one in slot] == [0]
