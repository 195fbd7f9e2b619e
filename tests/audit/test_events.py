"""The border of ingest: what is an event, what is none, and where the answer says it went wrong."""

from __future__ import annotations

import contextlib
import copy
import gzip
import json
import os
import pickle
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import limits
from audit.actions import ACTIONS, fits, missing_fields, scope_needed
from audit.bodies import split_body
from audit.errors import EventRejected
from audit.events import event_json_schema
from audit.parse import ParsedEvent, parse_event
from tests.audit.building import blocks, event_json, fields_of, full_event, place, with_tail
from tests.sizes import size

WRONG: list[Any] = [None, True, 7, 7.5, "text", [], [[]], {}, {"a": {"b": []}}]
BAD: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "bad_events.json").read_text()
)
FIELDS = list(fields_of())
SENT_FIELDS = [(path, kind) for path, kind in FIELDS if path[0] != "integrity"]


def parse(raw: bytes, **options: Any) -> ParsedEvent:
    return parse_event(raw, default_id=None, **options)


def outcome(raw: bytes) -> ParsedEvent | EventRejected:
    try:
        return parse(raw)
    except EventRejected as refused:
        return refused


def refusal(raw: bytes, **options: Any) -> EventRejected:
    with pytest.raises(EventRejected) as caught:
        parse(raw, **options)
    return caught.value


def dotted(path: tuple[str, ...]) -> str:
    return "$" + "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in path)


# --- The schema ----------------------------------------------------------------------------------


def test_fields_of_every_block_are_declared_in_the_order_of_their_names() -> None:
    for block in blocks():
        names = [field.encode_name for field in block.fields]
        assert sorted(names) == names, block.cls.__name__


def test_an_event_with_every_field_is_accepted_and_written_as_the_reference_writes_it() -> None:
    event = full_event()

    parsed = parse(json.dumps(event).encode())

    assert rfc8785.dumps(json.loads(parsed.canonical)) == parsed.canonical
    assert set(json.loads(parsed.canonical)) == set(event)


@pytest.mark.parametrize(("path", "kind"), SENT_FIELDS, ids=[dotted(p) for p, _ in SENT_FIELDS])
def test_a_wrong_type_in_any_field_is_refused_with_its_path(
    path: tuple[str, ...], kind: msgspec.inspect.Type
) -> None:
    for wrong in WRONG:
        event = place(full_event(), path, wrong)
        if path[0] == "data":
            del event["personal"]  # which needs data.subject_ids
        found = outcome(json.dumps(event).encode())
        if isinstance(found, EventRejected):
            assert found.path.startswith(dotted(path)), found
        else:
            assert _may_hold(path, wrong), f"{dotted(path)} took {wrong!r}"


def _may_hold(path: tuple[str, ...], value: Any) -> bool:
    kinds = {type(kind).__name__ for each, kind in FIELDS if each == path}
    if isinstance(value, bool):
        return "BoolType" in kinds
    if isinstance(value, int):
        return "IntType" in kinds
    if isinstance(value, float):
        return "FloatType" in kinds
    if isinstance(value, str):
        return "StrType" in kinds
    if isinstance(value, dict):
        return "DictType" in kinds or ("StructType" in kinds and not value)
    return isinstance(value, list) and "ListType" in kinds and not value


@pytest.mark.parametrize(
    ("path", "kind"),
    [(path, kind) for path, kind in SENT_FIELDS if isinstance(kind, msgspec.inspect.StrType)],
)
def test_every_text_has_an_end(path: tuple[str, ...], kind: msgspec.inspect.Type) -> None:
    refused = refusal(json.dumps(place(full_event(), path, "x" * 2_001)).encode())

    assert refused.path == dotted(path)
    assert refused.code in {"too-long", "bad-time", "bad-value"}


@pytest.mark.parametrize(
    "path",
    [path for path, kind in SENT_FIELDS if isinstance(kind, msgspec.inspect.LiteralType)],
    ids=dotted,
)
def test_a_word_outside_a_vocabulary_is_refused_without_repeating_it(path: tuple[str, ...]) -> None:
    refused = refusal(json.dumps(place(full_event(), path, "hunter2")).encode())

    assert (refused.code, refused.path) == ("bad-value", dotted(path))
    assert refused.message.startswith("one of: ")
    assert "hunter2" not in str(refused)


