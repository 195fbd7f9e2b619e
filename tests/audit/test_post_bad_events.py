"""Bad events over HTTP: refused by name and place, at no cost to their neighbours."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from audit.append import append_pending
from audit.models import Entry, Ledger, Quarantine
from tests.audit.building import full_event, with_tail
from tests.audit.posting import NDJSON, Sender, alice, fresh, stored
from tests.conftest import make_event

__all__ = ["alice", "fresh"]  # fixtures, which pytest finds by their names here


BAD_EVENTS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "bad_events.json").read_text()
)


def raw(case: dict[str, Any]) -> bytes:
    """Return the bytes of a bad event of the corpus."""
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    if "raw" in case:
        return bytes(case["raw"].encode())
    return with_tail(bytes.fromhex(case["tail_hex"]) if "tail_hex" in case else case["tail"])


def test_no_bad_event_costs_its_neighbours_or_an_error_of_ours(
    ledger: Ledger, alice: Sender
) -> None:
    for case in BAD_EVENTS:
        bad = raw(case)
        if b"\n" in bad or not bad.strip():
            continue  # no line of its own
        first, last = make_event(), make_event()
        lines = [json.dumps(first).encode(), bad, json.dumps(last).encode()]

        status, said, _ = alice.post(b"\n".join(lines), media=NDJSON)

        assert status == 207, case["name"]
        assert [each["status"] for each in said["receipts"]] == [
            *("received", "rejected", "received")
        ], case["name"]
        error = said["receipts"][1]["error"]
        assert (error["code"], error["path"]) == (case["code"], case["path"]), case["name"]
        assert error["message"]
    append_pending(ledger.id)
    assert not Quarantine.objects.filter(ledger=ledger).exists()


@pytest.mark.parametrize("case", BAD_EVENTS, ids=[each["name"] for each in BAD_EVENTS])
def test_a_bad_event_alone_is_a_problem_that_names_its_place(
    ledger: Ledger, alice: Sender, case: dict[str, Any]
) -> None:
    status, said, _ = alice.post(raw(case))

    assert status in {400, 422}
    assert said["detail"]
    assert stored(ledger) == []


def test_a_wrong_type_in_any_field_is_refused_and_never_an_error_of_ours(
    ledger: Ledger, alice: Sender
) -> None:
    wrong: list[Any] = [
        None,
        [],
        {},
        "",
        "x" * 70_000,
        -1,
        2**63,
        1.5,
        True,
        [[]],
        {"a": {}},
        "\u2028",
    ]
    events = []
    for name in full_event():
        for value in wrong:
            event = full_event() | {"id": str(uuid.uuid4()), "action": "tool.invoke"}
            events.append(event | {name: value})

    for start in range(0, len(events), 40):
        status, said, _ = alice.post(events[start : start + 40])
        assert status in {202, 207, 422}
        assert {each["status"] for each in said["receipts"]} <= {"received", "rejected"}

    append_pending(ledger.id)
    assert not Quarantine.objects.filter(ledger=ledger).exists()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" + b"0," * 1_000_000 + b"0]",
        b'{"details":{' + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}}",
        b'"' + b"\\u0000" * 500_000 + b'"',
        b"1" * 4_000_000,
        b"1e" + b"9" * 1_000_000,
        b"\0" * 1_000_000,
    ],
    ids=["open", "nested list", "nested object", "numbers", "keys", "NULs", "digits", "power", "0"],
)
def test_a_json_bomb_is_refused(ledger: Ledger, alice: Sender, body: bytes) -> None:
    status, _, _ = alice.post(body)

    assert status in {400, 413, 422}
    assert stored(ledger) == []
    assert Entry.objects.filter(ledger=ledger).count() == 1
