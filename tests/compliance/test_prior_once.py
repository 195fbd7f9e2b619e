"""prior with bind and single_use: an approval is of one call and of no other."""

from __future__ import annotations

from typing import Any

from compliance.language.reading import EntryView
from tests.compliance.building import counts, entry, person, run
from tests.compliance.priors import AT, whys


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
    assert whys(memory) == ["Entry 0 matches, but has served another event."]


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
