"""The list of entries: its pages, its filters, and what of it is proven."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import Ledger
from tests.audit.desk import ENTRIES, auditor, get, link, main_ledger, seqs, verified
from tests.conftest import chain, make_event

__all__ = ["auditor", "main_ledger"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("alone_as_module")


def test_pages_hold_every_entry_once_in_both_directions(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(60)])

    down, page, up = [], get(auditor, f"{ENTRIES}?ledger={ledger.name}"), []
    down += seqs(page)
    while older := link(page, "next"):
        page = get(auditor, older)
        down += seqs(page)
    up = seqs(page)
    while newer := link(page, "prev"):
        page = get(auditor, newer)
        up = seqs(page) + up

    assert down == list(range(59, -1, -1))
    assert up == down


def test_a_page_neither_counts_nor_skips(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(60)])

    with CaptureQueriesContext(
        connection,
    ) as queries:
        get(auditor, f"{ENTRIES}?ledger={ledger.name}&after=40&outcome=success")

    statements = [query["sql"].upper() for query in queries if "AUDIT_" in query["sql"].upper()]
    assert any("AUDIT_ENTRY" in statement for statement in statements)
    assert not [one for one in statements if "COUNT(" in one or "OFFSET" in one]
    assert len(queries) <= 12


def test_the_total_is_the_size_of_the_chain(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(3)])

    assert f"3 entries in {ledger.name}" in get(auditor, f"{ENTRIES}?ledger={ledger.name}")


def test_the_address_is_the_filter(auditor: Client, ledger: Ledger) -> None:
    chain(
        ledger,
        [
            make_event(outcome="denied"),
            make_event(),
            make_event(outcome="error", error={"type": "T"}),
        ],
    )

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}&outcome=denied&outcome=error")

    assert seqs(page) == [2, 0]
    assert "Remove the filter outcome denied" in page


@pytest.mark.parametrize(
    "query", ["from=yesterday", "colour=red", "after=x", "outcome=good", "from=2026-10-01"]
)
def test_a_filter_that_cannot_be_read_shows_nothing(
    auditor: Client, ledger: Ledger, query: str
) -> None:
    chain(ledger, [make_event()])

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}&{query}")

    assert seqs(page) == []
    assert 'role="alert"' in page
    assert f"<strong>{query.split('=')[0]}</strong>" in page


def test_an_empty_ledger_teaches_how_to_fill_it(auditor: Client, ledger: Ledger) -> None:
    page = html.unescape(get(auditor, f"{ENTRIES}?ledger={ledger.name}"))

    assert "curl http://testserver/api/v1/events" in page


def test_what_an_agent_sent_is_text_and_nothing_else(auditor: Client, ledger: Ledger) -> None:
    hostile = "<script>alert(1)</script>"
    event = make_event(
        agent={"id": hostile, "name": hostile},
        actor={"type": "human", "id": "\u202eadmin"},
        target={"type": hostile, "id": '"><img src=x onerror=alert(1)>'},
        details={hostile: [hostile, {hostile: "\u2066x"}]},
    )
    (entry,) = chain(ledger, [event])

    for address in (f"{ENTRIES}?ledger={ledger.name}", f"{ENTRIES}{entry.hash}/change/"):
        page = get(auditor, address)
        assert hostile not in page
        assert "<img src=x" not in page
        assert "\u202e" not in page
        assert "⟨U+202E⟩admin" in page


def test_pages_allow_no_inline_script(auditor: Client, ledger: Ledger) -> None:
    (entry,) = chain(ledger, [make_event()])

    answer = auditor.get(f"{ENTRIES}{entry.hash}/change/")

    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", answer.content.decode())
    assert scripts == []
    assert "script-src 'self' 'unsafe-eval';" in answer.headers["Content-Security-Policy"]


def states(page: str) -> list[str]:
    found = re.findall(r"obs-hash.*?obs-badge[^>]*>.*?</span>([a-z ]+)</span>", page, re.DOTALL)
    return [word.strip() for word in found]


def test_only_entries_inside_an_intact_run_are_called_verified(
    auditor: Client, ledger: Ledger
) -> None:
    chain(ledger, [make_event() for _ in range(4)])
    verified(ledger, start=0, end=3, result="intact")

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}")

    assert states(page) == ["chained", "verified", "verified", "verified"]
    assert re.search(r"verified to <a [^>]*>#2</a>", page)


def test_a_broken_ledger_says_where_on_every_page_of_it(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(3)])
    verified(ledger, start=0, end=3, result="tampered", bad=(1, "hash"))

    page = get(auditor, f"{ENTRIES}?ledger={ledger.name}")

    assert states(page) == ["chained", "tampered", "chained"]
    assert f"{ENTRIES}{ledger.name}/1/" in page
    assert "field hash" in page
