"""What cannot be told is tried again, given up at last, and said."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from audit import measures
from metrics.notifying import receivers
from metrics.notifying.deliver import LEASE, PAUSES, TRIES, deliver_waiting
from tests.audit.sinks.publishing import Receiver as Server
from tests.metrics.incident_making import opened
from tests.metrics.notified import (
    about,
    bodies,
    end,
    later,
    nobody_else,
    receiver,
    server,
    told,
    webhook,
)

__all__ = ["nobody_else", "server"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("nobody_else")


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
