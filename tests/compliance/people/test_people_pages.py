"""People's part at the desk: what each group sees and may do, the forms, and that acts are told."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audit.models import Ledger
from compliance.in_force import catalogue_in_force
from compliance.models import Decision, Finding, NilReturn, Review, Statement, UploadedFramework
from tests.compliance.people.desk import account, acts, in_days
from tests.compliance.people.test_uploaded import text as framework_text

COMPLIANCE = "/admin/compliance"


def client(*groups: str) -> Client:
    """Log somebody of these groups in."""
    found = Client()
    found.force_login(account(*groups))
    return found


@pytest.fixture
def officer(database: None) -> Client:
    return client("compliance officer")


@pytest.fixture
def administrator(database: None) -> Client:
    return client("administrator")


@pytest.fixture
def auditor(database: None) -> Client:
    return client("auditor")


def said(page: bytes) -> str:
    """Return what a page says, without its tags."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.decode())))


def see(who: Client, address: str, status: int = 200) -> str:
    answer = who.get(address)
    assert answer.status_code == status, (answer.status_code, said(answer.content))
    return said(answer.content)


def send(who: Client, address: str, status: int = 200, **form: Any) -> str:
    """Send a form and return what the page it leads to says."""
    answer = who.post(address, form, follow=True)
    assert answer.status_code == status, (answer.status_code, said(answer.content))
    return said(answer.content)


def statement_form(ledger: Ledger, **more: Any) -> dict[str, Any]:
    return {
        "ledger": ledger.name,
        "framework": "soc2",
        "control": "CC1.1",
        "text": "We keep a code of conduct.",
        "role": "chief executive",
        "effective_from": in_days(-5).isoformat(),
        "effective_to": in_days(200).isoformat(),
        "file": SimpleUploadedFile("code <1>.pdf", b"%PDF of a code"),
    } | more


# --- Statements ----------------------------------------------------------------------------------


def test_two_people_sign_a_statement_from_the_desk(
    officer: Client, administrator: Client, auditor: Client, ledger: Ledger
) -> None:
    kept = send(officer, f"{COMPLIANCE}/statement/new/", **statement_form(ledger))
    row = Statement.objects.get(ledger=ledger)
    here = f"{COMPLIANCE}/statement/{row.id}"

    waits = see(auditor, f"{COMPLIANCE}/statement/?ledger={ledger.name}&show=draft")
    signed = send(administrator, f"{here}/sign/")
    listed = see(auditor, f"{COMPLIANCE}/statement/?ledger={ledger.name}")

    assert "It is kept; another person signs it." in kept
    assert "Somebody who holds the right to sign statements signs it." in kept
    assert "to be signed" in waits
    assert "It is signed; this is an entry in the ledger." in signed
    assert "code <1>.pdf" in listed
    assert [act.details["act"] for act in acts(ledger)] == ["signed"]


def test_the_file_is_kept_by_the_browser_and_never_shown(
    officer: Client, auditor: Client, ledger: Ledger
) -> None:
    send(officer, f"{COMPLIANCE}/statement/new/", **statement_form(ledger))
    row = Statement.objects.get(ledger=ledger)

    answer = auditor.get(f"{COMPLIANCE}/statement/{row.id}/file/")

    assert answer.content == b"%PDF of a code"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment;")


def test_a_form_that_lacks_something_names_the_field_and_keeps_what_was_typed(
    officer: Client, ledger: Ledger
) -> None:
    form = statement_form(ledger, control="CC99.9", text="Typed by hand <b>")

    answer = officer.post(f"{COMPLIANCE}/statement/new/", form)
    page = answer.content.decode()

    assert answer.status_code == 400
    assert "Control: soc2 has no such control" in said(answer.content)
    assert "Typed by hand &lt;b&gt;" in page
    assert "<b>" not in page
    assert not Statement.objects.filter(ledger=ledger).exists()


