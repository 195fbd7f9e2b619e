"""rate: of a day's events of one key, no more than a share may be of a sort."""

from __future__ import annotations

from typing import Any

from compliance.language.reading import EntryView
from tests.compliance.building import counts, entry, found_in, run, span

AT = "2026-10-04T10:00:00Z"
DENIALS: dict[str, Any] = {
    "kind": "rate",
    "population": {"all": [["action", "eq", "decision.evaluated"]]},
    "numerator": {"all": [["decision.effect", "eq", "deny"]]},
    "key": ["agent.id"],
    "min_denominator": 20,
    "threshold": "0.05",
}


def _decisions(denied: int, allowed: int, *, first: int = 0, **rest: Any) -> list[EntryView]:
    effects = ["deny"] * denied + ["allow"] * allowed
    return [
        entry(seq, "decision.evaluated", {"decision.effect": effect}, **{"at": AT, **rest})
        for seq, effect in enumerate(effects, first)
    ]


def test_a_share_exactly_at_the_limit_holds_and_one_more_does_not() -> None:
    assert counts(run(DENIALS, _decisions(1, 19))) == (1, 0, 0)
    assert counts(run(DENIALS, _decisions(2, 18))) == (1, 1, 0)


def test_limits_are_exact_fractions() -> None:
    # 0.07 * 100 is more than 7 in binary fractions.
    limit = {**DENIALS, "threshold": "0.07"}

    assert counts(run(limit, _decisions(7, 93))) == (1, 0, 0)
    assert counts(run(limit, _decisions(8, 92))) == (1, 1, 0)


def test_without_any_event_it_cannot_tell() -> None:
    assert counts(run(DENIALS, [entry(0, "llm.call", at=AT)])) == (0, 0, 0)


def test_a_bucket_that_is_too_small_is_no_item_and_is_counted_as_such() -> None:
    found = found_in(run(DENIALS, _decisions(19, 0)))

    assert (found.n, found.few) == (0, 1)


def test_a_failing_bucket_says_its_day_key_and_numbers() -> None:
    (item,) = found_in(run(DENIALS, _decisions(3, 17))).failing

    assert (item.item, item.agent) == ("2026-10-04/a", "a")
    assert item.evidence == {"day": "2026-10-04", "numerator": 3, "denominator": 20}


def test_days_keys_and_environments_have_buckets_of_their_own() -> None:
    entries = [
        *_decisions(2, 18),
        *_decisions(0, 20, first=20, at="2026-10-05T10:00:00Z"),
        *_decisions(0, 20, first=40, agent="b"),
        *_decisions(2, 18, first=60, environment="staging"),
    ]
    memory = run(DENIALS, entries)

    assert counts(memory) == (4, 2, 0)
    assert found_in(memory).by_agent == {"a": (3, 2), "b": (1, 0)}
    assert counts(memory, environment="prod") == (3, 1, 0)
    assert counts(memory, start="2026-10-05") == (1, 0, 0)


def test_agents_that_share_a_key_share_its_bucket() -> None:
    by_policy = {**DENIALS, "key": ["decision.policy_id"]}
    entries = [*_decisions(2, 8), *_decisions(0, 10, first=10, agent="b")]
    (item,) = found_in(run(by_policy, entries)).failing

    assert item.agent == ""
    assert item.evidence is not None
    assert item.evidence["denominator"] == 20


def test_a_late_event_adds_to_its_bucket_and_restates_the_day() -> None:
    memory = run(DENIALS, _decisions(2, 18))
    assert counts(memory) == (1, 1, 0)

    for each in _decisions(0, 20, first=20, received="2026-10-09T00:00:00Z"):
        memory.see(each)

    assert counts(memory) == (1, 0, 0)
    (of,) = memory.lenses.values()
    assert memory.view(of, span(memory)).counts()["a"].restated == 1
