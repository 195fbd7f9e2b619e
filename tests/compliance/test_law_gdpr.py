"""What the GDPR asks to be shown: limits, lists and conditions, and any part of a fleet.

Breaches and requests: test_gdpr_clocks.py. Activities: test_gdpr_activities.py. Assessments,
decisions and choices: test_gdpr_decisions.py.
"""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.kinds.deadlines import as_us
from compliance.law import ACTIONS, actions_of, activities, breaches, law_facts, observed, requests
from compliance.law.decisions import GROUNDS, SPECIAL, SPECIAL_CONDITIONS
from compliance.report_content import LISTED, Law
from tests.compliance.building import lens, shipped
from tests.compliance.gdpr_records import OCTOBER, a_breach, a_request
from tests.compliance.law_records import Told, cells, facts, fleet, table, told

# --- The limits and lists are those of the checks -------------------------------------------------


def test_limits_are_those_that_the_checks_hold_by_law() -> None:
    checks = shipped().checks

    assert checks["BRE-01"].params["within"] == breaches.AUTHORITY_LIMIT
    assert checks["DSR-01"].params["within"] == requests.WITHIN
    assert checks["DSR-01"].params["extension"] == requests.EXTENSION
    assert set(checks["DSR-01"].params["types"]) == requests.ARTICLES.keys()


def test_lists_are_those_that_are_shipped() -> None:
    lists = shipped().lists

    assert set(lists["personal"]) == observed.PERSONAL
    assert set(lists["eea"]) == activities.EEA
    assert set(lists["special"]) == SPECIAL


def test_conditions_of_decisions_are_those_of_the_check() -> None:
    definition = lens("PD-08").definition

    assert ["decision.art22_ground", "in", sorted(GROUNDS)] in [
        [*leaf[:2], sorted(leaf[2])] for leaf in definition["pass_now_when"]["all"][:1]
    ]
    assert sorted(SPECIAL_CONDITIONS) in [
        sorted(leaf[2]) for leaf in definition["pass_when"]["any"][2:]
    ]


def test_only_actions_that_a_law_looks_at_are_asked_for() -> None:
    assert actions_of("soc2") == frozenset()
    assert actions_of("gdpr") | actions_of("hipaa") == ACTIONS
    assert "tool.invoke" not in ACTIONS


def test_a_framework_of_no_such_law_has_nothing_to_show() -> None:
    found = law_facts("soc2", list(fleet()), start=0, end=1, as_of=1, acts=(), result={})

    assert found == Law()


# --- The whole ------------------------------------------------------------------------------------


def test_more_clocks_than_a_list_holds_leave_out_those_that_ended_in_time() -> None:
    records = []
    for number in range(LISTED + 20):
        case = {"case.id": f"R-{number}", "case.dsr_type": "access"}
        records.append(told(number * 2, "dsr.received", case, at="2026-10-02T10:00:00Z"))
        if number < LISTED:
            records.append(told(number * 2 + 1, "dsr.completed", case, at="2026-10-03T10:00:00Z"))

    law = facts("gdpr", records, **OCTOBER)

    assert len(law.clocks) == LISTED
    assert sum(not clock.ended_at for clock in law.clocks) == 20
    assert law.statements == ("Clocks: 100 of 120 are shown, late and running ones first.",)
    assert table(law, "requests").total == LISTED + 20


def test_the_fleet_shows_what_was_planted() -> None:
    law = facts("gdpr", list(fleet()), as_of="2026-11-20T15:30:02Z")

    notices = {(row[0], row[1]): row[6] for row in table(law, "breach-notices").rows}
    assert notices["BR-31", "the supervisory authority"] == "late: after 101 h, 29 h past the limit"
    assert notices["BR-29", "the supervisory authority"] == "in time, after 7 h"
    requested = dict(
        zip(cells(law, "requests", "Case"), cells(law, "requests", "State"), strict=True)
    )
    assert requested["DSR-104"] == "overdue since 10 November 2026, 23:59 UTC"
    assert requested["DSR-118"] == "completed; in time, after 8 days 17 h"
    assessed = dict(
        zip(cells(law, "dpias", "Activity"), cells(law, "dpias", "Result"), strict=True)
    )
    assert assessed["pa-lapse-prediction"] == "used in the period without an assessment"
    assert [(one.about, one.observed) for one in law.differences] == [
        ("pa-health-claims: recipient", "helio")
    ]
    assert sorted(clock.case for clock in law.clocks if clock.is_late) == ["BR-31", "DSR-104"]


def test_times_that_nobody_can_mean_break_nothing() -> None:
    for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"):
        assert as_us(at) is not None
        records = [
            a_request(1, "received", at, received="2026-10-05T10:00:00Z", kind="access"),
            a_breach(2, "confirmed", at, discovered_at=at, aware_at=at),
        ]
        facts("gdpr", records, **OCTOBER)
        facts("hipaa", records, **OCTOBER)


_ASKED = tuple(one for one in fleet() if one.event["action"] in actions_of("gdpr"))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1))
def test_any_part_of_a_fleet_in_any_order_gives_the_same_tables(seed: int, share: float) -> None:
    chance = random.Random(seed)
    some = [record for record in _ASKED if chance.random() < share]
    shuffled = chance.sample(some, len(some))

    assert facts("gdpr", some) == facts("gdpr", shuffled)


_BLOCKS = (
    "case",
    "data",
    "processing",
    "decision",
    "transfer",
    "model",
    "agent",
    "actor",
    "target",
)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_half_filled_entries_are_shown_and_stop_nothing(seed: int) -> None:
    chance = random.Random(seed)
    hostile: list[Any] = [None, "", 0, -1, 1.5, True, [], {}, ["x", 3], {"a": 1}, "9" * 300]
    records = []
    for record in chance.sample(_ASKED, 200):
        event = dict(record.event)
        block = chance.choice(_BLOCKS)
        if chance.random() < 0.5:
            event.pop(block, None)
        else:
            inner = event.get(block) or {}
            event[block] = {name: chance.choice(hostile) for name in inner}
        records.append(
            Told(seq=record.seq, received_at=record.received_at, is_backfill=False, event=event)
        )

    for family in ("gdpr", "hipaa"):
        law = facts(family, records)
        for one in law.tables:
            assert {len(row) for row in one.rows} <= {len(one.columns)}
            assert len(one.seqs) == len(one.rows) <= one.total
