"""A report by e-mail: what people read, what is refused, and what is tried again."""

from __future__ import annotations

from hashlib import sha256

import pytest
from pytest_django import Settings

from audit.models import Ledger
from compliance.deliver_report import PAUSES, deliver_waiting
from tests.compliance.delivering import NOW, loopback, said_of, text_of
from tests.compliance.mailbox import Mailbox, mailbox
from tests.compliance.scheduling import after, delivered, deliveries_of, recipient, scheduled

__all__ = ["loopback", "mailbox"]  # fixtures, which pytest finds by their names here


def test_a_mail_carries_what_people_read_and_links_to_everything(
    ledger: Ledger, mailbox: Mailbox
) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    files = {"pdf": b"%PDF report", "executive": b"%PDF page", "json": b"{}"}
    report = delivered(schedule, files=files)

    assert deliver_waiting(NOW) == 1

    ((to, mail),) = mailbox.got
    (row,) = deliveries_of(schedule)
    assert to == ["auditor@example.org"]
    carried = list(mail.iter_attachments())
    assert [part.get_content_type() for part in carried] == ["application/pdf"] * 2
    assert [part.get_content() for part in carried] == [b"%PDF report", b"%PDF page"]
    body = text_of(mail)
    assert all(sha256(content).hexdigest() in body for content in files.values())
    assert body.count(f"https://audit.example.com/reports/{report.id}/") == 3
    assert "EVIDENCED  87.4" in body
    assert "Links work for 7 days" in body
    assert mail["Message-ID"].startswith(f"<{row.uid}@")
    assert (row.state, row.reference, row.note) == ("sent", mail["Message-ID"], "")


def test_a_delivery_is_an_entry_with_each_file_s_sum(ledger: Ledger, mailbox: Mailbox) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    report = delivered(schedule)

    deliver_waiting(NOW)

    (event,) = said_of(ledger)
    (row,) = deliveries_of(schedule)
    assert event["outcome"] == "success"
    assert event["id"] == str(row.event_id)
    assert event["details"] == {
        "report": str(report.uid),
        "delivery": str(row.uid),
        "kind": "email",
        "address": "auditor@example.org",
        "files": {
            f"{ledger.name}-soc2-2026-05-01-2026-05-31.pdf": sha256(
                b"%PDF-1.7 a report"
            ).hexdigest(),
            f"{ledger.name}-soc2-2026-05-01-2026-05-31.json": sha256(b"{}").hexdigest(),
        },
        "attempts": 1,
    }


def test_files_too_big_for_a_mail_are_links_alone(ledger: Ledger, mailbox: Mailbox) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule, files={"pdf": b"x" * 9_000_000, "executive": b"y" * 1_000_001})

    deliver_waiting(NOW)

    ((_, mail),) = mailbox.got
    assert list(mail.iter_attachments()) == []
    assert text_of(mail).count("https://audit.example.com/reports/") == 2


def test_without_an_address_of_its_own_a_mail_says_where_to_log_in(
    ledger: Ledger, mailbox: Mailbox, settings: Settings
) -> None:
    settings.PUBLIC_URL = ""
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    report = delivered(schedule)

    deliver_waiting(NOW)

    body = text_of(mailbox.got[0][1])
    assert f"log in, Reports, report {report.id}." in body
    assert "http" not in body


def test_a_recipient_who_is_refused_fails_alone_and_at_once(
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
    delivered(schedule)

    assert deliver_waiting(NOW) == 1

    gone, kept = deliveries_of(schedule)
    assert (gone.state, gone.attempts, kept.state) == ("failed", 1, "sent")
    assert gone.note == "the mail server refused gone@example.org: 550 no such mailbox"
    assert [to for to, _ in mailbox.got] == [["auditor@example.org"]]
    said = {e["details"]["address"]: e for e in said_of(ledger)}
    assert said["auditor@example.org"]["outcome"] == "success"
    assert said["gone@example.org"]["outcome"] == "failure"
    assert said["gone@example.org"]["error"]["message"] == gone.note


@pytest.mark.parametrize("says", ["451 try later", "421 too busy"])
def test_a_server_that_says_later_is_tried_again(
    ledger: Ledger, mailbox: Mailbox, says: str
) -> None:
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)
    mailbox.says = says

    assert deliver_waiting(NOW) == 0
    (row,) = deliveries_of(schedule)
    assert (row.state, row.attempts, row.next_try_at) == ("waiting", 1, after(NOW, PAUSES[0]))
    assert says in row.note
    assert deliver_waiting(after(NOW, PAUSES[0] - 1)) == 0
    mailbox.says = "250 kept"
    assert deliver_waiting(after(NOW, PAUSES[0])) == 1

    assert len(mailbox.got) == 1
    assert [e["details"]["attempts"] for e in said_of(ledger)] == [2]


def test_a_server_that_hangs_holds_a_try_no_longer_than_its_time(
    ledger: Ledger, mailbox: Mailbox, settings: Settings
) -> None:
    settings.EMAIL_TIMEOUT = 1
    mailbox.hangs = 3
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)

    assert deliver_waiting(NOW) == 0

    (row,) = deliveries_of(schedule)
    assert (row.state, "timed out" in row.note) == ("waiting", True)


def test_after_five_tries_it_has_failed_and_the_ledger_says_so(
    ledger: Ledger, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    schedule = scheduled(ledger, recipients=(recipient("email", "auditor@example.org"),))
    delivered(schedule)

    now = NOW
    for pause in (*PAUSES, 0):
        deliver_waiting(now)
        now = after(now, pause)

    (row,), (event,) = deliveries_of(schedule), said_of(ledger)
    assert (row.state, row.attempts) == ("failed", 5)
    assert "127.0.0.1:1 did not take the mail" in row.note
    assert (event["outcome"], event["details"]["attempts"]) == ("failure", 5)
    assert deliver_waiting(after(now, 86_400)) == 0
