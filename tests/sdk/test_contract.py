"""The SDK and the platform mean the same: words, redaction, digests, what is accepted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obsagent import canonical as sdk_canonical
from obsagent import event as sdk_event
from obsagent import redact as sdk_redact
from obsagent import schema
from obsagent.errors import EventInvalid, NotCanonical

from audit import actions, limits, redact, stored
from audit import errors as platform_errors
from audit.events import event_json_schema
from audit.ledger import canonical
from audit.parse import parse_event

VECTORS = Path(__file__).parents[1] / "vectors"
SCHEMA = event_json_schema()

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-canonical.SAFE_INTEGER, canonical.SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_the_fields_of_an_event_are_the_platforms() -> None:
    blocks = {
        name: set(SCHEMA["$defs"][name.capitalize()]["properties"])
        for name in SCHEMA["properties"]
        if name.capitalize() in SCHEMA["$defs"]
    }

    assert {name: set(fields) for name, fields in schema.BLOCKS.items()} == blocks
    assert set(SCHEMA["properties"]) - blocks.keys() == schema.FIELDS


def test_the_actions_are_those_a_key_may_post() -> None:
    postable = {
        action: category
        for action, category in actions.ACTIONS.items()
        if actions.scope_needed(action) != "server"
    }

    assert postable == schema.ACTIONS


def choices_of(fields: dict[str, Any], prefix: str = "") -> dict[str, set[str]]:
    found = {}
    for name, field in fields.items():
        given = field.get("enum") or field.get("items", {}).get("enum")
        if given:
            found[prefix + name] = set(given)
    return found


def test_the_words_of_fields_are_the_platforms() -> None:
    expected = choices_of(SCHEMA["properties"])
    for name in schema.BLOCKS:
        expected |= choices_of(SCHEMA["$defs"][name.capitalize()]["properties"], f"{name}.")

    assert {path: set(words) for path, words in schema.CHOICES.items()} == expected


def test_the_caps_are_the_platforms() -> None:
    assert sdk_event.MOST_BYTES == stored.MAX_EVENT <= limits.MAX_STRING
    assert sdk_event.MOST_DETAILS == stored.MAX_DETAILS


def test_secrets_are_looked_for_by_the_same_rules() -> None:
    ours = [(each.mark, each.literals, each.pattern.pattern) for each in sdk_redact.SHAPES]
    theirs = [(each.mark, each.literals, each.pattern.pattern) for each in redact.SHAPES]

    assert ours == theirs
    for name in ("_SECRET_ENDINGS", "_SECRET_NAMES", "_HARMLESS_NAMES", "REPLACEMENT"):
        assert getattr(sdk_redact, name) == getattr(redact, name)


@given(json_values)
def test_the_canonical_form_is_the_platforms(value: Any) -> None:
    try:
        expected = canonical.canonicalise(value)
    except platform_errors.NotCanonical:
        with pytest.raises(NotCanonical):
            sdk_canonical.canonicalise(value)
    else:
        assert sdk_canonical.canonicalise(value) == expected


@given(json_values)
def test_a_redacted_value_is_the_platforms(value: Any) -> None:
    assert sdk_redact.Redactor().tree(value) == redact.Redactor().tree(value)


def test_each_vector_of_the_canonical_form_holds() -> None:
    for case in json.loads((VECTORS / "canonical.json").read_text())["json"]:
        written = sdk_canonical.canonicalise(json.loads(case["input"]))
        assert written.decode() == case["canonical"], case["name"]


def test_an_id_is_a_uuid_of_version_seven_and_of_now() -> None:
    made = UUID(sdk_event.new_id())

    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    age = datetime.now(UTC).timestamp() * 1_000 - (made.int >> 80)
    assert 0 <= age < 60_000
    assert len({sdk_event.new_id() for _ in range(1_000)}) == 1_000


def test_a_time_is_one_that_the_platform_reads() -> None:
    assert parsed(event()).event.occurred_at.endswith("Z")
    assert datetime.fromisoformat(sdk_event.now()).tzinfo is not None


def event(**fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": sdk_event.new_id(),
        "occurred_at": sdk_event.now(),
        "category": "tool_call",
        "action": "tool.invoke",
        "outcome": "success",
        "agent": {"id": "alice"},
        "actor": {"type": "agent", "id": "alice"},
        "target": {"type": "tool", "id": "search"},
    } | fields
    return {name: value for name, value in made.items() if value is not None}


def parsed(made: dict[str, Any]) -> Any:
    return parse_event(sdk_event.prepared(made, sdk_redact.Redactor()), default_id=None)


REFUSED_BY_BOTH: dict[str, dict[str, Any]] = {
    "an unknown field": {"tols": {}},
    "an unknown field of a block": {"tool": {"nam": "x"}},
    "a null": {"tool": {"name": None}},
    "a word that is none": {"tool": {"risk": "enormous"}},
    "a word of a list that is none": {"data": {"classes": ["secret"]}},
    "an unknown outcome": {"outcome": "fine"},
    "an unknown severity": {"severity": "bad"},
    "a text too long": {"tool": {"name": "x" * 201}},
    "a reason too long": {"reason": "x" * 501},
    "a message too long": {"error": {"message": "x" * 2_001}},
    "an unknown action": {"action": "tool.use"},
    "a vendor's action without a verb": {"action": "x.acme"},
    "another category": {"category": "memory"},
    "no target": {"target": None},
    "a target without an id": {"target": {"type": "tool"}},
    "an agent without an id": {"agent": {"id": ""}},
    "a time without an offset": {"vendor": {"valid_until": "2026-01-01T00:00:00"}},
    "a negative duration": {"duration_ms": -1},
    "too many labels": {"labels": {str(n): "x" for n in range(33)}},
    "a label that is no text": {"labels": {"n": 1}},
    "personal data of nobody": {"personal": {"name": "Bob"}},
    "a NUL": {"details": {"text": "a\0b"}},
    "half a character": {"details": {"text": "\ud800"}},
}


@pytest.mark.parametrize("why", REFUSED_BY_BOTH)
def test_what_the_platform_refuses_is_refused_before_it_is_recorded(why: str) -> None:
    fields = REFUSED_BY_BOTH[why]

    with pytest.raises(platform_errors.EventRejected):
        parse_event(json.dumps(event(**fields)).encode(), default_id=None)
    with pytest.raises(EventInvalid):
        sdk_event.prepared(event(**fields), sdk_redact.Redactor())


def test_too_large_an_event_is_refused() -> None:
    with pytest.raises(EventInvalid, match="details"):
        sdk_event.prepared(event(details={"a": "x" * 40_000}), sdk_redact.Redactor())
    with pytest.raises(EventInvalid, match="60,000"):
        sdk_event.prepared(event(data={"fields": ["x" * 200] * 400}), sdk_redact.Redactor())


def test_secrets_leave_the_free_text_and_nothing_else() -> None:
    made = event(
        details={"password": "sesame", "max_tokens": 5},
        reason="Authorization: Bearer sesame7890",
        error={"type": "Timeout", "message": "ghp_16C7e42F292c6912E7710c838347Ae178B4a"},
        tool={"name": "token"},
    )

    sent = json.loads(sdk_event.prepared(made, sdk_redact.Redactor()))

    assert sent["details"] == {"password": redact.REPLACEMENT, "max_tokens": 5}
    assert "sesame" not in sent["reason"]
    assert "ghp_" not in sent["error"]["message"]
    assert sent["tool"] == {"name": "token"}


@pytest.mark.parametrize(
    ("value", "same_as"),
    [
        ({"b": 1.0, "a": (1, 2)}, {"a": [1, 2], "b": 1}),
        ({"s": {"x", "y"}}, {"s": ["x", "y"]}),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, {"at": "2026-01-01 00:00:00+00:00"}),
        ({1: float("inf")}, {"1": "inf"}),
    ],
)
def test_arguments_of_any_kind_have_one_digest(value: Any, same_as: Any) -> None:
    assert sdk_canonical.digest_of(value) == sdk_canonical.digest_of(same_as)