def test_a_statement_is_withdrawn_with_a_reason_only(
    officer: Client, administrator: Client, ledger: Ledger
) -> None:
    send(officer, f"{COMPLIANCE}/statement/new/", **statement_form(ledger))
    here = f"{COMPLIANCE}/statement/{Statement.objects.get(ledger=ledger).id}"
    send(administrator, f"{here}/sign/")

    without = send(administrator, f"{here}/withdraw/", status=409, reason=" ")
    withdrawn = send(administrator, f"{here}/withdraw/", reason="repealed")

    assert "Nothing was done: say why it no longer holds." in without
    assert "Withdrawn by" in withdrawn


def test_a_renewal_begins_with_what_was_said_before(
    officer: Client, administrator: Client, ledger: Ledger
) -> None:
    send(officer, f"{COMPLIANCE}/statement/new/", **statement_form(ledger))
    row = Statement.objects.get(ledger=ledger)
    send(administrator, f"{COMPLIANCE}/statement/{row.id}/sign/")
    new = f"{COMPLIANCE}/statement/new/?ledger={ledger.name}&renews={row.id}"

    page = officer.get(new).content.decode()
    send(officer, new, **statement_form(ledger))

    assert "We keep a code of conduct." in page
    assert Statement.objects.filter(ledger=ledger, renews_id=row.id).exists()


# --- What needs a second person ------------------------------------------------------------------


def waiver_form(ledger: Ledger, **more: Any) -> dict[str, Any]:
    return {
        "ledger": ledger.name,
        "framework": "soc2",
        "control": "CC4.1",
        "check": "LOG-10",
        "items": "41\n42, 43",
        "reason": "the reviewer is ill",
        "risk": "seen late",
        "compensating": "alerts are read",
        "expires_on": in_days(30).isoformat(),
    } | more


def a_soc2_leg() -> tuple[str, str]:
    """Return a control of soc2 that rests on a check, and that check."""
    controls = catalogue_in_force().frameworks["soc2"].controls
    checks = catalogue_in_force().checks
    return next(
        (one.id, check)
        for one in controls
        for check in one.checks
        if checks[check].severity != "critical"
    )


def test_a_waiver_is_asked_found_under_approvals_approved_and_revoked(
    officer: Client, administrator: Client, auditor: Client, ledger: Ledger
) -> None:
    control, check = a_soc2_leg()
    form = waiver_form(ledger, control=control, check=check)
    asked = send(officer, f"{COMPLIANCE}/decision/new/waiver/", **form)
    row = Decision.objects.get(ledger=ledger)
    here = f"{COMPLIANCE}/decision/{row.id}"

    waits = see(auditor, f"{COMPLIANCE}/decision/?ledger={ledger.name}")
    refused = officer.post(f"{here}/approve/")
    approved = send(administrator, f"{here}/approve/")
    standing = see(auditor, f"{COMPLIANCE}/decision/waivers/?ledger={ledger.name}")
    revoked = send(administrator, f"{here}/end/", reason="repaired")

    assert "It waits for another person." in asked
    assert f"soc2 {control} {check}, 3 items" in waits
    assert refused.status_code == 403
    assert "It is approved; this is an entry in the ledger." in approved
    assert "the reviewer is ill" in standing
    assert "ended by" in revoked
    assert [act.details["act"] for act in acts(ledger)] == ["approved", "revoked"]


def test_the_asker_sees_why_he_may_not_approve_and_takes_it_back(
    administrator: Client, ledger: Ledger
) -> None:
    control, check = a_soc2_leg()
    form = waiver_form(ledger, control=control, check=check)
    asked = send(administrator, f"{COMPLIANCE}/decision/new/waiver/", **form)
    here = f"{COMPLIANCE}/decision/{Decision.objects.get(ledger=ledger).id}"

    tried = send(administrator, f"{here}/approve/", status=409)
    back = send(administrator, f"{here}/deny/", reason="repaired meanwhile")

    assert "You asked for it; another person approves it." in asked
    assert "Nothing was done: you asked for it" in tried
    assert "It is refused and counts for nothing." in back


def test_an_officer_takes_back_only_his_own(officer: Client, ledger: Ledger) -> None:
    control, check = a_soc2_leg()
    form = waiver_form(ledger, control=control, check=check)
    send(client("compliance officer"), f"{COMPLIANCE}/decision/new/waiver/", **form)
    here = f"{COMPLIANCE}/decision/{Decision.objects.get(ledger=ledger).id}"

    page = send(officer, f"{here}/deny/", status=409, reason="not mine")

    assert "you may take back only what you asked for" in page


