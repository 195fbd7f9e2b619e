"""CloudEvents in each of their modes become the event they carry, under an id that is a UUID."""

from __future__ import annotations

import base64
import contextlib
import json
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.bodies import split_body
from audit.cloudevents import from_binary, from_structured, idempotency_id, namespace
from audit.errors import EventRejected
from audit.parse import ParsedEvent, parse_event
from tests.audit.building import event_json
from tests.sizes import size

LEDGER = "acme.prod"
EVENT = json.loads(event_json(id=None))


def cloudevent(**fields: Any) -> dict[str, Any]:
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": "A234-1234-1234",
        "source": "/agents/alice",
        "type": "tool.invoke",
        "data": EVENT,
    } | fields
    return {name: value for name, value in envelope.items() if value is not None}


def structured(**fields: Any) -> bytes:
    return json.dumps(cloudevent(**fields)).encode()


def receive(raw: bytes) -> ParsedEvent:
    unwrapped = from_structured(raw, ledger=LEDGER)
    return parse_event(unwrapped.raw, default_id=unwrapped.default_id, at=unwrapped.at)


def refusal(raw: bytes) -> tuple[str, str]:
    with pytest.raises(EventRejected) as caught:
        receive(raw)
    return caught.value.code, caught.value.path


def test_the_data_of_a_cloudevent_is_the_event() -> None:
    unwrapped = from_structured(structured(), ledger=LEDGER)

    assert json.loads(unwrapped.raw) == EVENT
    assert unwrapped.source_id == "A234-1234-1234"
    assert unwrapped.at == "$.data"


def test_an_id_that_is_no_uuid_becomes_one_of_source_and_id() -> None:
    space = uuid.uuid5(uuid.NAMESPACE_URL, LEDGER)

    unwrapped = from_structured(structured(), ledger=LEDGER)

    assert unwrapped.default_id == uuid.uuid5(space, "/agents/alice\nA234-1234-1234")
    assert unwrapped.default_id != from_structured(structured(), ledger="main").default_id
    assert (
        unwrapped.default_id != from_structured(structured(source="/b"), ledger=LEDGER).default_id
    )


def test_an_id_that_is_a_uuid_is_the_events_own() -> None:
    sent = str(uuid.uuid4())

    unwrapped = from_structured(structured(id=sent.upper()), ledger=LEDGER)

    assert (str(unwrapped.default_id), unwrapped.source_id) == (sent, None)


def test_an_idempotency_key_gives_each_event_of_a_post_its_id() -> None:
    assert idempotency_id(LEDGER, "key", 3) == uuid.uuid5(namespace(LEDGER), "key#3")
    assert idempotency_id(LEDGER, "key", 3) != idempotency_id(LEDGER, "key", 4)


@pytest.mark.parametrize(
    ("kind", "category", "action"),
    [
        ("tool.invoke", "tool_call", "tool.invoke"),
        ("tool_call.tool.invoke", "tool_call", "tool.invoke"),
        ("decision.evaluated", "decision", "decision.evaluated"),
        ("decision.decision.evaluated", "decision", "decision.evaluated"),
        ("case.x.acme.opened", "case", "x.acme.opened"),
    ],
)
def test_the_type_gives_category_and_action(kind: str, category: str, action: str) -> None:
    data = {name: value for name, value in EVENT.items() if name not in {"category", "action"}}

    unwrapped = from_structured(structured(type=kind, data=data), ledger=LEDGER)

    event = parse_event(unwrapped.raw, default_id=None)
    assert (event.category, event.action) == (category, action)


def test_a_vendor_type_takes_its_category_from_the_data() -> None:
    data = EVENT | {"action": "x.acme.opened", "category": "case"}

    unwrapped = from_structured(structured(type="x.acme.opened", data=data), ledger=LEDGER)

    assert json.loads(unwrapped.raw) == data


def test_attributes_fill_in_what_the_data_leaves_out() -> None:
    data = {name: value for name, value in EVENT.items() if name != "occurred_at"}
    data["target"] = {"type": "tool"}

    unwrapped = from_structured(
        structured(data=data, subject="search", time="2026-10-01T10:00:00Z"), ledger=LEDGER
    )

    written = json.loads(unwrapped.raw)
    assert written["target"] == {"type": "tool", "id": "search"}
    assert written["occurred_at"] == "2026-10-01T10:00:00Z"


