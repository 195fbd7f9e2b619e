"""fact: the last word on each key holds until the next one."""

from __future__ import annotations

from typing import Any

from compliance.language.reading import EntryView
from tests.compliance.building import counts, entry, found_in, run

AT = "2026-10-04T10:00:00Z"
RETENTION: dict[str, Any] = {
    "kind": "fact",
    "population": {"all": [["action", "eq", "audit.retention_reported"]]},
    "pass_when": {"all": [["integrity.retention_days", "gte", 365]]},
    "key": ["action"],
    "evidence": ["integrity.retention_days"],
}


def _reported(seq: int, days: int, at: str = AT, **rest: Any) -> EntryView:
    fields = {"integrity.retention_days": days}
    return entry(seq, "audit.retention_reported", fields, at=at, **rest)


def test_a_fact_passes_or_fails_by_what_it_says_exactly_at_the_limit() -> None:
    assert counts(run(RETENTION, [_reported(0, 365)])) == (1, 0, 0)
    assert counts(run(RETENTION, [_reported(0, 364)])) == (1, 1, 0)


def test_without_any_fact_it_cannot_tell() -> None:
    assert counts(run(RETENTION, [entry(0, "llm.call", at=AT)])) == (0, 0, 0)


def test_a_failing_fact_is_shown_with_its_evidence() -> None:
    (item,) = found_in(run(RETENTION, [_reported(0, 30)])).failing

    assert (item.item, item.state) == ("0", "fail")
    assert item.evidence is not None
    assert item.evidence["integrity.retention_days"] == 30


def test_the_last_fact_before_a_period_is_carried_in() -> None:
    entries = [_reported(0, 30, at="2026-09-01"), _reported(1, 400, at="2026-09-02")]
    found = found_in(run(RETENTION, entries))

    assert (found.n, found.f, found.carried) == (1, 0, 1)


def test_a_fact_in_force_and_those_of_the_period_are_items_alike() -> None:
    entries = [_reported(0, 30, at="2026-09-30T23:59:59Z"), _reported(1, 400)]
    found = found_in(run(RETENTION, entries))

    assert (found.n, found.f, found.carried) == (2, 1, 1)


def test_of_two_facts_the_one_that_occurred_last_is_in_force_however_they_arrived() -> None:
    entries = [_reported(0, 400, at="2026-09-20"), _reported(1, 30, at="2026-09-10")]

    assert counts(run(RETENTION, entries)) == (1, 0, 0)


def test_of_two_facts_at_one_moment_the_later_in_the_ledger_is_in_force() -> None:
    entries = [_reported(0, 400, at="2026-09-20"), _reported(1, 30, at="2026-09-20")]

    assert counts(run(RETENTION, entries)) == (1, 1, 0)


def test_a_fact_after_the_period_says_nothing_about_it() -> None:
    memory = run(RETENTION, [_reported(0, 400), _reported(1, 30, at="2026-11-01")])

    assert counts(memory) == (1, 0, 0)


def test_each_key_and_each_environment_has_a_fact_in_force() -> None:
    entries = [
        entry(seq, "processing.activity_registered", {"data.processing_activity_id": name},
              at="2026-09-01", environment=environment)
        for seq, (name, environment) in enumerate([("P", "prod"), ("Q", "prod"), ("P", "staging")])
    ]  # fmt: skip
    by_activity = {
        "kind": "fact",
        "population": {"all": [["action", "eq", "processing.activity_registered"]]},
        "pass_when": {"all": [["processing.controller", "exists", True]]},
        "key": ["data.processing_activity_id"],
    }
    memory = run(by_activity, entries)

    assert counts(memory) == (3, 3, 0)
    assert counts(memory, environment="prod") == (2, 2, 0)


def test_a_fact_belongs_to_an_agent_only_when_its_key_names_it() -> None:
    by_agent = {**RETENTION, "key": ["agent.id"]}

    assert found_in(run(RETENTION, [_reported(0, 400)])).by_agent == {"": (1, 0)}
    assert found_in(run(by_agent, [_reported(0, 400)])).by_agent == {"a": (1, 0)}


def test_a_late_fact_is_marked() -> None:
    first = entry(0, "agent.started", at="2026-10-01T00:00:00Z")
    late = _reported(1, 30, received="2026-10-09T00:00:00Z")

    (item,) = found_in(run(RETENTION, [first, late])).failing
    assert item.is_restated