def test_scope_and_a_high_risk_system_are_asked_by_form(
    officer: Client, administrator: Client, ledger: Ledger
) -> None:
    scope: dict[str, Any] = {
        "ledger": ledger.name,
        "framework": "soc2",
        "control": "CC1.1",
        "flag": "",
        "reason": "not ours",
        "expires_on": in_days(90).isoformat(),
    }
    applies: dict[str, Any] = {
        "ledger": ledger.name,
        "framework": "eu_ai_act",
        "system": "credit-agent",
        "role": "deployer",
        "act": "applies",
        "reason": "it scores credit",
    }
    send(officer, f"{COMPLIANCE}/decision/new/scope/", **scope)
    send(officer, f"{COMPLIANCE}/decision/new/applies/", **applies)

    for row in Decision.objects.filter(ledger=ledger):
        send(administrator, f"{COMPLIANCE}/decision/{row.id}/approve/")

    assert sorted(act.details["act"] for act in acts(ledger)) == ["applies", "out"]


# --- Nil returns, reviews, findings --------------------------------------------------------------


def test_a_nil_return_and_a_review_are_signed_by_form(
    officer: Client, auditor: Client, ledger: Ledger
) -> None:
    nil: dict[str, Any] = {
        "ledger": ledger.name,
        "check": "DSR-01",
        "first": in_days(-30).isoformat(),
        "last": in_days(0).isoformat(),
        "text": "nobody asked",
    }
    review: dict[str, Any] = {
        "ledger": ledger.name,
        "scope": "denied calls",
        "items": "1,200",
        "findings": "0",
        "note": "all well",
    }

    signed = send(officer, f"{COMPLIANCE}/nilreturn/new/", **nil)
    tomorrow = nil | {"last": in_days(1).isoformat()}
    early = send(officer, f"{COMPLIANCE}/nilreturn/new/", status=400, **tomorrow)
    done = send(officer, f"{COMPLIANCE}/review/new/", **review)
    row = NilReturn.objects.get(ledger=ledger)
    back = send(officer, f"{COMPLIANCE}/nilreturn/{row.id}/withdraw/", reason="one did")

    assert "It is signed; this is an entry" in signed
    assert "Last day: nobody can sign for a day to come" in early
    assert "reviewed 1,200 records" in done
    assert "It is withdrawn" in back
    assert Review.objects.get(ledger=ledger).items_count == 1_200
    assert "denied calls" in see(auditor, f"{COMPLIANCE}/review/?ledger={ledger.name}")


def test_a_finding_is_prefilled_opened_and_closed(officer: Client, ledger: Ledger) -> None:
    control, check = a_soc2_leg()
    new = f"{COMPLIANCE}/finding/new/"
    query = f"?ledger={ledger.name}&framework=soc2&control={control}&check={check}&item=41"
    owner = account("administrator").get_username()
    form: dict[str, Any] = {
        "ledger": ledger.name,
        "framework": "soc2",
        "control": control,
        "check": check,
        "title": "Reviews stopped",
        "owner": owner,
        "due": in_days(5).isoformat(),
    }

    page = officer.get(new + query).content.decode()
    opened = send(officer, new, **form)
    here = f"{COMPLIANCE}/finding/{Finding.objects.get(ledger=ledger).id}"
    retest = send(officer, f"{here}/retest/", status=409)
    closed = send(officer, f"{here}/close/", note="a second reviewer is named")

    assert 'value="41"' in page
    assert f'value="{check}"' in page
    assert f"Reviews stopped: {owner} puts it right by" in opened
    assert "it names no item" in retest
    assert "closed by" in closed


def test_the_overview_says_what_waits_for_a_person_and_leads_there(
    officer: Client, administrator: Client, auditor: Client, ledger: Ledger
) -> None:
    soon = {"effective_to": in_days(20).isoformat(), "expires_on": in_days(20).isoformat()}
    send(officer, f"{COMPLIANCE}/statement/new/", **statement_form(ledger, **soon))
    row = Statement.objects.get(ledger=ledger)
    unsigned = see(auditor, f"/admin/?ledger={ledger.name}")
    send(administrator, f"{COMPLIANCE}/statement/{row.id}/sign/")

    signed = see(auditor, f"/admin/?ledger={ledger.name}")
    ending = see(auditor, f"{COMPLIANCE}/decision/ending/?ledger={ledger.name}")

    assert "1 to sign" in unsigned
    assert "1 ending, the first in 20 d" in signed
    assert f"Statement {row.id} for soc2 CC1.1" in ending
    assert in_days(20).isoformat() in ending