@pytest.mark.parametrize(
    "path",
    [(), *(path for path, kind in SENT_FIELDS if isinstance(kind, msgspec.inspect.StructType))],
    ids=dotted,
)
def test_an_unknown_field_in_any_block_is_refused(path: tuple[str, ...]) -> None:
    refused = refusal(json.dumps(place(full_event(), (*path, "typo"), 1)).encode())

    assert (refused.code, refused.path) == ("unknown-field", f"{dotted(path)}.typo")


@pytest.mark.parametrize(
    ("removed", "path"),
    [
        ("occurred_at", "$.occurred_at"),
        ("category", "$.category"),
        ("action", "$.action"),
        ("outcome", "$.outcome"),
        ("agent", "$.agent"),
        ("actor", "$.actor"),
        ("target", "$.target"),
    ],
)
def test_a_required_field_is_named_when_missing(removed: str, path: str) -> None:
    refused = refusal(event_json(**{removed: None}))

    assert (refused.code, refused.path) == ("missing-field", path)


def test_a_target_needs_type_and_id_but_in_three_categories() -> None:
    assert refusal(event_json(target={"id": "a"})).path == "$.target.type"
    assert refusal(event_json(target={"type": "a"})).path == "$.target.id"
    for action in ("run.started", "metric.recorded"):
        parse(event_json(category=ACTIONS[action], action=action, target=None))
        parse(event_json(category=ACTIONS[action], action=action, target={"id": "a"}))


def test_the_json_schema_describes_what_a_client_may_send() -> None:
    schema = event_json_schema(ref_template="#/components/schemas/{name}")

    assert schema["additionalProperties"] is False
    assert {"action", "actor", "agent", "category", "occurred_at", "outcome"} == set(
        schema["required"]
    )
    assert "integrity" not in json.dumps(schema)
    references = {
        part.split('"')[0] for part in json.dumps(schema).split("#/components/schemas/")[1:]
    }
    assert references <= set(schema["$defs"])


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", BAD, ids=[bad["name"] for bad in BAD])
def test_bad_input_is_refused_with_code_and_path(bad: dict[str, str]) -> None:
    if "raw" in bad:
        raw = bad["raw"].encode()
    elif "hex" in bad:
        raw = bytes.fromhex(bad["hex"])
    else:
        raw = with_tail(bad["tail"] if "tail" in bad else bytes.fromhex(bad["tail_hex"]))

    refused = refusal(raw)

    assert (bad["code"], bad["path"]) == (refused.code, refused.path)


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [31, 1_000, 100_000])
def test_a_nest_deeper_than_32_is_refused(bracket: bytes, depth: int) -> None:
    close = {b"[": b"]", b'{"a":': b"}"}[bracket]

    refused = refusal(with_tail(b'"details":{"a":' + bracket * depth + b"1" + close * depth + b"}"))

    assert refused.code == "depth"
    assert refused.path.startswith("$")


def test_a_nest_of_32_is_accepted() -> None:
    parse(with_tail(b'"details":{"a":' + b"[" * 30 + b"]" * 30 + b"}"))


def test_brackets_that_never_close_are_no_json() -> None:
    assert refusal(b"[" * 900).code == "wrong-type"  # a list is no event, however it ends
    assert refusal(b'{"details":' * 900).code in {"wrong-type", "unknown-field", "not-json"}


def test_an_integer_of_a_hundred_thousand_digits_is_refused() -> None:
    refused = refusal(with_tail('"details":{"a":' + "9" * 100_000 + "}"))

    assert (refused.code, refused.path) == ("number-range", "$.details.a")


@pytest.mark.parametrize("keys", [1_024, 1_025])
def test_an_object_has_at_most_1024_keys(keys: int) -> None:
    raw = event_json(details={"a": {f"k{i}": i for i in range(keys)}})

    if keys <= limits.MAX_KEYS:
        parse(raw)
    else:
        refused = refusal(raw)
        assert (refused.code, refused.path) == ("too-many-keys", "$.details.a")


