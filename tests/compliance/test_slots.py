"""A slot is made once, whatever beats do; missed ones are made up; a failure is tried and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from audit.models import Ledger
from compliance.acting import ActRefused
from compliance.models import Report, Schedule, Slot
from compliance.report import cancel_report
from compliance.schedule import (
    change_schedule,
    pause_schedule,
    remove_schedule,
    resume_schedule,
)
from compliance.slots import MADE_UP, PAUSES, notice_slots, report_ended, try_slot_again
from tests.compliance.mailbox import Mailbox, mailbox
from tests.compliance.scheduling import (
    ALICE,
    after,
    beat,
    deliveries_of,
    fail,
    finish,
    recipient,
    reports_of,
    scheduled,
    slots_of,
    told,
    wanted,
)
from tests.installation import ROOT

__all__ = ["mailbox"]

JUNE = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
"""06:00 in Berlin on 1 June."""


def test_a_slot_asks_for_the_report_of_the_month_before(ledger: Ledger) -> None:
    schedule = scheduled(ledger)

    beat(JUNE - timedelta(seconds=1))
    assert slots_of(schedule) == []
    beat(JUNE)

    (slot,), (report,) = slots_of(schedule), reports_of(schedule)
    assert (slot.due_at, slot.state, slot.attempts) == (JUNE, "making", 1)
    assert slot.report_id == report.id
    assert (report.start_day, report.end_day) == (date(2026, 5, 1), date(2026, 6, 1))
    assert (report.framework, report.environment, report.via) == ("soc2", "prod", "schedule")
    assert sorted(report.formats) == ["json", "pdf"]
    assert report.owner == "alice"


def test_a_second_beat_changes_nothing(ledger: Ledger) -> None:
    schedule = scheduled(ledger)

    assert [notice_slots(JUNE) >= 1, notice_slots(JUNE)] == [True, 0]
    for _ in range(3):
        beat(after(JUNE, 20))

    assert len(slots_of(schedule)) == len(reports_of(schedule)) == 1


def test_two_beats_at_once_make_one_report(ledger: Ledger) -> None:
    schedule = scheduled(ledger, cron="0 * * * *", period="last_day", since=JUNE)
    now = after(JUNE, 5 * 3600)

    def at_once(_: int) -> None:
        try:
            beat(now)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(at_once, range(24)))

    assert len(slots_of(schedule)) == len(reports_of(schedule)) == 5
    assert {slot.attempts for slot in slots_of(schedule)} == {1}


_BEAT = """
import django, sys
from datetime import datetime
django.setup()
from compliance.slots import run_schedules
run_schedules(datetime.fromisoformat(sys.argv[1]))
"""


def test_two_processes_of_beat_make_one_report(ledger: Ledger) -> None:
    schedule = scheduled(ledger, cron="0 * * * *", period="last_day", since=JUNE)
    now = after(JUNE, 3 * 3600).isoformat()
    settings = {"DJANGO_SETTINGS_MODULE": "obsplatform.settings", "OBS_DATABASE_ROLE": "worker"}

    running = [
        subprocess.Popen([sys.executable, "-c", _BEAT, now], cwd=ROOT, env=os.environ | settings)
        for _ in range(2)
    ]
    codes = [each.wait(timeout=60) for each in running]

    assert codes == [0, 0]
    assert len(slots_of(schedule)) == len(reports_of(schedule)) == 3


def test_the_database_refuses_a_second_report_of_a_slot(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    beat(JUNE)
    (report,) = reports_of(schedule)

    with pytest.raises(Exception, match="compliance_report_of_slot"):
        Report.objects.create(
            ledger=ledger,
            framework="soc2",
            start_day=report.start_day,
            end_day=report.end_day,
            environment="prod",
            formats=["pdf"],
            via="schedule",
            asked_by="",
            schedule_id=schedule.id,
            slot_due=report.slot_due,
        )


def test_three_slots_that_no_beat_saw_are_made_up_with_one_report_each(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    beat(JUNE)
    (first,) = reports_of(schedule)
    finish(first, now=JUNE)

    beat(datetime(2026, 9, 20, 12, tzinfo=UTC))

    assert [slot.due_at.month for slot in slots_of(schedule)] == [6, 7, 8, 9]
    periods = [report.start_day.month for report in reports_of(schedule)]
    assert periods == [5, 8, 7, 6], "the newest period is asked for first"


def test_only_the_last_twelve_are_made_up_and_the_rest_is_told(ledger: Ledger) -> None:
    schedule = scheduled(ledger, cron="0 6 * * *", zone="UTC", period="last_day")

    beat(datetime(2026, 6, 20, 12, tzinfo=UTC))

    passed, *made_up = slots_of(schedule)
    assert len(made_up) == len(reports_of(schedule)) == MADE_UP
    assert made_up[0].due_at == datetime(2026, 6, 9, 6, tzinfo=UTC)
    assert passed.state == "passed"
    assert passed.note.startswith(
        "19 slots from 2026-05-21 06:00 UTC to 2026-06-08 06:00 UTC passed over"
    )


def test_a_schedule_that_was_switched_off_and_on_makes_nothing_up(ledger: Ledger) -> None:
    schedule = scheduled(ledger, cron="0 6 * * *", period="last_day")
    pause_schedule(schedule, by=ALICE)

    beat(datetime.now(UTC))
    resume_schedule(schedule, by=ALICE)
    beat(datetime.now(UTC))

    assert slots_of(schedule) == []
    beat(datetime.now(UTC) + timedelta(days=1))
    assert len(slots_of(schedule)) == 1


def test_other_times_count_from_the_change_on(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    beat(JUNE)

    changed = wanted(name=schedule.name, cron="0 6 * * *", period="last_day")
    change_schedule(schedule, changed, by=ALICE)
    beat(datetime.now(UTC))

    assert [slot.due_at for slot in slots_of(schedule)] == [JUNE]


def test_a_report_that_fails_is_tried_five_times_with_growing_pauses(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    now = JUNE
    beat(now)
    (report,) = reports_of(schedule)

    for number, pause in enumerate(PAUSES, start=1):
        fail(report, now=now)
        (slot,) = slots_of(schedule)
        assert (slot.state, slot.attempts, slot.note) == ("waiting", number, "the disk is full")
        assert slot.next_try_at == after(now, pause)
        beat(after(now, pause - 1))
        assert slots_of(schedule)[0].state == "waiting"
        now = after(now, pause)
        beat(now)
        report.refresh_from_db()
        assert report.state == "queued"
    fail(report, now=now)

    (slot,) = slots_of(schedule)
    assert (slot.state, slot.attempts, slot.note) == ("failed", 5, "the disk is full")
    assert sum(PAUSES) == pytest.approx(7200, rel=0.01), "about two hours"
    assert len(reports_of(schedule)) == 1


def test_a_slot_that_failed_is_told_by_mail_to_each_recipient(
    ledger: Ledger, mailbox: Mailbox
) -> None:
    mailbox.refuses = {"gone@example.org": "550 no such mailbox"}
    schedule = scheduled(
        ledger,
        recipients=(
            recipient("email", "gone@example.org"),
            recipient("email", "auditor@example.org", row=1),
        ),
    )
    beat(JUNE)
    Slot.objects.filter(ledger_id=ledger.id, schedule_id=schedule.id).update(attempts=5)

    fail(reports_of(schedule)[0], now=JUNE)

    ((to, mail),) = mailbox.got
    assert to == ["auditor@example.org"]
    assert mail["Subject"] == f"No report: {schedule.name}, due 2026-06-01"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "the disk is full" in body.get_content()


def test_a_person_tries_a_failed_slot_again(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    beat(JUNE)
    Slot.objects.filter(ledger_id=ledger.id, schedule_id=schedule.id).update(attempts=5)
    fail(reports_of(schedule)[0], now=JUNE)

    try_slot_again(slots_of(schedule)[0], by=ALICE)
    beat(JUNE)

    (slot,), (report,) = slots_of(schedule), reports_of(schedule)
    assert (slot.state, slot.attempts, report.state) == ("making", 1, "queued")
    said = [json.loads(bytes(e.record))["event"] for e in told(ledger, "audit.config_changed")]
    assert said[-1]["details"]["change"] == "tried again"
    with pytest.raises(ActRefused, match="has not failed"):
        try_slot_again(slot, by=ALICE)


def test_a_report_that_is_done_is_put_on_its_way_once(ledger: Ledger) -> None:
    schedule = scheduled(
        ledger,
        recipients=(
            recipient("email", "a@example.org"),
            recipient("email", "b@example.org", row=1),
        ),
    )
    beat(JUNE)
    report = finish(reports_of(schedule)[0], now=JUNE)

    report_ended(report)
    beat(after(JUNE, 20))

    assert [each.address for each in deliveries_of(schedule)] == ["a@example.org", "b@example.org"]
    assert slots_of(schedule)[0].state == "done"


def test_an_end_that_nobody_told_of_is_found_by_the_next_beat(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    beat(JUNE)
    Report.objects.filter(ledger=ledger).update(state="failed", note="it was killed")

    beat(after(JUNE, 20))

    assert (slots_of(schedule)[0].state, slots_of(schedule)[0].note) == ("waiting", "it was killed")


def test_a_cancelled_report_is_not_tried_again(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    beat(JUNE)
    cancel_report(reports_of(schedule)[0], "bob")

    beat(after(JUNE, 20))
    beat(after(JUNE, 7200))

    (slot,) = slots_of(schedule)
    assert (slot.state, slot.note) == ("passed", "bob cancelled its report")


def test_a_removed_schedule_asks_for_nothing_more(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    notice_slots(JUNE)
    remove_schedule(schedule, by=ALICE)

    beat(after(JUNE, 20))

    (slot,) = slots_of(schedule)
    assert (slot.state, slot.note) == ("passed", "its schedule was removed")
    assert reports_of(schedule) == []


def test_a_framework_that_is_gone_fails_its_slot_and_says_so(ledger: Ledger) -> None:
    schedule = scheduled(ledger)
    Schedule.objects.filter(ledger=ledger, id=schedule.id).update(framework="withdrawn")

    beat(JUNE)

    (slot,) = slots_of(schedule)
    assert slot.state == "failed"
    assert "no framework in force has this id" in slot.note


def test_a_zone_that_is_gone_stops_no_other_schedule(ledger: Ledger) -> None:
    broken, whole = scheduled(ledger), scheduled(ledger)
    Schedule.objects.filter(ledger=ledger, id=broken.id).update(zone="Atlantis/Capital")

    beat(JUNE)

    assert slots_of(broken) == []
    assert len(slots_of(whole)) == 1


def test_mail_settings_that_reach_nobody_are_no_reason_to_stop(
    ledger: Ledger, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    schedule = scheduled(ledger, recipients=(recipient("email", "a@example.org"),))
    beat(JUNE)
    Slot.objects.filter(ledger_id=ledger.id, schedule_id=schedule.id).update(attempts=5)

    fail(reports_of(schedule)[0], now=JUNE)

    assert slots_of(schedule)[0].state == "failed"
