"""The pages of data subjects: look up, count, confirm, certify; and where an id never stands."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from audit.append import append_pending
from audit.erasing import work_through_erasures
from audit.hold import apply_hold
from audit.models import Erasure, Ledger, SubjectKey
from audit.project import catch_up_all
from tests.audit.desk import get, make_client, seqs
from tests.audit.erasing import BORN, CAROL, about, again, erased, looked
from tests.conftest import chain, entries, make_event

pytestmark = pytest.mark.usefixtures("alone_as_module")

LIST = "/admin/audit/erasure/"


@pytest.fixture(autouse=True)
def own_tombstones(database: None, tmp_path: Path, settings: Any) -> None:
    settings.TOMBSTONES = tmp_path / "tombstones"


@pytest.fixture
def auditor(database: None) -> Client:
    return make_client("auditor")


@pytest.fixture
def administrator(database: None) -> Client:
    return make_client("administrator")


def look_up(client: Client, ledger: Ledger, subject_id: str = CAROL) -> str:
    answer = client.post(
        f"{LIST}find/", {"ledger": ledger.name, "subject": subject_id}, follow=True
    )
    assert answer.status_code == 200
    assert CAROL not in answer.request["PATH_INFO"] + answer.request["QUERY_STRING"]
    return answer.content.decode()


def test_a_person_is_looked_up_with_what_is_known(administrator: Client, ledger: Ledger) -> None:
    chain(ledger, [about(), make_event(), about()])
    catch_up_all(ledger.id)
    hold = apply_hold(ledger, kind="subject", value=CAROL, matter="M-1", reason="x", by="dora")

    page = look_up(administrator, ledger)

    assert "2 entries of" in page
    assert f"/admin/audit/hold/{hold.id}/change/" in page
    assert BORN not in page
    append_pending(ledger.id)
    last = entries(ledger)[-1].parsed()["event"]
    assert last["action"] == "audit.log_viewed"
    assert CAROL not in str(last)


def test_the_entries_of_a_person_are_a_list_of_pages(administrator: Client, ledger: Ledger) -> None:
    chain(ledger, [about() for _ in range(30)])
    catch_up_all(ledger.id)
    address = re.search(r'href="([^"]*/entries/\?[^"]+)"', look_up(administrator, ledger))
    assert address is not None

    page = get(administrator, html.unescape(address[1]))
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older is not None

    assert seqs(page) == list(range(29, 4, -1))
    assert seqs(get(administrator, html.unescape(older[1]))) == list(range(4, -1, -1))
    assert CAROL not in page


def test_nobody_is_found_is_said_without_the_id(administrator: Client, ledger: Ledger) -> None:
    page = look_up(administrator, ledger, "nobody.known")

    assert "Nobody of this id has a living key" in page
    assert "nobody.known" not in page


def test_an_erasure_goes_from_asking_to_its_certificate(
    administrator: Client, ledger: Ledger
) -> None:
    chain(ledger, [about(), make_event(details={"said": CAROL})])
    form = {"ledger": ledger.name, "subject": CAROL}

    asked = administrator.post(f"{LIST}ask/", form | {"case": "DSR-7", "reason": "a letter"})
    work_through_erasures(ledger)
    ready = get(administrator, asked["Location"])
    wrong = administrator.post(
        asked["Location"].replace("/change/", "/confirm/"),
        {"subject": "dave", "reason": "a letter"},
    )
    administrator.post(
        asked["Location"].replace("/change/", "/confirm/"),
        {"subject": CAROL, "reason": "a letter"},
    )
    work_through_erasures(ledger)
    append_pending(ledger.id)
    done = get(administrator, asked["Location"])
    erasure = Erasure.objects.get(ledger=ledger)
    text = administrator.get(f"{LIST}{erasure.id}/certificate.txt")
    pdf = administrator.get(f"{LIST}{erasure.id}/certificate.pdf")

    assert "Erasing would make 1 entry" in ready
    assert wrong.status_code == 409
    assert "another id" in wrong.content.decode()
    assert "Erased: 1 entry" in done
    assert "CERTIFICATE OF ERASURE" in text.content.decode()
    assert pdf.content.startswith(b"%PDF")
    for page in (ready, wrong.content.decode(), done, text.content.decode()):
        assert CAROL not in page
    assert SubjectKey.objects.get(ledger=ledger).wrapped is None


def test_a_refusal_names_the_hold(administrator: Client, ledger: Ledger) -> None:
    chain(ledger, [about()])
    ready = looked(ledger)
    hold = apply_hold(ledger, kind="ledger", value="", matter="M-1", reason="x", by="dora")

    warned = get(administrator, f"{LIST}{ready.id}/change/")
    administrator.post(f"{LIST}{ready.id}/confirm/", {"subject": CAROL, "reason": "a letter"})
    work_through_erasures(ledger)
    refused = get(administrator, f"{LIST}{ready.id}/change/")

    assert "confirming will be refused" in warned
    assert "Refused: held by hold" in refused
    assert f"/admin/audit/hold/{hold.id}/change/" in refused


def test_a_wrong_form_says_what_is_missing_and_keeps_what_was_typed(
    administrator: Client, ledger: Ledger
) -> None:
    chain(ledger, [about()])

    answer = administrator.post(
        f"{LIST}ask/", {"ledger": ledger.name, "subject": CAROL, "case": "DSR-7", "reason": ""}
    )

    assert answer.status_code == 409
    assert "give a reason" in answer.content.decode()
    assert 'value="DSR-7"' in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


def test_the_access_file_is_handed_out_and_is_an_entry(
    administrator: Client, ledger: Ledger
) -> None:
    chain(ledger, [about()])

    answer = administrator.post(f"{LIST}access/", {"ledger": ledger.name, "subject": CAROL})

    assert answer.status_code == 200
    assert b"".join(answer.streaming_content).startswith(b"PK")  # type: ignore[attr-defined]
    append_pending(ledger.id)
    assert entries(ledger)[-1].action == "audit.exported"


def test_an_auditor_sees_erasures_and_looks_nobody_up(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [about()])
    done = erased(ledger)

    page = get(auditor, f"{LIST}?ledger={ledger.name}")
    one = get(auditor, f"{LIST}{done.id}/change/")

    assert "DSR-1" in page
    assert "Look a person up" not in page
    assert "Certificate, PDF" in one
    assert (
        auditor.post(f"{LIST}find/", {"ledger": ledger.name, "subject": CAROL}).status_code == 403
    )


def test_nothing_is_shown_of_a_person_after_the_erasure(
    administrator: Client, ledger: Ledger
) -> None:
    (entry,) = chain(ledger, [about()])
    found = again(looked(ledger))
    listed = re.search(
        r'href="([^"]*/entries/\?[^"]+)"', get(administrator, f"{LIST}{found.id}/change/")
    )
    administrator.post(f"{LIST}{found.id}/confirm/", {"subject": CAROL, "reason": "a letter"})
    work_through_erasures(ledger)

    assert listed is not None
    page = get(administrator, f"{LIST}{found.id}/change/")
    assert "/entries/?" not in page
    assert "Nobody of this id" in look_up(administrator, ledger)
    for address in (f"/admin/audit/entry/{entry.hash}/change/", f"{LIST}?ledger={ledger.name}"):
        assert BORN not in get(administrator, address)
        assert CAROL not in get(administrator, address)
