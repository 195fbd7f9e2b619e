"""Tables of a law and checks count one deadline alike, whatever happened when and came how late."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compliance.report_content import Family
from tests.compliance.building import counts, entry, run
from tests.compliance.law_records import Told, facts, table, told

START, END = "2026-10-01", "2027-07-01"
HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
_BEGIN: Final = 20_727 * DAY_US  # 2026-10-01
_STAGES: Final = (
    "breach.suspected", "breach.confirmed", "breach.risk_assessed", "breach.authority_notified",
    "breach.subjects_notified", "breach.media_notified", "breach.principal_notified",
    "breach.law_enforcement_delay",
)  # fmt: skip
_ASKED: Final = ("dsr.received", "dsr.extended", "dsr.completed", "dsr.refused")

Step = tuple[int, int, str, Mapping[str, Any], bool]
"""Received and occurred, us; action, fields, and whether it was sent as history."""


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
@pytest.mark.parametrize(
    ("check", "family", "whom"),
    [
        ("BRE-01", "gdpr", "the supervisory authority"),
        ("BRE-03", "hipaa", "the individuals"),
        ("BRE-04", "hipaa", "the Secretary (HHS), the media"),
    ],
)
def test_a_notice_is_in_time_late_or_running_as_the_check_counts_it(
    check: str, family: Family, whom: str, seed: int
) -> None:
    chance = random.Random(seed)
    steps = [step for case in range(4) for step in _breach(chance, f"B-{case}", family)]
    records, n, f, pending = _both(steps, check)

    law = facts(family, records, start=START, end=END)

    asked = table(law, "breach-notices")
    results = [row[6] for row in asked.rows if row[1] in whom]
    assert _counted(results) == (n, f, pending)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
@example(245714)  # due hours after the period, done before its end, and recorded after both
def test_a_request_is_in_time_late_or_running_as_the_check_counts_it(seed: int) -> None:
    chance = random.Random(seed)
    steps = [step for case in range(4) for step in _request(chance, f"R-{case}")]
    records, n, f, pending = _both(steps, "DSR-01")

    law = facts("gdpr", records, start=START, end=END)

    shown = table(law, "requests")
    place = shown.columns.index("State")
    answered = [row for row in shown.rows if row[2] != "not recorded"]
    results = [row[place].rpartition("; ")[2] for row in answered if "; due" not in row[place]]
    running = [row for row in answered if row[place].startswith("running")]
    assert (*_counted(results)[:2], len(running)) == (n, f, pending)


def _counted(results: list[str]) -> tuple[int, int, int]:
    """Return how many are decided, how many of them failed, and how many still run."""
    failed = sum(one.startswith(("late", "overdue")) for one in results)
    passed = sum(one.startswith("in time") for one in results)
    running = sum(one.startswith("running") for one in results)
    assert failed + passed + running == len(results), results
    return failed + passed, failed, running


def _both(steps: list[Step], check: str) -> tuple[list[Told], int, int, int]:
    """Return the records, and what the check makes of the same entries at the period's end."""
    ordered = sorted(steps, key=lambda step: step[:2])
    entries, records = [], []
    for seq, (received, at, action, fields, is_history) in enumerate(ordered):
        source = {"scope": "governance", **({"backfill": True} if is_history else {})}
        person = {"type": "human", "id": "alice"}
        entries.append(
            entry(seq, action, fields, at=at, received=received, source=source, actor=person)
        )
        shown = entries[-1].event["occurred_at"]
        arrived = entries[-1].read("received_at")
        records.append(
            told(seq, action, fields, at=shown, received=arrived, is_backfill=is_history)
        )
    end = _BEGIN + 300 * DAY_US  # a clock that has passed the period's end
    entries.append(entry(len(entries), "agent.heartbeat", at=end))
    n, f, pending = counts(run(check, entries), start=START, end=END)
    return records, n, f, pending


def _moment(chance: random.Random, days: float) -> int:
    return _BEGIN + int(chance.random() * days * DAY_US) // HOUR_US * HOUR_US


def _step(chance: random.Random, at: int, action: str, fields: Mapping[str, Any]) -> Step:
    late = chance.choice((0, 0, 0, HOUR_US // 2, 2 * DAY_US, 40 * DAY_US))
    return (at + late, at, action, fields, chance.random() < 0.2)


def _breach(chance: random.Random, case: str, family: Family) -> list[Step]:
    steps = []
    for action in chance.choices(_STAGES, k=chance.randint(1, 8)):
        at = _moment(chance, 100)
        fields: dict[str, Any] = {"case.id": case, "case.regimes": [family]}
        fields["case.our_role"] = "controller" if family == "gdpr" else "covered_entity"
        if chance.random() < 0.5:
            fields["case.aware_at"] = fields["case.discovered_at"] = chance.choice(
                ("2026-09-20T10:00:00Z", "2026-11-05T10:00:00Z")
            )
        if action == "breach.risk_assessed":
            fields["case.risk"] = chance.choice(("unlikely", "high"))
            fields["reason"] = chance.choice(("no harm", None))
        if action == "breach.confirmed":
            fields["case.affected_subjects"] = chance.choice((None, 3, 500))
            fields["case.max_affected_in_state"] = chance.choice((None, 500, 501))
        if action == "breach.law_enforcement_delay":
            fields["case.delay_days"] = chance.choice((None, 5, 90))
            fields["case.delay_written"] = chance.choice((None, True))
        steps.append(_step(chance, at, action, fields))
    return steps


def _request(chance: random.Random, case: str) -> list[Step]:
    steps = []
    for action in chance.choices(_ASKED, k=chance.randint(1, 6)):
        fields: dict[str, Any] = {"case.id": case}
        if action == "dsr.received":
            fields["case.dsr_type"] = "access"
        elif chance.random() < 0.7:
            fields["reason"] = "as the law says"
        steps.append(_step(chance, _moment(chance, 250), action, fields))
    return steps
