"""Reading over the API: the list, single entries and events, and records that somebody damaged.

The stream: test_api_stream.py. Who may read, and problems: test_api_problems.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from audit import api as reading
from audit import query
from audit.models import Head, Ledger
from audit.seal import seal
from audit.signer import make_key as make_signing_key
from tests.audit.reading import NDJSON, ApiKey, Reader, alice, assert_problem, streamed
from tests.conftest import chain, entries, make_event, post

__all__ = ["alice"]  # fixtures, which pytest finds by their names here


# --- The list -------------------------------------------------------------------------------------


def test_the_list_is_newest_first_and_goes_on_where_it_ended(ledger: Ledger, alice: Reader) -> None:
    chain(ledger, [make_event() for _ in range(4)])

    first = alice.get("entries?limit=2").json()
    second = alice.get(f"entries?limit=2&after={first['next']}").json()
    third = alice.get(f"entries?limit=2&after={second['next']}").json()

    assert [[item["seq"] for item in page["items"]] for page in (first, second, third)] == [
        [4, 3],
        [2, 1],
        [0],
    ]
    assert third["next"] is None


def test_an_item_is_the_entry_with_its_record_as_stored(ledger: Ledger, alice: Reader) -> None:
    *_, before, entry = chain(ledger, [make_event(duration_ms=1e21, details={"z": 1.5, "a": "ü"})])

    answer = alice.get("entries")
    item = answer.json()["items"][0]

    assert bytes(entry.record) in answer.content  # not a byte of it changes form
    assert item["record"] == entry.parsed()
    assert {name: item[name] for name in item if name != "record"} == {
        "ledger": ledger.name,
        "seq": 1,
        "hash": entry.hash,
        "prev": before.hash,
        "received_at": entry.parsed()["received_at"],
        "state": "chained",
    }


def test_a_filter_narrows_the_list(ledger: Ledger, alice: Reader) -> None:
    chain(ledger, [make_event(outcome=outcome) for outcome in ("success", "denied", "error")])

    found = alice.get("entries?outcome=denied&outcome=error").json()["items"]

    assert [item["record"]["event"]["outcome"] for item in found] == ["error", "denied"]


def test_what_cannot_be_read_is_named(alice: Reader) -> None:
    answer = alice.get("entries?agnet=alice&from=2026-11-20&limit=0&limit=1")

    said = assert_problem(answer, 400, "parameter")
    assert [error["name"] for error in said["errors"]] == ["agnet", "from", "limit"]
    assert all(error["name"] in said["detail"] for error in said["errors"])


def test_a_cursor_of_nobody_is_refused(alice: Reader) -> None:
    said = assert_problem(alice.get("entries?after=newest"), 400, "parameter")

    assert [error["name"] for error in said["errors"]] == ["after"]


def test_a_list_that_takes_too_long_says_how_to_narrow_it(
    ledger: Ledger, alice: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain(ledger, [make_event() for _ in range(3)])
    monkeypatch.setattr(reading, "LIST_SECONDS", 0.05)
    monkeypatch.setattr(query.EntryFilter, "apply", slowly(query.EntryFilter.apply))

    said = assert_problem(alice.get("entries"), 422, "query-too-slow")

    assert "Narrow it" in said["detail"]


def slowly(apply: Any) -> Any:
    """Make each row of a list cost Postgres a second."""
    from django.db.models import F
    from django.db.models.expressions import RawSQL

    def slow(self: query.EntryFilter, rows: Any) -> Any:
        seconds = RawSQL("(SELECT 1 FROM pg_sleep(1))", [])
        return apply(self, rows).annotate(slept=seconds).filter(slept=F("slept"))

    return slow


# --- One entry, one event, the ledger -----------------------------------------------------------


def test_an_entry_has_two_addresses(ledger: Ledger, alice: Reader) -> None:
    chained = chain(ledger, [make_event(), make_event()])

    by_seq = alice.get(f"entries/{ledger.name}/1").json()
    by_hash = alice.get(f"entries/by-hash/{chained[1].hash.upper()}").json()

    assert by_seq == by_hash
    assert by_seq["prev"] == chained[0].hash


@pytest.mark.parametrize("place", ["9", str(2**63 - 1)])
def test_an_entry_beyond_the_end_is_not_found(ledger: Ledger, alice: Reader, place: str) -> None:
    assert_problem(alice.get(f"entries/{ledger.name}/{place}"), 404, "not-found")


@pytest.mark.parametrize("place", ["-1", "x", str(2**63), "1.5"])
def test_a_seq_that_is_none_is_refused(ledger: Ledger, alice: Reader, place: str) -> None:
    said = assert_problem(alice.get(f"entries/{ledger.name}/{place}"), 400, "parameter")

    assert [error["name"] for error in said["errors"]] == ["seq"]


def test_a_hash_of_nothing_is_not_found(alice: Reader) -> None:
    assert_problem(alice.get("entries/by-hash/" + "0" * 64), 404, "not-found")
    assert_problem(alice.get("entries/by-hash/0"), 400, "parameter")


def test_an_event_is_received_then_chained(ledger: Ledger, alice: Reader) -> None:
    event = make_event()
    post(ledger, [make_event(), event, make_event()])
    before = alice.get(f"events/{event['id']}").json()

    chain(ledger, [])
    after = alice.get(f"events/{event['id'].upper()}").json()

    assert before == {
        "id": event["id"],
        "ledger": ledger.name,
        "state": "received",
        "seq": None,
        "hash": None,
        "reason": None,
        "purge": None,
    }
    assert after == before | {"state": "chained", "seq": 2, "hash": entries(ledger)[2].hash}


def test_what_a_checkpoint_covers_is_sealed_everywhere(
    ledger: Ledger, alice: Reader, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path
    make_signing_key(ledger.name, origin=ledger.origin)
    old, new = make_event(), make_event()
    chain(ledger, [old])
    seal(ledger)
    sealed = Head.objects.get(ledger=ledger).size
    chain(ledger, [new])

    assert alice.get(f"events/{old['id']}").json()["state"] == "sealed"
    assert alice.get(f"events/{new['id']}").json()["state"] == "chained"
    for item in alice.get("entries").json()["items"]:
        assert item["state"] == ("sealed" if item["seq"] < sealed else "chained")
    assert alice.get(f"entries/{ledger.name}/0").json()["state"] == "sealed"


def test_an_event_whose_id_was_taken_by_other_content_stays_chained(
    ledger: Ledger, alice: Reader
) -> None:
    event = make_event()
    chain(ledger, [event])
    post(ledger, [event | {"outcome": "denied"}])

    assert alice.get(f"events/{event['id']}").json()["state"] == "chained"


def test_an_event_that_could_not_be_chained_is_quarantined(
    ledger: Ledger, alice: Reader, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    lost = uuid.uuid4()
    as_role("web").execute(
        "INSERT INTO audit_quarantine"
        " (received_at, ledger_id, event_id, digest, reason, error, source, event)"
        " VALUES (%s, %s, %s, %s, 'refused', '22P05', '{}', '{}')",
        [timezone.now(), ledger.id, lost, bytes(32)],
    )

    said = alice.get(f"events/{lost}").json()

    assert (said["state"], said["reason"], said["seq"]) == ("quarantined", "refused", None)


def test_an_event_nobody_knows_is_not_found(alice: Reader) -> None:
    assert_problem(alice.get(f"events/{uuid.uuid4()}"), 404, "not-found")
    assert_problem(alice.get("events/7"), 400, "parameter")


def test_the_ledger_of_the_key_is_listed_with_its_head(ledger: Ledger, api_key: ApiKey) -> None:
    reader = Reader(api_key(ledger, "entries:read"))
    empty = reader.get("ledgers").json()
    chained = chain(ledger, [make_event()])
    filled = reader.get("ledgers").json()

    assert empty["items"] == [
        {"name": ledger.name, "size": 0, "hash": "0" * 64, "received_at": None, "minimum_index": 0}
    ]
    assert filled == {
        "items": [
            {
                "name": ledger.name,
                "size": 2,
                "hash": chained[1].hash,
                "received_at": chained[1].parsed()["received_at"],
                "minimum_index": 0,
            }
        ],
        "next": None,
    }


# --- A record that somebody damaged ---------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"[" * 60_000, b'{"a":NaN}', b"7"])
def test_a_damaged_record_is_shown_as_its_bytes(
    ledger: Ledger,
    alice: Reader,
    as_role: Callable[[str], psycopg.Connection[Any]],
    damage: bytes,
) -> None:
    add_damaged(as_role("superuser"), ledger, damage)

    item = alice.get(f"entries/{ledger.name}/1").json()
    _, line = streamed(alice.get("entries", Accept=NDJSON))

    assert item["record"] is None
    assert item["record_base64"]
    assert line["record"] == (None if damage[0] > 127 else damage.decode())


def add_damaged(superuser: psycopg.Connection[Any], ledger: Ledger, record: bytes) -> None:
    """Add entry 1 with a record that no code of ours would write."""
    with superuser.transaction():
        superuser.execute(
            """
            INSERT INTO audit_entry (
                seq, received_at, occurred_at, ledger_id, is_backfill, event_id, hash, agent_id,
                actor_id, category, action, outcome, severity, environment, record
            )
            SELECT 1, received_at, occurred_at, ledger_id, is_backfill, %s, sha256(%s), agent_id,
                actor_id, category, action, outcome, severity, environment, %s
            FROM audit_entry
            WHERE ledger_id = %s AND seq = 0
            """,
            [uuid.uuid4(), record, record, ledger.id],
        )
        superuser.execute("UPDATE audit_head SET size = 2 WHERE ledger_id = %s", [ledger.id])
