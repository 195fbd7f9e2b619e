"""Ids that others give: an idempotency key, and CloudEvents in each of their forms."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from audit import cloudevents
from audit.append import append_pending
from audit.models import Ledger
from tests.audit.posting import Sender, alice, fresh
from tests.conftest import entries, make_event

__all__ = ["alice", "fresh"]  # fixtures, which pytest finds by their names here


def test_an_idempotency_key_makes_ids_so_that_a_retry_is_a_duplicate(
    ledger: Ledger, alice: Sender
) -> None:
    own = make_event()
    events = [make_event(id=None), own, make_event(id=None)]

    _, first, _ = alice.post(events, Idempotency_Key="order 7")
    append_pending(ledger.id)
    status, second, _ = alice.post(events, Idempotency_Key="order 7")
    _, other, _ = alice.post(events, Idempotency_Key="order 8")

    ids = [each["id"] for each in first["receipts"]]
    root = uuid.uuid5(uuid.NAMESPACE_URL, ledger.name)
    assert ids == [
        *(str(uuid.uuid5(root, "order 7#0")), own["id"], str(uuid.uuid5(root, "order 7#2")))
    ]
    assert status == 200
    assert [each["id"] for each in second["receipts"]] == ids
    assert [each["status"] for each in other["receipts"]] == ["received", "duplicate", "received"]


@pytest.mark.parametrize("key", ["k" * 256, "naïve", "a\tb"])
def test_an_idempotency_key_is_short_and_printable(alice: Sender, key: str) -> None:
    assert alice.status(make_event(), Idempotency_Key=key) == (400, "idempotency-key")


def cloudevent(event: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "order ☃ 7",
        "source": "/shop/eu",
        "type": "tool.invoke",
        "data": {name: value for name, value in event.items() if name != "id"},
    } | attributes


def expected_id(ledger: Ledger, source: str = "/shop/eu", sent: str = "order ☃ 7") -> str:
    return str(uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, ledger.name), f"{source}\n{sent}"))


def test_a_structured_cloudevent_is_one_event(ledger: Ledger, alice: Sender) -> None:
    body = cloudevent(make_event(action=None, category=None), type="tool_call.tool.invoke")

    status, said, _ = alice.post(body, media="application/cloudevents+json; charset=utf-8")

    assert (status, said["receipts"][0]["id"]) == (202, expected_id(ledger))
    append_pending(ledger.id)
    record = entries(ledger)[-1].parsed()
    assert record["source"]["id"] == "order ☃ 7"
    assert (record["event"]["action"], record["event"]["category"]) == ("tool.invoke", "tool_call")


def test_a_batch_of_cloudevents_keeps_the_good_ones(ledger: Ledger, alice: Sender) -> None:
    own = str(uuid.uuid4())
    batch = [
        cloudevent(make_event(), id=own),
        cloudevent(make_event(), specversion="0.3"),
        cloudevent(make_event(), id="8"),
    ]

    status, said, _ = alice.post(batch, media="application/cloudevents-batch+json")

    assert status == 207
    assert [each["id"] for each in said["receipts"]] == [own, None, expected_id(ledger, sent="8")]
    append_pending(ledger.id)
    sources = [each.parsed()["source"].get("id") for each in entries(ledger)[1:]]
    assert sources == [None, "8"]


def test_a_binary_cloudevent_has_its_attributes_in_headers(ledger: Ledger, alice: Sender) -> None:
    event = make_event(id=None, target={"type": "tool"})
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "order%20%E2%98%83%207",
        "ce-source": "/shop/eu",
        "ce-type": "tool.invoke",
        "ce-subject": "search",
        "ce-myextension": "kept",
    }

    status, said, _ = alice.post(event, **headers)

    assert (status, said["receipts"][0]["id"]) == (202, expected_id(ledger))
    append_pending(ledger.id)
    held = entries(ledger)[-1].parsed()["event"]
    assert held["target"]["id"] == "search"
    assert held["details"]["cloudevent"] == {"myextension": "kept"}


def test_a_cloudevents_retry_is_a_duplicate(ledger: Ledger, alice: Sender) -> None:
    body = cloudevent(make_event())
    media = "application/cloudevents+json"
    assert alice.status(body, media=media) == (202, None)
    append_pending(ledger.id)

    assert alice.status(body, media=media) == (200, None)


def test_a_cloudevent_that_is_none_names_the_attribute(alice: Sender) -> None:
    media = "application/cloudevents+json"
    body = cloudevent(make_event())
    del body["source"]

    status, said, _ = alice.post(body, media=media)

    assert status == 422
    assert said["receipts"][0]["error"]["path"] == "$.source"
    assert alice.status(b"[]", media=media)[0] == 422
    assert alice.status(b"nothing", media=media)[0] in {400, 422}


def test_the_namespace_of_ids_is_UUIDv5_of_the_ledgers_name_among_URLs() -> None:
    assert cloudevents.namespace("main") == uuid.UUID("66fa465b-ce52-52eb-899b-e24ce53a959b")