def test_a_string_has_at_most_64_kib() -> None:
    refused = refusal(event_json(details={"a": ["é" * 32_769]}))

    assert (refused.code, refused.path) == ("too-long", "$.details.a[0]")
    parse(event_json(details={"a": ["é" * 32_768], "b": "x" * 60_000}))


def test_an_event_is_not_read_beyond_a_mebibyte() -> None:
    refused = refusal(event_json() + b" " * limits.MAX_SENT)

    assert (refused.code, refused.path) == ("too-large", "$")


def test_an_event_names_at_most_1000_subjects() -> None:
    parse(event_json(data={"subject_ids": [str(i) for i in range(1_000)]}))

    refused = refusal(event_json(data={"subject_ids": [str(i) for i in range(1_001)]}))

    assert (refused.code, refused.path) == ("too-many-subjects", "$.data.subject_ids")


def test_there_are_at_most_32_labels() -> None:
    refused = refusal(event_json(labels={str(i): "" for i in range(33)}))

    assert (refused.code, refused.path) == ("too-many-keys", "$.labels")


def test_paths_start_where_the_event_stands() -> None:
    assert refusal(event_json(agent={}), at="$.data").path == "$.data.agent.id"
    assert refusal(with_tail('"details":{"a":NaN}'), at="$.data").path == "$.data.details.a"
    assert refusal(event_json(action="nope"), at="$.data").path == "$.data.action"


def test_a_long_unknown_name_is_cut() -> None:
    refused = refusal(event_json(**{"x" * 10_000: 1}))

    assert refused.code == "unknown-field"
    assert len(refused.path) < 100


def test_a_refusal_survives_pickling() -> None:
    refused = refusal(event_json(agent={}))

    again = pickle.loads(pickle.dumps(refused))  # noqa: S301

    assert (refused.code, refused.path, refused.message) == (again.code, again.path, again.message)


# --- Canonical form ------------------------------------------------------------------------------


def test_the_same_event_written_in_other_ways_has_the_same_bytes() -> None:
    event = json.loads(event_json(details={"b": "é😀", "a": [1, 2.5]}, duration_ms=1000))

    forms = [
        json.dumps(event).encode(),
        json.dumps(event, indent=3, ensure_ascii=False).encode(),
        json.dumps(event, sort_keys=True, separators=(",", ":")).encode(),
        event_json(details={"b": "é😀", "a": [1, 2.5]}, duration_ms=1000.0),
        event_json(details={"a": [1.0, 2.5], "b": "é😀"}, duration_ms=1e3),
        event_json(details={"b": "é😀", "a": [1, 2.5]}, duration_ms=1000, id=event["id"].upper()),
        event_json(
            details={"b": "é😀", "a": [1, 2.5]},
            duration_ms=1000,
            occurred_at="2026-10-01T12:00:00.5+02:00",
        ),
    ]

    assert len({parse(form).canonical for form in forms}) == 1


def test_keys_above_the_basic_plane_are_sorted_by_utf16() -> None:
    parsed = parse(event_json(details={"\ue000": 1, "\U0001f600": 2}))

    assert rfc8785.dumps(json.loads(parsed.canonical)) == parsed.canonical
    assert '{"\U0001f600":2,"\ue000":1}'.encode() in parsed.canonical


@pytest.mark.parametrize(
    ("sent", "written"),
    [("0.00001", "0.00001"), ("1e-7", "1e-7"), ("0.000001", "0.000001"), ("5.0", "5")],
)
def test_numbers_of_any_field_are_written_as_ecmascript_does(sent: str, written: str) -> None:
    parsed = parse(
        with_tail(
            f'"duration_ms":{sent},"usage":{{"cost_usd":{sent}}},"details":{{"a":[{sent}]}},'
            f'"case":{{"factors":{{"a":{sent}}}}}'
        )
    )

    text = parsed.canonical.decode()
    for place_of in ("duration_ms", "cost_usd"):
        assert f'"{place_of}":{written}' in text
    assert f'"a":[{written}]' in text
    assert f'{{"a":{written}}}' in text
    assert rfc8785.dumps(json.loads(text)) == parsed.canonical


