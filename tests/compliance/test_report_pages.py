"""The pages of reports: from the form to the file, for the people who may."""

from __future__ import annotations

import html
import re
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from audit.append import append_pending
from audit.models import Ledger
from compliance.admin.compared import compare
from compliance.admin.report_form import presets
from compliance.make_report import make_reports, take_report
from compliance.models import Delivery, Report
from compliance.report import cancel_report
from compliance.report_files import files_of, path_of
from compliance.result import as_json
from tests.audit.desk import administrator, auditor, get, main_ledger, make_client
from tests.compliance.reporting import ask, days, fill, finish, made, settle
from tests.compliance.results import a_control, a_leg, a_result
from tests.conftest import chain, entries, make_event

__all__ = ["administrator", "auditor", "main_ledger"]  # fixtures, found by their names here

LIST = "/admin/compliance/report/"
TODAY = datetime.now(UTC).date()


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Any) -> None:
    settings.REPORT_DIR = str(tmp_path / "reports")


@pytest.fixture
def busy(ledger: Ledger) -> Ledger:
    return fill(ledger)


@pytest.fixture
def officer(database: None) -> Client:
    """Return a compliance officer's browser."""
    client = Client()
    user = User.objects.create_user(f"officer-{datetime.now(UTC).timestamp()}", is_staff=True)
    user.groups.add(Group.objects.get(name="compliance officer"))
    client.force_login(user)
    return client


def page_of(client: Client, report: Report) -> str:
    return html.unescape(get(client, f"{LIST}{report.id}/change/"))


def sent(**fields: Any) -> dict[str, Any]:
    start, end = days()
    return {
        "framework": "soc2",
        "period": "own",
        "from": str(start),
        "to": str(end),
        "environment": "prod",
        "format": ["json", "csv"],
        "reason": "October",
    } | fields


def test_an_officer_makes_a_report_and_takes_its_files(officer: Client, busy: Ledger) -> None:
    form = get(officer, f"{LIST}new/?ledger={busy.name}")
    assert "Last month" in form

    answer = officer.post(f"{LIST}new/", sent(ledger=busy.name))

    report = Report.objects.get(ledger=busy)
    assert answer["Location"] == f"{LIST}{report.id}/change/"
    assert (report.via, report.reason, report.formats) == ("admin", "October", ["csv", "json"])
    finish(busy)
    report.refresh_from_db()
    page = page_of(officer, report)
    for said in (report.report_id, report.content_sha256, "Evidenced", "manage.py writereport"):
        assert said in page
    for file in files_of(report):
        assert file.sha256 in page
        answer = officer.get(f"/reports/{report.id}/{file.name}")
        assert b"".join(answer.streaming_content) == path_of(report, file).read_bytes()  # type: ignore[attr-defined]
    append_pending(busy.id)
    taken = [each for each in entries(busy) if each.action == "audit.report_downloaded"]
    assert {each.actor_id for each in taken} == {report.asked_by}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"framework": "soc3"}, "no framework in force"),
        ({"from": "", "to": ""}, "give a day such as"),
        ({"from": "2026-10-02", "to": "2026-10-01"}, "is a day after"),
        ({"from": "2190-01-01", "to": "2190-02-01"}, "is in the future"),
        ({"format": []}, "name at least one"),
        ({"format": ["docx"]}, "there is no format"),
        ({"reason": " "}, "say why"),
        ({"environment": "moon"}, "is one of prod"),
        ({"period": "decade"}, "choose one of the periods"),
    ],
)
def test_what_cannot_be_reported_is_said_on_the_form(
    officer: Client, ledger: Ledger, fields: dict[str, Any], said: str
) -> None:
    answer = officer.post(f"{LIST}new/", sent(ledger=ledger.name, **fields))

    assert answer.status_code == 400
    page = html.unescape(answer.content.decode())
    assert "Nothing was asked for" in page
    assert said in page
    assert not Report.objects.filter(ledger=ledger).exists()


def test_the_form_offers_whole_months_quarters_and_years_that_are_over() -> None:
    month, quarter, year = presets(date(2026, 1, 15), date(2025, 11, 3))

    assert (month.start, month.end) == (date(2025, 12, 1), date(2026, 1, 1))
    assert (quarter.start, quarter.end) == (date(2025, 10, 1), date(2026, 1, 1))
    assert (year.start, year.end) == (date(2025, 1, 1), date(2026, 1, 1))
    assert month.note == ""
    assert "observed from 2025-11-03" in quarter.note
    (late, *_) = presets(date(2026, 1, 15), date(2026, 1, 2))
    assert "nothing of it" in late.note
    assert "no entry yet" in presets(date(2026, 1, 15), None)[0].note


def test_a_period_that_is_not_over_and_one_before_the_ledger_say_so(
    officer: Client, busy: Ledger
) -> None:
    page = page_of(officer, made(busy, "json"))

    assert "The period was not over when this was asked for" in page
    assert f"The ledger was born on {TODAY}" in page


