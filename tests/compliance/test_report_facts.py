"""The parts of a report that are pure: lines of acts, days as letters, lists that are too long."""

from __future__ import annotations

from typing import Any

import pytest

from audit.actions import ACTIONS
from compliance.kinds.base import DAY_US, Span
from compliance.report_acts import MOST_WORDS, about
from compliance.report_content import LISTED
from compliance.report_drawn import DRAWN
from compliance.report_evidence import Record
from compliance.report_facts import FACTS, Listed, counted
from compliance.report_strips import derived_days, seen_days, strip_of
from compliance.report_waived import LegWaivers, LensLegs
from tests.compliance.building import day, entry, run
from tests.compliance.building import span as a_span

FIRST = day("2026-10-01")


def span(*, observed: int = 0, as_of: int = 6) -> Span:
    """Return six days; `observed` and `as_of` are days after the first."""
    return Span(
        start=FIRST,
        end=FIRST + 6,
        as_of=(FIRST + as_of) * DAY_US,
        observed_from=FIRST + observed,
        environment=None,
        agent=None,
    )


def days(*counts: tuple[int, int, int]) -> dict[int, tuple[int, int, int]]:
    return {FIRST + number: each for number, each in enumerate(counts)}


def test_every_action_that_is_asked_for_is_one_of_the_ledger() -> None:
    assert FACTS | {DRAWN} <= ACTIONS.keys()


def test_a_day_is_a_letter() -> None:
    found = days((3, 0, 0), (3, 1, 0), (3, 2, 0), (0, 0, 1), (0, 0, 0), (9, 9, 9))

    assert strip_of("each", span(as_of=5), found, {FIRST + 2: 2, FIRST + 5: 1}) == "pfwo.f"


def test_a_day_that_nobody_observed_is_a_dash_unless_history_tells_of_it() -> None:
    found = days((1, 0, 0), (0, 0, 0), (0, 0, 0))

    assert strip_of("each", span(observed=2, as_of=4), found, {}) == "p-..--"
    assert list(seen_days(span(observed=2, as_of=4))) == [FIRST + 2, FIRST + 3]


def test_a_ban_that_nobody_broke_is_kept() -> None:
    assert strip_of("forbid", span(), days((0, 0, 1)), {}) == "p....."


def test_a_fact_in_force_when_the_period_begins_stands_on_its_first_day() -> None:
    reported = [
        entry(seq, "audit.retention_reported", {"integrity.retention_days": days_}, at=at)
        for seq, (days_, at) in enumerate([(30, "2026-09-20"), (2_192, "2026-10-03")])
    ]
    memory = run("LOG-06", reported)
    asked = a_span(memory, "2026-10-01", "2026-10-05")
    (lens,) = memory.lenses.values()

    found = derived_days(lens, memory.view(lens, asked), range(asked.start, asked.end))

    assert strip_of("fact", asked, found, {}) == "f.p-"


def test_a_long_list_of_values_ends_in_a_line_for_all_the_others() -> None:
    values = {f"tool-{number:03}": 200 - number for number in range(LISTED + 5)}

    found = counted(values)

    assert len(found) == LISTED + 1
    assert found[0].value == "tool-000"
    assert found[-1].value == "_other (5 more)"
    assert sum(one.entries for one in found) == sum(values.values())


def test_a_listing_keeps_the_first_and_counts_all() -> None:
    listed = Listed()
    for seq in range(LISTED + 5):
        listed.add(a_record(seq))

    listing = listed.listing()

    assert (listing.total, len(listing.listed)) == (LISTED + 5, LISTED)
    assert listing.listed[0].seq == 0


def a_record(seq: int, **blocks: Any) -> Record:
    """Return an entry about a change."""
    return Record(
        seq=seq,
        received_at="2026-10-01T00:00:01.000000Z",
        hash="0" * 64,
        is_backfill=False,
        event={
            "action": "change.deployed",
            "occurred_at": "2026-10-01T00:00:00.000000Z",
            "outcome": "success",
            "actor": {"type": "human", "id": "alice"},
            "agent": {"id": "a"},
            **blocks,
        },
        source={},
    )


@pytest.mark.parametrize(
    ("action", "event", "line"),
    [
        (
            "change.deployed",
            {"change": {"id": "CHG-1", "kind": "release", "from": "1.0", "to": "1.1"}},
            "CHG-1 release 1.0 → 1.1",
        ),
        (
            "audit.config_changed",
            {
                "reason": "too many",
                "details": {
                    "what": "compliance.parameter", "check": "LOG-10", "name": "every",
                    "before": None, "after": "P14D",
                },
            },
            "compliance.parameter LOG-10 every: shipped → P14D; too many",
        ),
        ("tool.registered", {"tool": {"name": "pay", "server": "bank", "risk": "high"}},
         "pay at bank risk high"),
        ("vendor.approved", {"target": {"id": "aurora"}, "vendor": {"agreement": "dpa"}},
         "aurora agreement dpa"),
        ("incident.detected", {"case": {"id": "INC-1"}, "severity": "high"},
         "INC-1 severity high"),
        ("audit.report_generated",
         {"details": {"framework": "soc2", "from": "2026-10-01", "to": "2026-11-01"}},
         "soc2 2026-10-01 to 2026-10-31"),
        ("audit.report_generated", {"details": {"framework": "soc2", "from": "then", "to": 3}},
         "soc2"),
        ("audit.exported", {"details": {"format": "csv", "entries": 1200, "via": "admin"}},
         "csv 1,200 entries admin"),
        ("change.deployed", {}, ""),
        ("policy.relaxed", {"target": {"type": "policy", "id": "p1"}, "reason": "a\nb"},
         "policy p1; a b"),
    ],
)  # fmt: skip
def test_an_act_is_told_in_one_line(action: str, event: dict[str, Any], line: str) -> None:
    assert about(action, event) == line


def test_a_line_has_an_end() -> None:
    line = about("policy.relaxed", {"reason": "word " * 200})

    assert len(line) == MOST_WORDS
    assert line.endswith("…")


def test_an_item_is_waived_only_where_every_leg_has_it_waived() -> None:
    one = LegWaivers(whole="", items={"41": "w-1"})
    all_of_it = LegWaivers(whole="w-2", items={})
    nothing = LegWaivers(whole="", items={})

    assert LensLegs(controls=["A"], waivers=[one]).waiver_of("41") == "w-1"
    assert LensLegs(controls=["A"], waivers=[one]).waiver_of("42") == ""
    assert LensLegs(controls=["A", "B"], waivers=[all_of_it, one]).waiver_of("41") == "w-2"
    assert LensLegs(controls=["A", "B"], waivers=[one, nothing]).waiver_of("41") == ""
    assert LensLegs().waiver_of("41") == ""
