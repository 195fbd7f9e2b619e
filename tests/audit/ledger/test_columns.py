"""Columns: what the writer copies out of an event is what verification reads out of its record."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.ledger.canonical import canonicalise
from audit.ledger.columns import (
    Columns,
    columns_of_event,
    columns_of_source,
    parse_time,
    read_record,
)
from audit.ledger.record import GENESIS, link

LEAST: dict[str, Any] = {
    "id": "0191e7a4-7c1e-7d3b-8f00-5b6a0c1d2e3f",
    "occurred_at": "2026-10-01T10:00:00.000000Z",
    "category": "tool_call",
    "action": "tool.invoke",
    "outcome": "success",
    "agent": {"id": "alice-agent"},
    "actor": {"type": "agent", "id": "alice"},
}
FULL = LEAST | {
    "severity": "high",
    "agent": {"id": "alice-agent", "environment": "staging"},
    "run": {"id": "run-1", "mode": "chat"},
    "trace": {"trace_id": "a" * 32, "span_id": "b" * 16},
    "data": {"classes": ["pii", "phi"], "purpose": "care"},
}


def test_every_column_comes_from_its_own_field() -> None:
    assert columns_of_event(canonicalise(FULL)) == Columns(
        event_id="0191e7a4-7c1e-7d3b-8f00-5b6a0c1d2e3f",
        occurred_at="2026-10-01T10:00:00.000000Z",
        agent_id="alice-agent",
        actor_id="alice",
        category="tool_call",
        action="tool.invoke",
        outcome="success",
        severity="high",
        environment="staging",
        run_id="run-1",
        trace_id="a" * 32,
        data_classes=["pii", "phi"],
    )


def test_what_a_record_leaves_out_is_read_as_its_default() -> None:
    found = columns_of_event(canonicalise(LEAST))

    assert (found.severity, found.environment) == ("info", "prod")
    assert (found.run_id, found.trace_id, found.data_classes) == (None, None, None)


@pytest.mark.parametrize("block", ["run", "trace", "data"])
def test_a_block_without_the_copied_field_leaves_the_column_empty(block: str) -> None:
    found = columns_of_event(canonicalise(LEAST | {block: {}}))

    assert (found.run_id, found.trace_id, found.data_classes) == (None, None, None)


def test_no_classes_and_an_empty_list_of_classes_are_told_apart() -> None:
    assert columns_of_event(canonicalise(LEAST | {"data": {"classes": []}})).data_classes == []


@settings(deadline=None)
@given(
    agent=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
    run=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    key=st.none() | st.text("abcXYZ089", min_size=8, max_size=8),
    is_backfill=st.booleans(),
    seq=st.integers(0, 2**53 - 1),
)
def test_writer_and_verification_read_the_same_columns(
    agent: str, run: str | None, key: str | None, is_backfill: bool, seq: int
) -> None:
    event = canonicalise(
        FULL | {"agent": {"id": agent}} | ({} if run is None else {"run": {"id": run}})
    )
    said: dict[str, Any] = {"scope": "events", "via": "api"}
    said |= {} if key is None else {"key": key}
    said |= {"backfill": True} if is_backfill else {}
    received = "2026-11-20T22:06:54.123456Z"
    ((_, record, _),) = link(
        [(event, received, canonicalise(said))], ledger="main", size=seq, head=GENESIS
    )

    read = read_record(record)

    assert read.columns == columns_of_event(event)
    assert (read.key_id, read.is_backfill) == columns_of_source(canonicalise(said))
    assert (read.ledger, read.prev, read.seq, read.version) == ("main", "0" * 64, seq, 1)
    assert read.received_at == received


@pytest.mark.parametrize("name", sorted(LEAST))
def test_bytes_without_a_field_that_is_copied_are_no_event(name: str) -> None:
    event = {key: value for key, value in LEAST.items() if key != name}

    with pytest.raises(msgspec.DecodeError):
        columns_of_event(canonicalise(event))


@pytest.mark.parametrize("record", [b"", b"{}", b"[]", b"\xff", b'{"event":{}}', b"null"])
def test_bytes_that_are_no_record_are_told(record: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, ValueError)):
        read_record(record)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_moment_are_read(text: str) -> None:
    found = parse_time(text)

    assert found.utcoffset() is not None
    assert f"{found.year:04d}" == text[:4]
    assert json.dumps(found.microsecond).zfill(6) == text[20:26]
