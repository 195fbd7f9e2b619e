"""The page of one entry: how it is found, its exact bytes, and what stands around them."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
from django.test import Client

from audit.models import Ledger
from tests.audit.desk import ENTRIES, auditor, get, main_ledger
from tests.conftest import chain, make_event

__all__ = ["auditor", "main_ledger"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("alone_as_module")


def test_an_entry_is_found_by_seq_by_hash_and_by_the_box(auditor: Client, ledger: Ledger) -> None:
    _, entry = chain(ledger, [make_event(), make_event()])
    permalink = f"{ENTRIES}{entry.hash}/change/"

    assert_leads_to(auditor.get(f"{ENTRIES}{ledger.name}/1/"), permalink)
    for typed in ("1", "%231", entry.hash, entry.hash.upper()):
        assert_leads_to(auditor.get(f"{ENTRIES}go/?ledger={ledger.name}&q={typed}"), permalink)
    assert auditor.get(permalink).status_code == 200


def assert_leads_to(answer: Any, address: str) -> None:
    assert (answer.status_code, answer.headers.get("Location")) == (302, address)


@pytest.mark.parametrize("typed", ["", "99", "no-hash", "9" * 40, "f" * 64, "²"])
def test_the_box_says_what_it_does_not_find(auditor: Client, ledger: Ledger, typed: str) -> None:
    page = auditor.get(f"{ENTRIES}go/", {"ledger": ledger.name, "q": typed}, follow=True)

    assert page.status_code == 200
    assert "the 64 digits of a hash" in page.content.decode()


def test_the_page_carries_the_exact_bytes(auditor: Client, ledger: Ledger) -> None:
    (entry,) = chain(ledger, [make_event(details={"said": "naïve 😀 日本\u2028"})])

    page = get(auditor, f"{ENTRIES}{entry.hash}/change/")
    download = auditor.get(f"{ENTRIES}{entry.hash}/record/")

    found = re.search(r'data-record="([^"]+)"', page)
    assert found is not None
    assert base64.b64decode(found[1]) == bytes(entry.record) == download.content
    assert hashlib.sha256(b"\0" + download.content).hexdigest() == entry.hash


def test_the_page_names_its_neighbours_and_what_prev_must_be(
    auditor: Client, ledger: Ledger
) -> None:
    first, middle, last = chain(ledger, [make_event() for _ in range(3)])

    page = get(auditor, f"{ENTRIES}{middle.hash}/change/")

    assert f'data-prev="{first.hash}"' in page
    assert f"{ENTRIES}{last.hash}/change/" in page
    assert f'data-prev="{"0" * 64}"' in get(auditor, f"{ENTRIES}{first.hash}/change/")


def test_the_page_begins_with_a_sentence(auditor: Client, ledger: Ledger) -> None:
    event = make_event(
        actor={
            "type": "agent",
            "id": "alice-agent",
            "on_behalf_of": {"type": "human", "id": "bob"},
        },
        target={"type": "reservation", "id": "I57WUD"},
    )
    (entry,) = chain(ledger, [event])

    said = "alice-agent ran tool.invoke on reservation I57WUD for human bob: success"
    assert said in get(auditor, f"{ENTRIES}{entry.hash}/change/")


@pytest.mark.parametrize(
    "address", ["f" * 64 + "/change/", "zz/change/", "main/99999999999999999999/", "none/0/"]
)
def test_an_unknown_entry_is_a_page_that_says_so(auditor: Client, address: str) -> None:
    answer = auditor.get(f"{ENTRIES}{address}")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