def test_a_report_is_followed_by_its_stage(officer: Client, busy: Ledger) -> None:
    report = ask(busy, "json")
    assert take_report(busy.id) is not None

    Report.objects.filter(id=report.id).update(stage="listing items", done=5, total=20)

    reach = officer.get(f"{LIST}{report.id}/progress/").json()
    page = page_of(officer, report)
    assert (reach["word"], reach["stage"], reach["percent"]) == ("running", "listing items", 25)
    assert 'data-word="running"' in page
    assert "listing items" in page


def test_who_asked_may_stop_it_and_an_officer_any_and_no_other_auditor(ledger: Ledger) -> None:
    alice, bob, carol = (make_client(who) for who in ("auditor", "auditor", "administrator"))
    alice.post(f"{LIST}new/", sent(ledger=ledger.name))
    report = Report.objects.get(ledger=ledger)
    cancel, retry = f"{LIST}{report.id}/cancel/", f"{LIST}{report.id}/retry/"
    assert "Cancel the report" in page_of(alice, report)
    assert "Cancel the report" not in page_of(bob, report)

    assert bob.post(cancel).status_code == 403
    assert alice.post(cancel).status_code == 302
    report.refresh_from_db()
    assert report.state == "cancelled"
    assert "Try again" in page_of(alice, report)
    assert bob.post(retry).status_code == 403
    assert carol.post(retry).status_code == 302
    report.refresh_from_db()
    assert report.state == "queued"
    assert carol.get(cancel).status_code == 405


def test_acts_need_django_s_token(ledger: Ledger) -> None:
    report = ask(ledger)
    client = make_client("administrator", enforce_csrf_checks=True)

    for address in (f"{LIST}{report.id}/cancel/", f"{LIST}new/"):
        assert client.post(address, {"ledger": ledger.name}).status_code == 403


@pytest.mark.parametrize(
    ("who", "status"),
    [("anonymous", 403), ("nobody", 403), ("auditor", 200), ("administrator", 200)],
)
def test_who_may_have_a_file(busy: Ledger, who: str, status: int) -> None:
    report = made(busy, "csv")
    (file,) = files_of(report)

    assert make_client(who).get(f"/reports/{report.id}/{file.name}").status_code == status


def test_the_archive_shows_state_numbers_size_and_hash(auditor: Client, busy: Ledger) -> None:
    report = made(busy, "json", "csv")
    waiting = ask(busy, "json", framework="hipaa")
    cancelled = ask(busy, "json")
    cancel_report(cancelled, by="bob")

    page = get(auditor, f"{LIST}?ledger={busy.name}")
    going = get(auditor, f"{LIST}?ledger={busy.name}&show=going")
    ended = get(auditor, f"{LIST}?ledger={busy.name}&show=ended")
    hipaa = get(auditor, f"{LIST}?ledger={busy.name}&framework=hipaa")

    assert report.content_sha256 in page
    assert f"{report.coverage} %" in page
    assert f"{LIST}{report.id}/change/" not in going
    assert f"{LIST}{waiting.id}/change/" in going
    assert f"{LIST}{cancelled.id}/change/" in ended
    assert f"{LIST}{waiting.id}/change/" in hipaa
    assert f"{LIST}{report.id}/change/" not in hipaa


