"""The form over the list of entries, its expanded rows, and what the page of one entry leads to."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from audit.admin.entry_form import sent_address
from audit.ledgers import open_ledger
from audit.models import Entry, Ledger
from audit.query import read_time
from tests.audit.desk import ENTRIES, get, link, main_ledger, make_client, seqs
from tests.audit.tampering import tampering
from tests.audit.test_query import FILTERS, chain_varied
from tests.conftest import chain, make_event
from tests.sizes import size

pytestmark = pytest.mark.usefixtures("alone_as_module")

__all__ = ["main_ledger"]  # fixtures

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def auditor(database: None) -> Client:
    return make_client("auditor")


def filters_of(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query)


# --- One filter object for page, API and stream --------------------------------------------------


@pytest.fixture
def varied_ledger(ledger: Ledger) -> Ledger:
    chain_varied(ledger, 60)
    return ledger


def on_pages(auditor: Client, address: str) -> list[int]:
    page = get(auditor, address)
    found = seqs(page)
    while older := link(page, "next"):
        page = get(auditor, older)
        found += seqs(page)
    return found


def by_api(address: str, headers: dict[str, str]) -> list[int]:
    found, after = [], ""
    while True:
        answer = Client().get(f"{address}&limit=7{after}", headers=headers).json()
        found += [item["seq"] for item in answer["items"]]
        if answer["next"] is None:
            return found
        after = f"&after={answer['next']}"


def by_stream(address: str, headers: dict[str, str]) -> list[int]:
    answer = Client().get(address, headers=headers | {"accept": "application/x-ndjson"})
    lines = b"".join(answer.streaming_content).splitlines()  # type: ignore[attr-defined]
    return [json.loads(line)["seq"] for line in lines]


def test_page_api_and_stream_show_the_same_entries(
    auditor: Client, varied_ledger: Ledger, api_key: Callable[..., str]
) -> None:
    headers = {"authorization": f"Bearer {api_key(varied_ledger, 'entries:read')}"}

    @given(params=FILTERS)
    @hypothesis_settings(
        max_examples=size(15, 40), deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    def same(params: dict[str, list[str]]) -> None:
        query = urlencode(params | {"ledger": [varied_ledger.name]}, doseq=True)
        shown = on_pages(auditor, f"{ENTRIES}?{query}")
        assert by_api(f"/api/v1/entries?{query}", headers) == shown
        assert by_stream(f"/api/v1/entries?{query}", headers) == shown[::-1]

    same()


def test_the_line_of_shell_asks_for_what_the_page_shows(
    auditor: Client, varied_ledger: Ledger, api_key: Callable[..., str]
) -> None:
    headers = {"authorization": f"Bearer {api_key(varied_ledger, 'entries:read')}"}
    address = f"{ENTRIES}?ledger={varied_ledger.name}&outcome=denied&outcome=failure&action=data."

    page = html.unescape(get(auditor, address))

    found = re.search(r"curl '?(http://testserver\S+?)'? ", page)
    assert found is not None
    assert by_stream(found[1], headers) == on_pages(auditor, address)[::-1]


# --- The form ------------------------------------------------------------------------------------


def test_blanks_of_a_sent_form_are_left_out_of_the_address(auditor: Client, ledger: Ledger) -> None:
    sent = {
        "form": "1",
        "ledger": ledger.name,
        "agent": ["alice-agent", "", " "],
        "from": "",
        "outcome": ["denied", "error"],
    }

    answer = auditor.get(ENTRIES, sent)

    assert answer.status_code == 302
    assert filters_of(answer.headers["Location"]) == {
        "ledger": [ledger.name],
        "agent": ["alice-agent"],
        "outcome": ["denied", "error"],
    }


def test_a_blank_that_no_form_sent_stays_an_error(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event()])

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}&agent=")

    assert seqs(page) == []
    assert "is empty" in page


@pytest.mark.parametrize(
    ("span", "hours"), [("1h", 1), ("24h", 24), ("7d", 7 * 24), ("30d", 30 * 24)]
)
def test_a_span_becomes_a_beginning_in_the_address(span: str, hours: int) -> None:
    sent = QueryDict(f"form=1&last={span}&from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z")

    found = filters_of(sent_address(sent, now=NOW))

    assert list(found) == ["from"]
    began = NOW.replace(microsecond=0) - timedelta(hours=hours)
    assert read_time(found["from"][0]) == began


def test_a_span_that_does_not_exist_shows_nothing(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event()])

    page = get(auditor, f"{ENTRIES}?form=1&ledger={ledger.name}&last=century")

    assert seqs(page) == []
    assert 'role="alert"' in page


def test_the_form_holds_what_the_address_asks(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event()])
    query = "agent=alice-agent&agent=bob&outcome=denied&data_class=phi&from=2026-10-01T00:00:00Z"

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}&{query}")

    assert re.findall(r'<input name="agent" value="([^"]*)"', page) == ["alice-agent", "bob", ""]
    assert re.findall(r'name="(\w+)" value="(\w+)" checked', page) == [
        ("outcome", "denied"),
        ("data_class", "phi"),
    ]
    assert 'name="from" value="2026-10-01T00:00:00Z"' in page


def test_what_cannot_be_read_is_told_at_its_field_in_an_open_form(
    auditor: Client, ledger: Ledger
) -> None:
    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}&to=yesterday&trace=xyz")

    assert re.search(r'<details class="obs-filter"[^>]* open>', page)
    for name in ("to", "trace"):
        assert f'id="obs-f-{name}-error"' in page
    assert re.search(r'name="to" value="yesterday"[^>]*aria-invalid="true"', page)


def test_a_chip_is_removed_without_the_others_and_begins_at_the_newest(
    auditor: Client, ledger: Ledger
) -> None:
    chain(ledger, [make_event() for _ in range(3)])
    query = f"ledger={ledger.name}&agent=alice-agent&outcome=success&outcome=denied&after=2"

    page = html.unescape(get(auditor, f"{ENTRIES}?{query}"))

    found = re.search(r'href="([^"]+)"[^>]*aria-label="Remove the filter outcome denied"', page)
    assert found is not None
    assert filters_of(found[1]) == {
        "ledger": [ledger.name],
        "agent": ["alice-agent"],
        "outcome": ["success"],
    }


# --- The expanded row ----------------------------------------------------------------------------


def test_an_expanded_row_needs_no_script_and_leads_on(auditor: Client, ledger: Ledger) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    event = make_event(reason="over the limit", outcome="denied", trace={"trace_id": trace})
    (entry,) = chain(ledger, [event])

    page = html.unescape(get(auditor, f"{ENTRIES}?ledger={ledger.name}"))

    more = page[page.index('class="obs-more"') :]
    assert '<details><summary aria-label="More of entry #0">' in page
    assert "alice-agent ran tool.invoke on tool search: denied" in more
    assert "over the limit" in more
    for address in (
        f"{ENTRIES}{entry.hash}/change/",
        f"{ENTRIES}?ledger={ledger.name}&run=run-1",
        f"{ENTRIES}?ledger={ledger.name}&trace={trace}",
        f"{ENTRIES}?ledger={ledger.name}&agent=alice-agent",
    ):
        assert f'href="{address}"' in more


REWRITTEN = [b"", b"[]", b"{}", b'{"event":[]}', b'{"event":{"agent":1,"actor":"x"}}', b"\xff"]


@pytest.mark.parametrize("record", REWRITTEN)
def test_a_record_that_somebody_rewrote_is_still_shown(
    auditor: Client, ledger: Ledger, superuser: Any, record: bytes
) -> None:
    (entry,) = chain(ledger, [make_event()])
    with tampering(superuser) as hands:
        hands.execute(
            "UPDATE audit_entry SET record = %s WHERE ledger_id = %s", (record, ledger.id)
        )

    assert seqs(get(auditor, f"{ENTRIES}?ledger={ledger.name}")) == [0]
    assert "no readable JSON" in get(auditor, f"{ENTRIES}{entry.hash}/change/")


# --- The entry page ------------------------------------------------------------------------------


def test_the_page_shows_everything_else_of_the_run(auditor: Client, ledger: Ledger) -> None:
    events = [make_event(run={"id": f"run-{number % 2}"}) for number in range(60)]
    entry = chain(ledger, events)[10]

    page = get(auditor, f"{ENTRIES}{entry.hash}/change/")

    others = [seq for seq in range(58, -1, -2) if seq != 10]
    assert seqs(page) == others[:25]
    assert f"{ENTRIES}?ledger={ledger.name}&amp;run=run-0" in page


def test_the_page_names_the_entries_around_it(auditor: Client, ledger: Ledger) -> None:
    entry = chain(ledger, [make_event() for _ in range(7)])[3]

    page = get(auditor, f"{ENTRIES}{entry.hash}/change/")

    around = page[page.index("Neighbours in the chain") :].split("</section>")[0]
    assert re.findall(r">#(\d)<", around) == ["1", "2", "3", "4", "5"]


def test_pages_of_entries_take_at_most_twelve_queries(
    auditor: Client, varied_ledger: Ledger, django_assert_max_num_queries: Any
) -> None:
    entry = Entry.objects.filter(ledger=varied_ledger).order_by("seq")[30]
    for address in (
        f"{ENTRIES}?ledger={varied_ledger.name}",
        f"{ENTRIES}?ledger={varied_ledger.name}&after=40&outcome=denied&agent=Z",
        f"{ENTRIES}{entry.hash}/change/",
    ):
        with django_assert_max_num_queries(12, connection=connection):
            get(auditor, address)


def test_an_entry_of_another_ledger_says_which(auditor: Client, ledger: Ledger) -> None:
    (entry,) = chain(ledger, [make_event()])
    open_ledger(f"{ledger.name}.other")

    page = get(auditor, f"{ENTRIES}{entry.hash}/change/")

    assert f'aria-label="State of the ledger {ledger.name}"' in page
