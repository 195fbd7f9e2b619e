"""each: an event passes by what it says itself."""

from __future__ import annotations

from typing import Any

import pytest

from compliance.language.errors import DefinitionError
from tests.compliance.building import counts, day, entry, found_in, lens, person, run, span

AT = "2026-10-04T10:00:00Z"
PURPOSE: dict[str, Any] = {
    "kind": "each",
    "population": {"all": [["category", "eq", "data_access"]]},
    "pass_when": {"all": [["data.purpose", "exists", True]]},
    "evidence": ["seq", "data.fields"],
}
SAID = {"data.purpose": "billing"}


def test_an_event_that_says_it_passes_and_leaves_only_a_count() -> None:
    memory = run(PURPOSE, [entry(0, "data.read", SAID, at=AT)])

    assert counts(memory) == (1, 0, 0)
    assert memory.dump()["item"] == []


def test_an_event_that_does_not_say_it_fails_and_is_kept_with_its_evidence() -> None:
    memory = run(PURPOSE, [entry(0, "data.read", {"data.fields": ["name"]}, at=AT)])

    assert counts(memory) == (1, 1, 0)
    (item,) = memory.books[lens(PURPOSE).id].items.values()
    assert (item.item, item.state, item.day) == ("0", "fail", day("2026-10-04"))
    assert item.evidence == {"seq": 0, "data.fields": ["name"]}


def test_without_any_such_event_it_cannot_tell() -> None:
    assert counts(run(PURPOSE, [entry(0, "llm.call", at=AT)])) == (0, 0, 0)


def test_a_limit_holds_exactly_at_it_and_not_a_microsecond_beyond() -> None:
    entries = [
        entry(0, "llm.call", at=AT, received="2026-10-04T10:05:00Z"),
        entry(1, "llm.call", at=AT, received="2026-10-04T10:05:00.000001Z"),
    ]

    assert counts(run("LOG-04", entries)) == (2, 1, 0)


def test_an_event_belongs_to_the_day_on_which_it_occurred() -> None:
    late = entry(0, "data.read", SAID, at="2026-10-04T23:59:59Z", received="2026-10-05T00:01:00Z")
    memory = run(PURPOSE, [late])

    assert counts(memory, start="2026-10-04", end="2026-10-05") == (1, 0, 0)
    assert counts(memory, start="2026-10-05", end="2026-10-06") == (0, 0, 0)


def test_by_the_clock_of_arrival_it_belongs_to_the_day_on_which_it_arrived() -> None:
    late = entry(0, "llm.call", at="2026-10-04T23:59:59Z", received="2026-10-05T00:01:00Z")
    memory = run("LOG-04", [late])

    assert counts(memory, start="2026-10-05", end="2026-10-06") == (1, 0, 0)


def test_a_late_event_restates_its_day_and_one_in_time_does_not() -> None:
    entries = [
        entry(0, "agent.started", at="2026-10-03T08:00:00Z"),
        entry(1, "data.read", at="2026-10-04T12:00:00Z", received="2026-10-06T00:00:00Z"),
        entry(2, "data.read", at="2026-10-03T12:00:00Z", received="2026-10-06T00:00:00Z"),
    ]
    memory = run(PURPOSE, entries)
    first, late = memory.books[lens(PURPOSE).id].items.values()

    assert (first.is_restated, late.is_restated) == (False, True)
    view = memory.view(lens(PURPOSE), span(memory))
    assert view.counts()["a"].restated == 1


def test_history_from_before_a_ledger_was_born_restates_nothing() -> None:
    entries = [
        entry(0, "agent.started", at="2026-10-06T00:00:00Z"),
        entry(1, "data.read", at="2026-10-03T12:00:00Z", received="2026-10-06T00:00:00Z"),
    ]
    memory = run(PURPOSE, entries)

    (item,) = memory.books[lens(PURPOSE).id].items.values()
    assert not item.is_restated
    assert memory.view(lens(PURPOSE), span(memory)).counts()["a"].restated == 0


def test_environments_are_apart() -> None:
    entries = [
        entry(0, "data.read", at=AT, environment="staging"),
        entry(1, "data.read", SAID, at=AT),
        entry(2, "data.read", SAID, at=AT, environment=None),
    ]
    memory = run(PURPOSE, entries)

    assert counts(memory, environment="prod") == (2, 0, 0)
    assert counts(memory, environment="staging") == (1, 1, 0)
    assert counts(memory) == (3, 1, 0)


def test_by_the_clock_of_arrival_environments_are_one() -> None:
    memory = run("LOG-04", [entry(0, "llm.call", at=AT, environment="staging")])

    assert counts(memory, environment="prod") == (1, 0, 0)


def test_agents_are_counted_each() -> None:
    entries = [
        entry(0, "data.read", at=AT, agent="a"),
        entry(1, "data.read", SAID, at=AT, agent="b"),
    ]
    memory = run(PURPOSE, entries)

    assert found_in(memory).by_agent == {"a": (1, 1), "b": (1, 0)}
    assert counts(memory, agent="b") == (1, 0, 0)


def test_what_was_denied_passes_where_the_check_says_so() -> None:
    risky = {"tool.name": "wire", "tool.risk": "high"}
    denied = entry(0, "tool.invoke", {**risky, "outcome": "denied"}, at=AT)
    bare = entry(1, "tool.invoke", risky, at=AT)

    assert counts(run("IAM-10", [denied, bare])) == (2, 1, 0)


def test_what_was_denied_fails_where_the_check_says_so() -> None:
    denied = entry(0, "data.read", {**SAID, "outcome": "denied"}, at=AT)

    assert counts(run({**PURPOSE, "treat_denied_as": "fail"}, [denied])) == (1, 1, 0)


def test_denied_counts_as_pass_or_fail_and_as_nothing_else() -> None:
    with pytest.raises(DefinitionError, match="neither pass nor fail"):
        run({**PURPOSE, "treat_denied_as": "maybe"}, [])


def test_pass_when_may_compare_an_event_with_itself() -> None:
    own = {"decision.approval_id": "A", "decision.requested_by": "alice"}
    entries = [
        entry(0, "approval.granted", own, at=AT, **person("alice")),
        entry(1, "approval.granted", own, at=AT, **person("bob")),
    ]

    assert counts(run("IAM-13", entries)) == (2, 1, 0)