@pytest.mark.parametrize(
    ("sent", "normal"),
    [
        ("2026-10-01T10:00:00Z", "2026-10-01T10:00:00.000000Z"),
        ("2026-10-01t10:00:00.1z", "2026-10-01T10:00:00.100000Z"),
        ("2026-10-01T10:00:00.123456789Z", "2026-10-01T10:00:00.123456Z"),
        ("2026-10-01T10:00:00.9999999Z", "2026-10-01T10:00:00.999999Z"),
        ("2026-10-01T00:30:00+05:45", "2026-09-30T18:45:00.000000Z"),
        ("2026-12-31T23:59:59.5-00:01", "2027-01-01T00:00:59.500000Z"),
        ("2026-10-01T10:00:00-00:00", "2026-10-01T10:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
    ],
)
def test_times_become_utc_with_six_digits_cut(sent: str, normal: str) -> None:
    parsed = parse(event_json(occurred_at=sent, decision={"expires_at": sent}))

    written = json.loads(parsed.canonical)
    assert (normal, normal) == (written["occurred_at"], written["decision"]["expires_at"])


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "yesterday",
        "2026-10-01",
        "2026-10-01T10:00:00",
        "2026-10-01 10:00:00Z",
        "2026-10-01T10:00Z",
        "20261001T100000Z",
        "2026-W40-4T10:00:00Z",
        "2026-10-01T10:00:60Z",
        "2026-10-01T24:00:00Z",
        "2026-10-01T10:60:00Z",
        "2026-02-29T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "2026-10-01T10:00:00.Z",
        "2026-10-01T10:00:00,5Z",
        "2026-10-01T10:00:00+2",
        "2026-10-01T10:00:00+0200",
        "2026-10-01T10:00:00+24:00",
        "2026-10-01T10:00:00Z\n",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "+2026-10-01T10:00:00Z",
        "٢٠٢٦-10-01T10:00:00Z",
        "2026-10-01T10:00:00." + "1" * 60 + "Z",
    ],
)
def test_a_text_that_is_no_time_is_refused(sent: str) -> None:
    refused = refusal(event_json(occurred_at=sent))
    assert (refused.code, refused.path) == ("bad-time", "$.occurred_at")

    refused = refusal(event_json(case={"aware_at": sent}))
    assert (refused.code, refused.path) == ("bad-time", "$.case.aware_at")


# --- Ids -----------------------------------------------------------------------------------------


def test_an_event_without_id_takes_the_default() -> None:
    given_id = uuid.uuid4()
    sent = event_json(id=str(given_id))
    without = event_json(id=None)

    by_value = parse_event(without, default_id=given_id)
    by_call = parse_event(without, default_id=lambda: given_id)
    later = parse_event(without, default_id=None)

    assert parse(sent).canonical == by_value.canonical == by_call.canonical
    assert later.id is None
    assert by_value == later.with_id(given_id)
    assert parse_event(sent, default_id=uuid.uuid4()).id == given_id


@pytest.mark.parametrize("sent", ["", "7", "0191e7a4-7c1e-7d3b-8f00", "z" * 36])
def test_an_id_that_is_no_uuid_is_refused(sent: str) -> None:
    refused = refusal(event_json(id=sent))

    assert (refused.code, refused.path) == ("bad-id", "$.id")


def test_what_receive_needs_stands_beside_the_bytes() -> None:
    parsed = parse(
        event_json(data={"subject_ids": ["bob", "bob"]}, personal={"name": "Bob", "score": 1.0})
    )

    assert (parsed.action, parsed.category) == ("tool.invoke", "tool_call")
    assert parsed.agent_id == "alice-agent"
    assert parsed.subject_ids == ("bob",)
    assert parsed.personal == {"name": "Bob", "score": 1.0}


# --- Actions, scopes, missing fields -------------------------------------------------------------


def test_every_action_stands_under_its_category_alone() -> None:
    assert len(set(ACTIONS.values())) == 15
    for action, category in ACTIONS.items():
        for other in set(ACTIONS.values()):
            assert fits(action, other) is (category == other)


def test_an_action_under_another_category_is_refused() -> None:
    refused = refusal(event_json(category="decision"))

    assert (refused.code, refused.path) == ("wrong-category", "$.category")


