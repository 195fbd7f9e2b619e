"""The pages of quarantine: what nobody could chain is shown safely and settled on purpose."""

from __future__ import annotations

import html

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.admin.contents import MOST_DUMPED, differences, hex_dump, show
from audit.append import append_pending
from audit.models import Ledger, Quarantine
from tests.audit.desk import administrator, auditor, get, main_ledger
from tests.audit.holding import conflict, hold
from tests.conftest import entries, make_event

pytestmark = pytest.mark.usefixtures("alone_as_module")

__all__ = ["administrator", "auditor", "main_ledger"]  # fixtures, found by their names here

LIST = "/admin/audit/quarantine/"


def page_of(client: Client, held: Quarantine) -> str:
    return html.unescape(get(client, f"{LIST}{held.id}/change/"))


# --- Reading --------------------------------------------------------------------------------------


def test_a_conflict_stands_beside_the_entry_that_holds_its_id(
    auditor: Client, ledger: Ledger
) -> None:
    held = conflict(ledger)
    (entry,) = entries(ledger)

    page = page_of(auditor, held)

    assert "Its id was used before" in page
    assert f"/admin/audit/entry/{entry.hash}/change/" in page
    table = page.split('aria-label="Differences"')[1].split("</table>")[0]
    for said in ("details.amount", ">10<", ">99<", "outcome", ">success<", ">failure<"):
        assert said in table
    assert "actor" not in table


def test_content_is_text_and_nothing_else(auditor: Client, ledger: Ledger) -> None:
    hostile = "<script>alert(1)</script>"
    held = hold(ledger, make_event(details={hostile: f"{hostile}\u202e"}), error=hostile)

    answer = auditor.get(f"{LIST}{held.id}/change/").content.decode()

    assert hostile not in answer
    assert "\u202e" not in answer
    assert "⟨U+202E⟩" in answer


def test_what_is_no_text_is_shown_in_hex(auditor: Client, ledger: Ledger) -> None:
    held = hold(ledger, make_event(), stored=b"\xff\x00PNG<b>", reason=Quarantine.UNREADABLE)

    page = page_of(auditor, held)

    assert "000000  ff 00 50 4e 47 3c 62 3e" in page
    assert "no text" in page


def test_the_file_holds_the_exact_bytes_and_no_browser_opens_it(
    auditor: Client, ledger: Ledger
) -> None:
    held = hold(ledger, make_event(), stored=b"\xff<html>", reason=Quarantine.UNREADABLE)

    answer = auditor.get(f"{LIST}{held.id}/content/")

    assert answer.content == b"\xff<html>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_list_shows_what_is_open_first(administrator: Client, ledger: Ledger) -> None:
    first, second = hold(ledger, make_event()), hold(ledger, make_event())
    administrator.post(f"{LIST}{first.id}/resolve/", {"note": "done"})

    shown = {
        show: get(administrator, f"{LIST}?ledger={ledger.name}&show={show}")
        for show in ("open", "settled", "all")
    }

    assert str(second.event_id) in shown["open"]
    assert str(first.event_id) not in shown["open"]
    assert str(first.event_id) in shown["settled"]
    assert str(second.event_id) not in shown["settled"]
    assert str(first.event_id) in shown["all"]
    assert str(second.event_id) in shown["all"]


def test_an_empty_quarantine_says_what_would_be_here(auditor: Client, ledger: Ledger) -> None:
    page = get(auditor, f"{LIST}?ledger={ledger.name}")

    assert "Nothing waits here" in page
    assert auditor.get(f"{LIST}999999999999/change/").status_code == 404
    assert auditor.get(f"{LIST}x/change/").status_code == 404


def test_pages_of_quarantine_count_nothing_and_ask_little(auditor: Client, ledger: Ledger) -> None:
    held = conflict(ledger)

    for address in (f"{LIST}?ledger={ledger.name}", f"{LIST}{held.id}/change/"):
        with CaptureQueriesContext(connection) as queries:
            get(auditor, address)

        statements = [query["sql"].upper() for query in queries]
        assert not [one for one in statements if "COUNT(" in one or "OFFSET" in one]
        assert len(queries) <= 12


