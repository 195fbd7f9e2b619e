from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.ledger.canonical import canonicalise
from audit.ledger.record import GENESIS, format_time, link
from metrics.reading import read_record

EVENT: dict[str, Any] = {
    "action": "file.read",
    "agent": {"id": "alice"},
    "category": "action",
    "occurred_at": "2026-11-20T22:06:53.100001Z",
    "outcome": "success",
}
RECEIVED = datetime(2026, 11, 20, 22, 6, 54, 123456, tzinfo=UTC)


@pytest.mark.parametrize(("source", "is_backfill"), [({}, False), ({"backfill": True}, True)])
def test_a_record_is_read_as_it_was_chained(source: dict[str, Any], is_backfill: bool) -> None:
    chained = link(
        [(canonicalise(EVENT), format_time(RECEIVED), canonicalise({"via": "api", **source}))],
        ledger="acme.prod", size=41, head=GENESIS,
    )  # fmt: skip
    ((seq, record, _),) = chained

    found = read_record(seq, record)

    assert found.event == EVENT
    assert (found.seq, found.ledger, found.is_backfill) == (41, "acme.prod", is_backfill)
    assert found.received_us == round(RECEIVED.timestamp() * 1_000_000)
    assert found.received_us - found.occurred_us == 1_023_455


def test_the_time_of_an_act_long_ago_is_exact() -> None:
    event = EVENT | {"occurred_at": "1969-12-31T23:59:59.999999Z"}
    record = json.dumps(
        {"event": event, "ledger": "main", "received_at": "2026-11-20T00:00:00Z", "source": {}}
    )

    assert read_record(0, record.encode()).occurred_us == -1