# --- The catalogue -------------------------------------------------------------------------------


@pytest.fixture
def house(database: None) -> Iterator[str]:
    name = f"house-{uuid.uuid4().hex[:8]}"
    yield name
    UploadedFramework.objects.filter(name=name, is_in_force=True).update(
        is_in_force=False, ended_by="tests"
    )


def test_a_framework_is_uploaded_and_a_broken_one_is_told_by_line(
    administrator: Client, auditor: Client, house: str
) -> None:
    here = f"{COMPLIANCE}/uploadedframework/"
    good = SimpleUploadedFile("house.yaml", framework_text(house))
    bad = SimpleUploadedFile("house.yaml", framework_text(house, check="LOG-99"))

    taken = send(administrator, f"{here}upload/", file=good)
    refused = send(administrator, f"{here}upload/", status=400, file=bad)
    listed = see(auditor, here)
    row = UploadedFramework.objects.get(name=house)
    kept = auditor.get(f"{here}{row.id}/text/")
    ended = send(administrator, f"{here}{row.id}/end/")

    assert f"{house} 1.0 is in force" in taken
    assert "Nothing was changed; what was in force stays in force." in refused
    assert re.search(r"upload\.yaml:\d+: .*LOG-99", refused)
    assert house in listed
    assert "Upload a framework" not in listed
    assert kept.content == framework_text(house)
    assert "is in force no more" in ended


def test_limits_show_what_is_shipped_and_a_tighter_one_holds_at_once(
    officer: Client, auditor: Client, ledger: Ledger
) -> None:
    set_at = reverse("admin:compliance_uploadedframework_limit")
    query = f"?ledger={ledger.name}&what=parameter&name=every&check=LOG-10"

    asked = see(officer, set_at + query)
    made = send(officer, set_at + query, after="P3D", reason="more often")
    looser = send(officer, set_at + query, after="P30D", reason="less often")
    wrong = send(officer, set_at + query, status=400, after="soon", reason="so")
    page = see(auditor, f"{COMPLIANCE}/uploadedframework/limits/?ledger={ledger.name}")

    assert "Shipped is P7D." in asked
    assert "set by" in made
    assert "waits for another person" in looser
    assert "Value: give a value such as P7D" in wrong
    assert "P3D" in page
    assert [act.details["after"] for act in acts(ledger)] == ["P3D"]


# --- Who may what --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", ["statement", "decision", "decision/waivers", "nilreturn", "review", "finding"]
)
def test_an_empty_list_teaches(auditor: Client, ledger: Ledger, page: str) -> None:
    seen = auditor.get(f"{COMPLIANCE}/{page}/?ledger={ledger.name}").content.decode()

    assert "obs-empty" in seen


def test_an_auditor_reads_and_is_offered_no_act(auditor: Client, ledger: Ledger) -> None:
    for page in ("statement", "decision", "nilreturn", "review", "finding"):
        seen = auditor.get(f"{COMPLIANCE}/{page}/?ledger={ledger.name}").content.decode()
        assert "/new/" not in seen
    for form in ("statement/new", "decision/new/waiver", "finding/new", "review/new"):
        assert auditor.get(f"{COMPLIANCE}/{form}/").status_code == 403
        assert auditor.post(f"{COMPLIANCE}/{form}/").status_code == 403


def test_pages_hold_no_inline_script_or_style(officer: Client, ledger: Ledger) -> None:
    for page in ("statement/new", "decision/new/waiver", "uploadedframework/limits", "finding"):
        seen = officer.get(f"{COMPLIANCE}/{page}/?ledger={ledger.name}").content.decode()
        body = seen[seen.index('class="obs-page') :]
        assert " style=" not in body
        assert "onclick" not in body
