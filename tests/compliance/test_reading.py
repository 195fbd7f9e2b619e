"""Records become fields: what is missing, what the server adds, what a registry knows better."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from audit.actions import ACTIONS, missing_fields
from audit.ledger.canonical import canonicalise
from audit.ledger.record import leaf_hash
from compliance.kinds.base import Entry
from compliance.language.fields import FIELDS, VALUES
from compliance.language.reading import EntryView, Remembered, ToolRegistry, read_entry
from tests.conftest import make_event

SOURCE: dict[str, Any] = {"via": "api", "scope": "events", "key": "testkey1", "ip": "192.0.2.7"}


def entry(
    registry: ToolRegistry | None = None, *, source: dict[str, Any] | None = None, **event: Any
) -> EntryView:
    record = canonicalise({
        "event": make_event(**event),
        "ledger": "t.one",
        "prev": "ab" * 32,
        "received_at": "2026-10-01T10:00:01.500000Z",
        "seq": 41,
        "source": SOURCE if source is None else source,
        "v": 1,
    })  # fmt: skip
    return read_entry(41, record, leaf_hash(record), registry or ToolRegistry())


def register(registry: ToolRegistry, action: str = "tool.registered", **tool: Any) -> None:
    registry.see(entry(registry, category="case", action=action, tool=tool, outcome="success"))


def test_an_entry_is_what_kinds_ask_for() -> None:
    view: Entry = entry()

    assert (view.seq, view.category, view.action) == (41, "tool_call", "tool.invoke")
    assert view.received - view.at == 1_500_000
    assert view.agent == "alice-agent"
    assert view.environment == "prod"
    assert not view.is_backfill
    assert not view.is_by_person


def test_absent_null_and_empty_lists_are_missing_and_false_zero_and_empty_text_are_not() -> None:
    view = entry(
        data={"classes": [], "record_count": 0, "external": False, "purpose": ""},
        target={"id": "x", "type": None},
    )

    assert view.read("data.classes") is None
    assert view.read("target.type") is None
    assert view.read("tool.server") is None
    assert view.read("data.record_count") == 0
    assert view.read("data.external") is False
    assert view.read("data.purpose") == ""


def test_defaults_of_the_event_are_read() -> None:
    assert entry().read("severity") == "info"
    assert entry().read("agent.environment") == "prod"
    assert entry(severity="high").read("severity") == "high"
    assert entry(agent={"id": "a", "environment": "test"}).environment == "test"


def test_what_is_free_of_form_is_no_field() -> None:
    view = entry(details={"risk": "low"}, labels={"a": "b"})

    assert view.read("details.risk") is None
    assert view.read("details") is None
    assert view.event["details"] == {"risk": "low"}


def test_the_server_adds_what_it_knows() -> None:
    view = entry(source=SOURCE | {"backfill": True, "scope": "governance"})

    assert view.read("seq") == 41
    assert view.read("ledger") == "t.one"
    assert view.read("received_at") == "2026-10-01T10:00:01.500000Z"
    assert view.read("prev_hash") == "ab" * 32
    assert len(view.read("entry_hash")) == 64
    assert view.read("ingest.delay_seconds") == 1.5
    assert view.read("ingest.key_id") == "testkey1"
    assert view.read("ingest.ip") == "192.0.2.7"
    assert view.read("source.backfill") is True
    assert view.is_backfill
    assert view.is_by_person


def test_a_whole_delay_is_a_whole_number() -> None:
    delay = entry(occurred_at="2026-10-01T10:05:01.500000Z").read("ingest.delay_seconds")

    assert delay == -300
    assert isinstance(delay, int)


def test_parties_behind_the_actor_can_be_read() -> None:
    behind = {"type": "human", "id": "u1"}

    assert (
        entry(actor={"type": "agent", "id": "a", "on_behalf_of": behind}).read(
            "actor.on_behalf_of.id"
        )
        == "u1"
    )


@example("tool.invoke", "success", "events", False)
@given(
    st.sampled_from(sorted(ACTIONS)),
    st.sampled_from(["success", "error", "failure", "denied"]),
    st.sampled_from(["events", "governance", "ops", "server"]),
    st.booleans(),
)
def test_missing_fields_are_those_of_audit(
    action: str, outcome: str, scope: str, has_tool: bool
) -> None:
    event = make_event(
        action=action,
        category=ACTIONS[action],
        outcome=outcome,
        tool={"name": "t", "risk": "low"} if has_tool else None,
        data={"classes": [], "purpose": "p"},
    )
    view = entry(source=SOURCE | {"scope": scope}, **({"tool": None} | event))

    assert view.read("missing_fields") == (missing_fields(event, scope) or None)


def test_what_the_registry_knows_of_a_tool_stands_in_place_of_the_claim() -> None:
    registry = ToolRegistry()
    register(registry, name="pay", server="bank", risk="critical", side_effect=True)
    claim = {"name": "pay", "server": "bank", "risk": "low"}

    view = entry(registry, tool=claim)

    assert view.read("tool.risk") == "critical"
    assert view.read("tool.side_effect") is True
    assert view.event["tool"]["risk"] == "critical"
    assert view.claimed == {"tool.risk": "low", "tool.side_effect": None}


def test_a_tool_of_another_server_is_another_tool() -> None:
    registry = ToolRegistry()
    register(registry, name="pay", server="bank", risk="critical")

    view = entry(registry, tool={"name": "pay", "risk": "low"})

    assert view.read("tool.risk") == "low"
    assert view.claimed == {}


def test_a_removed_tool_is_known_no_longer_and_a_failed_registration_never_was() -> None:
    registry = ToolRegistry()
    register(registry, name="pay", risk="critical")
    register(registry, "tool.removed", name="pay")
    refused = entry(
        registry, category="case", action="tool.registered", outcome="denied",
        tool={"name": "read", "risk": "high"},
    )  # fmt: skip

    assert registry.see(refused) is False
    assert registry.dump() == []
    assert entry(registry, tool={"name": "pay", "risk": "low"}).read("tool.risk") == "low"


def test_a_registry_goes_through_json_unchanged() -> None:
    registry = ToolRegistry()
    register(registry, name="b", server="s", risk="low")
    register(registry, name="b", destructive=False)
    register(registry, name="a")

    again = ToolRegistry.load(json.loads(json.dumps(registry.dump())))

    assert again.dump() == registry.dump()
    assert ToolRegistry.load(None).dump() == []


def test_what_was_kept_of_an_entry_answers_as_it_did() -> None:
    kept = json.loads(json.dumps({
        "seq": 7, "at": 11, "received": 12, "category": "case", "agent": "a",
        "environment": "prod", "is_backfill": False, "is_by_person": True, "case.id": "C-1",
    }))  # fmt: skip
    remembered = Remembered(kept)

    assert remembered.read("case.id") == "C-1"
    assert remembered.read("case.risk") is None
    assert (remembered.seq, remembered.at, remembered.received) == (7, 11, 12)
    assert remembered.is_by_person
    assert not remembered.is_backfill


def test_every_field_of_an_event_can_be_named_and_nothing_else() -> None:
    assert FIELDS["tool.risk"] == "string"
    assert FIELDS["data.classes"] == "list"
    assert FIELDS["case.aware_at"] == "time"
    assert FIELDS["usage.cost_usd"] == "number"
    assert FIELDS["change.from"] == "string"
    assert "change.from_" not in FIELDS
    assert not any(path.startswith(("details", "personal", "labels")) for path in FIELDS)
    assert VALUES["outcome"] == {"success", "failure", "denied", "error", "pending", "unknown"}
    assert "phi" in VALUES["data.classes"]