@pytest.mark.parametrize(
    "action", ["", "tool", "tool.invoked", "x.acme", "x..a", "x.acme.a b", "y.a.b"]
)
def test_an_unknown_action_is_refused(action: str) -> None:
    refused = refusal(event_json(action=action))

    assert (refused.code, refused.path) == ("unknown-action", "$.action")


def test_a_vendor_action_goes_under_any_category_but_audit() -> None:
    for category in set(ACTIONS.values()):
        raw = event_json(action="x.acme.door.opened", category=category)
        if category == "audit":
            assert refusal(raw).code == "wrong-category"
        else:
            parse(raw)


@pytest.mark.parametrize(
    ("scope", "actions"),
    [
        ("server", "audit.chain_verified audit.purged audit.unheard_of"),
        (
            "governance:write",
            "audit.review_completed approval.granted approval.denied access_review.started"
            " vendor.ended tool.registered model.registered processing.activity_changed"
            " dsr.received breach.suspected change.approved legal_hold.applied dpia.completed"
            " risk.assessment_completed policy.relaxed override.applied agent.registered"
            " agent.scope_granted agent.kill_switch_tested identity.offboarded"
            " credential.issued alert.dismissed incident.detected vulnerability.found"
            " restriction.lifted objection.upheld consent.given change.tested change.reviewed"
            " evaluation.completed model.removed tool.removed",
        ),
        (
            "ops:write",
            "backup.completed backup.restore_tested monitor.rules_evaluated system.queue_reported",
        ),
        (
            "events:write",
            "system.resource_sampled metric.recorded approval.requested approval.expired"
            " change.proposed change.deployed change.rolled_back alert.raised agent.started"
            " auth.login tool.invoke x.acme.opened x.audit.opened",
        ),
    ],
)
def test_an_agent_may_not_grade_itself(scope: str, actions: str) -> None:
    for action in actions.split():
        assert scope == scope_needed(action), action


@pytest.mark.parametrize("action", ["consent.withdrawn", "objection.upheld"])
def test_a_withdrawal_names_whose_and_from_what(action: str) -> None:
    def sent(**data: Any) -> bytes:
        return event_json(category="case", action=action, data=data)

    assert refusal(sent()).code == "missing-subject"
    assert refusal(sent(subject_ids=["bob"])).path == "$.data.consent_id"
    assert refusal(sent(subject_ids=[], purpose="ads")).path == "$.data.subject_ids"
    parse(sent(subject_ids=["bob"], purpose="ads"))
    parse(sent(subject_ids=["bob"], consent_id="c-1"))


def test_only_the_platform_speaks_of_integrity() -> None:
    raw = event_json(
        category="audit",
        action="audit.chain_verified",
        target=None,
        integrity={"from_seq": 0, "to_seq": 7, "head_hash": "a" * 64},
    )

    assert refusal(raw).code == "server-field"
    assert parse(raw, by_server=True).action == "audit.chain_verified"


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        ("tool.invoke", "tool.name tool.kind tool.call_id tool.risk tool.side_effect"
         " tool.arguments_hash"),
        ("llm.embed", "agent.version model.provider model.name model.operation usage.input_tokens"),
        ("data.read", "data.classes data.purpose"),
        ("memory.read", "memory.store memory.type"),
        ("workflow.started", "workflow.id workflow.run_id"),
        ("workflow.step_failed", "workflow.id workflow.run_id workflow.step_id"),
        ("decision.evaluated", "decision.effect decision.policy_id decision.policy_version"),
        ("approval.granted", "decision.approval_id"),
        ("auth.login", "auth.method"),
        ("auth.logout", ""),
        ("change.proposed", "change.id"),
        ("incident.detected", "case.id"),
        ("breach.closed", "case.id"),
        ("dsr.completed", "case.id"),
        ("dsr.received", "case.id case.dsr_type"),
        ("alert.raised", "case.alert_id"),
        *((action, "run.id") for action in (
            "run.started", "loop.completed", "goal.failed", "task.started", "plan.created")),
        ("agent.registered", "agent.owner"),
        ("agent.started", "agent.version"),
        ("agent.stopped", ""),
        ("message.sent", ""),
    ],
)  # fmt: skip
def test_missing_fields_are_those_of_the_list_and_no_others(action: str, missing: str) -> None:
    event = {"category": ACTIONS[action], "action": action, "outcome": "success"}

    assert missing.split() == missing_fields(event, "governance")
    assert ["agent.instance_id", "client_seq", *missing.split()] == missing_fields(event, "events")
    assert ["error.type", *missing.split()] == missing_fields(event | {"outcome": "error"}, "ops")


