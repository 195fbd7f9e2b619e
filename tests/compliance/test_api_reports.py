"""Reports over the API: asked for, followed, fetched in parts, stopped; each refusal says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client

from audit.append import append_pending
from audit.ledgers import open_ledger
from audit.models import Ledger
from compliance.models import Report
from compliance.report_files import files_of, make_link, path_of
from compliance.snapshot import seal_snapshot
from tests.compliance.reporting import ask, days, fill, finish, made
from tests.compliance.results import a_result
from tests.conftest import entries

ApiKey = Callable[..., str]
REPORTS = "/api/v1/reports"


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Any) -> None:
    settings.REPORT_DIR = str(tmp_path / "reports")


@pytest.fixture
def busy(ledger: Ledger) -> Ledger:
    return fill(ledger)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def post(token: str, address: str, body: Any = None) -> Any:
    return Client(enforce_csrf_checks=True).post(
        address,
        json.dumps(body).encode() if body is not None else b"",
        content_type="application/json",
        headers=bearer(token),
    )


def get(token: str, address: str, **headers: str) -> Any:
    return Client().get(address, headers=bearer(token) | headers)


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def wanted(**fields: Any) -> dict[str, Any]:
    start, end = days()
    given = {"framework": "soc2", "from": str(start), "to": str(end), "formats": ["json", "csv"]}
    return {name: value for name, value in (given | fields).items() if value is not None}


def downloads(ledger: Ledger) -> list[dict[str, Any]]:
    append_pending(ledger.id)
    found = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in found if each["action"] == "audit.report_downloaded"]


def test_a_report_is_asked_for_followed_and_fetched(busy: Ledger, api_key: ApiKey) -> None:
    token = api_key(busy, "entries:read")

    asked = post(token, REPORTS, wanted(reason="October"))

    assert asked.status_code == 202, asked.content
    item, address = asked.json(), asked["Location"]
    assert (item["state"], item["files"], item["via"]) == ("queued", [], "api")
    assert item["asked_by"].startswith("key:")
    finish(busy)
    item = get(token, address).json()
    assert (item["state"], item["percent"]) == ("done", None)
    assert [each["format"] for each in item["files"]] == ["csv", "json"]
    for each in item["files"]:
        file = get(token, f"{address}/files/{each['name']}")
        data = body_of(file)
        assert sha256(data).hexdigest() == each["sha256"] == file["ETag"].strip('"')
        assert len(data) == each["size"] == int(file["Content-Length"])
        assert body_of(Client().get(each["link"])) == data
    said = json.loads(body_of(get(token, f"{address}/files/{item['files'][1]['name']}")))
    assert said["cover"]["report_id"] == item["report_id"]


def test_each_download_names_who_took_what_and_which_part(busy: Ledger, api_key: ApiKey) -> None:
    report = made(busy, "json")
    (file,) = files_of(report)
    token = api_key(busy, "entries:read")
    address = f"{REPORTS}/{report.id}/files/{file.name}"
    whole = path_of(report, file).read_bytes()

    first = body_of(get(token, address, range="bytes=0-999"))
    rest = body_of(get(token, address, range="bytes=1000-"))

    assert first + rest == whole
    taken = downloads(busy)
    assert [each["details"]["by"] for each in taken] == ["key", "key"]
    assert {each["details"]["sha256"] for each in taken} == {file.sha256}
    assert taken[0]["details"]["range"] == f"bytes 0-999/{len(whole)}"
    assert taken[0]["actor"]["type"] == "service"


def test_a_range_beyond_the_end_takes_nothing(busy: Ledger, api_key: ApiKey) -> None:
    report = made(busy, "json")
    (file,) = files_of(report)
    token = api_key(busy, "entries:read")

    answer = get(token, f"{REPORTS}/{report.id}/files/{file.name}", range="bytes=99999999-")

    assert (answer.status_code, answer.json()["code"]) == (416, "range")
    assert downloads(busy) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"framework": "soc3"}, "framework no framework in force"),
        ({"framework": None}, "framework is needed"),
        ({"from": None}, "from is needed"),
        ({"to": "2020-01-01"}, "to is a day after"),
        ({"from": "2190-01-01", "to": "2190-02-01"}, "from is in the future"),
        ({"formats": []}, "formats"),
        ({"formats": ["docx"]}, "formats"),
        ({"formats": None}, "formats"),
        ({"environment": "moon"}, "environment"),
        ({"colour": "red"}, "colour"),
        ({"snapshot": "0192e4d0-1111-7abc-8def-000000000001"}, "framework is the snapshot's"),
        ({"from": "yesterday"}, "from"),
    ],
)
def test_what_cannot_be_asked_for_is_named(
    busy: Ledger, api_key: ApiKey, fields: dict[str, Any], said: str
) -> None:
    answer = post(api_key(busy, "entries:read"), REPORTS, wanted(**fields))

    assert (answer.status_code, answer.json()["code"]) == (400, "parameter"), answer.content
    assert said in answer.json()["detail"]
    assert not Report.objects.filter(ledger=busy).exists()


def test_a_sealed_result_is_reported_as_it_is(ledger: Ledger, api_key: ApiKey) -> None:
    sealed = seal_snapshot(ledger, a_result(ledger=ledger.name), kind="period")
    posture = seal_snapshot(ledger, a_result(ledger=ledger.name), kind="posture")
    token = api_key(ledger, "entries:read")
    other = seal_snapshot(open_ledger(f"{ledger.name}.o"), a_result(ledger="other"), kind="period")

    asked = post(token, REPORTS, {"snapshot": str(sealed.id), "formats": ["json"]})
    refused = post(token, REPORTS, {"snapshot": str(posture.id), "formats": ["json"]})
    foreign = post(token, REPORTS, {"snapshot": str(other.id), "formats": ["json"]})

    assert asked.status_code == 202, asked.content
    assert asked.json()["snapshot"] == str(sealed.id)
    assert "daily posture" in refused.json()["detail"]
    assert "snapshot is none of this ledger" in foreign.json()["detail"]


def test_reports_are_listed_newest_first_a_page_at_a_time(ledger: Ledger, api_key: ApiKey) -> None:
    made_ones = [ask(ledger, "json").id for _ in range(3)]
    token = api_key(ledger, "entries:read")

    first = get(token, f"{REPORTS}?limit=2").json()
    second = get(token, f"{REPORTS}?limit=2&after={first['next']}").json()

    shown = [each["id"] for each in (*first["items"], *second["items"])]
    assert shown == made_ones[::-1]
    assert second["next"] is None
    assert get(token, f"{REPORTS}?state=done").json()["items"] == []
    assert len(get(token, f"{REPORTS}?framework=soc2").json()["items"]) == 3
    assert get(token, f"{REPORTS}?state=lost").json()["code"] == "parameter"
    assert get(token, f"{REPORTS}?colour=red").json()["code"] == "parameter"


def test_a_file_that_is_not_made_yet_says_how_far_it_is(ledger: Ledger, api_key: ApiKey) -> None:
    report = ask(ledger, "json")

    answer = get(api_key(ledger, "entries:read"), f"{REPORTS}/{report.id}/files/x.json")

    assert (answer.status_code, answer.json()["code"]) == (409, "report-not-ready")
    assert "queued" in answer.json()["detail"]
    assert answer["Retry-After"]


def test_a_file_that_somebody_removed_is_said_to_be_gone(busy: Ledger, api_key: ApiKey) -> None:
    report = made(busy, "json")
    (file,) = files_of(report)
    path_of(report, file).unlink()
    token = api_key(busy, "entries:read")

    answer = get(token, f"{REPORTS}/{report.id}/files/{file.name}")
    other = get(token, f"{REPORTS}/{report.id}/files/other.json")

    assert (answer.status_code, answer.json()["code"]) == (410, "report-file-gone")
    assert (other.status_code, other.json()["code"]) == (404, "not-found")
    assert downloads(busy) == []


def test_a_key_stops_what_a_key_asked_for_and_only_while_it_goes_on(
    ledger: Ledger, api_key: ApiKey
) -> None:
    token = api_key(ledger, "entries:read")
    own = post(token, REPORTS, wanted()).json()["id"]
    somebodys = ask(ledger, "json").id

    stopped = post(token, f"{REPORTS}/{own}/cancel")

    assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
    again = post(token, f"{REPORTS}/{own}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "report-ended")
    assert post(token, f"{REPORTS}/{somebodys}/cancel").json()["code"] == "not-found"


def test_too_many_unfinished_reports_have_to_wait(
    ledger: Ledger, api_key: ApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compliance.report.MOST_GOING", 1)
    token = api_key(ledger, "entries:read")
    assert post(token, REPORTS, wanted()).status_code == 202

    answer = post(token, REPORTS, wanted())

    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-reports")
    assert answer["Retry-After"]


def test_a_key_sees_the_reports_of_its_own_ledger_and_needs_to_read(
    ledger: Ledger, api_key: ApiKey
) -> None:
    report = ask(ledger, "json")
    stranger = api_key(open_ledger(f"{ledger.name}.other"), "entries:read")
    writer = api_key(ledger, "events:write")

    assert get(stranger, f"{REPORTS}/{report.id}").json()["code"] == "not-found"
    assert get(stranger, REPORTS).json()["items"] == []
    for answer in (get(writer, REPORTS), post(writer, REPORTS, wanted())):
        assert answer.json()["code"] == "scope-missing"


def test_a_link_opens_its_file_alone_until_it_expires(busy: Ledger, settings: Any) -> None:
    report = made(busy, "json", "csv")
    csv, json_ = files_of(report)
    link = make_link(report, csv)
    token = link.partition("?link=")[2]

    assert Client().get(link).status_code == 200
    assert Client().get(f"/reports/{report.id}/{json_.name}?link={token}").status_code == 403
    assert Client().get(f"/reports/{report.id}/{csv.name}?link={token}x").status_code == 403
    assert Client().get(f"/reports/{report.id}/{csv.name}").status_code == 403
    assert Client().get("/reports/99999999/x.csv").status_code == 403
    settings.REPORT_LINK_SECONDS = -1
    assert Client().get(link).status_code == 403
    (taken,) = downloads(busy)
    assert taken["details"]["by"] == "link"
    settings.PUBLIC_URL = "https://audit.example.com"
    assert make_link(report, csv).startswith("https://audit.example.com/reports/")


def test_looking_at_the_head_of_a_file_takes_nothing(busy: Ledger, api_key: ApiKey) -> None:
    report = made(busy, "json")
    (file,) = files_of(report)
    answer = Client().head(make_link(report, file))

    assert (answer.status_code, answer["Content-Length"]) == (200, str(file.size))
    assert downloads(busy) == []
