"""A report to a webhook: facts, links and sums, signed, and to no address that is not allowed."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from pytest_django import Settings

from audit.models import Ledger
from audit.outbound import Rules
from audit.sinks.webhook import signature_of
from compliance.deliver_report import PAUSES, deliver_waiting
from compliance.models import Delivery
from compliance.schedule import remove_schedule
from tests.audit.destinations.receiving import Endpoint, reset
from tests.compliance.delivering import NOW, loopback, receiver
from tests.compliance.scheduling import (
    ALICE,
    SECRET,
    after,
    delivered,
    deliveries_of,
    recipient,
    scheduled,
)

__all__ = ["loopback", "receiver"]  # fixtures, which pytest finds by their names here


def test_a_webhook_gets_facts_links_and_sums_signed(ledger: Ledger, receiver: Endpoint) -> None:
    schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))
    report = delivered(schedule)

    assert deliver_waiting(NOW) == 1

    (got,) = receiver.got
    (row,) = deliveries_of(schedule)
    timestamp = int(got.headers["x-obs-timestamp"])
    signed = signature_of(got.body, timestamp=timestamp, secret=SECRET)
    assert got.headers["x-obs-signature"] == signed
    assert got.headers["x-obs-delivery"] == str(row.uid)
    said = json.loads(got.body)
    assert (said["type"], said["ledger"]) == ("report", ledger.name)
    assert said["schedule"] == schedule.name
    assert said["report"]["content_sha256"] == report.content_sha256
    assert (said["report"]["from"], said["report"]["to"]) == ("2026-05-01", "2026-06-01")
    assert {each["sha256"] for each in said["files"]} == {
        sha256(b"%PDF-1.7 a report").hexdigest(),
        sha256(b"{}").hexdigest(),
    }
    assert all(each["link"].startswith("https://audit.example.com/") for each in said["files"])
    assert row.reference == "answer 200"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_answers_otherwise_is_tried_again(
    ledger: Ledger, receiver: Endpoint, status: int
) -> None:
    receiver.status = status
    schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))
    delivered(schedule)

    assert deliver_waiting(NOW) == 0

    (row,) = deliveries_of(schedule)
    assert (row.state, f"answered {status}" in row.note) == ("waiting", True)


def test_a_repeat_carries_the_same_id(ledger: Ledger, receiver: Endpoint) -> None:
    receiver.behave = reset
    schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))
    delivered(schedule)
    deliver_waiting(NOW)

    receiver.behave = None
    assert deliver_waiting(after(NOW, PAUSES[0])) == 1

    assert len({got.headers["x-obs-delivery"] for got in receiver.got}) == 1
    assert len(receiver.got) == 2


def test_an_address_is_checked_again_at_each_send(
    ledger: Ledger, receiver: Endpoint, settings: Settings
) -> None:
    schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))
    delivered(schedule)
    settings.OUTBOUND_RULES = Rules()

    deliver_waiting(NOW)

    assert receiver.got == []
    assert "127.0.0.1, which is not public" in deliveries_of(schedule)[0].note


def test_an_address_that_somebody_changes_in_the_database_gets_no_secret(
    ledger: Ledger, receiver: Endpoint
) -> None:
    schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))
    delivered(schedule)
    (row,) = deliveries_of(schedule)
    Delivery.objects.filter(ledger=ledger, id=row.id).update(address=receiver.url + "/mine")

    deliver_waiting(NOW)

    assert receiver.got == []
    (row,) = deliveries_of(schedule)
    assert (row.state, "keeps no secret for this address" in row.note) == ("failed", True)


def test_a_removed_schedule_has_forgotten_its_secrets(ledger: Ledger, receiver: Endpoint) -> None:
    schedule = scheduled(ledger, recipients=(recipient("webhook", receiver.url),))
    delivered(schedule)
    remove_schedule(schedule, by=ALICE)

    deliver_waiting(NOW)

    assert receiver.got == []
    assert deliveries_of(schedule)[0].state == "failed"