def test_the_archive_turns_pages_without_losing_the_framework(
    auditor: Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compliance.report.MOST_GOING", 100)
    numbers = [ask(ledger).id for _ in range(27)]

    first = html.unescape(get(auditor, f"{LIST}?ledger={ledger.name}&framework=soc2"))
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    assert "framework=soc2" in older[1]
    second = get(auditor, older[1])

    assert f"{LIST}{numbers[0]}/change/" in second
    assert f"{LIST}{numbers[0]}/change/" not in first


def test_an_empty_archive_says_how_a_report_comes_to_be(officer: Client, ledger: Ledger) -> None:
    page = get(officer, f"{LIST}?ledger={ledger.name}")

    assert "No report yet" in page
    assert "manage.py writereport" in page
    assert "Nothing is being made" in get(officer, f"{LIST}?ledger={ledger.name}&show=going")
    assert "None failed" in get(officer, f"{LIST}?ledger={ledger.name}&show=ended")


def test_a_failure_says_what_happened_and_the_way_out(officer: Client, ledger: Ledger) -> None:
    report = ask(ledger)
    make_reports(ledger.id)

    page = page_of(officer, report)

    assert "no entries yet" in page
    assert "Try again" in page


def test_a_file_that_somebody_removed_is_said_to_be_gone(officer: Client, busy: Ledger) -> None:
    report = made(busy, "csv")
    (file,) = files_of(report)
    path_of(report, file).unlink()

    assert "not where it was put" in page_of(officer, report)
    gone = officer.get(f"/reports/{report.id}/{file.name}")
    assert gone.status_code == 410
    assert "the same bytes" in gone.content.decode()


def test_an_archive_says_how_to_verify_it(officer: Client, busy: Ledger) -> None:
    report = made(busy, "zip")

    page = page_of(officer, report)

    assert "python3 verify.py report" in page
    assert "--bundle FILE" in page


def test_deliveries_stand_on_the_page_and_can_be_sent_again(officer: Client, busy: Ledger) -> None:
    report = made(busy, "json")
    delivery = Delivery.objects.create(
        ledger=busy,
        report_id=report.id,
        position=0,
        kind="email",
        address="dana@example.com",
        state="failed",
        note="the server refused it",
    )

    page = page_of(officer, report)
    answer = officer.post(f"{LIST}{report.id}/send/{delivery.id}/")

    for said in ("dana@example.com", "the server refused it", "Send again"):
        assert said in page
    assert answer.status_code == 302
    states = Delivery.objects.filter(ledger=busy, report_id=report.id).values_list("state")
    assert ("waiting",) in list(states)
    assert officer.post(f"{LIST}{report.id}/send/99999999/").status_code == 404


def test_a_restated_result_is_said_and_leads_to_the_newer_one(
    officer: Client, busy: Ledger
) -> None:
    report = made(busy, "json")
    settle(busy)
    other = made(busy, "json", framework="hipaa")
    assert "Restated" not in page_of(officer, report)
    newer = other.snapshot
    assert newer is not None
    type(newer).objects.create(
        id=uuid.uuid4(),
        ledger=busy,
        framework="soc2",
        kind="period",
        start_day=report.start_day,
        end_day=report.end_day,
        environment="prod",
        made_at=newer.made_at,
        made_by="platform",
        head_seq=newer.head_seq,
        head_hash=newer.head_hash,
        cap=100,
        digest="1" * 64,
        result=newer.result,
        event_id=newer.event_id,
        restates=report.snapshot_id,
    )

    page = page_of(officer, report)

    assert "Restated" in page
    assert "/admin/compliance/report/new/?snapshot=" in page


def test_a_sealed_result_is_reported_from_its_own_form(officer: Client, busy: Ledger) -> None:
    first = made(busy, "json")
    form = get(officer, f"{LIST}new/?snapshot={first.snapshot_id}")
    assert "The sealed result is reported as it is" in form

    officer.post(
        f"{LIST}new/",
        {"snapshot": str(first.snapshot_id), "format": ["json"], "reason": "another copy"},
    )
    finish(busy)

    second = Report.objects.filter(ledger=busy).newest_first().first()
    assert second is not None
    assert (second.state, second.content_sha256) == ("done", first.content_sha256)
    assert officer.get(f"{LIST}new/?snapshot=nonsense").status_code == 404


# --- Comparing ------------------------------------------------------------------------------------


def test_two_reports_are_compared_with_what_changed_and_why(officer: Client, busy: Ledger) -> None:
    first = made(busy, "json")
    chain(busy, [make_event()])
    settle(busy)
    second = made(busy, "json", end=TODAY + timedelta(days=1), start=TODAY - timedelta(days=2))

    page = get(officer, f"{LIST}compare/?a={second.id}&b={first.id}")

    assert "The numbers" in page
    assert "What they were judged by" in page
    assert f"{LIST}{first.id}/change/" in page
    assert "Compare with" in page_of(officer, first)


def test_reports_of_two_frameworks_or_one_with_itself_are_not_compared(
    officer: Client, busy: Ledger
) -> None:
    soc2, hipaa = made(busy, "json"), made(busy, "json", framework="hipaa")
    waiting = ask(busy, "json")

    for pair, said in (
        ((soc2, hipaa), "of two frameworks"),
        ((soc2, soc2), "Both are the same report"),
        ((soc2, waiting), "Both must be done"),
    ):
        answer = officer.get(f"{LIST}compare/?a={pair[0].id}&b={pair[1].id}")
        assert answer.status_code == 400
        assert said in answer.content.decode()
    assert officer.get(f"{LIST}compare/?a={soc2.id}").status_code == 404


def test_a_comparison_names_controls_legs_counts_and_rules_that_differ() -> None:
    failing = a_control("CC6.3", a_leg("CC6.3", "TOOL-01", "fail", n=120, f=4))
    mended = a_control("CC6.3", a_leg("CC6.3", "TOOL-01", "pass", n=130))
    same = a_control("CC7.1", a_leg("CC7.1", "LOG-01", "pass", n=9))
    new = a_control("CC8.1", a_leg("CC8.1", "CHG-01", "pending", n=0, pending=2))
    before = as_json(a_result(controls=(failing, same)))
    after = as_json(a_result(controls=(mended, same, new)))
    after["hashes"] = {**after["hashes"], "catalogue": "f" * 64}

    found = compare(before, after)

    changed = {each.control: each for each in found.controls}
    assert changed.keys() == {"CC6.3", "CC8.1"}
    assert (changed["CC6.3"].before, changed["CC6.3"].after) == ("fail", "pass")
    (leg,) = changed["CC6.3"].legs
    assert leg.counts_before == "120 items, 4 failed"
    assert leg.counts_after == "130 items, 0 failed"
    assert changed["CC8.1"].before == ""
    assert found.unchanged == 1
    assert not found.same_rules
    assert [each.name for each in found.rules if each.is_changed] == ["catalogue"]
