"""A bad event never stops the rest: refused with its path, or kept in quarantine (R12)."""

from __future__ import annotations

import json
import uuid
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from audit.append import append_pending
from audit.models import Ledger
from tests.conftest import make_event
from tests.faults.conditions import assert_nothing_was_lost
from tests.faults.inbox import canonical, put
from tests.faults.load import Agent, seeded_event
from tests.faults.targets import Target
from tests.faults.trap import owner
from tests.faults.verifier import verify

GOOD = 25  # around each bad one, on either side

REFUSED = {
    "deep": (b'{"details":' + b'{"a":' * 40 + b"1" + b"}" * 41, "$.details"),
    "huge": (b'{"reason":"' + b"x" * 70_000 + b'"}', "$"),
    "NUL": (b'{"details":{"a":"\\u0000"}}', "$.details.a"),
    "lone surrogate": (b'{"details":{"a":"\\ud800"}}', "$.details.a"),
    "wrong type": (b'{"duration_ms":"soon"}', "$.duration_ms"),
    "unknown field": (b'{"agnet":{}}', "$.agnet"),
    "key twice": (b'{"details":{"a":1,"a":2}}', "$.details"),
    "NaN": (b'{"duration_ms":NaN}', "$"),
    "no JSON": (b'{"details":', "$"),
}
"""What stands in the place of, or beside, a good event's members; and where the error points."""


def test_each_kind_of_bad_event_is_refused_with_its_path_and_its_neighbours_are_chained(
    target: Target, agent: Agent
) -> None:
    lines: list[tuple[str, bytes]] = []
    for bad, _ in REFUSED.values():
        lines += [_good_line(agent) for _ in range(GOOD)]
        event_id, good = _good_line(agent)
        lines.append((event_id, _with(good, bad)))
    lines += [_good_line(agent) for _ in range(GOOD)]

    answer = agent.send(b"\n".join(line for _, line in lines), tuple(i for i, _ in lines))

    refused = [r for r in answer.receipts if r["status"] == "rejected"]
    assert len(refused) == len(REFUSED)
    for (kind, (_, path)), receipt in zip(REFUSED.items(), refused, strict=True):
        assert receipt["error"]["path"].startswith(path), f"{kind}: {receipt['error']}"
    assert_nothing_was_lost(target, agent.attempts)


def _good_line(agent: Agent) -> tuple[str, bytes]:
    event = seeded_event(agent.chance, details=None, personal=None, data=None)
    return event["id"], json.dumps(event).encode()


def _with(good: bytes, members: bytes) -> bytes:
    """Put the bad members behind the good ones."""
    return good[:-1] + b"," + members[1:]


# --- Past the API --------------------------------------------------------------------------------

POISON: dict[str, bytes | dict[str, Any]] = {
    "no JSON": b"not json",
    "no object": b"[1,2]",
    "nothing": b"",
    "no UTF-8": b'{"agent":{"id":"\xff\xfe"}}',
    "NUL in a column": {"agent": {"id": "a\0b"}},
    "lone surrogate": b'{"agent":{"id":"\\ud800"}}',
    "wrong type": {"agent": {"id": 7}},
    "no agent": {"agent": None},
    "a time that is none": {"occurred_at": "yesterday"},
    "too large for a record": {"details": {"text": "x" * 66_000}},
    "too deep": b'{"details":' + b'{"a":' * 9000 + b"1" + b"}" * 9001,
    "a null in a list": {"data": {"classes": [None]}},
}


@pytest.mark.parametrize("kind", POISON)
def test_a_bad_event_in_the_inbox_is_quarantined_and_its_neighbours_are_chained(
    ledger: Ledger, kind: str
) -> None:
    poison = POISON[kind]
    bad_id = str(uuid.uuid4())
    if isinstance(poison, dict):
        poison = canonical(make_event(id=bad_id, **poison))
    events, ids = _good_around(poison, bad_id)
    with owner() as connection:
        put(connection, ledger.id, events, ids)

        append_pending(ledger.id)

        _assert_all_but_one_chained(connection, ledger, ids)
        _assert_quarantined(connection, ledger, bad_id, poison)


ROWS: dict[str, dict[str, Any]] = {
    "a source that is no JSON": {"source": b"{"},
    "fewer digests than events": {"digests": b"\0" * 31},
    "fewer ids than events": {"ids": [uuid.UUID(int=5)]},
    "no ids at all": {"ids": []},
    "an event with a line feed in it": {"events": b'{"a":\n1}\n{}'},
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_that_does_not_fit_together_is_quarantined_whole_and_the_next_is_chained(
    ledger: Ledger, kind: str
) -> None:
    bad = [canonical(make_event()), canonical(make_event())]
    events, ids = _good_around(None, "")
    with owner() as connection:
        put(connection, ledger.id, bad, [str(uuid.uuid4()) for _ in bad], instead=ROWS[kind])
        put(connection, ledger.id, events, ids)

        append_pending(ledger.id)

        _assert_all_but_one_chained(connection, ledger, ids)
        (kept,) = connection.execute(
            "SELECT reason, event FROM audit_quarantine WHERE ledger_id = %s", [ledger.id]
        ).fetchall()
    assert kept == ("unreadable", ROWS[kind].get("events", b"\n".join(bad)))


def test_an_error_that_is_no_fault_of_an_event_leaves_the_inbox_for_the_next_try(
    ledger: Ledger,
) -> None:
    events, ids = _good_around(None, "")
    with owner() as connection:
        put(connection, ledger.id, events, ids)
        connection.execute(
            """
            CREATE FUNCTION fault_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full';
            END $$
            """
        )
        connection.execute(
            "CREATE TRIGGER fault_refuse BEFORE INSERT ON audit_eventkey"
            " EXECUTE FUNCTION fault_refuse()"
        )
        try:
            with pytest.raises(psycopg.errors.DiskFull):
                append_pending(ledger.id)
        finally:
            connection.execute("DROP TRIGGER fault_refuse ON audit_eventkey")
            connection.execute("DROP FUNCTION fault_refuse()")
        assert verify(connection, ledger.name).size == 0

        append_pending(ledger.id)

        _assert_all_but_one_chained(connection, ledger, ids)


def _good_around(bad: bytes | None, bad_id: str) -> tuple[list[bytes], list[str]]:
    events = [make_event() for _ in range(2 * GOOD)]
    rows, ids = [canonical(event) for event in events], [event["id"] for event in events]
    if bad is not None:
        rows.insert(GOOD, bad)
        ids.insert(GOOD, bad_id)
    return rows, ids


def _assert_all_but_one_chained(
    connection: psycopg.Connection[Any], ledger: Ledger, ids: list[str]
) -> None:
    found = verify(connection, ledger.name)
    assert found.size == 2 * GOOD
    assert {event_id for event_id, _ in found.entries} <= set(ids)
    waiting = connection.execute(
        "SELECT 1 FROM audit_inbox WHERE ledger_id = %s", [ledger.id]
    ).fetchone()
    assert waiting is None


def _assert_quarantined(
    connection: psycopg.Connection[Any], ledger: Ledger, bad_id: str, poison: bytes
) -> None:
    (kept,) = connection.execute(
        """
        SELECT event_id::text, reason, error <> '', event, digest
        FROM audit_quarantine
        WHERE ledger_id = %s
        """,
        [ledger.id],
    ).fetchall()
    assert kept == (bad_id, "refused", True, poison, sha256(poison).digest())
