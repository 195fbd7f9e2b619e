"""The pages of exports: from the filter to the file, for the people who may."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from audit.admin.bundles import FORMATS
from audit.append import append_pending
from audit.exportfile import KINDS, path_of
from audit.exporting import take_export, work_on_export
from audit.models import Export, Ledger
from tests.audit.desk import administrator, auditor, get, main_ledger, make_client
from tests.audit.exporting import ask, finish, made, sealed, vkey
from tests.conftest import chain, entries, make_event

pytestmark = pytest.mark.usefixtures("alone_as_module")

__all__ = ["administrator", "auditor", "main_ledger"]  # fixtures, found by their names here

LIST = "/admin/audit/export/"


@pytest.fixture
def ten(ledger: Ledger) -> Ledger:
    """Return a sealed ledger of ten entries."""
    return sealed(ledger, 10)


def new_address(ledger: Ledger, **filters: str) -> str:
    return f"{LIST}new/?{urlencode({'ledger': ledger.name, **filters})}"


def page_of(client: Client, export: Export) -> str:
    return html.unescape(get(client, f"{LIST}{export.id}/change/"))


def test_an_auditor_exports_the_entries_that_the_list_shows(auditor: Client, ten: Ledger) -> None:
    entries = get(auditor, f"/admin/audit/entry/?ledger={ten.name}&outcome=denied&after=9")
    found = re.search(r'id="export" href="([^"]+)"', entries)
    assert found is not None
    address = html.unescape(found[1])
    form = get(auditor, address)
    assert "below tree size 10" in form
    assert "denied" in form

    answer = auditor.post(
        address, {"format": "bundle", "with": ["csv", "cef"], "reason": "October"}
    )

    export = Export.objects.get(ledger=ten)
    assert answer["Location"] == f"{LIST}{export.id}/change/"
    assert export.parsed_query() == {"ledger": [ten.name], "outcome": ["denied"]}
    assert (export.renderings, export.via) == (["csv", "cef"], "admin")
    assert export.requested_by.startswith("auditor-")
    finish(ten)
    page = page_of(auditor, export)
    export.refresh_from_db()
    assert "4 entries" in page
    assert export.sha256 is not None
    assert export.sha256 in page
    file: Any = auditor.get(f"/exports/{export.id}/file")
    assert b"".join(file.streaming_content) == path_of(export).read_bytes()


def test_the_page_says_how_to_verify_and_what_the_result_means(
    auditor: Client, ten: Ledger
) -> None:
    export = made(ten)

    page = page_of(auditor, export)

    assert f"python3 verify.py {ten.name}-10-export-{export.id}.zip --key {vkey(ten)}" in page
    for word in ("intact", "tampered", "not proven"):
        assert word in page


def test_a_rendering_alone_says_that_it_proves_nothing(auditor: Client, ten: Ledger) -> None:
    page = page_of(auditor, made(ten, "csv"))

    assert "proves nothing by itself" in page
    assert "verify.py" not in page


def test_an_export_without_an_entry_says_that_it_proves_nothing(
    auditor: Client, ten: Ledger
) -> None:
    page = page_of(auditor, made(ten, query={"agent": "nobody"}))

    assert "the file proves nothing" in page


def test_an_export_is_followed_by_its_numbers(
    auditor: Client, ten: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.query.CHUNK", 5)
    monkeypatch.setattr("audit.export_attempt._SAY_EVERY", 0.0)
    export = ask(ten)
    job = take_export(ledger_id=ten.id, waited=0.0)
    assert job is not None
    working: Iterator[object] = work_on_export(job)
    next(working)

    reach = auditor.get(f"{LIST}{export.id}/progress/").json()
    page = page_of(auditor, export)

    assert (reach["word"], reach["checked"], reach["percent"]) == ("running", 5, 50)
    assert reach["rate"] > 0
    assert 'data-word="running"' in page
    assert "obs/run.js" in page
    list(working)
    assert "waiting for the signature" in page_of(auditor, export)


def test_who_asked_may_stop_and_resume_it_and_no_other_auditor(ten: Ledger) -> None:
    alice, bob, carol = (make_client(who) for who in ("auditor", "auditor", "administrator"))
    alice.post(new_address(ten), {"format": "csv", "reason": "October"})
    export = Export.objects.get(ledger=ten)
    cancel, resume = f"{LIST}{export.id}/cancel/", f"{LIST}{export.id}/resume/"
    assert "Cancel the export" in page_of(alice, export)
    assert "Cancel the export" not in page_of(bob, export)

    assert bob.post(cancel).status_code == 403
    assert alice.post(cancel).status_code == 302
    export.refresh_from_db()
    assert export.state == "cancelled"
    assert "Resume the export" in page_of(alice, export)
    assert bob.post(resume).status_code == 403
    assert carol.post(resume).status_code == 302
    export.refresh_from_db()
    assert export.state == "queued"
    assert carol.post(cancel).status_code == 302


def test_acts_need_django_s_token(ten: Ledger) -> None:
    export = ask(ten)
    client = make_client("administrator", enforce_csrf_checks=True)

    for address in (f"{LIST}{export.id}/cancel/", new_address(ten)):
        assert client.post(address, {"format": "csv"}).status_code == 403

    export.refresh_from_db()
    assert export.state == "queued"


@pytest.mark.parametrize(
    ("who", "status"),
    [("anonymous", 403), ("nobody", 403), ("auditor", 200), ("administrator", 200)],
)
def test_who_may_have_a_file(ten: Ledger, who: str, status: int) -> None:
    export = made(ten, "ndjson")

    assert make_client(who).get(f"/exports/{export.id}/file").status_code == status


def test_the_list_shows_who_what_and_in_which_state(auditor: Client, ten: Ledger) -> None:
    export = made(ten, query={"outcome": "denied"})
    waiting = ask(ten, "csv")

    page = get(auditor, f"{LIST}?ledger={ten.name}")
    going = get(auditor, f"{LIST}?ledger={ten.name}&show=going")

    for said in ("Evidence bundle", "denied", "alice", "done", "queued", "every entry"):
        assert said in page
    assert f"{LIST}{export.id}/change/" not in going
    assert f"{LIST}{waiting.id}/change/" in going


def test_an_empty_list_says_how_a_bundle_comes_to_be(auditor: Client, ledger: Ledger) -> None:
    page = get(auditor, f"{LIST}?ledger={ledger.name}")

    assert "No bundle yet" in page
    assert "manage.py exportledger" in page
    assert "Nothing is being made" in get(auditor, f"{LIST}?ledger={ledger.name}&show=going")


def test_without_a_checkpoint_the_page_says_what_to_do(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event()])

    page = get(auditor, new_address(ledger))
    answer = auditor.post(new_address(ledger), {"format": "bundle"})

    assert "Nothing is signed yet" in page
    assert "manage.py makesigningkey" in page
    assert answer.status_code == 400
    assert not Export.objects.filter(ledger=ledger).exists()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"format": "pdf"}, "there is no format"),
        ({"format": "bundle", "size": "7"}, "the nearest are 10"),
        ({"format": "bundle", "size": "seven"}, "is a whole number"),
        ({"format": "bundle", "with": "xml"}, "there is no rendering"),
        ({"format": "bundle", "reason": " "}, "say why"),
        ({"format": "bundle", "reason": "x" * 501}, "longer than 500 characters"),
    ],
)
def test_what_cannot_be_exported_is_said_on_the_form(
    auditor: Client, ten: Ledger, sent: dict[str, str], said: str
) -> None:
    answer = auditor.post(new_address(ten), sent)

    assert answer.status_code == 400
    assert said in html.unescape(answer.content.decode())
    assert not Export.objects.filter(ledger=ten).exists()


def test_a_filter_that_cannot_be_read_exports_nothing(auditor: Client, ten: Ledger) -> None:
    address = new_address(ten, outcome="maybe")

    page = get(auditor, address)
    answer = auditor.post(address, {"format": "bundle", "reason": "October"})

    assert "Nothing can be exported" in page
    assert answer.status_code == 400
    assert "Export these entries" not in get(auditor, f"/admin/audit/entry/?ledger={ten.name}&x=1")


def test_a_file_that_somebody_removed_is_said_to_be_gone(auditor: Client, ten: Ledger) -> None:
    export = made(ten)
    path_of(export).unlink()

    page = page_of(auditor, export)

    assert "not where it was put" in page
    assert "Export again" in page


def test_changed_records_are_said_on_the_page_and_in_the_list(
    auditor: Client, ten: Ledger, superuser: Any
) -> None:
    export = made(ten)
    superuser.execute(
        "UPDATE audit_export SET warning = '1 of these records does not give the hash' "
        "WHERE id = %s",
        (export.id,),
    )

    assert "1 of these records" in page_of(auditor, export)
    assert "changed records" in get(auditor, f"{LIST}?ledger={ten.name}")


def test_every_format_has_its_words() -> None:
    assert FORMATS.keys() == KINDS.keys()


def test_the_reason_stands_on_the_page_and_in_the_entry(auditor: Client, ten: Ledger) -> None:
    auditor.post(
        new_address(ten), {"format": "csv", "reason": "sample of October <for> the auditor"}
    )
    export = Export.objects.get(ledger=ten)
    finish(ten)
    append_pending(ten.id)

    assert (
        "sample of October &lt;for&gt; the auditor"
        in auditor.get(f"{LIST}{export.id}/change/").content.decode()
    )
    (event,) = [
        said
        for each in entries(ten)
        if (said := each.parsed()["event"])["action"] == "audit.exported"
    ]
    assert event["reason"] == "sample of October <for> the auditor"
