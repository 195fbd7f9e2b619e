"""How a report words results, periods, limits and numbers."""

from __future__ import annotations

from typing import Any

import pytest

from compliance.renderers import result_words, written
from compliance.renderers.result_words import leg_result
from compliance.result import STATES
from tests.compliance.documented import a_plain_leg
from tests.compliance.results import a_leg


@pytest.mark.parametrize("state", STATES)
def test_each_state_of_a_leg_has_a_wording(state: Any) -> None:
    leg = a_leg("CC1.1", "TOOL-01", state, n=120, f=4 if state == "fail" else 0, pending=1)
    stated = a_leg("CC1.1", "statement", state)

    assert leg_result(_plain(leg))
    assert leg_result(_plain(stated))


@pytest.mark.parametrize(
    ("leg", "words"),
    [
        (a_plain_leg("pass", n=120), "No exceptions noted"),
        (a_plain_leg("fail", n=4120, f=2), "Exceptions noted: 2 of 4,120"),
        (
            a_plain_leg("pass", n=900, f=1),
            "Exceptions noted: 1 of 900, within the test's limits",
        ),
        (a_plain_leg("not_occurred"), "No occurrence in the period; not tested"),
        (a_plain_leg("no_data"), "Insufficient evidence"),
        (a_plain_leg("pending", pending=1), "Not decided: 1 item pending; not tested"),
        (
            a_plain_leg("waived", n=120, waived=4),
            "Exceptions noted: 4 of 120, all waived",
        ),
        (
            a_plain_leg("waived", n=120, f=1, waived=4),
            "Exceptions noted: 5 of 120; 4 waived",
        ),
        (
            a_plain_leg("waived", n=120, f=4),
            "Exceptions noted: 4 of 120, all waived",
        ),
        (
            a_plain_leg("fail", n=120, f=2, waived=1, pending=3),
            "Exceptions noted: 2 of 120; 1 more failed and is waived; 3 items pending",
        ),
        (
            a_plain_leg("fail"),
            "Exception noted: nothing was recorded, and its absence breaks the control",
        ),
    ],
)
def test_the_wording_of_a_result_follows_its_counts(leg: dict[str, Any], words: str) -> None:
    assert leg_result(leg) == words


def test_what_ran_before_the_period_alone_is_said_to_be_design_only() -> None:
    assert leg_result(a_plain_leg("pass", n=1), design_only=True) == (
        "Operated outside the period; design only"
    )


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-10-01", "2026-11-01", "1 to 31 October 2026"),
        ("2026-10-23", "2026-11-22", "23 October to 21 November 2026"),
        ("2025-12-01", "2026-01-02", "1 December 2025 to 1 January 2026"),
        ("2026-10-04", "2026-10-05", "4 October 2026"),
    ],
)
def test_a_period_is_written_with_its_last_day(start: str, end: str, words: str) -> None:
    assert written.period(start, end) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("PT72H", "72 hours"),
        ("P1M", "1 month"),
        ("PT15M", "15 minutes"),
        ("P365D", "365 days"),
        ("0.005", "0.005"),
        ("PT1H30M", "PT1H30M"),
    ],
)
def test_a_limit_that_is_a_duration_is_said_in_words(value: str, words: str) -> None:
    assert written.limit(value) == words


def test_a_sentence_says_its_durations_in_words() -> None:
    assert written.with_limits("Nothing followed within PT24H; P30D older than PT-1.") == (
        "Nothing followed within 24 hours; 30 days older than PT-1."
    )


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("2026-10-06T05:00:59.000000Z", "2 days 5 hours"),
        ("2026-10-04T00:45:00.999999Z", "45 minutes"),
        ("2026-10-05T00:45:00.000000Z", "1 day"),
        ("2026-10-04T00:00:00.000000Z", "0 seconds"),
        ("2026-10-03T22:00:00.000000Z", "2 hours before"),
    ],
)
def test_how_long_it_was_is_said_in_its_two_largest_units(end: str, words: str) -> None:
    assert written.elapsed("2026-10-04T00:00:00.000000Z", end) == words


def test_a_sentence_says_numbers_of_entries_as_tables_do() -> None:
    said = "Entry 17809 did what entry 7440 forbids, within PT72H."

    assert written.sentence(said) == "Entry 17,809 did what entry 7,440 forbids, within 72 hours."


@pytest.mark.parametrize(
    ("value", "words"),
    [("_other (60 more)", "60 others"), ("_other (1 more)", "1 other"), ("llm.call", "llm.call"),
     ("_other", "_other"), ("", written.NONE)],
)  # fmt: skip
def test_the_line_for_all_others_says_how_many_they_are(value: str, words: str) -> None:
    assert written.counted(value) == words


def test_the_state_of_another_test_is_said_in_words() -> None:
    said = "nothing was recorded, and that cannot be believed: MON-01 is no_data, LOG-08 is fail"

    assert result_words.reason(said) == (
        "nothing was recorded, and that cannot be believed: MON-01 has no data, LOG-08 fails"
    )


def test_days_times_and_counts_are_written_one_way() -> None:
    assert written.day("2026-10-04") == "4 October 2026"
    assert written.time("2026-10-04T13:05:12.999999Z") == "4 October 2026, 13:05:12 UTC"
    assert written.day("") == written.time("") == written.NONE
    assert written.number(1_234_567) == "1,234,567"
    assert written.many(1, "entry", "entries") == "1 entry"
    assert written.listed(["a", "b", "c"], most=2) == "a, b and 1 more"


def _plain(leg: Any) -> dict[str, Any]:
    return {name: getattr(leg, name) for name in type(leg).__slots__}
