"""What the front page says of a ledger, and that it never counts to say it."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings

from audit.arrivals import first_seq_since
from audit.ledgers import open_ledger
from audit.models import Ledger
from audit.project import catch_up_all
from tests.audit.desk import get, main_ledger, make_client
from tests.conftest import chain, entries, make_event, post

__all__ = ["main_ledger"]  # a fixture that every test here needs

FRONT = "/admin/"
LIVE = "/admin/overview/"


@pytest.fixture
def auditor(database: None) -> Client:
    return make_client("auditor")


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_the_front_page_answers_its_questions(auditor: Client, ledger: Ledger) -> None:
    failed = make_event(outcome="denied", target={"type": "record", "id": "claim-1"})
    chain(ledger, [make_event(), failed, make_event()])
    catch_up_all(ledger.id)
    post(ledger, [make_event(), make_event()])

    page = get(auditor, f"{FRONT}?ledger={ledger.name}")

    said = text(page)
    assert f"{ledger.name} is chained and not verified yet; 3 entries came in during" in said
    assert "2 events wait to be chained" in said
    assert "alice-agent : tool.invoke on claim-1" in said
    assert "Quarantine is empty" in said
    assert f"/admin/audit/entry/{entries(ledger)[1].hash}/change/" in page
    assert f"?ledger={ledger.name}&amp;agent=alice-agent" in page


def test_the_live_part_is_the_same_as_in_the_page(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event()])

    whole = get(auditor, f"{FRONT}?ledger={ledger.name}")
    live = auditor.get(f"{LIVE}?ledger={ledger.name}")

    assert "no-store" in live.headers["Cache-Control"]
    parts = live.content.decode().split('<div data-live-part="')[1:]
    assert [part.partition('"')[0] for part in parts] == ["strip", "lead", "overview", "activity"]
    for part in parts:
        inner = part.partition(">")[2].strip().removesuffix("</div>")
        assert inner.strip() in whole


def test_an_empty_ledger_and_an_unknown_one_say_so(auditor: Client, ledger: Ledger) -> None:
    assert "is empty: no event has come in yet" in get(auditor, f"{FRONT}?ledger={ledger.name}")
    assert "No ledger is named" in get(auditor, f"{FRONT}?ledger=nowhere")


def test_the_front_page_neither_counts_entries_nor_asks_often(
    auditor: Client, ledger: Ledger
) -> None:
    chain(ledger, [make_event(outcome=each) for each in ("success", "denied", "failure")])

    for address in (FRONT, LIVE):
        get(auditor, f"{address}?ledger={ledger.name}")  # what a process keeps is kept by now
        with CaptureQueriesContext(connection) as queries:
            get(auditor, f"{address}?ledger={ledger.name}")

        assert len(queries) <= 13
        asked = [query["sql"].upper() for query in queries]
        assert not [one for one in asked if "COUNT(" in one and "AUDIT_ENTRY" in one]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 33])
def test_the_first_entry_of_a_span_is_found_by_halving(ledger: Ledger, size: int) -> None:
    for _ in range(size):
        chain(ledger, [make_event()])
    found = entries(ledger)

    for entry in found:
        assert first_seq_since(ledger.id, size=size, moment=entry.received_at) == entry.seq
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert first_seq_since(ledger.id, size=size, moment=later) == size
    assert first_seq_since(ledger.id, size=size, moment=later - timedelta(days=1)) == 0


def test_pieces_are_shown_to_developers_alone(auditor: Client) -> None:
    assert auditor.get("/admin/pieces/").status_code == 404
    with override_settings(DEBUG=True):
        assert auditor.get("/admin/pieces/").status_code == 200


def test_every_partial_is_on_the_page_of_pieces(auditor: Client) -> None:
    partials = {one.stem for one in (settings.BASE_DIR / "templates" / "partials").iterdir()}

    with override_settings(DEBUG=True):
        page = get(auditor, "/admin/pieces/")

    assert partials - set(re.findall(r'data-piece="(\w+)"', page)) == set()


def test_the_platforms_own_ledger_is_shown_first(auditor: Client) -> None:
    open_ledger("aaa")

    assert f"{settings.LEDGER} is" in text(get(auditor, FRONT))
