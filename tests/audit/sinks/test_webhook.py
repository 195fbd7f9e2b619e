"""The webhook's receiver can tell our request from anybody's."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Iterator
from hashlib import sha256

import pytest

from audit.outbound import Rules
from audit.sinks import SinkFailed
from audit.sinks.webhook import WebhookSink
from tests.audit.sinks.publishing import LOOPBACK, ORIGIN, Log, Receiver, receiving

SECRET = "a secret of the test"
LOG = Log()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def sink_to(url: str, *, rules: Rules = LOOPBACK) -> WebhookSink:
    return WebhookSink(url, secret=SECRET, interval=60, rules=rules)


def test_the_body_holds_the_whole_note(receiver: Receiver) -> None:
    sink_to(receiver.url).publish(LOG.published(5))

    assert json.loads(receiver.requests[0].body) == {
        "ledger": "main",
        "origin": ORIGIN,
        "size": 5,
        "root": LOG.root(5).hex(),
        "note": LOG.note(5).decode(),
        "signed_at": "2026-11-21T03:05:00+00:00",
    }


def test_the_signature_is_over_timestamp_and_body(receiver: Receiver) -> None:
    sink_to(receiver.url).publish(LOG.published(5))

    (request,) = receiver.requests
    timestamp = request.headers["x-obs-timestamp"]
    made = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + request.body, sha256).hexdigest()
    assert request.headers["x-obs-signature"] == f"v1={made}"
    assert abs(int(timestamp) - time.time()) < 300


def test_a_retry_is_the_same_delivery(receiver: Receiver) -> None:
    sink = sink_to(receiver.url)
    receipts = [sink.publish(LOG.published(size)) for size in (5, 5, 6)]

    deliveries = [each.headers["x-obs-delivery"] for each in receiver.requests]
    assert deliveries[0] == deliveries[1] != deliveries[2]
    assert receipts[0].reference == f"delivery {deliveries[0]}"


@pytest.mark.parametrize("status", [301, 400, 401, 500, 503])
def test_any_other_answer_is_a_failure_that_names_it(receiver: Receiver, status: int) -> None:
    receiver.status = status
    receiver.answer = lambda _: b"no,\nthanks"

    with pytest.raises(SinkFailed, match=f"{status}: no, thanks") as refused:
        sink_to(receiver.url).publish(LOG.published(5))

    assert not refused.value.is_mismatch


def test_a_conflict_is_a_mismatch(receiver: Receiver) -> None:
    receiver.status = 409

    with pytest.raises(SinkFailed) as refused:
        sink_to(receiver.url).publish(LOG.published(5))

    assert refused.value.is_mismatch


def test_our_own_network_is_not_reached_unless_allowed(receiver: Receiver) -> None:
    with pytest.raises(SinkFailed, match="OBS_OUTBOUND_ALLOW"):
        sink_to(receiver.url, rules=Rules()).publish(LOG.published(5))

    assert receiver.requests == []


def test_nobody_there_is_a_failure() -> None:
    with receiving() as gone:
        url = gone.url

    with pytest.raises(SinkFailed, match="not there"):
        sink_to(url).publish(LOG.published(5))


def test_it_gives_nothing_back(receiver: Receiver) -> None:
    assert not WebhookSink.can_read
    assert sink_to(receiver.url).newest(ORIGIN) is None