# --- Settling -------------------------------------------------------------------------------------


def test_an_auditor_reads_and_settles_nothing(auditor: Client, ledger: Ledger) -> None:
    held = hold(ledger, make_event())

    page = page_of(auditor, held)
    answers = [
        auditor.post(f"{LIST}{held.id}/{act}/", {"note": "mine"}).status_code
        for act in ("resolve", "replay")
    ]

    assert "<textarea" not in page
    assert answers == [403, 403]
    assert Quarantine.objects.get(id=held.id).state == "open"


def test_an_administrator_resolves_with_a_note(administrator: Client, ledger: Ledger) -> None:
    held = hold(ledger, make_event())

    answer = administrator.post(f"{LIST}{held.id}/resolve/", {"note": "Sent again."}, follow=True)

    assert "It is resolved" in answer.content.decode()
    assert "Sent again." in answer.content.decode()
    append_pending(ledger.id)
    assert [each.action for each in entries(ledger)] == ["audit.quarantine_resolved"]


@pytest.mark.parametrize("act", ["resolve", "replay"])
def test_without_a_note_the_page_says_so_and_nothing_is_done(
    administrator: Client, ledger: Ledger, act: str
) -> None:
    held = hold(ledger, make_event())

    answer = administrator.post(f"{LIST}{held.id}/{act}/", {"note": " "})

    assert answer.status_code == 409
    assert "Nothing was done" in answer.content.decode()
    assert Quarantine.objects.get(id=held.id).state == "open"


def test_what_was_typed_stays_when_it_is_refused(administrator: Client, ledger: Ledger) -> None:
    held = conflict(ledger)

    answer = administrator.post(f"{LIST}{held.id}/replay/", {"note": "We thought so."})

    assert answer.status_code == 409
    assert "We thought so." in answer.content.decode()
    assert "never usable twice" in answer.content.decode()


def test_a_replayed_event_leads_to_its_entry(administrator: Client, ledger: Ledger) -> None:
    held = hold(ledger, make_event())

    administrator.post(f"{LIST}{held.id}/replay/", {"note": "Mended."})
    append_pending(ledger.id)

    page = page_of(administrator, held)
    (entry,) = [each for each in entries(ledger) if each.event_id == held.event_id]
    assert f"/admin/audit/entry/{entry.hash}/change/" in page
    assert "Nothing is missing" in page


# --- Showing bytes --------------------------------------------------------------------------------


def test_bytes_are_shown_in_the_most_readable_form() -> None:
    assert show(b'{"a":1}').form == "json"
    assert show(b'{"a":1}').event == {"a": 1}
    assert show(b"[1]").event == {}
    assert show(b"plain").form == "text"
    assert show(b"[" * 100_000).form == "text"
    assert show(b"\xff").form == "hex"


def test_what_is_left_out_is_counted() -> None:
    content = show(b"\xff" * (MOST_DUMPED + 5))

    assert (content.size, content.left_out) == (MOST_DUMPED + 5, 5)
    assert hex_dump(b"A" * 17).splitlines()[1].startswith("000010  41 ")


def test_differences_name_each_field_once() -> None:
    first = {"a": 1, "b": {"c": "x"}, "d": [1, 2], "e": [{"f": 1}], "g": {}}
    second = {"a": 1, "b": {"c": "y"}, "d": [1, 3], "e": [{"f": 2}], "h": None}

    found = [(each.path, each.chained, each.held) for each in differences(first, second)]

    assert found == [
        ("b.c", "x", "y"),
        ("d", "[1, 2]", "[1, 3]"),
        ("e.0.f", "1", "2"),
        ("g", "{}", None),
        ("h", None, "null"),
    ]
