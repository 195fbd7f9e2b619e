"""Asking for a report: what is refused is one sentence with its field, what is asked waits."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from audit.models import Ledger
from compliance.acting import ActRefused
from compliance.models import Report
from compliance.report import (
    MOST_DAYS,
    TooManyReports,
    ask_for_report,
    begin_report,
    born_on,
    cancel_report,
    check_formats,
    is_over,
    retry_report,
    want_report,
    want_report_of,
)
from compliance.snapshot import seal_snapshot
from tests.compliance.reporting import ask, days, fill, wanted
from tests.compliance.results import a_result

TODAY = datetime.now(UTC).date()


def refusal(ledger: Ledger, framework: str = "soc2", **options: Any) -> ActRefused:
    start, end = days()
    given: dict[str, Any] = {"start": start, "end": end, "formats": ["pdf"]} | options
    with pytest.raises(ActRefused) as refused:
        want_report(ledger, framework, **given)
    return refused.value


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"framework": "soc3"}, "framework", "no framework in force has this id"),
        ({"start": TODAY, "end": TODAY}, "to", "is a day after"),
        ({"start": TODAY, "end": TODAY - timedelta(days=1)}, "to", "is a day after"),
        (
            {"start": TODAY + timedelta(days=1), "end": TODAY + timedelta(days=2)},
            "from",
            "is in the future",
        ),
        ({"start": TODAY - timedelta(days=MOST_DAYS + 1), "end": TODAY}, "to", "at most"),
        ({"start": date(1969, 1, 1), "end": date(1969, 2, 1)}, "from", "1970-01-01 or later"),
        ({"formats": []}, "formats", "name at least one"),
        ({"formats": ["pdf", "docx"]}, "formats", "there is no format 'docx'"),
        ({"environment": "moon"}, "environment", "is one of prod"),
        ({"reason": "x" * 501}, "reason", "at most 500"),
        ({"reason": "a\0b"}, "reason", "no entry can hold"),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence_with_its_field(
    ledger: Ledger, asked: dict[str, Any], field: str, said: str
) -> None:
    refused = refusal(ledger, **asked)

    assert refused.field == field
    assert said in refused.message
    assert "\n" not in refused.message


def test_formats_come_in_their_own_order_and_once() -> None:
    assert check_formats(["zip", "json", "pdf", "json"]) == ("pdf", "json", "zip")


def test_a_report_waits_as_a_row_and_says_who_asked_and_why(ledger: Ledger) -> None:
    report = ask(ledger, "pdf", "json")

    assert (report.state, report.via, report.asked_by) == ("queued", "admin", "alice")
    assert (report.reason, report.formats) == ("October", ["pdf", "json"])
    assert (report.start_day, report.end_day) == days()


def test_a_posture_is_not_reported_and_a_sealed_period_is(ledger: Ledger) -> None:
    posture = seal_snapshot(ledger, a_result(ledger=ledger.name), kind="posture")
    period = seal_snapshot(ledger, a_result(ledger=ledger.name), kind="period")

    with pytest.raises(ActRefused, match="daily posture"):
        want_report_of(posture, formats=["pdf"])
    found = want_report_of(period, formats=["pdf"])

    assert (found.snapshot_id, found.start, found.end) == (
        period.id,
        period.start_day,
        period.end_day,
    )


def test_too_many_unfinished_reports_have_to_wait(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compliance.report.MOST_GOING", 1)
    first = ask(ledger)

    with pytest.raises(TooManyReports, match="are not finished; wait for one or cancel one"):
        ask(ledger)
    with pytest.raises(TooManyReports):
        begin_report(wanted(ledger), by="writereport")
    cancel_report(first, by="alice")

    assert ask(ledger).state == "queued"


def test_a_cancelled_report_can_be_made_after_all_and_one_that_waits_cannot(ledger: Ledger) -> None:
    report = ask(ledger)
    assert not retry_report(report)

    assert cancel_report(report, by="bob")
    assert not cancel_report(report, by="carol")
    report.refresh_from_db()
    assert (report.state, report.cancelled_by) == ("cancelled", "bob")
    assert retry_report(report)

    report.refresh_from_db()
    assert (report.state, report.cancelled_by, report.note) == ("queued", "", "")


def test_a_command_has_its_report_at_once(ledger: Ledger) -> None:
    report = begin_report(wanted(ledger), by="writereport")

    assert (report.state, report.attempt, report.via) == ("running", 1, "command")
    assert report.seen_at is not None


def test_web_may_ask_cancel_and_try_again_and_may_not_say_that_it_is_done(
    ledger: Ledger, as_role: Any
) -> None:
    report = ask(ledger)
    web = as_role("web")

    for forbidden in ("content_sha256 = 'x'", "attempt = 9", "report_id = 'x'"):
        with pytest.raises(Exception, match="permission denied"):
            web.execute(f"UPDATE compliance_report SET {forbidden} WHERE id = %s", (report.id,))
    web.execute("UPDATE compliance_report SET state = 'cancelled' WHERE id = %s", (report.id,))

    report.refresh_from_db()
    assert report.state == "cancelled"


def test_what_was_asked_stays_as_it_was(ledger: Ledger) -> None:
    report = ask(ledger)

    with pytest.raises(Exception, match="stays as it was asked for"):
        Report.objects.filter(id=report.id).update(reason="another")


def test_a_period_is_over_when_its_last_day_is() -> None:
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)

    assert is_over(date(2026, 11, 1), now=noon)
    assert not is_over(date(2026, 11, 2), now=noon)


def test_a_ledger_is_born_with_its_first_entry(ledger: Ledger) -> None:
    assert born_on(ledger) is None

    fill(ledger)

    assert born_on(ledger) == TODAY


def test_a_report_of_a_ledger_asks_for_itself_only(ledger: Ledger) -> None:
    report = ask_for_report(wanted(ledger), via="api", by="key:abcd")

    assert list(Report.objects.filter(ledger=ledger)) == [report]