def test_absent_null_and_empty_lists_are_missing_and_nothing_else() -> None:
    event = {"category": "data_access", "action": "data.read", "outcome": "denied"}

    assert missing_fields(event | {"data": {"classes": [], "purpose": None}}, "ops") == [
        "data.classes",
        "data.purpose",
    ]
    assert missing_fields(event | {"data": {"classes": ["pii"], "purpose": ""}}, "ops") == []


def test_an_event_of_an_agent_should_say_its_place_in_the_row_but_a_reading_need_not() -> None:
    reading = {"category": "system", "action": "metric.recorded", "outcome": "success"}
    numbered = {"category": "communication", "action": "message.sent", "outcome": "success"}

    assert missing_fields(reading, "events") == []
    assert (
        missing_fields(numbered | {"client_seq": 0, "agent": {"instance_id": "i"}}, "events") == []
    )


# --- Bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b'{"a":1}', [b'{"a":1}']),
        (b' \n{"a": 1}\n', [b'{"a": 1}']),
        (b"[]", []),
        (b' [ {"a":1} , {"b":[2]} ] ', [b'{"a":1}', b'{"b":[2]}']),
        (b"5", [b"5"]),
        (b'{"a":NaN}', [b'{"a":NaN}']),
        (b'[{"a":NaN},{"b":"]},{"}]', [b'{"a":NaN}', b'{"b":"]},{"}']),
        (b'[{"a":"\\ud800"},{"b":1}]', [b'{"a":"\\ud800"}', b'{"b":1}']),
        (b'[{"a":"\xff\\""},{"b":1}]', [b'{"a":"\xff\\""}', b'{"b":1}']),
        (b'[{"a":1}{"b":2},3]', [b'{"a":1}{"b":2}', b"3"]),
        (b"[" + b"[" * 5000 + b"]" * 5000 + b",{}]", [b"[" * 5000 + b"]" * 5000, b"{}"]),
    ],
)
def test_a_json_body_is_split_into_its_events(body: bytes, events: list[bytes]) -> None:
    assert events == split_body(body, "application/json; charset=utf-8")


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"hello", b"[", b"[1", b'[{"a":1}', b"[]]", b"[{},]", b"[,]", b'{"a":1}]',
     b'{"a":NaN},{"b":1}', b"NaN", b'"x', b'{"a":1}\n{"b":2}', b"[}", b"]", b'["', b"\xff"],
)  # fmt: skip
def test_a_body_that_is_no_json_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(EventRejected) as caught:
        split_body(body, "application/json")

    assert (caught.value.code, caught.value.path) == ("not-json", "$")


@pytest.mark.parametrize(
    "body",
    [b"[" * 20_000_000, b"[" + b"{}," * 2_000_000 + b"NaN]", b'["' + b'\\"' * 2_000_000,
     b'["' + b"\\" * 2_000_001, b"[" + b"," * 2_000_000, b"[{" + b"," * 2_000_000],
)  # fmt: skip
def test_no_body_takes_minutes_to_refuse(body: bytes) -> None:
    # The test's own time-out is what fails here: a quadratic search takes hours.
    with pytest.raises(EventRejected):
        split_body(body, "application/json")


def test_lines_are_events_and_blank_ones_are_not() -> None:
    body = b'{"a":1}\r\n\n  \nnot json\n{"b":2}'

    assert split_body(body, "Application/X-NDJSON") == [b'{"a":1}', b"not json", b'{"b":2}']


@settings(max_examples=size(100, 300), deadline=None)
@given(st.binary(max_size=60) | st.text('[]{}",:\\ a1', max_size=60).map(str.encode))
def test_no_body_raises_anything_but_a_refusal(body: bytes) -> None:
    for content_type in ("application/json", "application/x-ndjson"):
        with contextlib.suppress(EventRejected):
            split_body(body, content_type)


