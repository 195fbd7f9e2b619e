"""Schedules at the desk: what each group sees and may do, the form, and what is never shown."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from audit.models import Ledger
from compliance import figures
from compliance.collectors import report_families
from compliance.models import Delivery, Schedule, Slot
from compliance.waiting import waiting
from tests.audit.destinations.receiving import LOOPBACK, endpoint
from tests.compliance.people.desk import account
from tests.compliance.scheduling import (
    SECRET,
    after,
    beat,
    delivered,
    fail,
    finish,
    recipient,
    reports_of,
    scheduled,
    slots_of,
    told,
)

LIST = "/admin/compliance/schedule/"
JUNE = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_RULES = LOOPBACK


def client(*groups: str) -> Client:
    found = Client()
    found.force_login(account(*groups))
    return found


@pytest.fixture
def officer(database: None) -> Client:
    return client("compliance officer")


@pytest.fixture
def auditor(database: None) -> Client:
    return client("auditor")


def said(page: bytes) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode())))


def page(who: Client, address: str, status: int = 200) -> str:
    answer = who.get(address)
    assert answer.status_code == status, said(answer.content)
    return said(answer.content)


def form(ledger: Ledger, do: str = "save", **fields: Any) -> dict[str, Any]:
    """Return the form of a monthly schedule to one mailbox."""
    return {
        "ledger": ledger.name,
        "do": do,
        "name": "board",
        "framework": "soc2",
        "environment": "prod",
        "preset": "0 6 1 * *",
        "cron": "",
        "zone": "Europe/Berlin",
        "period": "last_month",
        "formats": ["pdf", "csv"],
        "recipient-0-kind": "email",
        "recipient-0-address": "a@example.org, b@example.org",
    } | fields


def one_of(ledger: Ledger) -> Schedule:
    return Schedule.objects.select_related("ledger").get(ledger=ledger)


def of(schedule: Schedule, act: str = "change") -> str:
    return f"{LIST}{schedule.id}/{act}/"


def test_an_empty_list_says_what_to_do(ledger: Ledger, officer: Client) -> None:
    text = page(officer, f"{LIST}?ledger={ledger.name}")

    assert "No schedule yet" in text
    assert "Make a schedule" in text


def test_a_schedule_is_made_with_a_recipient_for_each_mailbox(
    ledger: Ledger, officer: Client
) -> None:
    answer = officer.post(f"{LIST}new/", form(ledger), follow=True)

    schedule = one_of(ledger)
    assert [each["address"] for each in schedule.recipients] == ["a@example.org", "b@example.org"]
    assert (schedule.cron, schedule.zone, schedule.formats) == (
        "0 6 1 * *",
        "Europe/Berlin",
        ["pdf", "csv"],
    )
    text = said(answer.content)
    assert "board is made; this is an entry" in text
    assert text.count("06:00 CE") >= 5, "the next five runs stand on its page"
    assert "a@example.org" in page(officer, of(schedule))
    assert "board" in page(officer, f"{LIST}?ledger={ledger.name}")


def test_check_shows_five_runs_with_what_they_cover_and_makes_nothing(
    ledger: Ledger, officer: Client
) -> None:
    sent = form(ledger, do="check", name="", preset="own", cron="0 0 1 * *", zone="Asia/Tokyo")

    answer = officer.post(f"{LIST}new/", sent)

    text = said(answer.content)
    assert answer.status_code == 200
    assert text.count("00:00 JST") == 5
    assert text.count("another day") == 5, "in UTC it is the day before"
    assert not Schedule.objects.filter(ledger=ledger).exists()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"preset": "own", "cron": "0 6 31 2 *"}, "Times: '0 6 31 2 *' never runs"),
        ({"zone": "Berlin"}, "Zone: give a zone of the IANA list"),
        ({"name": ""}, "Name: give it a name"),
        ({"formats": []}, "Formats: name at least one"),
        ({"recipient-0-address": "nobody"}, "Address: nobody is no mailbox"),
        (
            {
                "recipient-0-kind": "webhook",
                "recipient-0-address": "http://127.0.0.1:9/",
                "recipient-0-secret": "short",
            },
            "Secret: give at least 16 characters",
        ),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    ledger: Ledger, officer: Client, fields: dict[str, Any], expected: str
) -> None:
    answer = officer.post(f"{LIST}new/", form(ledger, **fields))

    assert answer.status_code == 400
    assert expected in said(answer.content)
    assert b"Traceback" not in answer.content
    assert b'value="short"' not in answer.content
    assert not Schedule.objects.filter(ledger=ledger).exists()


def test_more_recipients_adds_rows_and_loses_nothing(ledger: Ledger, officer: Client) -> None:
    answer = officer.post(f"{LIST}new/", form(ledger, do="more"))

    text = answer.content.decode()
    assert 'name="recipient-3-address"' in text
    assert 'value="a@example.org, b@example.org"' in text
    assert 'value="board"' in text


def test_a_secret_is_never_shown_again(ledger: Ledger, officer: Client) -> None:
    with endpoint() as receiver:
        schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))
        answers = [
            officer.get(of(schedule)),
            officer.get(of(schedule, "edit")),
            officer.post(of(schedule, "test"), {"position": 0}),
        ]

    assert all(SECRET.encode() not in answer.content for answer in answers)
    assert "The test was taken" in said(answers[-1].content)


def test_changing_keeps_what_is_not_typed_again(ledger: Ledger, officer: Client) -> None:
    with endpoint() as receiver:
        schedule = scheduled(ledger, name="board", recipients=(recipient("webhook", receiver.url),))
        sent = form(
            ledger,
            formats=["zip"],
            **{"recipient-0-kind": "webhook", "recipient-0-address": receiver.url},
        )
        officer.post(of(schedule, "edit"), sent)
        officer.post(of(schedule, "test"), {"position": 0})

    assert one_of(ledger).formats == ["zip"]
    assert len(receiver.got) == 1


def test_a_test_that_fails_says_why(ledger: Ledger, officer: Client) -> None:
    with endpoint() as receiver:
        receiver.status = 503
        schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))
        answer = officer.post(of(schedule, "test"), {"position": 0})

    assert "The test was not taken" in said(answer.content)
    assert "answered 503" in said(answer.content)


def test_pause_resume_and_remove_from_the_page(ledger: Ledger, officer: Client) -> None:
    schedule = scheduled(ledger, name="board")
    administrator = client("administrator")

    officer.post(of(schedule, "pause"))
    assert "It is paused" in page(officer, of(schedule))
    officer.post(of(schedule, "resume"))
    assert "It runs next on" in page(officer, of(schedule))
    administrator.post(of(schedule, "remove"), {"confirm": "wrong"})
    assert one_of(ledger).removed_at is None
    administrator.post(of(schedule, "remove"), {"confirm": "board"})

    assert "It was removed" in page(officer, of(schedule))
    assert page(officer, of(schedule, "edit"), status=404)


def test_an_auditor_sees_and_changes_nothing(ledger: Ledger, auditor: Client) -> None:
    schedule = scheduled(ledger)

    assert schedule.name in page(auditor, of(schedule))
    assert auditor.get(f"{LIST}new/").status_code == 403
    assert auditor.get(of(schedule, "edit")).status_code == 403
    for act in ("pause", "resume", "test", "again", "remove"):
        assert auditor.post(of(schedule, act)).status_code == 403
    assert len(told(ledger, "audit.config_changed")) == 1, "it was made, and nothing else"


def test_a_slot_that_failed_stands_on_overview_page_and_metric_until_a_later_one_is_done(
    ledger: Ledger, officer: Client
) -> None:
    schedule = scheduled(ledger)
    beat(JUNE)
    Slot.objects.filter(ledger=ledger).update(attempts=5, noticed_at=JUNE)
    (report,) = reports_of(schedule)
    fail(report, now=JUNE)

    assert waiting(ledger.id).not_made == 1
    assert "1 report not made" in page(officer, f"/admin/?ledger={ledger.name}")
    assert "the disk is full" in page(officer, of(schedule))
    assert overdue(ledger, after(JUNE, 4000)) == 1
    due = slots_of(schedule)[0].due_at.isoformat()
    text = said(officer.post(of(schedule, "again"), {"due": due}, follow=True).content)
    assert "asked for again" in text
    beat(JUNE)
    finish(report, now=JUNE)

    assert waiting(ledger.id).not_made == 0
    assert overdue(ledger, after(JUNE, 4000)) == 0


def test_a_delivery_that_failed_stands_on_the_overview(ledger: Ledger, officer: Client) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "a@example.org"),))
    delivered(schedule)

    Delivery.objects.filter(ledger=ledger).update(state="failed")

    assert waiting(ledger.id).not_sent == 1
    assert "1 not delivered" in page(officer, f"/admin/?ledger={ledger.name}")


def overdue(ledger: Ledger, now: datetime) -> int:
    (found,) = [each.slots for each in figures.overdue_slots(now) if each.ledger == ledger.name]
    return found


def test_a_slot_that_no_beat_noticed_is_overdue(ledger: Ledger) -> None:
    scheduled(ledger)

    assert overdue(ledger, after(JUNE, 3_599)) == 0
    assert overdue(ledger, after(JUNE, 3_601)) == 1


def test_failures_are_counted_and_never_fall(ledger: Ledger) -> None:
    schedule = scheduled(ledger, framework="gdpr")
    before = counted("gdpr")
    beat(JUNE)
    (report,) = reports_of(schedule)

    fail(report, now=JUNE)
    beat(after(JUNE, 60))
    assert counted("gdpr") == (before[0], before[1] + 1)
    report.refresh_from_db()
    finish(report, now=JUNE)

    assert counted("gdpr") == (before[0] + 1, before[1] + 1)
    families = list(report_families(figures.made_reports(), figures.overdue_slots(JUNE)))
    assert [family.name for family in families] == ["obs_reports", "obs_report_slots_overdue"]


def counted(framework: str) -> tuple[int, int]:
    found = {each.framework: (each.done, each.failed) for each in figures.made_reports()}
    return found.get(framework, (0, 0))