def test_extensions_are_kept_in_details() -> None:
    raw = structured(traceparent="00-ab-cd-01", sequence=7, data=EVENT | {"details": {"a": 1}})

    unwrapped = from_structured(raw, ledger=LEDGER)

    assert json.loads(unwrapped.raw)["details"] == {
        "a": 1,
        "cloudevent": {"traceparent": "00-ab-cd-01", "sequence": 7},
    }


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"specversion": None}, "missing-field", "$.specversion"),
        ({"specversion": "0.3"}, "schema-version", "$.specversion"),
        ({"id": None}, "missing-field", "$.id"),
        ({"id": ""}, "missing-field", "$.id"),
        ({"id": 7}, "wrong-type", "$.id"),
        ({"id": "x" * 1_001}, "too-long", "$.id"),
        ({"source": None}, "missing-field", "$.source"),
        ({"type": None}, "missing-field", "$.type"),
        ({"type": "llm.call"}, "bad-value", "$.type"),
        ({"type": "decision.tool.invoke"}, "wrong-category", "$.type"),
        ({"type": "nope"}, "unknown-action", "$.type"),
        ({"type": "tool_call.nope"}, "unknown-action", "$.type"),
        ({"type": "x.acme.a", "data": {}}, "missing-field", "$.data.actor"),
        ({"subject": "other"}, "bad-value", "$.subject"),
        ({"subject": 7}, "wrong-type", "$.subject"),
        ({"data": None}, "missing-field", "$.data"),
        ({"data": "text"}, "wrong-type", "$.data"),
        ({"data": EVENT | {"agent": {}}}, "missing-field", "$.data.agent.id"),
        ({"data": EVENT | {"target": 7}, "subject": "a"}, "wrong-type", "$.data.target"),
        ({"data": EVENT | {"details": {"a": 1e20}}}, "number-range", "$.data.details.a"),
        ({"data_base64": "e30="}, "duplicate-key", "$.data_base64"),
        ({"data": None, "data_base64": "?"}, "bad-value", "$.data_base64"),
        ({"data": None, "data_base64": "e30="}, "missing-field", "$.data_base64.actor"),
        ({"data": EVENT | {"details": {"cloudevent": 1}}, "ext": "1"}, "duplicate-key",
         "$.data.details.cloudevent"),
    ],
)  # fmt: skip
def test_a_bad_cloudevent_is_refused_with_the_place_in_it(
    fields: dict[str, Any], code: str, path: str
) -> None:
    assert refusal(structured(**fields)) == (code, path)


def test_a_key_that_stands_twice_is_found_in_envelope_and_data() -> None:
    raw = structured()

    assert refusal(raw[:-1] + b',"id":"b"}') == ("duplicate-key", "$.id")
    assert refusal(raw.replace(b'"outcome"', b'"outcome":1,"outcome"')) == (
        "duplicate-key",
        "$.data.outcome",
    )


def test_the_wrapping_does_not_count_as_depth() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = [deep]

    unwrapped = from_structured(structured(data=EVENT | {"details": {"a": deep}}), ledger=LEDGER)

    parse_event(unwrapped.raw, default_id=None)


def test_data_may_come_in_base64() -> None:
    encoded = base64.b64encode(json.dumps(EVENT).encode()).decode()

    unwrapped = from_structured(structured(data=None, data_base64=encoded), ledger=LEDGER)

    assert json.loads(unwrapped.raw) == EVENT


def test_a_batch_is_a_list_of_cloudevents() -> None:
    body = json.dumps([cloudevent(id="a"), cloudevent(id="b")]).encode()

    parts = split_body(body, "application/cloudevents-batch+json")

    assert [from_structured(part, ledger=LEDGER).source_id for part in parts] == ["a", "b"]


def test_binary_mode_has_the_attributes_in_headers() -> None:
    headers = {
        "CE-SpecVersion": "1.0",
        "ce-id": "caf%C3%A9",
        "ce-source": "/agents/alice",
        "ce-type": "tool.invoke",
        "ce-subject": "search",
        "ce-team": "blue",
        "Content-Type": "application/json",
    }

    unwrapped = from_binary(headers, json.dumps(EVENT).encode(), ledger=LEDGER)

    assert unwrapped.source_id == "café"
    assert unwrapped.at == "$"
    assert json.loads(unwrapped.raw) == EVENT | {"details": {"cloudevent": {"team": "blue"}}}


@pytest.mark.parametrize(
    ("headers", "body", "code", "path"),
    [
        ({"ce-id": None}, b"{}", "missing-field", "ce-id"),
        ({"ce-specversion": "2"}, b"{}", "schema-version", "ce-specversion"),
        ({"ce-id": "%ff"}, b"{}", "not-utf8", "ce-id"),
        ({"ce-id": "%00"}, b"{}", "nul", "ce-id"),
        ({}, b"nope", "not-json", "$"),
        ({}, b"[]", "wrong-type", "$"),
    ],
)
def test_a_bad_binary_cloudevent_is_refused(
    headers: dict[str, str | None], body: bytes, code: str, path: str
) -> None:
    given_headers = {
        "ce-specversion": "1.0", "ce-id": "a", "ce-source": "b", "ce-type": "tool.invoke"
    } | headers  # fmt: skip

    with pytest.raises(EventRejected) as caught:
        from_binary(
            {name: value for name, value in given_headers.items() if value is not None},
            body,
            ledger=LEDGER,
        )

    assert (caught.value.code, caught.value.path) == (code, path)


@settings(max_examples=size(100, 300), deadline=None)
@given(data=st.data())
def test_no_cloudevent_raises_anything_but_a_refusal(data: st.DataObject) -> None:
    anything: st.SearchStrategy[Any] = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )
    names = st.sampled_from([*cloudevent(), "subject", "time", "data_base64", "ext"])
    envelope = cloudevent() | data.draw(st.dictionaries(names, anything, max_size=3))
    raw = json.dumps(envelope, ensure_ascii=data.draw(st.booleans()))

    with contextlib.suppress(EventRejected):
        receive(raw.encode("utf-8", "surrogatepass"))
