"""The stream of records: byte for byte, oldest first, to the end of where it began."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from django.db import DatabaseError, connection

from audit import api as reading
from audit import query
from audit.models import Ledger
from tests.audit.reading import NDJSON, Reader, alice, assert_problem, end_connection, streamed
from tests.conftest import chain, make_event

__all__ = ["alice"]  # fixtures, which pytest finds by their names here


def test_the_stream_gives_every_record_byte_for_byte_oldest_first(
    ledger: Ledger, alice: Reader
) -> None:
    chained = chain(ledger, [make_event(details={"n": n, "é": "\u2028"}) for n in range(250)])

    answer = alice.get("entries", Accept=NDJSON)
    lines = streamed(answer)

    assert answer["Content-Type"] == NDJSON
    assert [line["seq"] for line in lines] == list(range(251))
    assert [line["record"].encode() for line in lines] == [bytes(entry.record) for entry in chained]
    assert all(
        sha256(b"\0" + line["record"].encode()).hexdigest() == line["hash"] for line in lines
    )


def test_the_stream_of_a_filter_holds_its_matches_alone(ledger: Ledger, alice: Reader) -> None:
    chain(ledger, [make_event(run={"id": f"run-{n % 3}"}) for n in range(9)])

    lines = streamed(alice.get("entries?run=run-1", Accept=NDJSON))

    assert [line["seq"] for line in lines] == [2, 5, 8]


def test_a_stream_without_a_match_is_empty(alice: Reader) -> None:
    assert streamed(alice.get("entries?agent=nobody", Accept=NDJSON)) == []


def test_a_growing_ledger_ends_the_stream_where_it_began(
    ledger: Ledger, alice: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "CHUNK", 2)
    monkeypatch.setattr(reading, "_LINES_AT_ONCE", 1)
    chain(ledger, [make_event() for _ in range(4)])

    answer = alice.get("entries", Accept=NDJSON)
    chain(ledger, [make_event() for _ in range(5)])

    assert [line["seq"] for line in streamed(answer)] == [0, 1, 2, 3, 4]


def test_a_stream_that_breaks_says_so_in_its_last_line(
    ledger: Ledger, alice: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "CHUNK", 2)
    monkeypatch.setattr(reading, "_LINES_AT_ONCE", 1)
    chain(ledger, [make_event() for _ in range(4)])
    running = iter(alice.get("entries", Accept=NDJSON).streaming_content)

    lines = [next(running), next(running)]
    end_connection()
    lines.append(next(running))

    assert [json.loads(line).get("seq") for line in lines] == [0, 1, None]
    assert json.loads(lines[-1])["code"] == "stream-broken"
    with pytest.raises(DatabaseError):
        next(running)
    connection.close()


def test_a_stream_has_no_pages(alice: Reader) -> None:
    said = assert_problem(alice.get("entries?limit=5&after=3", Accept=NDJSON), 400, "parameter")

    assert {error["name"] for error in said["errors"]} == {"limit", "after"}


def test_the_first_choice_of_the_client_decides(ledger: Ledger, alice: Reader) -> None:
    chain(ledger, [make_event()])

    for accepted, kind in (
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/json, application/x-ndjson", "application/json"),
        ("application/x-ndjson, application/json;q=0.5", NDJSON),
    ):
        assert alice.get("entries", Accept=accepted)["Content-Type"] == kind
