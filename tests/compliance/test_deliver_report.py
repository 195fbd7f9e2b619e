"""Each recipient gets a report whole or not at all, and the ledger says which. Real services."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from django.db import connection
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from audit.models import Ledger
from audit.outbound import Rules
from audit.sinks.webhook import signature_of
from compliance.acting import ActRefused
from compliance.deliver_report import PAUSES, deliver_waiting, send_again, send_test
from compliance.models import Delivery, Schedule
from compliance.parcel import NotDelivered
from compliance.schedule import change_schedule, remove_schedule
from tests.audit.destinations.receiving import LOOPBACK, Endpoint, endpoint, reset
from tests.compliance.mailbox import Mailbox, mailbox
from tests.compliance.scheduling import (
    ALICE,
    SECRET,
    after,
    delivered,
    deliveries_of,
    recipient,
    scheduled,
    told,
    wanted,
)

__all__ = ["mailbox"]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_RULES = LOOPBACK
    settings.PUBLIC_URL = "https://audit.example.com"


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(store: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(s3={"addressing_style": "path"}),
    )


def said_of(ledger: Ledger, action: str = "audit.report_delivered") -> list[dict[str, Any]]:
    """Return the events of an action, oldest first."""
    return [json.loads(bytes(each.record))["event"] for each in told(ledger, action)]


def text_of(mail: Any) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


# --- E-mail --------------------------------------------------------------------------------------


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


# --- Webhook -------------------------------------------------------------------------------------


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


# --- Object store --------------------------------------------------------------------------------


@pytest.fixture
def bucket(s3: Any) -> Callable[..., str]:
    def make(**options: Any) -> str:
        name = f"reports-{uuid.uuid4().hex[:12]}"
        s3.create_bucket(Bucket=name, **options)
        return name

    return make


def test_each_file_is_an_object_and_the_list_comes_last(
    ledger: Ledger, store: str, s3: Any, bucket: Callable[..., str]
) -> None:
    name = bucket()
    to = recipient("objectstore", f"{store}/{name}", secret="secret", key_id="key", prefix="held/")
    schedule = scheduled(ledger, recipients=(to,))
    delivered(schedule)

    assert deliver_waiting(NOW) == 1

    stem = f"held/{ledger.name}-soc2-2026-05-01-2026-05-31"
    file = f"{ledger.name}-soc2-2026-05-01-2026-05-31"
    found = {each["Key"]: each for each in s3.list_objects_v2(Bucket=name)["Contents"]}
    assert set(found) == {f"{stem}/{file}.pdf", f"{stem}/{file}.json", f"{stem}/delivery.json"}
    body = s3.get_object(Bucket=name, Key=f"{stem}/{file}.pdf")["Body"].read()
    assert body == b"%PDF-1.7 a report"
    facts = json.loads(s3.get_object(Bucket=name, Key=f"{stem}/delivery.json")["Body"].read())
    assert facts["delivery"] == str(deliveries_of(schedule)[0].uid)
    assert found[f"{stem}/delivery.json"]["LastModified"] == max(
        each["LastModified"] for each in found.values()
    )


def test_objects_are_locked_when_asked_for(
    ledger: Ledger, store: str, s3: Any, bucket: Callable[..., str]
) -> None:
    name = bucket(ObjectLockEnabledForBucket=True)
    options: dict[str, Any] = {"key_id": "key", "lock": "COMPLIANCE", "lock_days": 30}
    to = recipient("objectstore", f"{store}/{name}", secret="secret", **options)
    delivered(scheduled(ledger, recipients=(to,)))

    assert deliver_waiting(NOW) == 1

    for each in s3.list_objects_v2(Bucket=name)["Contents"]:
        assert s3.get_object(Bucket=name, Key=each["Key"])["ObjectLockMode"] == "COMPLIANCE"


def test_a_file_that_was_changed_on_disk_goes_to_nobody(
    ledger: Ledger, store: str, s3: Any, bucket: Callable[..., str], settings: Settings
) -> None:
    name = bucket()
    to = recipient("objectstore", f"{store}/{name}", secret="secret", key_id="key")
    schedule = scheduled(ledger, recipients=(to,))
    report = delivered(schedule)
    for path in (Path(settings.REPORT_DIR) / str(report.uid)).iterdir():
        path.write_bytes(b"forged")

    deliver_waiting(NOW)

    (row,) = deliveries_of(schedule)
    assert (row.state, "its SHA-256 differs" in row.note) == ("failed", True)
    assert "Contents" not in s3.list_objects_v2(Bucket=name)


def test_a_bucket_that_is_not_there_is_told(ledger: Ledger, store: str) -> None:
    to = recipient("objectstore", f"{store}/nobody-has-this", secret="secret", key_id="key")
    schedule = scheduled(ledger, recipients=(to,))
    delivered(schedule)

    deliver_waiting(NOW)

    (row,) = deliveries_of(schedule)
    assert (row.state, "answered 404" in row.note) == ("waiting", True)


# --- Workers and people --------------------------------------------------------------------------


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
