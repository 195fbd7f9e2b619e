"""The border of ingest: what is an event, and where the answer says that one is none.

Bad input: test_events_refused.py. Written in one way: test_events_canonical.py. Anything at all:
test_events_any_input.py.
"""

from __future__ import annotations

import gzip
import json
import os
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785

from audit.actions import ACTIONS
from audit.errors import EventRejected
from audit.events import event_json_schema
from audit.parse import parse_event
from tests.audit.building import blocks, event_json, full_event, place
from tests.audit.parsing import FIELDS, FULL, SENT_FIELDS, outcome, parse, refusal

WRONG: list[Any] = [None, True, 7, 7.5, "text", [], [[]], {}, {"a": {"b": []}}]


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
