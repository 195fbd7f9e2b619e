"""Receivers are told once of an opening and once of an end; what cannot be told is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from psycopg.errors import InsufficientPrivilege
from pytest_django import Settings

from audit import measures
from audit.outbound import Rules, parse_networks
from audit.sinks.webhook import signature_of
from metrics.acting import ChangeRefused
from metrics.incidents import acts, opening
from metrics.incidents import timeline as steps
from metrics.incidents.timeline import timeline
from metrics.models import Incident, Receiver
from metrics.notifying import deliver, queue, receivers, secret_files
from metrics.notifying.deliver import LEASE, PAUSES, TRIES, deliver_waiting
from metrics.notifying.kinds import KINDS, PAGERDUTY
from metrics.notifying.receivers import Draft, Sent
from metrics.own_series import CHANNELS
from metrics.tasks import tell_of_incidents
from tests.audit.sinks.publishing import Receiver as Server
from tests.audit.sinks.publishing import receiving
from tests.audit.tampering import AsRole
from tests.compliance.mailbox import Mailbox, mailbox
from tests.metrics.deciding import newest_change
from tests.metrics.incident_making import START, forget_incidents, opened

__all__ = ["mailbox"]

pytestmark = pytest.mark.usefixtures("nobody_else")

KEY = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6"
HMAC = "correct horse battery staple".replace(" ", "-")
LOOPBACK = Rules(allowed=parse_networks(["127.0.0.0/8"]))


@pytest.fixture
def nobody_else(database: None, settings: Settings, tmp_path: Path) -> Iterator[None]:
    """No incident, no receiver; a folder of secrets of its own; loopback may be reached."""
    settings.SECRETS_DIR = tmp_path
    settings.OUTBOUND_RULES = LOOPBACK
    forget_incidents()
    yield
    forget_incidents()


@pytest.fixture
def server() -> Iterator[Server]:
    with receiving() as found:
        yield found


def secret(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(f"{text}\n")
    return name


def receiver(kind: str, **said: str) -> Receiver:
    return receivers.make(Draft(**{"name": f"on-{kind}", "kind": kind} | said), by="Alice")


def webhook(server: Server, tmp_path: Path, **said: str) -> Receiver:
    file = secret(tmp_path, "hook", HMAC)
    return receiver("webhook", target=f"{server.url}/obs", secret=file, **said)


def end(incident: Incident) -> None:
    opening.end_incident(
        fingerprint=incident.fingerprint,
        started_at=incident.started_at,
        ended_at=incident.started_at + timedelta(minutes=7),
    )


def bodies(server: Server) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in server.requests]


def about(incident: Incident) -> list[Sent]:
    return receivers.messages_about(incident.id)


def told(incident: Incident) -> list[tuple[str, str]]:
    found = timeline(incident.id)
    return [(each.act, each.words) for each in found if each.act in ("told", "not_told")]


def later(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


# --- What each kind gets -------------------------------------------------------------------------


def test_slack_gets_a_message_at_the_opening_and_one_at_the_end(
    server: Server, tmp_path: Path, settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://audit.example.com"
    receiver("slack", secret=secret(tmp_path, "slack", f"{server.url}/services/T0/B0/x9"))
    incident = opened(summary="Errors <script> & more", labels={"agent": "bob"})
    deliver_waiting(timezone.now())
    end(incident)
    deliver_waiting(timezone.now())

    first, last = bodies(server)
    assert {each.path for each in server.requests} == {"/services/T0/B0/x9"}
    assert first["text"] == ("Firing: HighErrorRate (critical): Errors &lt;script&gt; &amp; more")
    section = first["blocks"][1]["text"]["text"]
    assert "agent `bob`" in section
    page = f"https://audit.example.com/admin/metrics/incident/{incident.id}/change/"
    assert f"<{page}|Incident {incident.id}>" in section
    assert last["text"].startswith("Ended: HighErrorRate")
    assert "until 2026-11-20T10:07:00Z" in last["blocks"][1]["text"]["text"]
    assert told(incident) == [
        ("told", "on-slack, of the opening"),
        ("told", "on-slack, of the end"),
    ]


def test_pagerduty_gets_a_trigger_and_a_resolve_of_one_key(server: Server, tmp_path: Path) -> None:
    target = f"{server.url}/v2/enqueue"
    receiver("pagerduty", target=target, secret=secret(tmp_path, "pd", KEY))
    incident = opened()
    end(incident)
    deliver_waiting(timezone.now())

    first, last = bodies(server)
    assert (first["event_action"], last["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == last["dedup_key"]
    assert first["dedup_key"].endswith(f"/incident/{incident.id}")
    assert first["routing_key"] == KEY
    assert first["payload"]["severity"] == "critical"
    assert first["payload"]["timestamp"] == "2026-11-20T10:00:00Z"
    assert first["payload"]["summary"] == "HighErrorRate: More than one error in ten seconds"


def test_a_webhook_is_signed_over_time_and_body(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)
    incident = opened(labels={"agent": "bob"})
    deliver_waiting(timezone.now())

    (request,) = server.requests
    stamp = int(request.headers["x-obs-timestamp"])
    assert request.headers["x-obs-signature"] == signature_of(
        request.body, timestamp=stamp, secret=HMAC
    )
    assert request.headers["x-obs-delivery"] == str(about(incident)[0].id)
    body = json.loads(request.body)
    assert body["what"] == "firing"
    assert body["incident"]["number"] == incident.id
    assert body["incident"]["labels"] == {"agent": "bob"}
    assert body["incident"]["ended_at"] is None


def test_a_mail_goes_to_every_mailbox(mailbox: Mailbox) -> None:
    receiver("email", target="alice@example.com; bob@example.com")
    incident = opened(description="Since version 2.\nLook at tools.")
    deliver_waiting(timezone.now())

    ((to, mail),) = mailbox.got
    assert to == ["alice@example.com", "bob@example.com"]
    assert mail["Subject"].endswith("Firing: HighErrorRate (critical)")
    assert "Look at tools." in mail.get_content()
    assert f"<obs-notification-{about(incident)[0].id}@" in mail["Message-ID"]


@pytest.mark.parametrize("kind", ["slack", "pagerduty", "webhook"])
def test_a_trial_says_that_nothing_has_happened(server: Server, tmp_path: Path, kind: str) -> None:
    texts = {"slack": f"{server.url}/services/x", "pagerduty": KEY, "webhook": HMAC}
    target = "" if kind == "slack" else f"{server.url}/here"
    made = receiver(kind, target=target, secret=secret(tmp_path, "file", texts[kind]))

    receivers.try_out(made, by="Bob")
    assert newest_change()["details"]["change"] == "tested"
    assert deliver_waiting(timezone.now()) == 1

    assert "nothing has happened" in json.dumps(bodies(server)[0])
    (sent,) = receivers.messages_to(made, most=5)
    assert (sent.what, sent.word, sent.incident_id) == ("trial", "sent", None)
    if kind == "pagerduty":
        assert [each["event_action"] for each in bodies(server)] == ["trigger", "resolve"]


# --- To whom, and how often ----------------------------------------------------------------------


def test_a_receiver_of_critical_ones_hears_of_no_warning(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path, severity="critical")

    assert about(opened(severity="warning")) == []
    assert len(about(opened(severity="critical"))) == 1


def test_what_an_alertmanager_has_told_of_is_not_told_twice(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)

    assert about(opened(source="alertmanager")) == []


def test_an_incident_told_of_again_is_told_no_more(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)
    incident = opened(fingerprint="f")
    opened(fingerprint="f")
    end(incident)
    end(incident)
    acts.resolve(incident.id, cause="x", by="Alice")
    deliver_waiting(timezone.now())

    assert [each["what"] for each in bodies(server)] == ["firing", "resolved"]


def test_what_never_ends_by_itself_is_told_as_ended_when_a_person_resolves_it(
    server: Server, tmp_path: Path
) -> None:
    webhook(server, tmp_path)
    incident = opened(source="person")
    acts.resolve(incident.id, cause="x", by="Alice")
    acts.reopen(incident.id, reason="y", by="Alice")
    acts.resolve(incident.id, cause="z", by="Alice")
    deliver_waiting(timezone.now())

    assert [each["what"] for each in bodies(server)] == ["firing", "resolved"]


def test_two_workers_send_each_message_once(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)
    for _ in range(6):
        opened()

    def work() -> None:
        try:
            deliver_waiting(timezone.now())
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(timeout=60)

    numbers = [each["incident"]["number"] for each in bodies(server)]
    assert len(numbers) == len(set(numbers)) == 6


def test_the_task_sends_what_waits(server: Server, tmp_path: Path) -> None:
    webhook(server, tmp_path)
    opened()

    tell_of_incidents(0)

    assert len(server.requests) == 1


# --- When it fails -------------------------------------------------------------------------------


def test_it_is_tried_again_after_a_pause_and_the_end_waits_for_the_opening(
    server: Server, tmp_path: Path
) -> None:
    webhook(server, tmp_path)
    server.status, server.answer = 503, lambda _: b"come back later"
    incident = opened()
    end(incident)
    assert deliver_waiting(timezone.now()) == 0
    assert deliver_waiting(timezone.now()) == 0

    assert len(server.requests) == 1
    first, last = about(incident)
    assert (first.word, first.tries) == ("failing", 1)
    assert first.error == "it answered 503: come back later"
    assert last.word == "waiting"

    server.status = 200
    assert deliver_waiting(later(PAUSES[0])) == 2
    assert [each["what"] for each in bodies(server)] == ["firing", "firing", "resolved"]
    assert (
        server.requests[0].headers["x-obs-delivery"] == server.requests[1].headers["x-obs-delivery"]
    )


def test_after_all_tries_it_is_given_up_and_the_timeline_says_so(
    server: Server, tmp_path: Path
) -> None:
    webhook(server, tmp_path)
    server.status = 500
    incident = opened()
    waited = 0.0
    for pause in (0, *PAUSES):
        waited += pause
        deliver_waiting(later(waited))

    (given_up,) = about(incident)
    assert (given_up.word, given_up.tries) == ("failed", TRIES)
    assert told(incident) == [("not_told", "on-webhook, of the opening: it answered 500")]
    assert deliver_waiting(later(waited + 9_999)) == 0
    assert len(server.requests) == TRIES


def test_a_message_whose_worker_died_is_taken_again_after_the_lease(
    server: Server, tmp_path: Path
) -> None:
    made = webhook(server, tmp_path)
    incident = opened()
    (waiting,) = about(incident)
    with connection.cursor() as cursor:  # as a worker leaves it that is killed while it sends
        cursor.execute(
            "UPDATE metrics_notification SET tries = 1, due_at = %s WHERE id = %s",
            [timezone.now() + LEASE, waiting.id],
        )

    assert deliver_waiting(timezone.now()) == 0
    assert deliver_waiting(timezone.now() + LEASE) == 1
    assert receivers.messages_to(made, most=1)[0].tries == 2


def test_what_went_out_and_what_was_given_up_is_counted(server: Server, tmp_path: Path) -> None:
    made = webhook(server, tmp_path)
    was_gathering = measures.is_gathering()
    measures.gather(True)
    try:
        measures.drain()
        for server.status in (200, 500):
            receivers.try_out(made, by="Alice")
            deliver_waiting(timezone.now())
        found = [each for each in measures.drain() if each[0] == "obs_notifications_total"]
    finally:
        measures.gather(was_gathering)

    assert [each[1] for each in found] == [("webhook", "success"), ("webhook", "error")]


def test_one_receiver_that_fails_holds_no_other_up(server: Server, tmp_path: Path) -> None:
    receiver("webhook", name="dead", target="http://127.0.0.1:9/x", secret="hook")
    webhook(server, tmp_path)
    incidents = [opened(), opened(), opened()]
    assert deliver_waiting(timezone.now()) == 3

    assert [each["incident"]["number"] for each in bodies(server)] == [
        each.id for each in incidents
    ]


def test_a_trial_is_tried_once(server: Server, tmp_path: Path) -> None:
    made = webhook(server, tmp_path)
    server.status = 404
    receivers.try_out(made, by="Alice")
    deliver_waiting(timezone.now())

    (sent,) = receivers.messages_to(made, most=5)
    assert (sent.word, sent.error) == ("failed", "it answered 404")


def test_what_waits_for_a_receiver_that_was_ended_is_given_up(
    server: Server, tmp_path: Path
) -> None:
    made = webhook(server, tmp_path)
    incident = opened()
    receivers.end(made, by="Alice")
    deliver_waiting(timezone.now())

    assert server.requests == []
    assert told(incident) == [("not_told", "on-webhook, of the opening: the receiver was ended")]
    assert about(opened()) == []


def test_a_mail_server_that_is_away_is_named(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    receiver("email", target="alice@example.com")
    incident = opened()
    deliver_waiting(timezone.now())

    assert "the mail server 127.0.0.1:9 did not take the mail" in about(incident)[0].error


# --- What each role of Postgres may do ------------------------------------------------------------


@pytest.mark.parametrize("role", ["web", "worker"])
def test_web_and_worker_open_and_end_incidents_and_put_messages_on_their_way(
    as_role: AsRole, role: str
) -> None:
    connection = as_role(role)
    with connection.transaction(force_rollback=True):
        asked = {
            "source": "evaluator",
            "fingerprint": "f",
            "started_at": START,
            "name": "A",
            "severity": "critical",
            "labels": "{}",
            "summary": "s",
            "description": "",
            "runbook": "",
            "ledger_id": None,
            "opened_by": "",
        }
        ((number,),) = connection.execute(opening._OPEN, asked).fetchall()
        connection.execute(steps._WRITE, (number, "", "opened", "s", None, None))
        connection.execute(queue._OPENING, {"incident": number, "severity": "critical"})
        ended = connection.execute(opening._END, asked | {"ended_at": START}).fetchall()
        assert ended == [(number,)]
        connection.execute(queue._END, {"incident": number})


def test_only_the_worker_says_that_a_message_was_sent(as_role: AsRole) -> None:
    taking = {"now": START, "until": START, "failed": []}
    as_role("worker").execute(deliver._TAKE, taking)

    with pytest.raises(InsufficientPrivilege):
        as_role("web").execute(deliver._TAKE, taking)


@pytest.mark.parametrize("table", ["incident", "incidentact", "receiver", "notification"])
@pytest.mark.parametrize("role", ["web", "worker"])
def test_no_running_role_takes_anything_away(as_role: AsRole, role: str, table: str) -> None:
    with pytest.raises(InsufficientPrivilege):
        as_role(role).execute(f"DELETE FROM metrics_{table}")


# --- Secrets and addresses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("slack", "no address", "not one line of visible ASCII"),
        ("slack", KEY, "holds no address of an incoming webhook"),
        ("pagerduty", HMAC, "holds no routing key"),
        ("webhook", "short", "has less than 16 characters"),
        ("webhook", None, "there is no file file"),
    ],
)
def test_a_secret_that_is_none_is_named_and_never_shown(
    server: Server, tmp_path: Path, kind: str, text: str | None, said: str
) -> None:
    if text is not None:
        secret(tmp_path, "file", text)
    target = "" if kind == "slack" else f"{server.url}/x"
    receiver(kind, target=target, secret="file")
    incident = opened()
    deliver_waiting(timezone.now())

    error = about(incident)[0].error
    assert said in error
    assert text is None or text not in error
    assert server.requests == []


def test_an_answer_that_repeats_the_secret_is_kept_without_it(
    server: Server, tmp_path: Path
) -> None:
    receiver("slack", secret=secret(tmp_path, "slack", f"{server.url}/services/T0/B0/x9"))
    server.status, server.answer = 404, lambda request: b"no " + request.path.encode()
    incident = opened()
    deliver_waiting(timezone.now())

    assert about(incident)[0].error == "it answered 404: no /[secret]"


def test_no_message_reaches_an_address_behind_our_walls(
    server: Server, tmp_path: Path, settings: Settings
) -> None:
    receiver("slack", secret=secret(tmp_path, "slack", f"{server.url}/services/x"))
    webhook(server, tmp_path)
    settings.OUTBOUND_RULES = Rules()
    incident = opened()
    deliver_waiting(timezone.now())

    assert server.requests == []
    assert all("is 127.0.0.1, which is not public" in each.error for each in about(incident))


@pytest.mark.parametrize("target", ["http://127.0.0.1/", "http://169.254.169.254/", "ftp://x"])
def test_an_address_behind_our_walls_makes_no_receiver(settings: Settings, target: str) -> None:
    settings.OUTBOUND_RULES = Rules()

    with pytest.raises(ChangeRefused) as refused:
        receiver("webhook", target=target, secret="hook")

    assert "may not be reached" in refused.value.errors["target"]
    assert not Receiver.objects.exists()


def test_a_routing_key_goes_to_pagerduty_alone(settings: Settings) -> None:
    settings.OUTBOUND_RULES = Rules()
    with pytest.raises(ChangeRefused, match="a routing key goes to"):
        receiver("pagerduty", target="https://1.1.1.1/v2/enqueue", secret="pd")

    assert receiver("pagerduty", secret="pd").target == PAGERDUTY


@pytest.mark.parametrize(
    ("kind", "said", "fields"),
    [
        ("pigeon", {}, {"kind"}),
        ("slack", {"target": "https://example.com", "secret": "x"}, {"target"}),
        ("slack", {"secret": "../pepper"}, {"secret"}),
        ("slack", {"secret": ""}, {"secret"}),
        ("email", {"target": "", "secret": "x"}, {"target", "secret"}),
        ("email", {"target": "no mailbox"}, {"target"}),
        ("email", {"name": "Not A Name", "target": "a@example.com"}, {"name"}),
        ("email", {"severity": "some", "target": "a@example.com"}, {"severity"}),
    ],
)
def test_what_is_wrong_with_a_receiver_is_named(
    kind: str, said: dict[str, str], fields: set[str]
) -> None:
    with pytest.raises(ChangeRefused) as refused:
        receiver(kind, **said)

    assert set(refused.value.errors) == fields


def test_a_receiver_and_its_end_are_entries_that_name_the_file_alone(
    server: Server, tmp_path: Path
) -> None:
    made = webhook(server, tmp_path)
    event = newest_change()
    assert event["target"] == {"type": "receiver", "id": "on-webhook"}
    assert event["details"]["change"] == "made"
    assert event["details"]["file"] == "hook"
    assert HMAC not in json.dumps(event)
    with pytest.raises(ChangeRefused, match="is taken"):
        webhook(server, tmp_path)

    receivers.end(made, by="Bob")
    assert newest_change()["details"]["change"] == "ended"
    with pytest.raises(ChangeRefused, match="was ended before"):
        receivers.end(made, by="Bob")
    with pytest.raises(ChangeRefused, match="was ended before"):
        receivers.try_out(made, by="Bob")


def test_secrets_are_files_directly_in_the_folder(tmp_path: Path, settings: Settings) -> None:
    secret(tmp_path, "b", "x")
    secret(tmp_path, "a", "x")
    secret(tmp_path, ".hidden", "x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "deep").write_text("x")
    secret(tmp_path, "long", "x" * 5_000)

    assert secret_files.names() == ["a", "b", "long"]
    for name in ("folder", "folder/deep", "../a", ".hidden", "", "none", "long"):
        assert secret_files.problem_of(name)
    assert secret_files.problem_of("a") == ""
    settings.SECRETS_DIR = tmp_path / "none"
    assert secret_files.names() == []


def test_the_started_time_is_that_of_the_alert() -> None:
    assert opened().started_at == START


def test_every_kind_of_receiver_is_a_channel_of_the_metric() -> None:
    assert set(CHANNELS) == set(KINDS)