# --- Any input at all ----------------------------------------------------------------------------

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.sampled_from([1e20, 1e21, 2**53, "2026-10-01T10:00:00Z", "a" * 64, "\x00", "\U0001f600"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=size(100, 300), deadline=None)
@given(st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_input_raises_nothing_but_a_refusal(raw: bytes) -> None:
    with pytest.raises(EventRejected):
        parse(raw)


@settings(max_examples=size(100, 600), deadline=None)
@given(data=st.data())
def test_a_changed_event_is_refused_or_written_as_the_reference_writes_it(
    data: st.DataObject,
) -> None:
    event = copy.deepcopy(FULL)
    for path in data.draw(st.lists(st.sampled_from(PATHS), max_size=3)):
        event = place(event, path, data.draw(json_values)) if _has(event, path) else event
    event["details"] = data.draw(st.dictionaries(st.text(max_size=3), json_values, max_size=3))
    compact = data.draw(st.booleans())
    text = json.dumps(
        event, ensure_ascii=data.draw(st.booleans()), separators=(",", ":") if compact else None
    )
    raw = text.encode("utf-8", "surrogatepass")

    parsed = outcome(raw)
    if isinstance(parsed, EventRejected):
        assert parsed.path.startswith("$")
        return

    sent = json.loads(raw)
    written = json.loads(parsed.canonical)
    assert rfc8785.dumps(written) == parsed.canonical
    assert rfc8785.dumps(sent["details"]) == rfc8785.dumps(written["details"])
    assert set(sent) == set(written)


@settings(max_examples=size(100, 400), deadline=None)
@given(data=st.data())
def test_a_member_written_twice_is_always_found(data: st.DataObject) -> None:
    numbers = st.sampled_from(
        ["1", "1e-4", "1E2", "1.5", "0.00010", "-0", "-0.0", '"\\u0061"', '"é"', "[1e-5,1]", "{}"]
    )
    names = st.sampled_from(["", "a", "b", "\\u0061"])
    members = data.draw(st.lists(st.tuples(names, numbers), max_size=6))
    gap = data.draw(st.sampled_from(["", " "]))
    text = ",".join(f'{gap}"{name}":{gap}{value}' for name, value in members)
    number = data.draw(st.sampled_from(["1", "1.5", "1e-4", "0.50"]))
    tail = f'"duration_ms":{number},"details":{{{text}}}'
    plain = [name.replace("\\u0061", "a") for name, _value in members]

    found = outcome(with_tail(tail))

    is_twice = len(set(plain)) < len(plain)
    assert isinstance(found, EventRejected) is is_twice
    if isinstance(found, EventRejected):
        assert found.code == "duplicate-key"


FULL = full_event()
PATHS = [path for path, _kind in SENT_FIELDS]


def _has(event: Any, path: tuple[str, ...]) -> bool:
    for step in path[:-1]:
        if isinstance(event, list) and step.isdigit() and len(event) > int(step):
            event = event[int(step)]
        elif isinstance(event, dict) and step in event:
            event = event[step]
        else:
            return False
    return isinstance(event, dict)


# --- Real events ---------------------------------------------------------------------------------


def real_events() -> list[bytes]:
    """Return the lines of every NDJSON file in OBS_SAMPLES; ours when it is not set."""
    folder = os.environ.get("OBS_SAMPLES")
    if not folder:
        return [event_json(), json.dumps(FULL).encode()]
    lines: list[bytes] = []
    for file in sorted(Path(folder).glob("*.ndjson*")):
        data = file.read_bytes()
        lines += (gzip.decompress(data) if file.suffix == ".gz" else data).splitlines()
    assert lines, "OBS_SAMPLES names a folder without *.ndjson or *.ndjson.gz"
    return lines


def test_real_events_are_accepted_as_the_reference_writes_them() -> None:
    for raw in real_events():
        parsed = parse(raw)

        written = json.loads(parsed.canonical)
        assert rfc8785.dumps(written) == parsed.canonical
        assert json.loads(raw).keys() == written.keys()
