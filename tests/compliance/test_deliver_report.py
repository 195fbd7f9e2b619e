"""Each recipient gets a report whole or not at all, whatever becomes of workers and secrets.

Each way: test_deliver_mail.py, test_deliver_webhook.py, test_deliver_objects.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from audit.models import Ledger
from compliance.acting import ActRefused
from compliance.deliver_report import deliver_waiting, send_again, send_test
from compliance.models import Delivery, Schedule
from compliance.parcel import NotDelivered
from compliance.schedule import change_schedule
from tests.audit.destinations.receiving import Endpoint
from tests.compliance.delivering import NOW, loopback, receiver, said_of
from tests.compliance.mailbox import Mailbox, mailbox
from tests.compliance.scheduling import (
    ALICE,
    SECRET,
    delivered,
    deliveries_of,
    recipient,
    scheduled,
    wanted,
)

__all__ = ["loopback", "mailbox", "receiver"]  # fixtures, which pytest finds by their names here


def test_a_worker_that_was_killed_while_sending_is_followed_by_another(
    ledger: Ledger, mailbox: Mailbox
) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)
    Delivery.objects.filter(ledger=ledger).update(
        attempts=1, next_try_at=NOW + timedelta(minutes=30)
    )

    assert deliver_waiting(NOW) == 0
    assert deliver_waiting(NOW + timedelta(minutes=30)) == 1

    assert deliveries_of(schedule)[0].attempts == 2


def test_a_delivery_that_kills_each_worker_ends_as_failed(ledger: Ledger, mailbox: Mailbox) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)
    Delivery.objects.filter(ledger=ledger).update(attempts=5)

    deliver_waiting(NOW)

    (row,) = deliveries_of(schedule)
    assert (row.state, "ended without a word" in row.note) == ("failed", True)
    assert mailbox.got == []


def test_row_and_entry_are_kept_or_lost_together(
    ledger: Ledger, mailbox: Mailbox, as_role: Callable[[str], Any]
) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)
    owner = as_role("owner")
    full = f"CHECK (ledger_id <> {ledger.id}) NOT VALID"
    owner.execute(f"ALTER TABLE audit_inbox ADD CONSTRAINT no_room {full}")
    try:
        with pytest.raises(Exception, match="no_room"):
            deliver_waiting(NOW)
    finally:
        owner.execute("ALTER TABLE audit_inbox DROP CONSTRAINT no_room")

    (row,) = deliveries_of(schedule)
    assert (row.state, row.event_id) == ("waiting", None)
    assert deliver_waiting(NOW + timedelta(minutes=30)) == 1
    assert len(said_of(ledger)) == 1


def test_a_person_sends_a_failed_delivery_again_with_all_its_tries(
    ledger: Ledger, mailbox: Mailbox
) -> None:
    mailbox.refuses = {"auditor@example.org": "550 no such mailbox"}
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)
    deliver_waiting(NOW)
    (failed,) = deliveries_of(schedule)

    mailbox.refuses = {}
    again = send_again(failed, ALICE)
    with pytest.raises(ActRefused, match="on its way already"):
        send_again(again, ALICE)
    assert deliver_waiting(datetime.now(UTC)) == 1

    (row,) = deliveries_of(schedule)
    assert (row.uid, row.state, row.attempts) == (failed.uid, "sent", 1)
    assert said_of(ledger)[-1]["details"]["asked_by"] == "alice"


def test_what_was_sent_goes_again_as_a_delivery_of_its_own(
    ledger: Ledger, mailbox: Mailbox
) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)
    deliver_waiting(NOW)

    again = send_again(deliveries_of(schedule)[0], ALICE)
    deliver_waiting(datetime.now(UTC))

    assert [each.uid for each in deliveries_of(schedule)][1] == again.uid
    assert len({mail["Message-ID"] for _, mail in mailbox.got}) == 2


def test_a_test_goes_now_and_is_an_entry(ledger: Ledger, receiver: Endpoint) -> None:
    schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))

    assert send_test(schedule, 0, by=ALICE) == "answer 200"
    receiver.status = 500
    with pytest.raises(NotDelivered, match="answered 500"):
        send_test(schedule, 0, by=ALICE)

    assert [json.loads(got.body)["type"] for got in receiver.got] == ["test", "test"]
    tested = [e for e in said_of(ledger, "audit.config_changed") if "answer" in e["details"]]
    assert [e["outcome"] for e in tested] == ["success", "failure"]
    assert deliveries_of(schedule) == []


def test_no_entry_and_no_row_holds_a_secret(ledger: Ledger, receiver: Endpoint) -> None:
    to = recipient("webhook", f"{receiver.url}?token=in-the-query")
    schedule = scheduled(ledger, recipients=(to,))
    delivered(schedule)
    deliver_waiting(NOW)
    change_schedule(schedule, wanted(name=schedule.name), by=ALICE)

    everything = json.dumps(said_of(ledger) + said_of(ledger, "audit.config_changed"))
    assert SECRET not in everything
    assert "in-the-query" not in everything
    with connection.cursor() as cursor:
        cursor.execute("SELECT s::text FROM compliance_schedule AS s WHERE id = %s", [schedule.id])
        assert SECRET not in cursor.fetchone()[0]


def test_an_auditor_s_own_queries_never_see_sealed_secrets(
    ledger: Ledger, as_role: Callable[[str], Any]
) -> None:
    reader = as_role("read")

    assert reader.execute("SELECT name, recipients FROM compliance_schedule").fetchall() is not None
    with pytest.raises(Exception, match="permission denied"):
        reader.execute("SELECT secrets FROM compliance_schedule")


def test_what_the_web_may_do_is_enough_for_sending_again(
    ledger: Ledger, mailbox: Mailbox, as_role: Callable[[str], Any]
) -> None:
    """The desk runs as obs_web: it asks, and never says that something was sent."""
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)
    deliver_waiting(NOW)
    (row,) = deliveries_of(schedule)
    web = as_role("web")

    web.execute(
        "UPDATE compliance_delivery SET state = 'waiting', attempts = 0, note = '', asked_by = 'a',"
        " next_try_at = now() WHERE ledger_id = %s AND id = %s",
        (ledger.id, row.id),
    )
    for column in ("sent_at = now()", "address = 'mine'", "reference = 'x'"):
        with pytest.raises(Exception, match="permission denied"):
            web.execute(f"UPDATE compliance_delivery SET {column} WHERE id = {row.id}")
    assert Schedule.objects.filter(ledger=ledger).exists()
