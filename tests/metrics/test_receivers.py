"""Receivers: secrets that are files, addresses that are allowed, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from audit.outbound import Rules
from metrics.acting import ChangeRefused
from metrics.models import Receiver
from metrics.notifying import receivers, secret_files
from metrics.notifying.deliver import deliver_waiting
from metrics.notifying.kinds import KINDS, PAGERDUTY
from metrics.own_series import CHANNELS
from tests.audit.sinks.publishing import Receiver as Server
from tests.metrics.deciding import newest_change
from tests.metrics.incident_making import START, opened
from tests.metrics.notified import HMAC, KEY, about, nobody_else, receiver, secret, server, webhook

__all__ = ["nobody_else", "server"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("nobody_else")


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
