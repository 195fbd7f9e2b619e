"""People set up destinations, each act is an entry, and no secret is ever seen again."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from audit import destination as destinations
from audit.append import append_pending
from audit.destinations import TEST_SEQ, NotDelivered
from audit.destinations.kinds import DestinationRefused
from audit.models import Destination, Ledger
from tests.audit.destinations.receiving import (
    LOOPBACK,
    SECRET,
    Endpoint,
    deliver,
    destination,
    endpoint,
    syslog,
)
from tests.audit.test_outbound import HOSTILE, STRICT
from tests.conftest import entries, make_event, post


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_RULES = LOOPBACK


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with endpoint() as told:
        yield told


def acts(ledger: Ledger) -> list[dict[str, Any]]:
    """Return what entries say about destinations."""
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in events if each.get("target", {}).get("type") == "destination"]


# --- Addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "webhook", "ocsf", "objectstore"])
def test_no_hostile_address_is_saved(ledger: Ledger, settings: Settings, kind: str) -> None:
    settings.OUTBOUND_RULES = STRICT
    options = {"key_id": "key"} if kind == "objectstore" else {}
    for url in HOSTILE:
        with pytest.raises(DestinationRefused, match="address"):
            destination(ledger, url, kind=kind, **options)

    assert not Destination.objects.filter(ledger=ledger).exists()


def as_stream(url: str) -> str:
    """Return a hostile web address as one of a stream."""
    return url.replace("https://", "tls://").replace("http://", "tcp://").rstrip("/")


def test_no_hostile_address_is_saved_for_syslog(ledger: Ledger, settings: Settings) -> None:
    settings.OUTBOUND_RULES = STRICT
    for url in [*HOSTILE, *map(as_stream, HOSTILE), "tcp://1.1.1.1:443/x", "udp://1.1.1.1:443"]:
        with pytest.raises(DestinationRefused, match="address"):
            destination(ledger, url, kind="syslog")


def test_no_hostile_address_is_sent_to(ledger: Ledger, settings: Settings) -> None:
    row = destination(ledger, "https://1.1.1.1/")
    append_pending(ledger.id)
    settings.OUTBOUND_RULES = STRICT
    for url in [each for each in HOSTILE if each and "\0" not in each]:
        # As if somebody wrote it into the database with the secret that belongs to it.
        sealed = destinations._seal(
            SECRET, ledger=ledger.name, name=row.name, kind=row.kind, address=url
        )
        Destination.objects.filter(id=row.id).update(
            address=url, secret=sealed, failures=0, failing_since=None
        )

        assert deliver(row) == ["failed"], url
        assert "may not be reached" in row.error, url


def test_a_network_that_is_not_allowed_any_more_is_not_reached(
    ledger: Ledger, receiver: Endpoint, settings: Settings
) -> None:
    row = destination(ledger, receiver.url)
    append_pending(ledger.id)
    settings.OUTBOUND_RULES = STRICT

    assert deliver(row) == ["failed"]
    assert receiver.got == []
    assert "OBS_OUTBOUND_ALLOW" in row.error


def test_a_name_that_does_not_resolve_now_may_be_saved(ledger: Ledger) -> None:
    row = destination(ledger, "https://nowhere.invalid/")
    append_pending(ledger.id)

    assert deliver(row) == ["failed"]
    assert "resolve" in row.error


# --- What is wrong is told, field by field -------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "No"}, "name"),
        ({"name": ""}, "name"),
        ({"kind": "pigeon"}, "kind"),
        ({"address": "ftp://example.com/"}, "address"),
        ({"secret": "short"}, "secret"),
        ({"secret": ""}, "secret"),
        ({"secret": "with a blank and long enough"}, "secret"),
        ({"options": {"colour": "red"}}, "colour"),
        ({"options": {"ca": "-----BEGIN CERTIFICATE-----\nx"}}, "ca"),
        ({"options": {"sealed_only": "perhaps"}}, "sealed_only"),
        ({"from_seq": -1}, "from_seq"),
        ({"from_seq": 99}, "from_seq"),
        ({"kind": "syslog", "address": "tcp://127.0.0.1:1"}, "secret"),
        ({"kind": "http", "options": {"host": "two words"}}, "host"),
        ({"kind": "http", "options": {"host": ""}}, "host"),
        ({"kind": "objectstore", "options": {}}, "key_id"),
        ({"kind": "objectstore", "options": {"key_id": "k", "lock": "FOR EVER"}}, "lock"),
        ({"kind": "objectstore", "options": {"key_id": "k", "lock_days": "0"}}, "lock_days"),
        ({"kind": "objectstore", "options": {"key_id": "k", "prefix": "../x"}}, "prefix"),
        (
            {"kind": "objectstore", "options": {"key_id": "k"}, "address": "http://127.0.0.1/?a"},
            "address",
        ),
        ({"kind": "file", "address": "siem", "options": {"rotate_megabytes": "many"}}, "secret"),
    ],
)
def test_each_wrong_field_is_named(ledger: Ledger, changes: dict[str, Any], field: str) -> None:
    asked: dict[str, Any] = {
        "name": "siem",
        "kind": "webhook",
        "address": "http://127.0.0.1:1/",
        "options": {},
        "secret": SECRET,
        "from_seq": None,
        "by": "alice",
    }

    with pytest.raises(DestinationRefused) as refused:
        destinations.make(ledger, **asked | changes)

    assert field in refused.value.errors
    assert acts(ledger) == []


def test_a_name_is_taken_once_in_a_ledger_and_free_again_after_removal(ledger: Ledger) -> None:
    row = destination(ledger, "http://127.0.0.1:1/", name="siem")
    with pytest.raises(DestinationRefused, match="name: is taken"):
        destination(ledger, "http://127.0.0.1:2/", name="siem")

    destinations.remove(row, by="alice")

    assert destination(ledger, "http://127.0.0.1:2/", name="siem").id != row.id


# --- Acts are entries ----------------------------------------------------------------------------


def test_each_act_is_an_entry_that_says_what_changed(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url, kind="http", name="siem")
    append_pending(ledger.id)
    deliver(row)
    destinations.change(
        row,
        address=receiver.url + "2",
        options={**row.options, "index": "audit"},
        secret="another-secret-of-a-test",
        by="alice",
    )
    destinations.pause(row, by="alice")
    destinations.resume(row, by="bob")
    destinations.replay(row, from_seq=0, by="bob")
    destinations.test(row, by="carol")
    destinations.remove(row, by="alice")

    said = acts(ledger)
    assert [(each["actor"]["id"], each["details"]["change"]) for each in said] == [
        ("tests", "made"),
        ("alice", "changed"),
        ("alice", "paused"),
        ("bob", "resumed"),
        ("bob", "replayed"),
        ("carol", "tested"),
        ("alice", "removed"),
    ]
    assert {each["action"] for each in said} == {"audit.config_changed"}
    assert {each["target"]["id"] for each in said} == {"siem"}
    changed = said[1]["details"]
    assert (changed["before"]["address"], changed["after"]["address"]) == (
        receiver.url,
        receiver.url + "2",
    )
    assert changed["after"]["options"]["index"] == "audit"
    assert said[4]["details"]["from_seq"] == 0


def test_a_pause_of_a_paused_one_and_a_resume_of_one_that_goes_leave_nothing(
    ledger: Ledger,
) -> None:
    row = destination(ledger, "http://127.0.0.1:1/")

    assert not destinations.resume(row, by="alice")
    assert destinations.pause(row, by="alice")
    assert not destinations.pause(row, by="alice")
    assert [each["details"]["change"] for each in acts(ledger)] == ["made", "paused"]


def test_a_replay_never_goes_forward(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    for from_seq in (0, 1, -1):
        with pytest.raises(DestinationRefused, match="from_seq"):
            destinations.replay(row, from_seq=from_seq, by="alice")

    append_pending(ledger.id)
    deliver(row)
    with pytest.raises(DestinationRefused, match="below 1"):
        destinations.replay(row, from_seq=1, by="alice")


def test_one_that_was_removed_takes_no_more_acts(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    other = Destination.objects.select_related("ledger").get(id=row.id)
    append_pending(ledger.id)
    deliver(other)
    destinations.remove(row, by="alice")

    assert not destinations.resume(other, by="bob")
    for act in (
        lambda: destinations.replay(other, from_seq=0, by="bob"),
        lambda: destinations.remove(other, by="bob"),
        lambda: destinations.change(
            other, address=other.address, options={}, secret=None, by="bob"
        ),
    ):
        with pytest.raises(DestinationRefused, match="removed"):
            act()


# --- The test line -------------------------------------------------------------------------------


def test_a_test_sends_one_marked_line_and_tells_the_answer(
    ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url)
    receiver.answer = b"got it"

    answer = destinations.test(row, by="alice")

    assert answer == "200 got it"
    ((record,),) = [got.records() for got in receiver.got]
    assert (record["seq"], record["test"]) == (TEST_SEQ, True)
    assert record["event"]["action"] == "x.obsplatform.destination_test"
    row.refresh_from_db()
    assert (row.next_seq, row.tried_at) == (0, None), "no cursor moves"


@pytest.mark.parametrize("kind", ["http", "ocsf", "webhook"])
def test_every_web_kind_can_be_tested(ledger: Ledger, receiver: Endpoint, kind: str) -> None:
    destinations.test(destination(ledger, receiver.url, kind=kind), by="alice")

    assert b"destination_test" in receiver.got[0].body


def test_syslog_and_file_can_be_tested(ledger: Ledger, settings: Settings, tmp_path: Any) -> None:
    settings.DESTINATION_FOLDER = tmp_path
    with syslog() as told:
        destinations.test(destination(ledger, told.address, kind="syslog"), by="alice")
    destinations.test(destination(ledger, "siem", kind="file"), by="alice")

    assert b"destination_test" in told.messages[0]
    assert (tmp_path / ledger.name / "siem" / "test.ndjson").exists()


def test_a_test_that_is_not_taken_says_why_and_is_an_entry(
    ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url)
    receiver.status, receiver.answer = 403, b"who are you"

    with pytest.raises(NotDelivered, match="403: who are you"):
        destinations.test(row, by="alice")

    last = acts(ledger)[-1]
    assert (last["outcome"], last["details"]["change"]) == ("failure", "tested")
    assert "403" in last["details"]["answer"]


# --- Secrets -------------------------------------------------------------------------------------


def test_a_secret_stands_nowhere_in_clear(
    ledger: Ledger, receiver: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    row = destination(ledger, receiver.url, kind="http")
    post(ledger, [make_event()])
    append_pending(ledger.id)
    receiver.status = 500
    deliver(row)
    with pytest.raises(NotDelivered):
        destinations.test(row, by="alice")
    append_pending(ledger.id)
    said = io.StringIO()
    call_command("destination", "list", "--ledger", ledger.name, "--json", stdout=said)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d::text, encode(secret, 'escape') FROM audit_destination AS d WHERE id = %s",
            [row.id],
        )
        stored = repr(cursor.fetchone())
    records = b"".join(bytes(each.record) for each in entries(ledger))
    assert SECRET not in stored
    assert SECRET.encode() not in records
    assert SECRET not in caplog.text
    assert SECRET not in said.getvalue()
    assert json.loads(said.getvalue())["has_secret"] is True
    assert SECRET not in repr(destinations.recipient_of(row, secret=SECRET))


@pytest.mark.parametrize("padding", [0, *range(168, 195, 2)])
def test_a_server_that_answers_with_our_headers_does_not_bring_the_secret_in(
    ledger: Ledger, receiver: Endpoint, caplog: pytest.LogCaptureFixture, padding: int
) -> None:
    row = destination(ledger, receiver.url, kind="http")
    receiver.status = 500
    receiver.answer = b"x" * padding + f" Splunk {SECRET} and more".encode()
    append_pending(ledger.id)

    deliver(row)
    with pytest.raises(NotDelivered) as failed:
        destinations.test(row, by="alice")

    said = [row.error, str(failed.value), caplog.text, repr(acts(ledger))]
    assert not [each for each in said if SECRET[:5] in each]


def test_an_address_that_was_changed_in_the_database_has_lost_its_secret(
    ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, "http://127.0.0.1:1/", kind="http")
    append_pending(ledger.id)
    Destination.objects.filter(id=row.id).update(address=receiver.url)

    assert deliver(row) == ["failed"]
    assert "secret does not open" in row.error
    assert receiver.got == []


def test_a_new_address_needs_the_secret_again(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, "http://127.0.0.1:1/", kind="http")
    append_pending(ledger.id)

    with pytest.raises(DestinationRefused, match="secret: is needed again"):
        destinations.change(row, address=receiver.url, options=row.options, secret=None, by="alice")

    destinations.change(
        row, address=receiver.url, options=row.options, secret="given-again", by="alice"
    )
    deliver(row)
    assert receiver.got[0].headers["authorization"] == "Splunk given-again"


def test_removing_forgets_the_secret(ledger: Ledger) -> None:
    row = destination(ledger, "http://127.0.0.1:1/")

    destinations.remove(row, by="alice")

    assert row.secret is None
    assert (row.removed_by, row.word()) == ("alice", "removed")


# --- The command ---------------------------------------------------------------------------------


def run(*arguments: str, secret: str = "", monkeypatch: Any = None) -> dict[str, Any]:
    said = io.StringIO()
    if monkeypatch is not None:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
    call_command("destination", *arguments, "--json", stdout=said)
    found: dict[str, Any] = json.loads(said.getvalue())
    return found


def test_the_command_does_all_that_the_page_does(
    ledger: Ledger, receiver: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = ("--ledger", ledger.name)
    made = run(
        *("add", "siem", *of, "--kind", "http", "--address", receiver.url, "--secret-stdin"),
        *("--option", "index=audit", "--from-seq", "0"),
        secret=SECRET,
        monkeypatch=monkeypatch,
    )
    assert (made["state"], made["next_seq"], made["options"]["index"]) == ("ok", 0, "audit")

    row = Destination.objects.get(ledger=ledger, name="siem")
    append_pending(ledger.id)
    deliver(row)
    assert receiver.got[0].headers["authorization"] == f"Splunk {SECRET}"
    assert run("test", "siem", *of)["answer"] == "200"
    assert run("pause", "siem", *of)["state"] == "paused"
    assert run("resume", "siem", *of)["state"] == "ok"
    assert run("replay", "siem", *of, "--from-time", "2026-01-01T00:00:00Z")["next_seq"] == 0
    assert run("change", "siem", *of, "--option", "index=other")["options"]["index"] == "other"
    assert run("remove", "siem", *of)["state"] == "removed"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("pause",), 2),
        (("pause", "nothing"), 2),
        (("add", "siem", "--kind", "pigeon"), 2),
        (("add", "siem", "--kind", "file", "--address", "../x"), 2),
        (("add", "siem", "--kind", "file", "--address", "x", "--option", "y"), 2),
        (("list", "--ledger", "nowhere"), 2),
    ],
)
def test_what_the_command_cannot_do_ends_with_its_code(
    database: None, arguments: tuple[str, ...], code: int
) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("destination", *arguments)

    assert refused.value.returncode == code
